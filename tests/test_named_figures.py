"""Figures that are computed only when they are named: what arrives at them, and who can't have them."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganforge.cautions import cautions
from ganforge.comparison import check_packages, compare, names_for, resampled
from ganforge.crowd import Album, Crowd, walked
from ganforge.data import Array, Source, open_source
from ganforge.errors import RecipeError
from ganforge.evaluate import evaluate, verdict
from ganforge.features import ClassifierFeatures, InceptionFeatures, PixelFeatures, extractor
from ganforge.labels import codes, labels_of
from ganforge.latent import slerp
from ganforge.metrics import frechet_distance, intra_class_distances, pairwise_similarity
from ganforge.sample import Sampler
from ganforge.scorecard import in_short, sentence
from ganforge.subject import Subject

NEW = ["memorisation_informed_distance", "intra_class_distance", "wasserstein", "ms_ssim", "path_length"]
KNOWN = Subject(shape=(1, 28, 28), real_classes=("0", "1"), fake_classes=("0", "1"), generated=True)


class Curved(nn.Module):
    """A generator of smooth grey images, other ones for each class."""

    z_dim = 5

    def __init__(self, classes: int = 0) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(5, 256, generator=rng) / 3)
        self.shift = nn.Parameter(torch.randn(max(classes, 1), 256, generator=rng) / 3)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        shift = self.shift[:1] if y is None else self.shift[y]
        return (z @ self.weight + shift).tanh().unflatten(1, (1, 16, 16))


def test_they_are_only_for_those_who_ask() -> None:
    assert not set(NEW) & set(names_for(KNOWN))
    assert names_for(KNOWN, NEW) == tuple(NEW)


@pytest.mark.parametrize("name", NEW)
def test_none_of_them_can_be_resampled(name: str) -> None:
    with pytest.raises(RecipeError, match=f"--bootstrap has nothing to resample in {name}"):
        resampled([name])


@pytest.mark.parametrize(
    ("name", "subject", "said"),
    [
        ("ms_ssim", Subject(shape=(3, 8, 12)), "needs images of 11 × 11 pixels or more, and these have 8 × 12; there"),
        (
            "pyramid_distance",
            Subject(shape=(1, 11, 11)),
            "needs images of 16 × 16 pixels or more, and these",
        ),
        ("ms_ssim", Subject(points=True, shape=(2,)), "needs images, which isn't so here"),
        ("path_length", Subject(), "needs a generator, in whose latent space it walks, which isn't so here"),
        ("path_length", Subject(generated=True, rounded=True), "needs features of unrounded images"),
        ("intra_class_distance", Subject(), "needs real images with labels, which isn't so here"),
    ],
)
def test_who_lacks_something_hears_what(name: str, subject: Subject, said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        names_for(subject, [name])
    assert str(caught.value).startswith(f"{name} {said}")


def test_what_rounds_images_says_so() -> None:
    assert Subject.of(InceptionFeatures(random=0)).rounded
    assert not Subject.of(PixelFeatures()).rounded


def test_a_missing_package_is_said_before_anything_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganforge.comparison.find_spec", lambda name: None)
    check_packages(["frechet_distance"])
    with pytest.raises(RecipeError, match=r"wasserstein needs scipy, which isn't installed: pip install 'ganforge\[th"):
        check_packages(["wasserstein"])


@pytest.mark.parametrize("classes", [0, 3])
def test_the_path_length_is_the_squared_speed_of_the_features(classes: int) -> None:
    """Against the derivative by automatic differentiation in float64, at the same latents, places and labels."""
    labels, pairs, judge = codes(classes) if classes else None, 300, PixelFeatures()
    sampler = Sampler(Curved(classes), name="curved", shape=(1, 16, 16), labels=labels)
    found = walked(sampler, judge, pairs)
    assert found is not None
    G, rng, speeds = Curved(classes).double(), torch.Generator().manual_seed(0), []
    y = sampler.labels_of(range(pairs))
    for part in torch.arange(pairs).split(64):
        start, end = torch.randn(2, len(part), 5, generator=rng).double()
        t = torch.rand(len(part), generator=rng, dtype=torch.float64)

        def features(at: Tensor, a: Tensor = start, b: Tensor = end, part: Tensor = part) -> Tensor:
            images = G(slerp(a, b, at), *([] if y is None else [y[part]]))
            return nn.functional.adaptive_avg_pool2d(images, 8).flatten(1)

        _, speed = torch.autograd.functional.jvp(features, t, torch.ones_like(t))
        speeds.append(speed.square().sum(1).detach())
    expected = torch.cat(speeds)
    low, high = expected.quantile(torch.tensor([0.01, 0.99]).double())
    kept = expected[(expected >= low) & (expected <= high)]
    assert found.value == pytest.approx(float(kept.mean()), rel=2e-3)
    assert found.standard_error == pytest.approx(float(kept.std() / len(kept) ** 0.5), rel=2e-3)
    assert walked(sampler, judge, 1) is None


def greys(path: Path, count: int = 240) -> Source:
    """Images of three greys with noise, sorted by their class."""
    rng = np.random.default_rng(0)
    y = np.sort(np.arange(count) % 3)
    x = (40 + 80 * y)[:, None, None] + rng.integers(-20, 20, (count, 16, 16))
    np.savez(path, x=x.astype(np.uint8), y=y)
    return open_source(source=str(path))


def test_each_side_brings_its_classes_and_the_generator_its_path(tmp_path: Path) -> None:
    source, judge = greys(tmp_path / "greys.npz"), PixelFeatures()
    sampler = Sampler(Curved(3), name="c", shape=(1, 16, 16), labels=labels_of(source, balanced=True))
    found = verdict(sampler, source, judge, split="train", samples=100, metrics=NEW)
    real, fake, record = found.standard.real, found.fake, found.record
    assert record["figures"].keys() >= set(NEW)
    assert record["figures"]["wasserstein_samples"] == 100
    order = torch.randperm(len(source.train), generator=torch.Generator().manual_seed(0))[:100].sort().values
    assert torch.equal(real.labels, source.train.labels[order])  # type: ignore[arg-type, index]
    assert torch.equal(fake.labels, sampler.labels_of(range(100)))  # type: ignore[arg-type]
    each = intra_class_distances(
        real=real.features, fake=fake.features, real_labels=source.train.labels[order], fake_labels=fake.labels
    )  # type: ignore[index]
    assert record["figures"]["intra_class_distance"] == pytest.approx(sum(each.values()) / 3)
    least = min(int((y == label).sum()) for y in (real.labels, fake.labels) for label in range(3))
    assert record["figures"]["intra_class_least"] == least
    assert record["figures"]["ms_ssim"] == pairwise_similarity(sampler.sample(range(100))).value
    assert record["figures"]["path_length"] == walked(sampler, judge, 100).value  # type: ignore[union-attr]
    assert record["floor"]["path_length"] is None
    assert 0 < record["floor"]["intra_class_distance"] < record["figures"]["intra_class_distance"]


def test_the_classes_of_both_sides_have_to_be_the_same(tmp_path: Path) -> None:
    source = greys(tmp_path / "greys.npz")
    images = source.train.read(torch.arange(len(source.train)))
    named = Source("named", Array(images, source.train.labels), classes=("dark", "middle", "bright"))
    how = {"split": "train", "samples": 60, "metrics": ["intra_class_distance"]}
    same = evaluate(Album(named), named, PixelFeatures(), **how)
    assert same["figures"]["intra_class_distance"] >= 0
    none = Sampler(Curved(), name="c", shape=(1, 16, 16))
    code = Sampler(Curved(3), name="c", shape=(1, 16, 16), labels=codes(3))
    bare = Source("bare", Array(images))
    for maker, real, lack in (
        (Album(source), named, "the same classes, by name, on both sides"),
        (Album(bare), named, "a generator that is asked for classes, or images with labels"),
        (none, named, "a generator that is asked for classes, or images with labels"),
        (code, named, ""),
        (Album(named), bare, "real images with labels"),
    ):
        with pytest.raises(RecipeError, match=f"intra_class_distance needs {lack}"):
            evaluate(maker, real, PixelFeatures(), **how)


def test_a_class_too_small_for_a_distance_leaves_it_open_and_is_noted() -> None:
    y = torch.tensor([0] * 9 + [1])
    side = Crowd(torch.randn(10, 3), torch.empty(10, 0), labels=y)
    found = compare(real=side, fake=side, subject=KNOWN, names=["intra_class_distance"])
    assert found == {"intra_class_distance": None, "intra_class_least": 1}
    counts = {"samples": 9000, "real_samples": 9000, "floor_samples": 9000}
    record = {"split": "test", **counts, "features": 64, "figures": found}
    assert list(cautions(record)) == ["a class has 1 images on one side, and a distance within it takes 2: judge more"]
    few = record | {"figures": {"intra_class_distance": 2.0, "intra_class_least": 64}}
    (said,) = cautions(few)
    assert said.startswith("the smallest class has 64 images on one side, for 64 features")
    assert not list(cautions(record | {"figures": {"intra_class_distance": 2.0, "intra_class_least": 65}}))


@pytest.mark.filterwarnings("ignore")  # torchmetrics' own imports
@pytest.mark.parametrize("spread", [0.02, 1.0])
def test_the_memorisation_informed_distance_agrees_with_torchmetrics(spread: float) -> None:
    mifid = pytest.importorskip("torchmetrics.image.mifid", exc_type=Exception)
    rng = torch.Generator().manual_seed(0)
    real = torch.randn(120, 12, generator=rng)
    fake = real[:100] + spread * torch.randn(100, 12, generator=rng)
    sides = {side: Crowd(x, torch.empty(len(x), 0)) for side, x in {"real": real, "fake": fake}.items()}
    names = ["memorisation_informed_distance", "cosine_distance"]
    found = compare(**sides, subject=Subject(), names=names)
    moments = [(x.double().mean(0), x.double().T.cov(), x.double()) for x in (fake, real)]  # the least over the reals
    theirs = float(mifid._mifid_compute(*moments[0], *moments[1]))
    apart = found["cosine_distance"]
    assert (apart < 0.1) == (spread < 0.1)
    ours = found["memorisation_informed_distance"] * (1 + 1e-6 / apart if apart < 0.1 else 1)  # theirs adds 1e-14
    assert ours == pytest.approx(theirs, rel=1e-6)
    plain = frechet_distance(real=sides["real"].statistics, fake=sides["fake"].statistics)
    assert found["memorisation_informed_distance"] == pytest.approx(
        plain / (apart + 1e-6 if apart < 0.1 else 1), rel=1e-9
    )


def test_less_variety_is_more_likeness() -> None:
    source, judge = open_source(source="mnist"), extractor("mnist")
    assert isinstance(judge, ClassifierFeatures)
    ones = (source.train.labels == 1).nonzero().flatten()[:200]  # type: ignore[union-attr]
    album = Album(Source("ones", Array(source.train.read(ones))))
    record = evaluate(album, source, judge, samples=200, metrics=["ms_ssim"])
    assert record["figures"]["ms_ssim"] > record["floor"]["ms_ssim"] + 10 * record["floor"]["ms_ssim_error"]
    assert sentence("ms_ssim", record["figures"], record["floor"]).endswith("less variety.")
    assert "no more alike" in sentence("ms_ssim", record["floor"], record["floor"])


def test_a_figure_without_a_floor_stands_alone() -> None:
    record = {"figures": {"path_length": 2.0}, "floor": {"path_length": None}}
    assert in_short(record) == "Path length 2."
    assert sentence("path_length", record["figures"], record["floor"]).startswith("Lower is smoother")
    assert math.isfinite(record["figures"]["path_length"])
