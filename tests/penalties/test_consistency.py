"""Consistency: the changes are what they say, and the penalties the squares of what they do to the logits."""

import pytest
import torch
from torch import Tensor, nn

from ganforge.penalties import Context, balanced_consistency, consistency, latent_consistency
from ganforge.penalties.consistency import transformed
from ganforge.terms import Scene, latent_spread


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Corner(nn.Module):
    """D(x) = the first number of each sample."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.scale * x.flatten(1)[:, 0]


def candidates(image: Tensor, most: int, flip: bool) -> list[Tensor]:
    """Every image that a shift and a mirroring can make of one, by slicing."""
    found = []
    for start in [image, image.flip(-1)] if flip else [image]:
        for down in range(-most, most + 1):
            for right in range(-most, most + 1):
                moved = torch.zeros_like(start)
                height, width = start.shape[1:]
                moved[:, max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)] = start[
                    :, max(-down, 0) : height - max(down, 0), max(-right, 0) : width - max(right, 0)
                ]
                found.append(moved)
    return found


@pytest.mark.parametrize("flip", [True, False])
def test_images_become_each_of_their_shifts_and_mirrorings_and_nothing_else(flip: bool) -> None:
    image = torch.rand(2, 8, 8) + 1
    batch = image.expand(600, -1, -1, -1)
    moved = transformed(batch, rng(), shift=0.125, flip=flip, jitter=0.0)
    places = torch.stack([torch.stack([(one == c).all() for c in candidates(image, 1, flip)]) for one in moved])
    assert (places.sum(1) == 1).all()
    counts = places.sum(0)
    assert len(counts) == (18 if flip else 9)
    assert counts.min() > 600 / len(counts) / 3


def test_without_shift_and_mirroring_an_image_stays() -> None:
    x = torch.rand(5, 1, 8, 8)
    assert torch.equal(transformed(x, rng(), shift=0.0, flip=False, jitter=1.0), x)


def test_points_jitter() -> None:
    x = torch.zeros(4000, 3)
    moved = transformed(x, rng(), shift=0.5, flip=True, jitter=0.1)
    assert float(moved.std()) == pytest.approx(0.1, rel=0.05)
    assert float(moved.mean()) == pytest.approx(0, abs=0.005)


def context(D: nn.Module, *, count: int = 200) -> Context:
    real, fake = torch.randn(2, count, 3, dtype=torch.float64)
    return Context(D, real, fake, D(real), D(fake), None, rng(3), 0)


def test_consistency_is_the_squared_difference_of_logits() -> None:
    at = context(Corner())
    expected = 7 * (0.2 * torch.randn(200, 3, generator=rng(3), dtype=torch.float64))[:, 0].square()
    assert torch.allclose(consistency(weight=7.0, jitter=0.2).term(at), expected)


def test_balanced_consistency_adds_the_fakes() -> None:
    def term(**weights: float) -> Tensor:
        return balanced_consistency(jitter=0.2, **weights).term(context(Corner()))

    torch.manual_seed(1)
    real, fake, both = (
        (torch.manual_seed(1), term(real_weight=a, fake_weight=b))[1] for a, b in ((2.0, 0.0), (0.0, 3.0), (2.0, 3.0))
    )
    noise = 0.2 * torch.randn(200, 3, generator=(start := rng(3)), dtype=torch.float64)
    assert torch.allclose(real, 2 * noise[:, 0].square())
    assert torch.allclose(fake, 3 * (0.2 * torch.randn(200, 3, generator=start, dtype=torch.float64))[:, 0].square())
    assert torch.allclose(both, real + fake)


def test_latent_consistency_moves_the_latents_and_packs_again() -> None:
    G, D = nn.Linear(2, 3, bias=False).double(), Corner()
    z = torch.randn(8, 2, dtype=torch.float64)
    packs = G(z).detach().reshape(4, 6)
    at = Context(D, packs, packs, D(packs), D(packs), None, rng(3), 0, G=G, z=z)
    term = latent_consistency(weight=2.0, sigma=0.3).term(at)
    noise = 0.3 * torch.randn(8, 2, generator=rng(3), dtype=torch.float64)
    assert torch.allclose(term, 2 * (noise[::2] @ G.weight.T)[:, 0].square())  # the first member is what D looks at
    assert all(p.grad is None for p in G.parameters())
    gradients = torch.autograd.grad(term.sum(), [*G.parameters(), D.scale], allow_unused=True)
    assert gradients[0] is None
    assert gradients[1] is not None


def test_a_gradient_at_the_samples_is_not_asked_for() -> None:
    D = Corner()
    real = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    at = Context(D, real, real.detach(), D(real), D(real).detach(), None, rng(), 0)
    consistency().term(at).sum().backward()
    assert D.scale.grad is not None


def test_latent_spread_pays_for_what_a_change_of_latents_does() -> None:
    G = nn.Linear(2, 6, bias=False).double()
    z = torch.randn(5, 2, dtype=torch.float64)
    scene = Scene(Corner(), G, z, G(z), torch.zeros(5, 6), lambda x: [x], rng(3), 0)
    term = latent_spread(weight=2.0, sigma=0.3).term(scene)
    moved = 0.3 * torch.randn(5, 2, generator=rng(3), dtype=torch.float64) @ G.weight.T
    assert torch.allclose(term, -2 * moved.square().mean(1))
    (gradient,) = torch.autograd.grad(term.sum(), G.weight)
    assert (gradient * G.weight).sum() < 0  # larger weights, a smaller loss


class Half(nn.Module):
    """To float16."""

    def forward(self, x: Tensor) -> Tensor:
        return x.half()


def test_latent_spread_of_half_precision_samples_does_not_vanish() -> None:
    G, z = nn.Sequential(nn.Linear(2, 6, bias=False), Half()), torch.randn(5, 2)
    scene = Scene(Corner(), G, z, G(z), torch.zeros(5, 6), lambda x: [x], rng(3), 0)
    term = latent_spread(weight=1.0, sigma=1e-3).term(scene)
    assert term.dtype == torch.float32
    assert (term < 0).all()
