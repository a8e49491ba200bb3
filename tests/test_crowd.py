"""Sets of samples, and what is kept of real ones between evaluations."""

import dataclasses
from pathlib import Path

import pytest
import torch
from jaxtyping import Num
from torch import Tensor

from ganforge import crowd as module
from ganforge.crowd import Album, Crowd, floor, pictured, reference
from ganforge.data import Array, Source
from ganforge.evaluate import evaluate
from ganforge.features import Features


class Counting:
    """An extractor that counts what it is shown: means of rows and columns as features."""

    name, classes = "counting", ("dark", "bright")

    def __init__(self, digest: str = "0123456789ab", resize: str | None = None) -> None:
        self.digest, self.seen = digest, 0
        if resize:
            self.resize = resize

    def __call__(self, samples: Num[Tensor, "B ..."]) -> Features:
        self.seen += len(samples)
        x = samples.float() / 255
        level = x.mean((1, 2, 3))
        return Features(torch.cat([x.mean((1, 2)), x.mean((1, 3))], 1), torch.stack([1 - level, level], 1))


def images(count: int, seed: int) -> Array:
    return Array(torch.randint(0, 256, (count, 1, 4, 4), generator=torch.Generator().manual_seed(seed)).byte())


@pytest.fixture
def source() -> Source:
    return Source("made", train=images(90, 0), held_out=images(30, 1), test=images(40, 2))


def test_the_second_time_no_real_image_passes_the_network(source: Source, tmp_path: Path) -> None:
    records = []
    for seen in (120, 40):  # 40 reals, 40 for the floor, 40 fakes; then the fakes alone
        judge = Counting()
        records.append(evaluate(Album(source), source, judge, samples=50, cache=tmp_path))
        assert judge.seen == seen
    first, second = ({**r, "seconds": 0} for r in records)
    assert (first.pop("cached"), second.pop("cached")) == (False, True)
    assert first == second
    assert first["extractor"] == {"name": "counting", "weights": "0123456789ab"}
    without = evaluate(Album(source), source, Counting(), samples=50)
    assert {**without, "seconds": 0, "cached": None} == {**first, "cached": None}


@pytest.mark.parametrize("change", ["image", "order", "weights", "resize", "count", "split"])
def test_another_content_is_another_key(source: Source, tmp_path: Path, change: str) -> None:
    evaluate(Album(source), source, Counting(), samples=40, cache=tmp_path)
    before = len(list(tmp_path.iterdir()))
    assert before == 2
    judge = Counting("ba9876543210" if change == "weights" else "0123456789ab", "clean" if change == "resize" else None)
    other = source.test.tensor.clone()
    other = other.flip(0) if change == "order" else other
    other[3, 0, 2, 2] ^= change == "image"
    changed = dataclasses.replace(source, test=Array(other))
    count, split = (30 if change == "count" else 40), ("held_out" if change == "split" else "test")
    found = reference(changed, split, judge, count, cache=tmp_path)
    assert not found.cached
    assert judge.seen == found.count
    assert reference(changed, split, judge, count, cache=tmp_path).cached


def test_a_broken_file_is_made_anew(source: Source, tmp_path: Path) -> None:
    whole = reference(source, "test", Counting(), 40, cache=tmp_path)
    (path,) = tmp_path.iterdir()
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    again = reference(source, "test", Counting(), 40, cache=tmp_path)
    assert not again.cached
    assert torch.equal(again.features, whole.features)
    assert path.stat().st_size == len(data)
    assert reference(source, "test", Counting(), 40, cache=tmp_path).cached


def test_of_large_features_only_mean_and_covariance_are_kept(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SMALL", 100)
    whole = reference(source, "test", Counting(), 40, cache=tmp_path)
    bare = reference(source, "test", Counting(), 40, cache=tmp_path, whole=False)
    assert bare.cached
    assert bare.count == 40
    assert torch.equal(bare.statistics.covariance, whole.statistics.covariance)
    assert not reference(source, "test", Counting(), 40, cache=tmp_path).cached
    record = evaluate(Album(source), source, Counting(), samples=40, cache=tmp_path, metrics=["frechet_distance"])
    assert record["figures"]["frechet_distance"] == evaluate(Album(source), source, Counting(), samples=40)["figures"][
        "frechet_distance"
    ]  # fmt: skip


def test_samples_that_do_not_fit_into_memory_are_read_twice_and_no_further(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HELD", 10)
    large = pictured(source.test, torch.arange(40), Counting(), cache=tmp_path)
    monkeypatch.undo()
    assert pictured(source.test, torch.arange(40), Counting(), cache=tmp_path).cached
    assert large.digest == pictured(source.test, torch.arange(40), Counting()).digest
    monkeypatch.setattr(module, "HELD", 10)
    assert pictured(source.test, torch.arange(40), Counting()).digest == ""


def test_progress_comes_to_one_either_way(source: Source, tmp_path: Path) -> None:
    for _ in range(2):
        heard: list[float] = []
        evaluate(Album(source), source, Counting(), samples=40, cache=tmp_path, progress=heard.append)
        assert sum(heard) == pytest.approx(1)


def test_points_are_their_own_features_and_are_not_kept(tmp_path: Path) -> None:
    from ganforge.data import TOYS
    from ganforge.features import extractor

    source = TOYS["ring"](held_out=200)
    for _ in range(2):
        assert not reference(source, "test", extractor("points"), 100, cache=tmp_path).cached
    assert list(tmp_path.iterdir()) == []


def test_the_floor_is_no_part_of_the_reference(source: Source) -> None:
    few = Source("few", train=images(50, 3))
    real, train = reference(few, "train", Counting(), 30), floor(few, "train", Counting(), 30)
    assert (real.count, train.count) == (30, 20)
    assert (torch.cdist(real.features, train.features) > 0).all()


def test_an_album_gives_the_numbers_that_are_asked_for_in_their_order(source: Source) -> None:
    album = Album(source)
    everything = torch.cat(list(album.batches(range(120))))
    picked = torch.cat(list(album.batches([7, 119, 0, 55])))
    assert torch.equal(picked, everything[[7, 119, 0, 55]])


def test_a_crowd_can_be_drawn_from() -> None:
    crowd = Crowd(torch.arange(6.0).view(3, 2), torch.zeros(3, 0))
    assert crowd.drawn(torch.tensor([2, 2])).features.tolist() == [[4, 5], [4, 5]]
