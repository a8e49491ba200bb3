"""Stacked MNIST: three handwritten digits as the channels of one image, so 1,000 modes that a classifier can count.

Metz et al. 2017, arXiv:1611.02163, section 3.3.1; here with the counts of Lin et al. 2018, arXiv:1712.04086, section
4.2: 128,000 training images and 26,000 judged ones. *Differs:* the digit of each channel is drawn uniformly by class
first, so that all 1,000 modes weigh the same (MNIST's own shares run from 9.0 to 11.2 %).
"""

from dataclasses import replace

import torch

from ganforge.data.fit import Fit, idle
from ganforge.data.images import Array, Source, fitted, parted
from ganforge.errors import DataError

__all__ = ["open_stacked", "stacked"]

TRAINING, JUDGED = 128_000, 26_000
CLASSES = tuple(f"{n:03d}" for n in range(1000))


def stacked(digits: Array, count: int, seed: int) -> Array:
    """`count` images of three digits each, (count, 3, H, W), labelled 100a + 10b + c; the seed fixes which.

    Raises:
        DataError: if a digit doesn't occur.
    """
    assert digits.labels is not None
    sizes = digits.labels.bincount(minlength=10)
    if not bool((sizes > 0).all()):
        raise DataError(f"stacked_mnist needs all ten digits, and some don't occur among {len(digits):,}.")
    rng = torch.Generator().manual_seed(seed)
    chosen = torch.randint(10, (count, 3), generator=rng)
    within = (torch.rand(count, 3, generator=rng, dtype=torch.float64) * sizes[chosen]).long()
    index = digits.labels.argsort(stable=True)[(sizes.cumsum(0) - sizes)[chosen] + within]
    pixels = digits.tensor[index.flatten(), 0].view(count, 3, *digits.shape[1:])
    return Array(pixels, chosen @ torch.tensor([100, 10, 1]))


def open_stacked(train: Array, test: Array, fit: Fit, *, held_out: int | None) -> Source:
    """Stacks of `train`'s digits, and of `test`'s. The last sixth of the training digits makes the held-out images.

    Raises:
        DataError: for other than three channels.
    """
    if fit.channels not in (None, 3):
        raise DataError(
            f"stacked_mnist has one digit in each of 3 channels, not channels={fit.channels}: leave it out."
        )
    kept = parted("stacked_mnist", TRAINING + JUDGED, held_out, JUDGED)
    cut = len(train) - len(train) // 6 if kept else len(train)
    splits = [
        (train.part(slice(0, cut)), TRAINING),
        (train.part(slice(cut, None)), kept),
        (test, JUDGED),
    ]
    arrays = [stacked(digits, count, seed) if count else None for seed, (digits, count) in enumerate(splits)]
    fit = replace(fit, size=fit.size or train.shape[1], channels=3)
    fits = [a and Array(fitted(a.tensor, fit), a.labels) for a in arrays]
    assert fits[0] is not None
    notes = tuple(idle(fit, train.shape[1:]))
    return Source("stacked_mnist", fits[0], fits[1], fits[2], CLASSES, extractor="stacked_mnist", notes=notes)
