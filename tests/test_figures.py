"""The table of figures: only what is asked for is computed, and the intervals of what can be resampled."""

from pathlib import Path

import pytest
import torch

from ganforge import figures as module
from ganforge.comparison import compare, intervals, names_for, needs
from ganforge.crowd import Album, Crowd, generated, reference
from ganforge.data import TOYS, open_source
from ganforge.errors import RecipeError
from ganforge.evaluate import evaluate
from ganforge.features import extractor
from ganforge.figures import MEANINGS, METRICS
from ganforge.metrics import pyramid_distances
from ganforge.subject import Subject

IMAGES = Subject(classes=tuple("ab"))
MANY = Subject(classes=tuple(map(str, range(200))))
POINTS = Subject(points=True)


def cloud(count: int, seed: int, *, K: int = 2) -> Crowd:
    rng = torch.Generator().manual_seed(seed)
    return Crowd(torch.randn(count, 6, generator=rng), torch.randn(count, K, generator=rng))


@pytest.mark.parametrize("name", names_for(IMAGES))
def test_a_figure_alone_is_what_it_is_among_all(name: str) -> None:
    sides = {"real": cloud(60, 0), "fake": cloud(60, 1)}
    whole = compare(**sides, subject=IMAGES)
    alone = compare(**sides, subject=IMAGES, names=[name])
    spreads = {spread for metric in METRICS for of, spread in metric.spreads if of == name}
    assert alone.keys() == {name} | spreads
    assert alone == {key: whole[key] for key in alone}


def test_nothing_else_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(**sides: object) -> None:
        raise AssertionError("this was not asked for")

    for name in ("kernel_distance", "manifold_scores", "class_shares", "classifier_score"):
        monkeypatch.setattr(module, name, never)
    assert compare(real=cloud(9, 0), fake=cloud(9, 1), subject=IMAGES, names=["frechet_distance"])


def test_every_figure_belongs_to_one_row_and_says_what_it_means() -> None:
    assert len(MEANINGS) == sum(len(metric.meanings) for metric in METRICS)
    assert all(MEANINGS.values())
    for metric in METRICS:
        assert set(metric.resampled) <= metric.meanings.keys()
        assert {of for of, _ in metric.spreads} <= metric.meanings.keys()


def test_the_mean_and_the_covariance_are_enough_for_the_frechet_distance_alone() -> None:
    assert not needs(["frechet_distance"], "samples")
    others = MEANINGS.keys() - {"frechet_distance"}
    for name in others:  # features, or the images themselves, or the generator
        assert [needs([name], what) for what in ("samples", "images", "path", "taught")].count(True) == 1
    sides = {"real": cloud(60, 0), "fake": cloud(60, 1)}
    bare = {side: Crowd(torch.empty(0, 6), torch.empty(0, 0), c.statistics) for side, c in sides.items()}
    names = ["frechet_distance"]
    assert compare(**bare, subject=IMAGES, names=names) == compare(**sides, subject=IMAGES, names=names)


@pytest.mark.parametrize(
    ("wanted", "subject", "said"),
    [
        (["recal"], IMAGES, "no figure is called 'recal'; did you mean 'recall'? there are frechet_distance, kernel"),
        (["fid"], IMAGES, "no figure is called 'fid'; did you mean 'frechet_distance'? there are"),
        (["frechet"], IMAGES, "no figure is called 'frechet'; did you mean 'frechet_distance'? there are"),
        (["zzz"], IMAGES, "no figure is called 'zzz'; there are frechet_distance"),
        ([], IMAGES, "no figure is called ''; there are"),
        (["classifier_score"], POINTS, "classifier_score needs an extractor that knows classes, which isn't so here"),
        (["shares"], MANY, "shares needs an extractor that knows 1 to 100 classes, which isn't so here"),
        (
            ["modes_found"],
            POINTS,
            "modes_found needs data whose modes are known, which isn't so here; there",
        ),
    ],
)
def test_a_figure_that_cannot_be_had_is_a_sentence(wanted: list[str], subject: Subject, said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        names_for(subject, wanted)
    assert str(caught.value).startswith(said)


def test_an_interval_is_as_wide_as_the_figure_moves_with_other_samples() -> None:
    """Twenty fresh draws of both sides: their spread, and that the interval of one holds their mean, bias and all."""
    names, found, spans = ["frechet_distance"], [], []
    for seed in range(0, 40, 2):
        real, fake = cloud(400, seed), cloud(400, seed + 1)
        fake = Crowd(fake.features * 1.3 + 0.2, fake.logits)
        figures = compare(real=real, fake=fake, subject=IMAGES, names=names)
        found.append(figures["frechet_distance"])
        spans.append(intervals(real=real, fake=fake, subject=IMAGES, figures=figures, resamples=60))
    low, high = torch.tensor([span["frechet_distance"] for span in spans]).mean(0).tolist()
    values = torch.tensor(found)
    assert (high - low) / (2 * 1.96) == pytest.approx(float(values.std()), rel=0.4)
    held = sum(s["frechet_distance"][0] <= values.mean() <= s["frechet_distance"][1] for s in spans)
    assert held >= 16


def test_an_interval_is_the_same_each_time_and_only_for_what_can_be_resampled() -> None:
    sides = {"real": cloud(50, 0), "fake": cloud(50, 1), "subject": IMAGES}
    figures = compare(**sides)
    spans = intervals(**sides, figures=figures, resamples=5)
    assert spans == intervals(**sides, figures=figures, resamples=5)
    assert spans.keys() == {"frechet_distance", "classifier_score"}
    for name, (low, high) in spans.items():
        assert low <= figures[name] <= high
    with pytest.raises(
        RecipeError, match="--bootstrap has nothing to resample in recall; it is for mode_quality, sliced"
    ):
        intervals(**sides, figures={"recall": 1.0}, resamples=5)


def test_the_record_carries_what_was_asked_for() -> None:
    source, judge = TOYS["ring"](count=600, held_out=200), extractor("points")
    record = evaluate(Album(source), source, judge, samples=200, metrics=["sliced_distance"], bootstrap=10)
    assert record["figures"].keys() == record["floor"].keys() == {"sliced_distance"}
    assert record["bootstrap"] == 10
    low, high = record["intervals"]["sliced_distance"]
    assert low < record["figures"]["sliced_distance"] < high
    assert record["samples"] == 200
    assert not {"seeds", "images"} & record.keys()


def test_some_figures_are_only_for_those_who_ask() -> None:
    rng = torch.Generator().manual_seed(0)
    real, fake = (Crowd(torch.randn(1200, 4, generator=rng), torch.empty(1200, 0)) for _ in range(2))
    assert "frechet_infinity" not in compare(real=real, fake=fake, subject=Subject())
    asked = names_for(Subject(), ["frechet_infinity", "kernel_subsets", "authenticity", "cosine_distance"])
    found = compare(real=real, fake=fake, subject=Subject(), names=asked)
    assert abs(found["frechet_infinity"]) < 0.05
    assert found["frechet_infinity_error"] > 0
    assert abs(found["kernel_subsets"]) < 3 * found["kernel_subsets_deviation"]
    assert 0.3 < found["authenticity"] < 0.6
    copied = compare(real=real, fake=real, subject=Subject(), names=asked)
    assert copied["authenticity"] == 0
    assert copied["cosine_distance"] < 1e-6


def test_the_distance_of_pyramids_looks_at_the_images_themselves(tmp_path: Path) -> None:
    source, judge = open_source(source="mnist"), extractor("mnist")
    options = {"samples": 20, "metrics": ["pyramid_distance", "frechet_distance"], "cache": tmp_path}
    record, again = (evaluate(Album(source), source, judge, **options) for _ in range(2))
    assert again["cached"]  # the features; the images are read
    assert again["figures"] == record["figures"]
    real, fake = reference(source, "test", judge, 20, images_too=True), generated(Album(source), judge, 20, images=True)
    assert record["figures"]["pyramid_distance"] == pyramid_distances(real=real.images, fake=fake.images)[28]
    assert 0 < record["floor"]["pyramid_distance"] < 400
    assert "pyramid_distance" not in names_for(IMAGES)
    assert evaluate(Album(source), source, judge, samples=40, metrics=["precision"])["figures"].keys() == {"precision"}
    with pytest.raises(RecipeError, match="pyramid_distance needs images, which isn't so here"):
        names_for(POINTS, ["pyramid_distance"])
