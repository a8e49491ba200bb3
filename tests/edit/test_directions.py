"""Directions whose answer is known: of linear generators, of two Gaussians, of drawn strokes."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from ganforge.edit import inversion, unsupervised
from ganforge.edit.attributes import attributes, size, slant, stroke_width
from ganforge.edit.effects import effects
from ganforge.edit.maps import first_map
from ganforge.edit.steering import attribute_gradient, steered
from ganforge.edit.store import Directions, collected, load_directions, save_directions
from ganforge.edit.supervised import beside, hyperplane
from ganforge.edit.unsupervised import METHODS, jacobian_directions
from ganforge.errors import CheckpointError, RecipeError
from ganforge.features import PointFeatures
from ganforge.features.extractor import Features
from ganforge.labels import Labels
from ganforge.layers import Condition
from ganforge.networks import dcgan, mlp
from ganforge.sample import Sampler, latents

CLASSES = Labels(Condition("class", 3), ("a", "b", "c"), shares=torch.full((3,), 1 / 3))


def linear(scales: list[float], outputs: int = 12) -> tuple[Sampler, torch.Tensor]:
    """Points Az with singular values known beforehand, and the right singular vectors as rows."""
    rng = torch.Generator().manual_seed(1)
    U, V = (torch.linalg.qr(torch.randn(n, len(scales), generator=rng)).Q for n in (outputs, len(scales)))

    class Linear(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.z_dim, self.map = len(scales), nn.Linear(len(scales), outputs)
            self.map.weight.data = U @ torch.diag(torch.tensor(scales)) @ V.T

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return self.map(z)

    return Sampler(Linear(), name="linear@0", shape=(outputs,)), V.T


@pytest.mark.parametrize("method", METHODS)
def test_of_a_linear_map_all_methods_find_the_singular_vectors(method: str) -> None:
    scales = [4.0, 2.0, 1.0, 0.5]
    sampler, V = linear(scales)
    found = METHODS[method](sampler, 3)
    close = 0.98 if method == "activations" else 1 - 1e-5  # that one sees 4,096 latents, whose spread is near I
    assert ((found.vectors * V[:3]).sum(1).abs() > close).all()
    shares = torch.tensor(scales).square() / torch.tensor(scales).square().sum()
    assert torch.allclose(found.shares, shares[:3], atol=0.02)


def test_long_latents_are_iterated_to_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganforge.edit.unsupervised.WHOLE", 4)
    monkeypatch.setattr("ganforge.edit.unsupervised.MORE", 2)
    sampler, V = linear([8.0, 4.0, 2.0, 1.0, 0.5, 0.25], outputs=10)
    found = jacobian_directions(sampler, 2)
    assert ((found.vectors * V[:2]).sum(1).abs() > 1 - 1e-5).all()


@pytest.mark.parametrize("network", [dcgan, mlp])
@pytest.mark.parametrize("labels", [None, "concatenation", "embedding"])
def test_the_first_map_of_a_network_is_its_first_weights(network: object, labels: str | None) -> None:
    told = {} if labels is None else {"condition": CLASSES.condition, "labels": labels}
    G = network.Generator(shape=(1, 16, 16), **network.TINY["generator"], **told)  # type: ignore[attr-defined]
    sampler = Sampler(G, name="tiny@0", shape=(1, 16, 16), labels=CLASSES if told else None)
    layer, A = first_map(sampler)
    W = G.first.weight.flatten(1).T if network is dcgan else G.blocks[0][0].weight
    assert torch.allclose(A, W[:, :8].detach(), atol=1e-5)
    assert layer is (G.first if network is dcgan else G.blocks[0][0])
    for method in METHODS.values():
        vectors = method(sampler, 2).vectors
        assert torch.allclose(vectors.norm(dim=1), torch.ones(2), atol=1e-5)


def test_a_generator_without_a_linear_layer_says_so() -> None:
    class Cubed(nn.Module):
        z_dim = 3

        def __init__(self) -> None:
            super().__init__()
            self.map = nn.Linear(3, 3)

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return self.map(z**3)

    with pytest.raises(RecipeError, match="no layer of cubed@0 is linear"):
        METHODS["first_map"](Sampler(Cubed(), name="cubed@0", shape=(3,)), 2)


def test_the_plane_between_two_gaussians_is_fishers() -> None:
    rng = torch.Generator().manual_seed(0)
    root = torch.tensor([[2.0, 0, 0], [0.5, 1, 0], [0, 0, 0.5]])
    mean = torch.tensor([1.0, 0.5, -0.3])
    side = torch.arange(4_000) % 2 == 0
    z = torch.randn(4_000, 3, generator=rng) @ root.T + torch.where(side[:, None], mean, -mean) + 1
    plane = hyperplane(z, side, decay=0.0)
    expected = torch.linalg.solve(root @ root.T, mean)
    assert torch.dot(plane.normal, expected / expected.norm()) > 0.995
    assert plane.offset == pytest.approx(float(plane.normal.sum()), abs=0.05)  # through the middle, (1, 1, 1)
    apart = float((mean @ expected).sqrt())
    assert plane.accuracy == pytest.approx(0.5 * (1 + math.erf(apart / math.sqrt(2))), abs=0.03)


def test_a_side_without_samples_is_refused() -> None:
    with pytest.raises(RecipeError, match="only 3 of 100"):
        hyperplane(torch.randn(100, 2), torch.arange(100) < 3)


def test_what_stays_is_across_the_others() -> None:
    rng = torch.Generator().manual_seed(0)
    n, others = torch.randn(6, generator=rng), torch.randn(3, 6, generator=rng)
    left = beside(n / n.norm(), others)
    assert (others @ left).abs().max() < 1e-6
    assert left.norm().item() == pytest.approx(1)
    assert torch.allclose(beside(n / n.norm(), torch.cat([others, others])), left, atol=1e-6)
    with pytest.raises(RecipeError, match="nothing is left"):
        beside(others[0], others)


def stroke(width: float, degrees: float, *, light: float = 1.0, side: int = 64) -> torch.Tensor:
    """A straight stroke of length 40, drawn smoothly, leaning to the right."""
    y, x = torch.meshgrid(-torch.arange(side) + side / 2, torch.arange(side) - side / 2, indexing="ij")
    a = math.radians(degrees)
    along, across = x * math.sin(a) + y * math.cos(a), x * math.cos(a) - y * math.sin(a)
    inside = (width / 2 - across.abs() + 0.5).clamp(0, 1) * (20 - along.abs() + 0.5).clamp(0, 1)
    return (light * inside * 2 - 1)[None]


def test_attributes_of_drawn_strokes() -> None:
    drawn = torch.stack([stroke(4, 0), stroke(8, 0), stroke(4, 20), stroke(4, -20), stroke(4, 0, light=0.5)])
    found = attributes(drawn)
    exact = [w * 40 / (w + 40) for w in (4, 8)]
    assert torch.allclose(found["stroke_width"][:2], torch.tensor(exact), rtol=0.05)
    assert torch.allclose(found["stroke_width"][2:4], torch.full((2,), exact[0]), rtol=0.05)
    assert torch.allclose(found["slant"][:4], torch.tensor([0.0, 0, 20, -20]), atol=0.5)
    assert found["size"][0].item() == pytest.approx(math.sqrt((40**2 + 4**2) / 12), rel=0.02)
    assert found["brightness"][0].item() == pytest.approx(160 / 64**2, rel=0.01)
    for name in ("slant", "size", "stroke_width"):
        assert found[name][4].item() == pytest.approx(found[name][0].item(), rel=1e-4, abs=1e-4)
    inverted = attributes(-drawn)
    assert torch.allclose(inverted["slant"], found["slant"], atol=1e-3)


def test_empty_images_have_attributes_too() -> None:
    light = torch.zeros(1, 5, 5)
    assert [f(light).item() for f in (size, slant, stroke_width)] == [0, 0, 0]


class Shifted(nn.Module):
    """Pixel i of a row is 1.5 times bigger for each step to the right times zᵢ."""

    z_dim = 4

    def __init__(self) -> None:
        super().__init__()
        self.scales = nn.Parameter(0.05 * 1.5 ** torch.arange(4.0))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return (z * self.scales)[:, None, None, :].expand(-1, 1, 4, 4)


def test_steering_weighs_the_attribute_against_the_pixels() -> None:
    sampler = Sampler(Shifted(), name="shifted@0", shape=(1, 4, 4))
    scales = sampler.G.scales
    for damping in (1e-6, 1e6):
        expected = scales / (scales.square() + damping * scales.square().mean())
        found = steered(sampler, "brightness", damping=damping)
        assert torch.nn.functional.cosine_similarity(found, expected, dim=0) > 0.995
    with pytest.raises(RecipeError, match="no attribute 'charm'"):
        steered(sampler, "charm", samples=16)


def test_no_seed_that_is_asked_for_gives_the_latents_that_tools_work_with() -> None:
    for first in (unsupervised.SEED, inversion.SEED):
        own = latents(range(first, first + 50), 3)
        assert torch.cdist(own, latents(range(10_000), 3)).min() > 0


def test_the_mean_gradient_is_steins() -> None:
    z = latents(range(20_000), 2)
    values = z[:, 0] ** 3 + 2 * z[:, 1]  # E[∇] = (3, 2)
    assert torch.allclose(attribute_gradient(z, values), torch.tensor([3.0, 2.0]).double(), atol=0.2)


def test_effects_of_a_direction_that_is_a_shade() -> None:
    class Halves:
        name, digest, classes = "halves", "none", ("dark", "light")

        def __call__(self, x: torch.Tensor) -> Features:
            mean = x.float().mean((1, 2, 3), keepdim=False)[:, None]
            return Features(mean, torch.cat([127.5 - mean, mean - 127.5], 1))

    sampler = Sampler(Shifted(), name="shifted@0", shape=(1, 4, 4))
    vectors = torch.eye(4)[[3, 0]]
    strong, weak = effects(sampler, vectors, ["last", "first"], Halves(), seeds=range(400))
    scale = float(sampler.G.scales[3])
    assert strong.changes["brightness"] == pytest.approx(4 * scale / 4 / 2, rel=0.02)
    assert strong.agreeing["brightness"] == 1
    assert strong.class_kept is not None
    assert weak.class_kept is not None
    assert strong.class_kept < weak.class_kept
    assert strong.class_kept_throughout < strong.class_kept
    points, _ = linear([2.0, 1.0])
    (effect,) = effects(points, torch.eye(2)[:1], ["x"], PointFeatures(), seeds=range(50))
    assert (effect.class_kept, effect.changes) == (None, {})


def test_a_file_of_directions_knows_its_generator(tmp_path: Path) -> None:
    sampler, V = linear([2.0, 1.0, 0.5])
    other, _ = linear([2.0, 1.0, 0.4])
    saved = collected([(f"v {i}", v, "found") for i, v in enumerate(V)], sampler)
    save_directions(tmp_path / "a.safetensors", saved)
    found = load_directions(tmp_path / "a.safetensors", sampler)
    assert torch.equal(found.vectors, V)
    assert (found.names, found.chosen("v 1"), found.chosen("2")) == (("v 0", "v 1", "v 2"), 1, 2)
    with pytest.raises(CheckpointError, match=r"holds directions of linear@0 \(\w{12}\), not of linear@0"):
        load_directions(tmp_path / "a.safetensors", other)
    with pytest.raises(RecipeError, match="there is no direction '3'"):
        found.chosen("3")
    (tmp_path / "b.safetensors").write_bytes(b"nonsense")
    for name, words in (("b", "holds no directions"), ("c", "there is no file")):
        with pytest.raises(CheckpointError, match=words):
            load_directions(tmp_path / f"{name}.safetensors", sampler)
    with pytest.raises(RecipeError, match=r"end it in \.safetensors"):
        save_directions(tmp_path / "a.pt", Directions(V, (), (), "", ""))
