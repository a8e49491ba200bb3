"""Structural similarity against torchmetrics, its limits, and what a collapse does to it."""

import pytest
import torch
from torch import Tensor

from ganforge.errors import DataError
from ganforge.metrics import ms_ssim, pairwise_similarity


def pair(size: int, channels: int = 1) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    coarse = torch.rand(3, channels, size // 4, size // 4, generator=rng).double()
    x = coarse.repeat_interleave(4, 2).repeat_interleave(4, 3)
    return x, (x + 0.3 * torch.rand(x.shape, generator=rng)).clamp(0, 1)


@pytest.mark.filterwarnings("ignore")  # torchmetrics' own imports
@pytest.mark.parametrize(("size", "scales"), [(20, 1), (32, 2), (100, 4), (192, 5)])
def test_agrees_with_torchmetrics(size: int, scales: int) -> None:
    """Scale by scale; they judge the coarsest over a reflected border too, which is cut off here."""
    image = pytest.importorskip("torchmetrics.functional.image.ssim", exc_type=Exception)
    x, y = a, b = pair(size)
    expected = torch.ones(3).double()
    weights = torch.tensor([0.0448, 0.2856, 0.3001, 0.2363, 0.1333][:scales]).double()
    for step, weight in enumerate(weights / weights.sum()):
        _, structure = image._ssim_update(a, b, data_range=1.0, return_contrast_sensitivity=True)
        _, whole = image._ssim_update(a, b, data_range=1.0, return_full_image=True)
        last = whole[..., 5:-5, 5:-5].flatten(1).mean(1)
        expected *= (last if step == scales - 1 else structure).clamp_min(0) ** weight
        a, b = (torch.nn.functional.avg_pool2d(side, 2) for side in (a, b))
    torch.testing.assert_close(ms_ssim(x, y), expected, rtol=1e-6, atol=0.0)


def test_channels_are_averaged() -> None:
    x, y = pair(64, channels=3)
    apart = torch.stack([ms_ssim(x[:, c : c + 1], y[:, c : c + 1]) for c in range(3)])
    torch.testing.assert_close(ms_ssim(x, y), apart.mean(0))


@pytest.mark.parametrize("size", [11, 28, 64, 180])
def test_equals_are_wholly_alike(size: int) -> None:
    x = torch.rand(2, 2, size, size + 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ms_ssim(x, x), torch.ones(2))


def test_a_collapse_shows() -> None:
    rng = torch.Generator().manual_seed(0)
    varied = (255 * torch.rand(100, 1, 28, 28, generator=rng)).byte()
    collapsed = varied[:1].repeat(100, 1, 1, 1)
    few, many = pairwise_similarity(varied, pairs=300), pairwise_similarity(collapsed, pairs=300)
    assert few.value < 0.1
    assert many.value == pytest.approx(1)
    assert few.scales == many.scales == 2
    assert 0 < few.standard_error < 0.01


def test_what_cannot_be_compared() -> None:
    with pytest.raises(DataError, match="two or more images; there are 1"):
        pairwise_similarity(torch.zeros(1, 1, 28, 28))
    with pytest.raises(DataError, match="images of 8 × 99 are smaller than the window of 11"):
        ms_ssim(torch.zeros(1, 1, 8, 99), torch.zeros(1, 1, 8, 99))
