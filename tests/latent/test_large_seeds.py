"""Seeds of any size are seeds of their own."""

import math

import torch

from ganforge.latent import seeded
from ganforge.sample import latents


def test_large_seeds_are_others_and_small_ones_are_torchs_own() -> None:
    rng = torch.Generator()
    for seed in (0, 7, 2**32 - 1):
        assert torch.equal(torch.randn(4, generator=seeded(rng, seed)), torch.randn(4, generator=rng.manual_seed(seed)))
    z = latents([block + n for block in (0, 2**32, 2**33, 2**34, 2**62) for n in range(50)], 3)
    assert len(torch.unique(z, dim=0)) == 250
    assert torch.equal(latents([2**40 + 3], 3), latents([2**40 + 3], 3))


def dependence(u: torch.Tensor, z: torch.Tensor) -> float:
    """Of one seed's uniform number and one's normal number, where torch makes both from the same bits: its normal is
    r·cos(2πv), and the digits of v that count are those of 8u after the point."""
    return float(torch.corrcoef(torch.stack([torch.cos(16 * math.pi * u), z]))[0, 1])


def test_what_a_seed_decides_besides_its_latent_does_not_depend_on_it() -> None:
    rng, z = torch.Generator(), latents(range(4000), 1)[:, 0]

    def uniform(block: int) -> torch.Tensor:
        return torch.tensor([torch.rand((), generator=seeded(rng, block + n)).item() for n in range(4000)])

    assert dependence(uniform(0), z) > 0.8
    for block in (2**32, 2**33, 2**34):
        assert abs(dependence(uniform(block), z)) < 4 / 4000**0.5  # 4 σ
