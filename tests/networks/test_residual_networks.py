"""The residual line: parameter counts of the published networks, blocks against plain formulas, what begins as what."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.layers import Condition, SelfAttention, SharedBatchNorm
from ganforge.layers.residual import DownBlock, UpBlock, orthogonal_
from ganforge.networks import biggan, biggan_deep, sagan, sngan, wgan_gp

IMAGENET = Condition("class", 1000)


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    ("network", "G", "D"),
    [
        # google/compare_gan, resnet_biggan_test.py and resnet_biggan_deep_test.py, at 128 pixels and 1000 classes
        (biggan, 70_433_988, 87_982_370),
        (biggan_deep, 50_244_484, 34_590_210),
    ],
    ids=["biggan", "biggan_deep"],
)
def test_as_many_parameters_as_the_authors_count(network: object, G: int, D: int) -> None:
    with fast_init():
        assert count(network.Generator(shape=(3, 128, 128), condition=IMAGENET)) == G  # type: ignore[attr-defined]
        assert count(network.Discriminator(shape=(3, 128, 128), condition=IMAGENET)) == D  # type: ignore[attr-defined]


def test_sagan_has_the_parameters_of_biggan_without_its_tricks() -> None:
    """BigGAN-PyTorch notes 42,017,412 and 39,448,258 for ch 64 without tricks; its attention looks at 64 × 64 maps, of
    128 and 64 channels, ours, as the paper's, at 32 × 32, of 256 and 128."""

    def attention(c: int) -> int:
        return 2 * c * (c // 8) + 2 * c * (c // 2) + 1

    with fast_init():
        G = count(sagan.Generator(shape=(3, 128, 128), condition=IMAGENET))
        D = count(sagan.Discriminator(shape=(3, 128, 128), condition=IMAGENET))
    assert G - attention(256) + attention(128) == 42_017_412
    assert D - attention(128) + attention(64) == 39_448_258


@contextmanager
def fast_init() -> Iterator[None]:
    """Within it no weights are drawn, and none are bounded: a hundred million would take a minute."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("xavier_uniform_", "orthogonal_", "kaiming_uniform_", "uniform_"):
            patch.setattr(nn.init, name, lambda *args, **settings: args[0])
        for file in (biggan, biggan_deep, sagan):
            patch.setattr(file, "spectral", lambda layer: layer)
            patch.setattr(file, "advance_spectral_norms", lambda network, steps: None)
        yield


def test_a_down_block_is_its_formula() -> None:
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    for first, halve, hidden in ((True, True, 5), (False, True, 3), (False, False, 4)):
        block = DownBlock(3, 5, hidden=hidden, first=first, halve=halve).double()
        h = x if first else x.relu()
        h = F.conv2d(block.conv1(h).relu(), block.conv2.weight, block.conv2.bias, padding=1)
        plain = h + block.shortcut(x)
        expected = F.avg_pool2d(plain, 2) if halve else plain  # the authors' order: convolve, then halve
        assert torch.allclose(block(x), expected, atol=1e-12)
    same = DownBlock(3, 3, hidden=3, halve=False)
    assert isinstance(same.shortcut, nn.Identity)


def test_an_up_block_is_its_formula() -> None:
    x = torch.randn(4, 3, 4, 4, dtype=torch.float64)
    block = UpBlock(3, 5, norm=nn.BatchNorm2d).double()
    up = nn.Upsample(scale_factor=2)
    h = up(F.batch_norm(x, None, None, training=True).relu())
    h = F.conv2d(h, block.conv1.weight, block.conv1.bias, padding=1)
    h = block.conv2(F.batch_norm(h, None, None, training=True).relu())
    assert torch.allclose(block(x), h + block.shortcut(up(x)), atol=1e-12)  # the authors' order: double, then convolve


def test_attention_begins_as_nothing_and_is_its_sum_over_places() -> None:
    look = SelfAttention(8).double()
    x = torch.randn(1, 8, 4, 4, dtype=torch.float64)
    assert torch.equal(look(x), x)
    with torch.no_grad():
        look.gamma.fill_(0.7)
    theta = look.theta(x)[0].reshape(1, 16).detach()
    phi, g = (F.max_pool2d(conv(x), 2)[0].reshape(-1, 4).detach() for conv in (look.phi, look.g))
    seen = torch.zeros(4, 16, dtype=torch.float64)
    for j in range(16):
        weights = [math.exp(float(theta[:, j] @ phi[:, i])) for i in range(4)]
        seen[:, j] = sum((w / sum(weights)) * g[:, i] for i, w in enumerate(weights))  # type: ignore[assignment]
    expected = x + 0.7 * look.o(seen.reshape(1, 4, 4, 4))
    assert torch.allclose(look(x), expected, atol=1e-12)


def test_a_shared_norm_scales_by_a_linear_map() -> None:
    norm, x, e = SharedBatchNorm(3, width=4), torch.randn(5, 3, 2, 2), torch.randn(5, 4)
    hat = F.batch_norm(x, None, None, training=True)
    gain, bias = e @ norm.gain.weight.t(), e @ norm.bias.weight.t()  # type: ignore[operator]
    assert torch.allclose(norm(x, e), (1 + gain)[:, :, None, None] * hat + bias[:, :, None, None], atol=1e-6)


def test_each_chunk_of_a_hierarchical_latent_reaches_its_own_block() -> None:
    G = biggan.Generator(shape=(3, 32, 32), z_dim=16, width=2, attention=()).eval()
    seen: list[Tensor] = []
    for block in G.blocks:
        block.register_forward_pre_hook(lambda _, given: seen.append(given[1].clone()))
    z = torch.randn(2, 16)
    G(z)
    assert torch.equal(torch.cat(seen, 1), z[:, 4:])


def test_orthogonal_weights_are() -> None:
    conv = nn.Conv2d(6, 4, 3)
    orthogonal_(conv)
    rows = conv.weight.detach().flatten(1)
    assert torch.allclose(rows @ rows.t(), torch.eye(4), atol=1e-5)
    assert conv.bias is not None
    assert conv.bias.abs().max() == 0


@pytest.mark.parametrize("size", [28, 32, 48, 64, 128])
def test_sngan_makes_every_size_of_its_tables(size: int) -> None:
    G = sngan.Generator(shape=(1, size, size), z_dim=4, width=2)
    D = sngan.Discriminator(shape=(1, size, size), width=2)
    x = G(torch.randn(2, 4))
    assert x.shape == (2, 1, size, size)
    assert D(x).shape == (2,)


def test_wgan_gp_takes_means_over_places_and_mixes_no_samples() -> None:
    D = wgan_gp.Discriminator(shape=(3, 32, 32), width=4)
    x = torch.randn(3, 3, 32, 32)
    assert torch.allclose(D(x)[1:2], D(x[1:2]), atol=1e-5)
    features = D.full(x).features[-1]
    assert torch.allclose(D(x), D.head(features.mean((2, 3)))[:, 0], atol=1e-6)
