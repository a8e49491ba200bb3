"""Who is judged against what: a run's own data again, and images that lie there, brought to it the same way."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from conftest import TINY_SETTINGS
from ganforge import commands
from ganforge.comparison import compare
from ganforge.crowd import Album, floor, real_images, reference
from ganforge.data import Array, Source, open_source
from ganforge.errors import DataError, RecipeError
from ganforge.evaluate import reporting_split
from ganforge.features import extractor
from ganforge.io.pack import write_pack
from ganforge.judged import judged_pair
from ganforge.recipe import Recipe
from ganforge.run import begin, recipe_of
from ganforge.sample import Sampler
from ganforge.subject import Subject

COUNT = 300
PAD = {"fit": "pad", "filter": "nearest"}


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images twice as wide as high."""
    folder = tmp_path_factory.mktemp("wide")
    for number in range(COUNT):
        pixels = np.random.default_rng(number).integers(1, 256, (20, 40), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:03}.png")
    return folder


@pytest.fixture(scope="module")
def run(wide: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run that learnt from them between black bars."""
    path = tmp_path_factory.mktemp("runs") / "wide"
    recipe = Recipe("wide", {**TINY_SETTINGS, "data": {"source": str(wide), "size": 28, **PAD}})
    list(begin(recipe, path, command=["ganforge", "train"]).play())
    return path


def padded(wide: Path, number: int) -> torch.Tensor:
    """One of them at 28 × 28, by Pillow."""
    square = Image.new("L", (28, 28))
    with Image.open(sorted(wide.iterdir())[number]) as image:
        square.paste(image.resize((28, 14), Image.Resampling.NEAREST), (0, 7))
    return torch.from_numpy(np.asarray(square).copy())[None]


def test_a_run_s_data_are_read_again_as_it_saw_them(run: Path, wide: Path) -> None:
    assert recipe_of(run).sections["data"].items() >= PAD.items()
    sampler, source, *_ = judged_pair(str(run), None, "cpu")
    assert isinstance(sampler, Sampler)
    assert (source.fit.policy, source.fit.filter) == ("pad", "nearest")
    there = source.train.tensor
    assert any(torch.equal(image, padded(wide, 0)) for image in there) or any(
        torch.equal(image, padded(wide, 0)) for image in source.held_out.tensor
    )
    assert (there[:, :, :7] == 0).all()
    assert (there[:, :, 7:21] > 0).all()


def test_images_are_judged_against_a_run_s_data_as_it_saw_them(run: Path, wide: Path) -> None:
    album, source, *_ = judged_pair(str(wide), str(run), "cpu")
    assert isinstance(album, Album)
    assert torch.equal(source.train.tensor, judged_pair(str(run), None, "cpu")[1].train.tensor)
    made = torch.cat([*album.batches(range(COUNT))])
    assert {image.numpy().tobytes() for image in made} == {padded(wide, n).numpy().tobytes() for n in range(COUNT)}


def test_a_run_is_judged_against_what_another_learnt_from(run: Path) -> None:
    _, source, *_ = judged_pair(str(run), str(run), "cpu")
    assert torch.equal(source.train.tensor, judged_pair(str(run), None, "cpu")[1].train.tensor)


def test_packs_keep_their_own_fit(run: Path, wide: Path, tmp_path: Path) -> None:
    for name, how in (("pad", PAD), ("crop", {})):
        write_pack(open_source(source=str(wide), size=28, **how), tmp_path / name)
    album, source, *_ = judged_pair(str(wide), str(tmp_path / "pad"), "cpu")
    assert (torch.cat([*album.batches(range(COUNT))])[:, :, :7] == 0).all()
    assert torch.equal(source.train.tensor, judged_pair(str(run), None, "cpu")[1].train.tensor)
    assert judged_pair(str(tmp_path / "crop"), str(run), "cpu")[0].most == COUNT  # made elsewhere, and square already
    assert judged_pair(str(run), str(tmp_path / "pad"), "cpu")[1].fit.policy == "pad"
    with pytest.raises(DataError, match=r"was packed with data\.fit = crop, not pad"):
        judged_pair(str(run), str(tmp_path / "crop"), "cpu")


def test_images_alone_are_a_sentence(wide: Path) -> None:
    with pytest.raises(RecipeError, match="say what they are judged against"):
        judged_pair(str(wide), None, "cpu")


def test_the_command_says_how_they_were_brought_there(
    run: Path, wide: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rest = {"split": None, "samples": 100, "metrics": "frechet_distance", "extractor": "pixels", "bootstrap": 0}
    rest |= {"cache": False, "every": False, "out": None, "scorecard": None, "device": "cpu", "as_json": True}
    commands.evaluate(str(wide), str(run), **rest)
    said = capsys.readouterr()
    words = f"{wide} was judged at the size and in the channels of {run}: 1×28×28, data.fit = pad"
    assert f"note: {words}" in said.err
    assert words in json.loads(said.out)["notes"]


def judged(wide: Path, against: Path, capsys: pytest.CaptureFixture[str], **options: object) -> dict[str, object]:
    rest = {"split": None, "samples": None, "metrics": "frechet_distance", "extractor": "pixels", "bootstrap": 0}
    rest |= {"cache": False, "every": False, "out": None, "scorecard": None, "device": "cpu", "as_json": True}
    commands.evaluate(str(wide), str(against), **rest | options)
    return json.loads(capsys.readouterr().out)


def test_images_are_judged_against_all_that_lie_there(wide: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = judged(wide, wide, capsys)
    assert (record["samples"], record["real_samples"], record["split"]) == (COUNT, COUNT, "all")
    assert record["figures"]["frechet_distance"] == pytest.approx(0, abs=1e-9)
    assert not {"images", "seeds"} & record.keys()
    assert not any("test images" in note for note in record["notes"])
    assert f"there is no floor, as all real images are on the real side: --samples {COUNT // 2}" in str(record["notes"])
    half = judged(wide, wide, capsys, samples=COUNT // 2)
    assert (half["real_samples"], half["floor_samples"]) == (COUNT // 2, COUNT // 2)
    some = f"{COUNT // 2} of {COUNT}"
    assert f"{some} images were judged, against {some} real ones: --samples {COUNT} takes more" in half["notes"]


def test_a_run_is_judged_against_all_that_it_never_saw(run: Path, wide: Path, tmp_path: Path) -> None:
    own, other = judged_pair(str(run), str(wide), "cpu"), tmp_path / "other"
    shutil.copytree(wide, other)
    assert own.own
    assert reporting_split(own.source, own=own.own) == "held_out"
    foreign = judged_pair(str(run), str(other), "cpu")
    assert not foreign.own
    assert reporting_split(foreign.source, own=foreign.own) == "all"
    assert len(real_images(foreign.source, "all")) == COUNT


def test_images_are_judged_as_large_as_the_real_ones_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, side in (("made", 90), ("real", 100)):
        (tmp_path / name).mkdir()
        for number in range(20):
            pixels = np.random.default_rng(number).integers(0, 256, (side, side, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number:03}.png")
    made, real = tmp_path / "made", tmp_path / "real"
    assert judged_pair(str(made), str(real), "cpu").source.shape == (3, 100, 100)
    assert judged_pair(str(made), str(real), "cpu", size=40).source.shape == (3, 40, 40)
    Image.fromarray(pixels[:70]).save(real / "smaller.png")
    assert judged_pair(str(made), str(real), "cpu").source.shape == (3, 64, 64)
    assert "3×40×40" in str(judged(made, real, capsys, size=40)["notes"])


def test_sizes_of_what_has_its_own_are_refused(run: Path, wide: Path) -> None:
    with pytest.raises(RecipeError, match="--size 64 is for images"):
        judged_pair(str(run), None, "cpu", size=64)
    with pytest.raises(RecipeError, match="--size 64 is for images"):
        judged_pair(str(wide), str(run), "cpu", size=64)


def test_what_was_left_out_of_a_side_is_said(wide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoilt = tmp_path / "spoilt"
    shutil.copytree(wide, spoilt)
    (spoilt / "cut.png").write_bytes(b"\x89PNG")
    for sides in ((spoilt, wide), (wide, spoilt)):
        assert f"{spoilt}: left out 1 file" in str(judged(*sides, capsys)["notes"])


def test_a_scorecard_has_the_notes_too(wide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = judged(wide, wide, capsys, samples=200, scorecard=tmp_path / "card.md")
    text = (tmp_path / "card.md").read_text()
    assert any("200 of 300 images were judged" in note for note in record["notes"])
    assert all(note[1:] in text for note in record["notes"])


def test_too_few_for_a_published_protocol_are_said_before_weights_are_sought(
    wide: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DataError, match=r"fid50k takes 50,000 generated images, and .* has 300"):
        judged(wide, wide, capsys, metrics="fid50k", extractor=None)


def test_points_and_images_don_t_go_together(wide: Path, tmp_path: Path) -> None:
    for name, dims in (("two.csv", 2), ("three.csv", 3)):
        rows = np.random.default_rng(0).normal(size=(50, dims))
        np.savetxt(tmp_path / name, rows, delimiter=",")
    two, three = str(tmp_path / "two.csv"), str(tmp_path / "three.csv")
    for one, other in ((two, str(wide)), (str(wide), two), (str(wide), "ring")):
        with pytest.raises(RecipeError, match=r"holds (points|images), and '.*' (points|images): give two of a kind"):
            judged_pair(one, other, "cpu")
    with pytest.raises(RecipeError, match=r"holds points in 3 dimensions, and '.*' in 2: give two alike"):
        judged_pair(three, two, "cpu")
    with pytest.raises(RecipeError, match="there is nothing at 'nowhere': give a run"):
        judged_pair("nowhere", two, "cpu")


def test_what_a_judgement_stands_on_is_said(wide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for number in range(COUNT - 2):
        shutil.copy(wide / f"{number:03}.png", few)
    notes = str(judged(few, wide, capsys)["notes"])
    assert "the floor stands on 2 images, fewer than the others, and is worse for it: --samples 150" in notes
    assert "not all images are square, and what lies beside their central squares isn't judged" in notes
    assert "the Fréchet distance is 0, as of the same samples on both sides" in str(judged(wide, wide, capsys)["notes"])
    record = judged(wide, wide, capsys, extractor=None, samples=2, metrics=None)
    assert "the features are mnist's, chosen by the number of channels" in str(record["notes"])
    assert "too few samples for kernel distance, classifier score, precision, recall" in str(record["notes"])
    assert record["shape"] == [1, 20, 20]


def test_real_images_in_folders_by_class_have_the_score_of_mixed_ones(tmp_path: Path) -> None:
    digits = open_source(source="mnist").train
    order = digits.labels[:4000].argsort()
    sorted_by_class = Source("sorted", Array(digits.read(order), digits.labels[order]))
    judge = extractor("mnist")
    scores = [
        compare(real=one, fake=one, subject=Subject.of(judge), names=["classifier_score"])["classifier_score"]
        for one in (floor(sorted_by_class, "test", judge, 2000), reference(sorted_by_class, "train", judge, 2000))
    ]
    assert scores[0] > 9
    assert scores[1] < 4, "in the order of the folders each split has a class or two"


def test_a_folder_of_checkpoints_is_no_album(run: Path, wide: Path) -> None:
    with pytest.raises(RecipeError, match="holds checkpoints; give one of them, or the run: ganforge evaluate"):
        judged_pair(str(run / "checkpoints"), str(wide), "cpu")
