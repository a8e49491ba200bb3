"""Published names: what they fix, what they can't stand beside, and the counts that they take."""

import pytest
import torch

from ganforge.cautions import cautions
from ganforge.crowd import Album
from ganforge.data import Array, Source, open_source
from ganforge.errors import DataError, RecipeError
from ganforge.evaluate import verdict
from ganforge.features import extractor
from ganforge.figures import METRICS
from ganforge.published import PUBLISHED, asked, by_name

NOTHING = {"extractor": None, "resize": None, "split": None, "samples": None}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_name_fixes_its_protocol(name: str) -> None:
    way = asked([name], **NOTHING)
    assert (way.extractor, way.split, way.fakes, way.name) == ("inception", "all", 50_000, name)
    assert way.samples == (10**9 if name.endswith("_full") else 50_000)
    assert set(way.metrics or []) <= {figure for metric in METRICS for figure in metric.meanings}


def test_names_of_one_protocol_go_together() -> None:
    way = asked(["fid50k_full", "is50k", "pr50k3_full"], **NOTHING)
    assert way.metrics == ["frechet_distance", "classifier_score", "precision", "recall"]
    assert by_name(
        way.name or "", {"frechet_distance": 2.0, "classifier_score": 9.0, "precision": 0.5, "recall": 0.4}
    ) == {
        "fid50k_full": 2.0,
        "is50k": 9.0,
        "pr50k3_full": {"precision": 0.5, "recall": 0.4},
    }


@pytest.mark.parametrize(
    ("names", "settings", "said"),
    [
        (["kid50k", "recall"], {}, "kid50k fixes its whole protocol, and recall has another"),
        (["kid50k"], {"samples": 1000}, "kid50k fixes samples = 50000, not 1000: leave --samples out"),
        (["is50k"], {"extractor": "dinov2"}, "is50k fixes extractor = inception, not dinov2"),
        (["fid50k"], {"split": "test"}, "fid50k fixes split = all, not test"),
        (["fid50k"], {"resize": "clean"}, "fid50k fixes resize = legacy, not clean"),
        (["fid50k", "kid50k_full"], {}, "fid50k,kid50k_full take different real images"),
    ],
)
def test_what_contradicts_a_name_is_refused(names: list[str], settings: dict[str, object], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        asked(names, **(NOTHING | settings))


def test_other_names_change_nothing() -> None:
    way = asked(["recall"], extractor="mnist", resize=None, split="test", samples=None)
    assert (way.metrics, way.extractor, way.split, way.samples, way.fakes) == (
        ["recall"],
        "mnist",
        "test",
        10_000,
        None,
    )


def test_more_fakes_than_reals_are_taken_and_counted() -> None:
    digits = open_source(source="mnist").train.read(torch.arange(500))
    few, judge = Source("few", Array(digits[:300])), extractor("mnist")
    how = {"metrics": ["frechet_distance"], "split": "train", "samples": 10**9, "published": "fid50k_full"}
    record = verdict(Album(Source("digits", Array(digits))), few, judge, fakes=500, **how).record
    assert (record["samples"], record["real_samples"], record["floor_samples"]) == (500, 300, 0)
    assert record["protocol"] == "fid50k_full"
    assert record["published"] == {"fid50k_full": record["figures"]["frechet_distance"]}
    with pytest.raises(DataError, match="fid50k_full takes 501 generated images, and digits has 500: make more"):
        verdict(Album(Source("digits", Array(digits))), few, judge, fakes=501, **how)


def record(**figures: float | None) -> dict[str, object]:
    counts = {"samples": 9000, "real_samples": 2000, "floor_samples": 2000}
    return {"split": "test", **counts, "features": 2048, "figures": figures}


def test_too_few_samples_for_a_covariance_or_a_subset_are_a_sentence() -> None:
    (said,) = cautions(record(frechet_distance=1.0))
    assert said.startswith("2,000 samples of 2,048 features leave the covariances singular")
    *_, said = cautions(record(kernel_subsets=None) | {"real_samples": 900})
    assert said == "subsets of 1,000 can't be drawn from 900 samples: judge more, or take kernel_distance"
    assert list(cautions(record(recall=0.5))) == []
