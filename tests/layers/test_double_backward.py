"""Operations for penalties against torch's own: every order of derivative, fewer convolutions, nothing else changed."""

import copy
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

from ganforge.batch import Batch
from ganforge.games.noise import NoiseGame
from ganforge.layers import MinibatchDiscrimination, MinibatchStdDev, SpectralNorm, double_backward
from ganforge.layers.double_backward import OWN, cheap_double_backward
from ganforge.moment import Moment
from ganforge.networks import dcgan, mlp, sngan, wgan_gp
from ganforge.objectives import OBJECTIVES
from ganforge.penalties import PENALTIES

Call = Callable[..., Tensor]


def numbers(*shapes: tuple[int, ...], seed: int = 0) -> list[Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return [torch.randn(*shape, generator=rng, dtype=torch.float64).requires_grad_() for shape in shapes]


def own(call: Call) -> Call:
    """The call with the operations replaced."""

    def run(*given: Tensor) -> Tensor:
        with cheap_double_backward():
            return call(*given)

    return run


# Each operation: a call, and the shapes of what it is given

CALLS: dict[str, tuple[Call, list[tuple[int, ...]]]] = {
    "conv1d": (lambda x, w, b: F.conv1d(x, w, b, stride=2, padding=1), [(2, 2, 5), (3, 2, 3), (3,)]),
    "conv2d": (lambda x, w, b: F.conv2d(x, w, b, padding=1), [(2, 2, 3, 4), (3, 2, 3, 3), (3,)]),
    "strided": (lambda x, w, b: F.conv2d(x, w, b, (2, 3), (1, 2)), [(2, 2, 5, 4), (3, 2, 4, 2), (3,)]),
    "grouped": (lambda x, w: F.conv2d(x, w, padding=1, groups=2), [(2, 4, 3, 3), (2, 2, 3, 3)]),
    "dilated": (lambda x, w: F.conv2d(x, w, dilation=2), [(1, 2, 5, 6), (2, 2, 3, 3)]),
    "conv3d": (lambda x, w: F.conv3d(x, w, padding=1), [(1, 2, 2, 3, 2), (2, 2, 3, 3, 3)]),
    "transposed": (lambda x, w, b: F.conv_transpose2d(x, w, b, 2, 1), [(2, 2, 3, 2), (2, 3, 3, 3), (3,)]),
    "output_padding": (
        lambda x, w: F.conv_transpose2d(x, w, None, 2, 1, 1, 1, 1),
        [(2, 2, 3, 2), (2, 3, 3, 3)],
    ),
    "transposed1d": (lambda x, w: F.conv_transpose1d(x, w, stride=2), [(2, 2, 3), (2, 1, 4)]),
    "relu": (torch.relu, [(3, 4)]),
    "leaky_relu": (lambda x: F.leaky_relu(x, 0.2), [(3, 4)]),
    "in_place": (lambda x: F.leaky_relu(F.relu(x * 2, inplace=True) - 0.3, 0.1, inplace=True), [(3, 4)]),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 2), [(2, 2, 4, 5)]),
    "padded_pool": (
        lambda x: F.avg_pool2d(x, (3, 2), 1, 1, ceil_mode=True, count_include_pad=False),
        [(2, 2, 4, 5)],
    ),
    "max_pool2d": (lambda x: F.max_pool2d(x, 3, 2, 1), [(2, 2, 5, 4)]),
}


@pytest.mark.parametrize("name", [*CALLS, "large relu", "large leaky_relu"])
def test_derivatives_of_every_order(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    call, shapes = CALLS[name.removeprefix("large ")]
    if name.startswith("large"):
        monkeypatch.setattr(double_backward, "SMALL", 0)
    given = numbers(*shapes)
    assert torch.autograd.gradcheck(own(call), given)
    assert torch.autograd.gradgradcheck(own(call), given)

    def third(run: Call) -> list[Tensor]:
        y = run(*given)
        assert any(type(node).__name__.startswith(PREFIXES) for node in graph(y)) == (run is not call)
        first = torch.autograd.grad(y.tanh().sum(), given, create_graph=True)
        second = torch.autograd.grad(sum(g.pow(3).sum() for g in first), given, create_graph=True)
        if name == "output_padding":  # of which torch has no third
            return [y, *first, *second]
        return [y, *first, *second, *torch.autograd.grad(sum(g.square().sum() for g in second), given)]

    for found, expected in zip(third(own(call)), third(call), strict=True):
        assert torch.allclose(found, expected, rtol=1e-9, atol=1e-12 * float(expected.detach().abs().max()))


PREFIXES = ("Along", "Rectified", "Averaged", "Largest", "ThresholdBackward", "LeakyReluBackwardBackward")


def graph(y: Tensor) -> Iterator[Any]:
    """The nodes behind a tensor."""
    seen, row = set(), [y.grad_fn]
    while row:
        node = row.pop()
        if node is not None and node not in seen:
            seen.add(node)
            row += [n for n, _ in node.next_functions]
            yield node


def test_what_is_not_a_number_and_what_is_infinite_come_out_as_torch_has_them() -> None:
    x = torch.tensor([torch.nan, -torch.inf, torch.inf, 0.0, -0.0], requires_grad=True)
    calls: list[Call] = [torch.relu, lambda x: F.leaky_relu(x, 0.1), lambda x: F.relu(x.clone(), inplace=True)]
    for call in calls:
        found, expected = own(call)(x), call(x)
        assert torch.equal(found.nan_to_num(7), expected.nan_to_num(7))
        for y in (found, expected):
            (g,) = torch.autograd.grad(y.nan_to_num().sum(), x)
            assert torch.equal(g, torch.autograd.grad(call(x).nan_to_num().sum(), x)[0])


# Whole discriminators


def penalised(D: Call, x: Tensor, weights: list[Tensor]) -> list[Tensor]:
    """D's logits, its slope, and the gradients in the weights of a loss of both."""
    x = x.clone().requires_grad_()
    y = D(x)
    (slope,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    loss = (slope.flatten(1).norm(dim=1) - 1).square().sum() + F.softplus(y).sum()
    return [y, slope, *torch.autograd.grad(loss, weights)]


def same(found: list[Tensor], expected: list[Tensor], rtol: float = 1e-9) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        assert float((one - other).detach().abs().max()) <= rtol * float(other.detach().abs().max())


class Own(nn.Module):
    """Somebody's own discriminator, of all that may go wrong: in place on a shared map and on a view, normed weights,
    mixed samples, smooth activations, "same" padding."""

    def __init__(self) -> None:
        super().__init__()
        self.first = SpectralNorm(nn.Conv2d(3, 6, 3, padding="same"))
        self.second = nn.utils.parametrizations.weight_norm(nn.Conv2d(6, 6, 4, 2, 1))
        self.third = nn.Conv2d(6, 4, 3, padding=1, padding_mode="reflect")
        self.spread, self.near = MinibatchStdDev((4,)), MinibatchDiscrimination((5, 4, 4), kernels=3, dim=2)
        self.head = nn.Linear(5 * 16 + 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x)
        beside = h  # changed by the next line too
        h = F.relu(h, inplace=True) + beside
        h = F.silu(self.second(h))
        h = h * 2
        h[:, :3].relu_()
        h = self.spread(F.avg_pool2d(self.third(h).relu_(), 1) + F.max_pool2d(h, 1)[:, :4])
        return self.head(self.near(F.max_pool2d(h, 2).flatten(1))).flatten()


@pytest.fixture
def somebodys() -> Own:
    torch.manual_seed(0)
    return Own().double()


def test_a_discriminator_of_somebodys_own(somebodys: Own) -> None:
    (x,), weights = numbers((4, 3, 16, 16), seed=1), list(somebodys.parameters())
    same(penalised(own(somebodys), x, weights), penalised(somebodys, x, weights))
    nodes = [type(node).__name__ for node in graph(own(somebodys)(x))]
    assert sum(name.startswith("Along") for name in nodes) == 2  # not of padding="same"
    assert any(name.startswith("Silu") for name in nodes)


def test_hooks_checkpoints_transforms_and_weights_from_outside(somebodys: Own) -> None:
    (x,), weights = numbers((4, 3, 16, 16), seed=1), list(somebodys.parameters())
    plain = penalised(somebodys, x, weights)
    seen: list[Any] = []
    hook = somebodys.second.register_forward_hook(lambda part, given, result: seen.append(result.shape))
    same(penalised(own(somebodys), x, weights), plain)
    hook.remove()
    assert seen == [(4, 6, 8, 8)]
    scaled = {name: 1.0 * p for name, p in somebodys.named_parameters()}
    same(penalised(own(lambda x: functional_call(somebodys, scaled, (x,))), x, weights), plain)
    net = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(98, 1)).double()
    inside = list(net.parameters())
    same(penalised(own(lambda x: checkpoint(net, x, use_reentrant=False)), x, inside), penalised(net, x, inside))
    slopes = vmap(grad(lambda x: net(x[None])[0, 0]))
    assert torch.equal(own(slopes)(x.detach()), slopes(x.detach()))


def test_without_a_gradient_torchs_own_run() -> None:
    D, x = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()), torch.zeros(1, 1, 4, 4)
    with cheap_double_backward(), torch.no_grad():
        assert D(x.requires_grad_()).grad_fn is None
    assert type(own(D)(x.detach())[0].grad_fn).__name__ == "SelectBackward0"
    with cheap_double_backward(False):
        assert not any(type(node).__name__.startswith(PREFIXES) for node in graph(D(x.requires_grad_())))


def test_autocast_rules_as_it_does() -> None:
    torch.manual_seed(0)
    D = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LeakyReLU(0.2), nn.Conv2d(4, 4, 3, bias=False), nn.ReLU(), nn.Flatten(),
                      nn.Linear(64, 1))  # fmt: skip
    x = torch.randn(2, 3, 8, 8)

    def gradients(context: Any) -> list[Tensor]:
        given = x.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16), context:
            y = D(given)
        (slope,) = torch.autograd.grad(y.sum(), given, create_graph=True)
        return [y, slope, *torch.autograd.grad(slope.square().sum() + y.float().sum(), list(D.parameters()))]

    same(gradients(cheap_double_backward()), gradients(nullcontext()), rtol=0.02)  # a few units of the eighth bit


# The game's turn

DISCRIMINATORS: dict[str, tuple[ModuleType, tuple[int, ...], dict[str, Any]]] = {
    "dcgan": (dcgan, (1, 16, 16), {"width": 2, "norm": "none"}),
    "mlp": (mlp, (1, 4, 4), {**mlp.TINY["discriminator"], "dropout": 0.0}),
    "sngan": (sngan, (1, 28, 28), {"width": 2}),
    "wgan_gp": (wgan_gp, (1, 28, 28), {"width": 2}),
}
SLOPES = ("r1", "r2", "gradient_penalty", "dragan")


class Fixed(nn.Module):
    """A generator of the same samples always."""

    z_dim = 1

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.x = nn.Parameter(x)

    def forward(self, z: Tensor) -> Tensor:
        return self.x


def turn(
    D: nn.Module, objective: str, penalties: tuple[str, ...], shape: tuple[int, ...]
) -> tuple[list[Tensor], float]:
    """The weights' gradients in the discriminator's turn, and its loss."""
    real, fake = (t.detach() for t in numbers((2, *shape), (2, *shape), seed=4))
    game = NoiseGame(OBJECTIVES[objective](), tuple(PENALTIES[p]() for p in penalties))
    players = {"generator": Fixed(fake), "discriminator": D}
    move = game.discriminator(players, Batch(real, torch.arange(2)), Moment(torch.Generator().manual_seed(3)))
    weights = list(D.parameters())
    loss = torch.stack([term.mean() for term in move.terms.values()]).sum()
    return list(torch.autograd.grad(loss, weights, allow_unused=True, materialize_grads=True)), loss.item()


@pytest.mark.parametrize("network", DISCRIMINATORS)
def test_each_objective_and_penalty_has_torchs_gradients(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file, shape, settings = DISCRIMINATORS[network]
    torch.manual_seed(0)
    D = file.Discriminator(shape=shape, **settings).double()
    parts = [*((name, SLOPES) for name in OBJECTIVES), *(("hinge", (penalty,)) for penalty in SLOPES)]
    found = [turn(D, *part, shape)[0] for part in parts]
    for function in list(OWN):
        monkeypatch.delitem(OWN, function)
    for part, gradients in zip(parts, found, strict=True):
        expected, _ = turn(D, *part, shape)
        scale = max(float(g.abs().max()) for g in expected)
        assert scale > 0
        for one, other in zip(gradients, expected, strict=True):
            assert torch.allclose(one, other, rtol=1e-9, atol=1e-12 * scale)


@pytest.mark.parametrize("penalty", SLOPES)
def test_the_weights_gradient_of_a_turn_is_its_finite_difference(penalty: str) -> None:
    file, shape, settings = DISCRIMINATORS["dcgan"]
    torch.manual_seed(0)
    D = file.Discriminator(shape=shape, **settings).double()
    torch._foreach_mul_([w.data for w in D.parameters()], 10)  # slopes near 1
    gradients, _ = turn(D, "hinge", (penalty,), shape)
    ways = [torch.randn_like(w) for w in D.parameters()]
    values = []
    for step in (1e-7, -2e-7):  # so short that no kink is passed
        torch._foreach_add_([w.data for w in D.parameters()], ways, alpha=step)
        values.append(turn(D, "hinge", (penalty,), shape)[1])
    slope = sum(float((g * way).sum()) for g, way in zip(gradients, ways, strict=True))
    assert (values[0] - values[1]) / 2e-7 == pytest.approx(slope, rel=1e-6)


class Products(TorchDispatchMode):
    """Counts convolutions (forward, and each part of backward that is asked for) and matrix products."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        ops = torch.ops.aten
        if func in (ops.convolution.default, ops.mm.default, ops.addmm.default):
            self.count += 1
        elif func is ops.convolution_backward.default:
            self.count += sum(args[-1][:2])
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("kind", ["convolution", "linear"])
def test_a_penalty_takes_four_products_a_layer_where_torch_takes_six(kind: str) -> None:
    layers = 5
    make, size = {"convolution": (lambda: nn.Conv2d(4, 4, 3, padding=1), (2, 4, 8, 8)),
                  "linear": (lambda: nn.Linear(4, 4), (2, 4))}[kind]  # fmt: skip
    D = nn.Sequential(*(nn.Sequential(make(), nn.ReLU()) for _ in range(layers)))  # type: ignore[operator]
    counts = {}
    for name, run in (("torch", D), ("own", own(D))):
        x = torch.randn(size, requires_grad=True)
        with Products() as seen:
            (slope,) = torch.autograd.grad(run(x).sum(), x, create_graph=True)
            slope.square().sum().backward()
        counts[name] = seen.count
    assert counts["own"] == 4 * layers - 1  # the seed of the last layer is a constant
    assert counts["torch"] == 6 * layers


def test_the_games_turn_takes_fewer_products(monkeypatch: pytest.MonkeyPatch) -> None:
    file, shape, settings = DISCRIMINATORS["wgan_gp"]
    D = file.Discriminator(shape=shape, **settings).double()
    with Products() as own_count:
        turn(D, "wasserstein", ("gradient_penalty",), shape)
    for function in list(OWN):
        monkeypatch.delitem(OWN, function)
    with Products() as torchs:
        turn(copy.deepcopy(D), "wasserstein", ("gradient_penalty",), shape)
    assert own_count.count < 0.85 * torchs.count
