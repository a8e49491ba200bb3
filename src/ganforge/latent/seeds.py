"""Random numbers that belong to a seed, whatever its size."""

import torch

__all__ = ["seeded"]

STRIDE = 2654435761  # odd, near 2^32 / golden ratio: neighbouring upper halves land far from each other


def seeded(rng: torch.Generator, seed: int) -> torch.Generator:
    """The generator, started at a seed.

    torch's own generator on the CPU looks at a seed's lower 32 bits alone, so 2^32 and 0 would be one seed to it. Here
    the upper half moves the lower one: seeds below 2^32 are what they always were, and blocks of others, as they are
    used for labels, coins and judgements, lie elsewhere.

    >>> rng = torch.Generator()
    >>> torch.equal(torch.randn(3, generator=seeded(rng, 2**32)), torch.randn(3, generator=seeded(rng, 0)))
    False
    """
    return rng.manual_seed((seed + (seed >> 32) * STRIDE) % 2**32)
