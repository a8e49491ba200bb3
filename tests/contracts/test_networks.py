"""Every file in networks/, by the arguments in its TINY; and what single ones promise besides."""

import importlib
import inspect
import itertools
import math
import pkgutil
import typing
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import ganforge.networks
from ganforge.errors import RecipeError
from ganforge.layers import (
    Condition,
    Doubling,
    Halving,
    SelfAttention,
    SpectralNorm,
    advance_spectral_norms,
    mixes_samples,
)
from ganforge.networks import affine, dcgan, mlp, points

FILES = [
    importlib.import_module(f"ganforge.networks.{info.name}")
    for info in pkgutil.iter_modules(ganforge.networks.__path__)
]
each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.__name__.rpartition(".")[2])
SHAPES = {3: [(1, 28, 28), (3, 32, 32)], 1: [(1,), (2,)]}  # by the rank of the shape in TINY


def players(file: ModuleType, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Both players of a file; the mlp stands in for one that isn't there."""
    homes = [file if hasattr(file, player) else mlp for player in ("Generator", "Discriminator")]
    G = homes[0].Generator(shape=shape, **homes[0].TINY["generator"])
    return G, homes[1].Discriminator(shape=shape, **homes[1].TINY["discriminator"])


def latents(G: Any, count: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(count, G.z_dim, generator=torch.Generator().manual_seed(1), dtype=dtype)


@each_file
@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_shapes_and_range(file: ModuleType, which: int, dtype: torch.dtype) -> None:
    shape = SHAPES[len(file.TINY["shape"])][which]
    G, D = (player.to(dtype) for player in players(file, shape))
    x = G(latents(G, 4, dtype) * 10)
    assert x.shape == (4, *shape)
    assert x.dtype == dtype
    assert len(shape) == 1 or x.abs().max() <= 1
    logits = D(x)
    assert logits.shape == (4,)
    assert logits.dtype == dtype


@each_file
def test_tiny_is_complete_and_small(file: ModuleType) -> None:
    there = {player.lower() for player in ("Generator", "Discriminator") if hasattr(file, player)}
    assert set(file.TINY) == there | {"shape"}
    G, D = players(file, file.TINY["shape"])
    assert sum(weight.numel() for player in (G, D) for weight in player.parameters()) < 100_000


@each_file
def test_everything_that_a_discriminator_knows(file: ModuleType) -> None:
    _, D = players(file, file.TINY["shape"])
    x = torch.randn(4, *file.TINY["shape"])
    output = D.eval().full(x)
    assert torch.equal(output.logits[0], D(x))
    assert output.features
    assert all(len(feature) == 4 for feature in output.features)
    assert output.aux is None


@each_file
def test_evaluation_is_deterministic_and_by_sample(file: ModuleType) -> None:
    G, D = (player.eval() for player in players(file, file.TINY["shape"]))
    z = latents(G, 4)
    assert torch.equal(G(z), G(z))
    assert torch.allclose(G(z)[2:3], G(z[2:3]), atol=1e-6)
    assert torch.allclose(D(G(z))[2:3], D(G(z[2:3])), atol=1e-6)


@each_file
def test_gradients_reach_every_weight(file: ModuleType) -> None:
    G, D = players(file, file.TINY["shape"])
    for part in (*G.modules(), *D.modules()):
        if isinstance(part, SelfAttention):  # which begins as nothing
            nn.init.ones_(part.gamma)
    D(G(latents(G, 4))).square().sum().backward()
    for player in (G, D):
        for name, weight in player.named_parameters():
            assert weight.grad is not None, name
            assert weight.grad.isfinite().all(), name
            assert weight.grad.abs().sum() > 0, name


def sensitivity(network: Any, x: Tensor) -> Tensor:
    """How much the first sample's output, in training, depends on each sample."""
    x = x.clone().requires_grad_()
    torch.manual_seed(0)  # dropout
    (gradient,) = torch.autograd.grad(network(x)[0].square().sum(), x)
    return gradient.flatten(1).abs().sum(1)


@each_file
def test_networks_that_dont_mix_samples_dont(file: ModuleType) -> None:
    G, D = players(file, file.TINY["shape"])
    for player, x in ((G, latents(G, 4)), (D, torch.randn(4, *file.TINY["shape"]))):
        others = sensitivity(player.train(), x)[1:].sum()
        assert (others > 0) == mixes_samples(player)


@each_file
def test_labels_are_refused_by_networks_that_have_no_use_for_them(file: ModuleType) -> None:
    G, D = players(file, file.TINY["shape"])
    y = torch.zeros(2, dtype=torch.int64)
    with pytest.raises(RecipeError, match=r"Generator (can't use|was built without) labels"):
        G(latents(G, 2), y)
    with pytest.raises(RecipeError, match=r"Discriminator (can't use|was built without) labels"):
        D(torch.zeros(2, *file.TINY["shape"]), y)


CONDITIONAL = [f for f in FILES if "condition" in inspect.signature(getattr(f, "Generator", lambda: 0)).parameters]
WAYS = {"class": (Condition("class", 5), torch.tensor([0, 4, 2])),
        "vector": (Condition("vector", 3), torch.randn(3, 3)),
        "optional": (Condition("class", 5, optional=True), torch.tensor([-1, 4, 2]))}  # fmt: skip


@pytest.mark.parametrize("file", CONDITIONAL, ids=lambda file: file.__name__.rpartition(".")[2])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("reading", ["concatenation", "projection", "auxiliary"])
def test_labels_reach_every_part_that_they_should(file: ModuleType, way: str, reading: str) -> None:
    condition, y = WAYS[way]
    shape = file.TINY["shape"]
    hint = inspect.signature(file.Generator).parameters.get("labels")
    for entry in [None] if hint is None else typing.get_args(typing.get_args(hint.annotation)[0]):
        chosen = {} if entry is None else {"labels": entry}
        try:
            G = file.Generator(shape=shape, condition=condition, **chosen, **file.TINY["generator"])
        except RecipeError as error:
            assert str(entry) in str(error)  # noqa: PT017
            continue
        x = G(latents(G, 3), y)
        assert x.shape == (3, *shape)
        assert all(torch.autograd.grad(x.sum(), p, retain_graph=True, allow_unused=True)[0] is not None
                   for p in G.parameters())  # fmt: skip
        if entry != "batch_norm":  # whose gains of all classes begin alike
            assert (G.eval()(latents(G, 3), y.flip(0)) - G(latents(G, 3), y))[0].abs().max() > 0
    D = file.Discriminator(shape=shape, condition=condition, labels=reading, **file.TINY["discriminator"]).eval()
    output = D.full(torch.randn(3, *shape), y)
    assert output.logits[0].shape == (3,)
    assert (output.aux is not None) == (reading == "auxiliary")
    loss = output.logits[0].sum() + (0 if output.aux is None else output.aux.square().sum())
    assert all(g is not None for g in torch.autograd.grad(loss, list(D.parameters()), allow_unused=True))


@each_file
def test_the_same_seed_gives_the_same_weights(file: ModuleType) -> None:
    torch.manual_seed(3)
    first = players(file, file.TINY["shape"])
    torch.manual_seed(3)
    second = players(file, file.TINY["shape"])
    for one, other in zip(first, second, strict=True):
        assert all(torch.equal(one.state_dict()[name], value) for name, value in other.state_dict().items())


# DCGAN


@pytest.mark.parametrize("size", dcgan.SIZES)
@pytest.mark.parametrize("norm", dcgan.NORMS)
def test_dcgan_at_every_size(size: int, norm: str) -> None:
    G = dcgan.Generator(shape=(2, size, size), z_dim=4, width=2)
    D = dcgan.Discriminator(shape=(2, size, size), width=2, norm=norm)
    assert D(G(torch.randn(2, 4))).shape == (2,)
    assert mixes_samples(D) == (norm == "batch")


@pytest.mark.parametrize("shape", [(1, 48, 48), (3, 32, 64), (1, 512, 512), (1, 8, 8)], ids=str)
def test_dcgan_says_which_sizes_it_can_make(shape: tuple[int, int, int]) -> None:
    for player in (dcgan.Generator, dcgan.Discriminator):
        with pytest.raises(RecipeError, match=r"16, 28, 32, 64, 128 or 256"):
            player(shape=shape)


def test_dcgan_64_is_the_public_example() -> None:
    G, D = dcgan.Generator(shape=(3, 64, 64)), dcgan.Discriminator(shape=(3, 64, 64))
    assert G.z_dim == 100
    assert sum(weight.numel() for weight in G.parameters()) == 3_576_704
    assert sum(weight.numel() for weight in D.parameters()) == 2_765_568
    assert [type(part) for part in G.ups[0]] == [nn.BatchNorm2d, nn.ReLU, Doubling]
    assert [type(part) for part in D.downs[0]] == [Halving, nn.LeakyReLU]
    assert [type(part) for part in D.downs[1]] == [Halving, nn.BatchNorm2d, nn.LeakyReLU]
    weights = torch.cat([p.detach().flatten() for player in (G, D) for p in player.parameters() if p.ndim == 4])
    assert float(weights.std()) == pytest.approx(0.02, rel=0.01)


def test_spectral_dcgan_normalises_every_convolution() -> None:
    D = dcgan.Discriminator(shape=(1, 16, 16), width=8, norm="spectral")
    convolutions = [part for part in D.modules() if isinstance(part, nn.Conv2d)]
    norms = [part for part in D.modules() if isinstance(part, SpectralNorm)]
    assert len(convolutions) == len(norms) == 3
    for norm in norms:
        assert torch.linalg.matrix_norm(norm.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.05)


def test_spectral_conv_dcgan_has_a_slope_of_at_most_one_where_the_kernels_norm_allows_more() -> None:
    """All weights alike and no slope below 0: the steepest that the layers allow is nearly reached."""
    slopes = {}
    for norm in ("spectral", "spectral_conv"):
        D = dcgan.Discriminator(shape=(1, 32, 32), width=4, norm=norm, slope=1.0)
        with torch.no_grad():
            for part in D.modules():
                if isinstance(part, nn.Conv2d):
                    part.weight.fill_(1.0)
        advance_spectral_norms(D, steps=200)
        x = torch.randn(4, 1, 32, 32, requires_grad=True)
        (gradient,) = torch.autograd.grad(D(x).sum(), x)
        slopes[norm] = float(gradient.flatten(1).norm(dim=1).max())
    assert 0.5 < slopes["spectral_conv"] <= 1 + 1e-4
    assert slopes["spectral"] > 2


@pytest.mark.parametrize("size", [16, 28, 64])
def test_spectral_conv_dcgan_knows_the_size_of_each_convolutions_inputs(size: int) -> None:
    D = dcgan.Discriminator(shape=(1, size, size), width=2, norm="spectral_conv")
    seen: list[tuple[Any, Any]] = []
    for part in D.modules():
        if isinstance(part, SpectralNorm):
            part.register_forward_hook(lambda part, inputs, _: seen.append((part.size, tuple(inputs[0].shape[2:]))))
    D(torch.zeros(1, 1, size, size))
    assert len(seen) >= 3
    assert all(told == found for told, found in seen)


def formats(network: nn.Module, x: Tensor) -> list[tuple[str, bool]]:
    """Which layers inside a network got a feature map that isn't channels_last."""
    seen: list[tuple[str, bool]] = []

    def look(name: str, x: Tensor) -> None:
        if x.ndim == 4:
            seen.append((name, x.is_contiguous(memory_format=torch.channels_last)))

    for name, part in network.named_modules():
        if not list(part.children()) and name != "labels":  # which sees images as they come
            part.register_forward_hook(lambda _, inputs, out, name=name: (look(name, inputs[0]), look(name, out))[1])
    network(x).sum().backward()
    return seen


@pytest.mark.parametrize("norm", dcgan.NORMS)
def test_dcgan_runs_channels_last_all_through(norm: str) -> None:
    G = dcgan.Generator(shape=(3, 32, 32), z_dim=8, width=4)
    D = dcgan.Discriminator(shape=(3, 32, 32), width=4, norm=norm)
    seen = formats(G, torch.randn(2, 8)) + formats(D, torch.randn(2, 3, 32, 32))
    assert len(seen) > 20
    assert [name for name, channels_last in seen if not channels_last] == []


def test_a_gradient_penalty_can_be_differentiated_through_in_place_activations() -> None:
    D = dcgan.Discriminator(shape=(1, 16, 16), width=2, norm="none").double()
    x = torch.randn(2, 1, 16, 16, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    weight = D.downs[0][0].weight
    (slope,) = torch.autograd.grad(gradient.square().sum(), weight)
    assert slope.isfinite().all()
    assert slope.abs().sum() > 0


# Points


def test_points_players_have_no_bounds_and_the_image_players_say_what_they_are_for() -> None:
    G = points.Generator(shape=(2,), z_dim=3, hidden=(8,))
    assert float(G(torch.randn(64, 3) * 1000).detach().abs().max()) > 10
    for player in (dcgan.Generator, dcgan.Discriminator):
        with pytest.raises(
            RecipeError, match=r"dcgan is for images, not for points of shape \(2,\): set generator=points"
        ):
            player(shape=(2,))


@pytest.mark.parametrize("activation", points.ACTIVATIONS)
def test_spectral_points_have_slopes_of_at_most_one(activation: str) -> None:
    D = points.Discriminator(shape=(2,), hidden=(32, 32), activation=activation, norm="spectral")
    advance_spectral_norms(D, steps=200)
    x = torch.randn(500, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(D(x).sum(), x)
    assert float(gradient.norm(dim=1).max()) <= (1.1**2 if activation == "silu" else 1) + 1e-4
    assert sum(isinstance(part, SpectralNorm) for part in D.modules()) == 3


def test_affine_players_are_the_formulas() -> None:
    G = affine.Generator(shape=(2,), mean=1.0, sigma=0.5)
    z = torch.randn(5, 2)
    assert torch.allclose(G(z), 1 + 0.5 * z)
    D = affine.Discriminator(shape=(1,), degree=3, slope=2.0)
    assert D.coefficients.tolist() == [2, 0, 0]
    D.coefficients.data.copy_(torch.tensor([1.0, -2.0, 0.5]))
    D.bias.data.fill_(3.0)
    x = torch.randn(7, 1)
    assert torch.allclose(D(x), (3 + x - 2 * x**2 + 0.5 * x**3).flatten(), atol=1e-6)


@pytest.mark.parametrize(("dim", "degree", "count"), [(1, 4, 4), (2, 1, 2), (2, 2, 5), (2, 3, 9), (3, 2, 9)])
def test_affine_logits_have_every_monomial_once(dim: int, degree: int, count: int) -> None:
    D = affine.Discriminator(shape=(dim,), degree=degree)
    assert len(D.coefficients) == math.comb(dim + degree, degree) - 1 == count
    primes = torch.tensor([[2.0, 3.0, 5.0][:dim]])
    found = D.monomials(primes)[0].tolist()
    assert sorted(found) == sorted(
        float(math.prod(p**e for p, e in zip([2, 3, 5], powers, strict=False)))
        for powers in itertools.product(range(degree + 1), repeat=dim)
        if 1 <= sum(powers) <= degree
    )


def test_the_quadratic_logit_holds_the_optimum_between_two_gaussians() -> None:
    """log N(2, .5²)/N(0, 1) = log 2 - 8 + 8x - 1.5x²."""
    D = affine.Discriminator(shape=(1,), degree=2).double()
    D.coefficients.data.copy_(torch.tensor([8.0, -1.5]))
    D.bias.data.fill_(math.log(2) - 8)
    x = torch.linspace(-3, 5, 9, dtype=torch.float64)[:, None]
    p, q = (torch.distributions.Normal(m, s, validate_args=False) for m, s in ((2.0, 0.5), (0.0, 1.0)))
    assert torch.allclose(D(x), (p.log_prob(x) - q.log_prob(x)).flatten(), atol=1e-6)
