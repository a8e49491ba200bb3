"""Two domains: halves of one image, folders A and B in pairs or not, as listings, batches, packs and looks."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from tests.data.test_members import PACKED, filled, shade
from torch import Tensor

from ganforge import data_commands
from ganforge.batch import Batch
from ganforge.data import Source, open_source
from ganforge.data import cache as copies
from ganforge.data.pairs import Paired, Unpaired
from ganforge.data.survey import survey
from ganforge.errors import DataError, RecipeError
from ganforge.io.pack import write_pack


def opened(path: Path, **options: object) -> Source:
    return open_source(source=str(path), **options)


def two(folder: Path, a: list[str], b: list[str]) -> Path:
    """A's images are of the greys 0, 1, ..., B's of 255, 254, ...; so in a pair both add up to 255."""
    for number, name in enumerate(a):
        shade(folder, name, number)
    for number, name in enumerate(b):
        shade(folder, name, 255 - number)
    return folder


def halved(folder: Path, count: int = 20) -> Path:
    """Images of 16 × 8: n on the left, 255 - n on the right, and a mark in the left column of each half."""
    folder.mkdir(parents=True)
    for n in range(count):
        picture = Image.new("L", (16, 8), n)
        picture.paste(255 - n, (8, 0, 16, 8))
        picture.paste(200, (0, 0, 1, 8))
        picture.paste(200, (8, 0, 9, 8))
        picture.save(folder / f"{n:02}.png")
    return folder


def greys(x: Tensor) -> list[int]:
    """The grey of each image of a batch."""
    return (x[:, 0, 0, 5] * 127.5 + 127.5).round().int().tolist()


def batches(source: Source, count: int = 4, **options: object) -> list[Batch]:
    with source.stream(source.train, batch=7, device="cpu", **{"seed": 3, **options}) as stream:
        return [stream.next() for _ in range(count)]


NAMES = [f"{n:02}" for n in range(20)]


@pytest.mark.parametrize("packed", PACKED.values(), ids=PACKED)
@pytest.mark.parametrize("memory", [4.0, 0.0])
def test_halves_are_pairs(tmp_path: Path, packed: object, memory: float) -> None:
    source = opened(packed(halved(tmp_path / "set")), pairs="side_by_side", memory=memory)
    assert (source.shape, len(source.train), len(source.held_out)) == ((1, 8, 8), 18, 2)
    assert source.describe().endswith("18 training images of 1×8×8, 2 held out, each with its pair")
    for batch in batches(source, flip=True):
        assert batch.x.shape == batch.pair.shape == (7, 1, 8, 8)
        assert [a + b for a, b in zip(greys(batch.x), greys(batch.pair), strict=True)] == [255] * 7
        marked = [(one[:, 0, 0, 0] * 127.5 + 127.5).round() == 200 for one in (batch.x, batch.pair)]
        assert torch.equal(*marked)  # mirrored together
        assert batch.cond is None


def test_the_other_domain(tmp_path: Path) -> None:
    a, b = (opened(halved(tmp_path / d), pairs="side_by_side", domain=d) for d in "AB")
    for one, other in zip(batches(a), batches(b), strict=True):
        assert torch.equal(one.x, other.pair)
        assert torch.equal(one.pair, other.x)
    assert torch.equal(a.train.tensor, torch.cat([a.train.read(torch.tensor([n])) for n in range(18)]))
    assert "of two domains A is learnt; a game without a condition never sees B (data.domain=B turns them)" in a.notes


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([f"A/{n}.png" for n in NAMES], [f"B/{n}.bmp" for n in NAMES]),
        ([f"trainA/{n}_A.png" for n in NAMES], [f"trainB/{n}_B.png" for n in NAMES]),
        ([f"train/A/x/{n}.png" for n in NAMES], [f"train/B/x/{n}.png" for n in NAMES]),
        ([f"A/train/{n}.png" for n in NAMES], [f"B/train/{n}.png" for n in NAMES]),
    ],
)
@pytest.mark.parametrize("memory", [4.0, 0.0])
def test_the_same_names_in_a_and_b_are_pairs(tmp_path: Path, a: list[str], b: list[str], memory: float) -> None:
    source = opened(two(tmp_path, a, b), memory=memory)
    assert isinstance(source.train, Paired)
    assert source.classes is None
    for batch in batches(source):
        assert [x + y for x, y in zip(greys(batch.x), greys(batch.pair), strict=True)] == [255] * 7


def test_those_without_a_partner_are_named(tmp_path: Path) -> None:
    folder = two(tmp_path, [f"A/{n}.png" for n in NAMES], [f"B/{n}.png" for n in NAMES[1:]])
    source = opened(folder, held_out=0)
    assert len(source.train) == 19
    assert source.notes[0].endswith("A/00.png') without a partner of the same name")
    assert survey(str(folder))[0].notes == [source.notes[0]]
    few = two(tmp_path / "few", ["A/x.png", "A/y.png", "A/z.png"], ["B/x.png", "B/z.png", "B/u.png"])
    assert isinstance(opened(few).train, Unpaired)
    assert len(opened(few, pairs="paired").train) == 2
    with pytest.raises(DataError, match=r"no two files of A and B have the same name, '.*A/x\.png' for one"):
        opened(two(tmp_path / "none", ["A/x.png"], ["B/y.png"]), pairs="paired")


def cycle(folder: Path) -> Path:
    """CycleGAN's layout: 20 and 13 images to train with, 4 and 3 to test."""
    a = [f"trainA/h{n}.png" for n in NAMES] + [f"testA/h{n}.png" for n in range(4)]
    return two(folder, a, [f"trainB/z{n}.png" for n in NAMES[:13]] + [f"testB/z{n}.png" for n in range(3)])


@pytest.mark.parametrize("memory", [4.0, 0.0])
def test_other_names_are_two_sets(tmp_path: Path, memory: float) -> None:
    source = opened(cycle(tmp_path), memory=memory)
    assert [len(part) for part in (source.train, source.held_out, source.test)] == [18, 2, 4]
    assert [len(part.other) for part in (source.train, source.held_out, source.test)] == [12, 1, 3]
    assert source.describe().endswith("18 training images of 1×8×8, 2 held out, 4 for testing, 12 of the other domain")
    drawn = batches(source, 36)
    x, cond = (torch.cat([getattr(batch, key) for batch in drawn]) for key in ("x", "cond"))
    assert [greys(x).count(n) for n in range(20)].count(36 * 7 // 18) == 18  # each once an epoch, as without B
    assert {greys(cond).count(255 - n) for n in range(13)} == {0, 36 * 7 // 12}
    assert all(batch.pair is None for batch in drawn)
    later = batches(source, 4, position=7 * 9)
    assert all(torch.equal(one.cond, other.cond) for one, other in zip(later, drawn[9:], strict=False))
    again = torch.cat([batch.cond for batch in batches(source, 36, seed=4)])
    assert not torch.equal(cond, again)
    assert max(greys(opened(tmp_path, domain="B").train.read(torch.arange(12)).float() / 127.5 - 1)) == 255


def test_folders_a_and_b_may_be_classes(tmp_path: Path) -> None:
    folder = two(tmp_path / "AB", [f"A/{n}.png" for n in NAMES], [f"B/{n}.png" for n in NAMES])
    assert opened(folder, pairs="none").classes == ("A", "B")
    assert isinstance(opened(folder, pairs="unpaired").train, Unpaired)
    assert opened(filled(tmp_path / "abc", [f"{k}/{n}.png" for k in "ABC" for n in NAMES])).classes == ("A", "B", "C")


@pytest.mark.parametrize("kind", ["paired", "unpaired"])
def test_packs_and_copies_hold_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(copies, "FEW", 4)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = cycle(tmp_path / "set") if kind == "unpaired" else two(tmp_path / "set", *(
        [f"{side}/{n}.png" for n in NAMES] for side in "AB"))  # fmt: skip
    plain = opened(folder, cache=0.0)
    write_pack(opened(folder, cache=0.0, domain="B"), tmp_path / "pack")
    for source in (opened(folder), opened(folder), opened(tmp_path / "pack")):
        assert source.notes == plain.notes
        for one, other in zip(batches(source), batches(plain), strict=True):
            assert torch.equal(one.x, other.x)
            key = "pair" if kind == "paired" else "cond"
            assert torch.equal(getattr(one, key), getattr(other, key))
    assert len(copies.copies(folder)) == 1
    large = opened(tmp_path / "pack", size=16, channels=3)
    assert (large.shape, batches(large)[0].x.shape) == ((3, 16, 16), (7, 3, 16, 16))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pairs": "paired"}, "pairs = paired needs folders A and B, or trainA and trainB"),
        ({"pairs": "side_by_side"}, r"halves each image, and '.*00\.png' is 8×8, not wider than high"),
        ({"domain": "B"}, "domain = B is said of two domains, and '.*' has one"),
    ],
)
def test_sets_of_one_domain_say_so(tmp_path: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        opened(filled(tmp_path, [f"{n}.png" for n in NAMES]), **options)
    with pytest.raises(DataError, match="pairs = side_by_side is said of two domains, and 'mnist' has one"):
        open_source(source="mnist", pairs="side_by_side")


def test_the_look(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, sheet = halved(tmp_path / "set"), tmp_path / "sheet.png"
    (folder / "07.png").write_bytes(b"")
    assert any("if each is a pair, data.pairs=side_by_side halves it" in w for w in survey(str(folder))[0].warnings())
    data_commands.data(str(folder), sheet=sheet, pack=None, settings=["pairs=side_by_side"], as_json=True)
    record = json.loads(capsys.readouterr().out)
    assert (record["pairing"], record["splits"]) == ("side_by_side", {"train": 20})
    assert record["sizes"] == [{"width": 8, "height": 8, "images": 38}]
    assert [one["file"] for one in record["broken"]] == ["07.png"]
    _, pictures = survey(str(folder), pairs="side_by_side")
    assert {picture.size for picture in pictures} == {(16, 8)}
    data_commands.data(str(cycle(tmp_path / "two")), sheet=None, pack=None, settings=[], as_json=False)
    shown = capsys.readouterr().out
    assert "images of A    24" in shown
    assert "16  13 train, 3 test, none paired with A's" in shown
    with pytest.raises(DataError, match=r"pairs = 'halves' is none of side_by_side, paired"):
        data_commands.data(str(folder), sheet=None, pack=None, settings=["pairs=halves"], as_json=False)
    with pytest.raises(RecipeError, match="--set size=8 says how to pack"):
        data_commands.data(str(folder), sheet=None, pack=None, settings=["pairs=none", "size=8"], as_json=False)
