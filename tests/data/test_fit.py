"""How images become squares: each policy and filter against Pillow itself, and the usual one as it always was."""

import json
import os
import shutil
import tarfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torch.nn import functional as F

from ganforge import data_commands
from ganforge.data import Source, cache, open_source
from ganforge.data.fit import FILTERS, POLICIES
from ganforge.data.survey import survey
from ganforge.errors import DataError, RecipeError
from ganforge.io.pack import write_pack
from ganforge.recipe import load_recipe, override, parse, resolve, to_toml

NAMED = [name for name in FILTERS if name != "auto"]
CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}
SIDES = [(37, 20), (19, 41), (31, 31), (90, 7), (1, 60), (8, 5)]
SIZE = 16


def noise(mode: str, size: tuple[int, int], seed: int = 0) -> Image.Image:
    array = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], CHANNELS[mode]), dtype=np.uint8)
    return Image.fromarray(array[..., 0] if mode == "L" else array)


def by_pillow(image: Image.Image, size: int, policy: str, name: str) -> np.ndarray:
    """What Pillow's own words for it give, (H, W, C)."""
    method = Image.Resampling[name.upper()]
    if policy == "crop":
        found = ImageOps.fit(image, (size, size), method)
    elif policy == "stretch":
        found = image.resize((size, size), method)
    else:
        longer = max(image.size)
        inner = image.resize([max(1, round(side / longer * size)) for side in image.size], method)
        found = Image.new(image.mode, (size, size), 0 if image.mode == "L" else (0,) * len(image.getbands()))
        found.paste(inner, tuple(round((size - side) / 2) for side in inner.size))
    return np.asarray(found).reshape(size, size, -1)


def opened(path: Path, **options: object) -> Source:
    return open_source(source=str(path), **{"held_out": 0, "size": SIZE} | options)


def pixels(source: Source, place: int = 0) -> np.ndarray:
    return source.train.read(torch.tensor([place]))[0].permute(1, 2, 0).numpy()


def folder_of(path: Path, *images: Image.Image) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images):
        image.save(path / f"{number:03}.png")
    return path


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("mode", CHANNELS)
def test_files_are_fitted_as_pillow_does_it(tmp_path: Path, mode: str, name: str, policy: str) -> None:
    images = [noise(mode, size, seed) for seed, size in enumerate(SIDES)]
    folder_of(tmp_path, *images)
    for memory in (4.0, 0.0):
        source = opened(tmp_path, channels=CHANNELS[mode], fit=policy, filter=name, memory=memory)
        for place, image in enumerate(images):
            assert np.array_equal(pixels(source, place), by_pillow(image, SIZE, policy, name))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_arrays_are_fitted_as_files_are(tmp_path: Path, mode: str, name: str, policy: str) -> None:
    for number, size in enumerate(SIDES[:4]):
        images = [noise(mode, size, seed) for seed in range(3)]
        np.save(tmp_path / f"{number}.npy", np.stack([np.asarray(image) for image in images]))
        source = opened(tmp_path / f"{number}.npy", fit=policy, filter=name)
        for place, image in enumerate(images):
            assert np.array_equal(pixels(source, place), by_pillow(image, SIZE, policy, name))


@pytest.mark.parametrize("policy", POLICIES)
def test_channels_that_are_no_colours_are_resized_each_for_itself(tmp_path: Path, policy: str) -> None:
    array = np.random.default_rng(0).integers(0, 256, (3, 21, 40, 5), dtype=np.uint8)
    np.save(tmp_path / "x.npy", array)
    found = pixels(opened(tmp_path / "x.npy", fit=policy, filter="box"))
    expected = [by_pillow(Image.fromarray(array[0, ..., c].copy()), SIZE, policy, "box") for c in range(5)]
    assert np.array_equal(found, np.concatenate(expected, 2))


def test_the_usual_fit_of_files_is_lanczos_of_the_central_square(tmp_path: Path) -> None:
    images = [noise("RGB", size, seed) for seed, size in enumerate(SIDES)]
    source = opened(folder_of(tmp_path, *images))
    for place, image in enumerate(images):
        usual = np.asarray(ImageOps.fit(image, (SIZE, SIZE), Image.Resampling.LANCZOS))
        assert np.array_equal(pixels(source, place), usual)


@pytest.mark.parametrize("channels", [1, 3, 4, 5])
@pytest.mark.parametrize("side", [(21, 40), (40, 21), (30, 30), (16, 23)])
def test_the_usual_fit_of_arrays_is_torch_s_bicubic_of_the_central_square(
    tmp_path: Path, channels: int, side: tuple[int, int]
) -> None:
    array = np.random.default_rng(0).integers(0, 256, (9, *side, channels), dtype=np.uint8)
    np.save(tmp_path / "x.npy", array)
    found = opened(tmp_path / "x.npy").train.tensor
    x, least = torch.from_numpy(array).permute(0, 3, 1, 2), min(side)
    top, left = (side[0] - least) // 2, (side[1] - least) // 2
    square = x[..., top : top + least, left : left + least].float()
    square = square if least == SIZE else F.interpolate(square, (SIZE, SIZE), mode="bicubic", antialias=True)
    assert torch.equal(found, square.round().clamp(0, 255).to(torch.uint8))


def test_whole_arrays_in_float_and_their_bars(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(1, 256, (4, 24, 48, 3), dtype=np.uint8)
    np.save(tmp_path / "x.npy", array)
    x = torch.from_numpy(array).permute(0, 3, 1, 2).float()

    def by_torch(h: int, w: int) -> torch.Tensor:
        resized = F.interpolate(x, (h, w), mode="bicubic", antialias=True)
        return resized.round().clamp(0, 255).to(torch.uint8)

    assert torch.equal(opened(tmp_path / "x.npy", fit="stretch").train.tensor, by_torch(SIZE, SIZE))
    padded = opened(tmp_path / "x.npy", fit="pad", channels=4).train.tensor
    assert torch.equal(padded[:, :3, 4:12], by_torch(8, SIZE))
    assert (padded[:, 3, 4:12] == 255).all()
    assert (padded[:, :, :4] == 0).all()
    assert (padded[:, :, 12:] == 0).all()


def test_bars_are_black_where_alpha_is_laid_on_white_and_clear_where_it_stays(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (32, 16), (255, 0, 0, 0))
    folder_of(tmp_path, clear, clear)
    laid, kept = pixels(opened(tmp_path, fit="pad", channels=3)), pixels(opened(tmp_path, fit="pad", channels=4))
    assert (laid[:4] == 0).all()
    assert (laid[4:12] == 255).all()
    assert (kept[:4] == 0).all()


def test_nearest_takes_pixels_as_they_are_of_large_photographs_too(tmp_path: Path) -> None:
    for number in range(2):
        noise("RGB", (200, 160), number).save(tmp_path / f"{number}.jpg", quality=95)
    with Image.open(tmp_path / "0.jpg") as image:
        expected = by_pillow(image, SIZE, "stretch", "nearest")
    assert np.array_equal(pixels(opened(tmp_path, fit="stretch", filter="nearest")), expected)


def test_both_of_a_pair_alike(tmp_path: Path) -> None:
    for number in range(3):
        for side, size in (("A", (40, 20)), ("B", (22, 33))):
            (tmp_path / "two" / side).mkdir(parents=True, exist_ok=True)
            noise("RGB", size, number).save(tmp_path / "two" / side / f"{number}.png")
    whole = folder_of(tmp_path / "one", *(noise("RGB", (60, 20), number) for number in range(3)))
    two = opened(tmp_path / "two", fit="pad", filter="box").train.whole.read(torch.tensor([0]))[0]
    one = opened(whole, fit="pad", filter="box", pairs="side_by_side").train.whole.read(torch.tensor([0]))[0]
    image = noise("RGB", (60, 20), 0)
    for pair, images in (
        (two, [noise("RGB", (40, 20), 0), noise("RGB", (22, 33), 0)]),
        (one, [image.crop((0, 0, 30, 20)), image.crop((30, 0, 60, 20))]),
    ):
        expected = [by_pillow(image, SIZE, "pad", "box") for image in images]
        assert np.array_equal(pair.permute(1, 2, 0).numpy(), np.concatenate(expected, 2))


def archive_of(path: Path, images: list[Image.Image]) -> Path:
    """A shard of WebDataset."""
    with tarfile.open(path, "w") as tar:
        for number, image in enumerate(images):
            buffer = BytesIO()
            image.save(buffer, "png")
            for name, data in ((f"{number:03}.png", buffer.getvalue()), (f"{number:03}.cls", b"%d" % (number % 2))):
                about = tarfile.TarInfo(name)
                about.size = len(data)
                tar.addfile(about, BytesIO(data))
    return path


@pytest.mark.parametrize("kind", ["zip", "shard", "parquet"])
def test_wherever_images_are_decoded(tmp_path: Path, kind: str) -> None:
    images = [noise("RGB", (50, 20), seed) for seed in range(4)]
    folder = folder_of(tmp_path / "set", *images)
    if kind == "zip":
        path = Path(shutil.make_archive(str(tmp_path / "x"), "zip", folder))
    elif kind == "shard":
        path = archive_of(tmp_path / "x.tar", images)
    else:
        pa = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        files = [{"bytes": file.read_bytes(), "path": file.name} for file in sorted(folder.iterdir())]
        path = tmp_path / "x.parquet"
        parquet.write_table(pa.table({"image": files}), path)
    source = opened(path, fit="pad", filter="bilinear")
    for place, image in enumerate(images):
        assert np.array_equal(pixels(source, place), by_pillow(image, SIZE, "pad", "bilinear"))


# Packs and copies


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "set", *(noise("RGB", (40, 24), seed) for seed in range(20)))


def index_of(pack: Path) -> dict[str, object]:
    return json.loads((pack / "pack.json").read_text())


def test_a_pack_knows_how_it_was_made(wide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack = tmp_path / "pack"
    settings = ["size=16", "held_out=0", "fit=pad", "filter=box"]
    data_commands.data(str(wide), sheet=None, pack=pack, settings=settings, as_json=True)
    capsys.readouterr()
    assert (index_of(pack)["fit"], index_of(pack)["filter"]) == ("pad", "box")
    source = opened(wide, fit="pad", filter="box")
    for asked in ({}, {"fit": "pad"}, {"fit": "pad", "filter": "box"}):
        found = open_source(source=str(pack), **asked)
        assert torch.equal(found.train.tensor, source.train.tensor)
        assert (found.fit.policy, found.fit.filter) == ("pad", "box")
        assert any("packed with data.fit = pad" in note for note in found.notes) == ("fit" not in asked)
    with pytest.raises(DataError, match=r"was packed with data\.fit = pad, not stretch: leave data\.fit out, or pack"):
        open_source(source=str(pack), fit="stretch")
    with pytest.raises(DataError, match=r"was packed with data\.filter = box, not nearest: leave data\.filter out"):
        open_source(source=str(pack), filter="nearest")


def test_a_pack_at_another_size_is_resized_by_its_own_filter(wide: Path, tmp_path: Path) -> None:
    write_pack(opened(wide, fit="stretch", filter="box"), tmp_path / "pack")
    small = pixels(open_source(source=str(tmp_path / "pack"), size=8))
    large = Image.fromarray(pixels(opened(wide, fit="stretch", filter="box")))
    assert np.array_equal(small, np.asarray(large.resize((8, 8), Image.Resampling.BOX)))
    write_pack(open_source(source=str(tmp_path / "pack"), size=8), tmp_path / "again")
    again = open_source(source=str(tmp_path / "again"))
    assert (again.fit.policy, again.fit.filter) == ("stretch", "box")
    assert sum("packed with" in note for note in again.notes) == 1


def test_a_pack_of_a_former_version_is_as_usual(wide: Path, tmp_path: Path) -> None:
    write_pack(opened(wide), tmp_path / "pack")
    index = index_of(tmp_path / "pack")
    assert (index.pop("fit"), index.pop("filter")) == ("crop", "lanczos")
    (tmp_path / "pack" / "pack.json").write_text(json.dumps(index))
    found = open_source(source=str(tmp_path / "pack"))
    assert torch.equal(found.train.tensor, opened(wide).train.tensor)
    assert found.notes == ()
    with pytest.raises(DataError, match=r"packed with data\.fit = crop, not pad"):
        open_source(source=str(tmp_path / "pack"), fit="pad")
    (tmp_path / "pack" / "pack.json").write_text(json.dumps(index | {"fit": "shear"}))
    with pytest.raises(DataError, match="is no index of a packed set"):
        open_source(source=str(tmp_path / "pack"))


def test_a_pack_of_files_knows_which_filter_was_its_own(wide: Path, tmp_path: Path) -> None:
    write_pack(opened(wide), tmp_path / "pack")
    assert index_of(tmp_path / "pack")["filter"] == "lanczos"
    for asked in ({}, {"filter": "lanczos"}):
        assert torch.equal(open_source(source=str(tmp_path / "pack"), **asked).train.tensor, opened(wide).train.tensor)
    with pytest.raises(DataError, match=r"was packed with data\.filter = lanczos, not box"):
        open_source(source=str(tmp_path / "pack"), filter="box")


def test_copies_are_named_by_what_isn_t_usual(wide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "FEW", 10)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    packs = tmp_path / "cache" / "ganforge" / "packs"
    wanted = [{}, {"filter": "lanczos"}, {"fit": "pad"}, {"fit": "pad", "filter": "box"}, {"filter": "box"}]
    for asked in wanted * 2:
        source, plain = opened(wide, **asked), opened(wide, **asked, cache=0.0)
        assert torch.equal(source.train.tensor, plain.train.tensor)
        assert (source.notes, source.fit) == (plain.notes, plain.fit)
    names = sorted(path.name.partition("-")[2] for path in packs.iterdir() if not path.name.startswith("."))
    former = f"size_{SIZE}-held_out_0"  # the name that this copy always had
    assert names == [former, f"{former}-filter_box", f"{former}-fit_pad", f"{former}-fit_pad-filter_box"]


def test_a_copy_of_a_former_version_is_used(wide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "FEW", 10)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    opened(wide)
    (copy,) = cache.copies(wide)
    index = index_of(copy)
    del index["fit"], index["filter"]
    (copy / "pack.json").write_text(json.dumps(index))
    before = os.stat(copy / "pixels.bin").st_mtime_ns
    assert torch.equal(opened(wide).train.tensor, opened(wide, cache=0.0).train.tensor)
    assert cache.copies(wide) == [copy]
    assert os.stat(copy / "pixels.bin").st_mtime_ns == before
    assert "fit" not in index_of(copy)


# What is said


def test_settings_that_change_nothing_are_said_and_usual_ones_are_not() -> None:
    assert open_source().notes == ()
    assert open_source(size=14, filter="box").notes == ()
    assert open_source(fit="pad").notes == ("data.fit = pad changes nothing: the images are square",)
    assert open_source(filter="box").notes == ("data.filter = box changes nothing: the images are of 28×28 already",)


def test_points_have_no_fit(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("1,2\n3,4\n5,6\n")
    assert open_source(source=str(tmp_path / "x.csv"), fit="crop", filter="auto").shape == (2,)
    for key, value in (("fit", "pad"), ("filter", "box")):
        with pytest.raises(DataError, match=rf"holds points, and {key} = {value} is said of images: leave out data"):
            open_source(source=str(tmp_path / "x.csv"), **{key: value})
    with pytest.raises(RecipeError, match=r"data\.fit: .* has no parameter 'fit'"):
        resolve(override(load_recipe(), ["data=ring", "data.fit=pad"]))


@pytest.mark.parametrize(
    ("key", "wrong", "right"), [("fit", "padd", "pad"), ("fit", "strech", "stretch"), ("filter", "lanzcos", "lanczos")]
)
def test_a_wrong_name_has_a_right_one_beside_it(key: str, wrong: str, right: str) -> None:
    with pytest.raises(RecipeError, match=rf"data\.{key} = '{wrong}': .*; did you mean '{right}'\?"):
        resolve(override(load_recipe(), [f"data.{key}={wrong}"]))


def test_a_recipe_records_the_fit_and_one_without_is_as_usual() -> None:
    text = to_toml(resolve(override(load_recipe(), ["data.fit=pad", "data.filter=box"])), comments=False)
    assert {'fit = "pad"', 'filter = "box"'} <= set(text.splitlines())
    former = "\n".join(line for line in text.splitlines() if not line.startswith(("fit =", "filter =")))
    data = resolve(parse(former, "former", origin="former"))["data"].values
    assert (data["fit"], data["filter"]) == ("crop", "auto")


def test_a_look_names_the_remedy(tmp_path: Path) -> None:
    words = "\n".join(survey(str(folder_of(tmp_path, *(noise("RGB", (90, 30), n) for n in range(9)))))[0].warnings())
    assert "the central square leaves out 67% of the pixels: data.fit=pad keeps them all between black bars" in words
    assert "data.fit=stretch" in words
