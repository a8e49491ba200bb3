"""InceptionV3 gives what the programs of published figures give; its weights are found or missed in clear sentences."""

import hashlib
import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from ganforge.errors import CheckpointError, DataError, RecipeError
from ganforge.features import Extractor, InceptionFeatures, extractor, weights
from ganforge.features.images import clean_bicubic, tensorflow_bilinear
from ganforge.features.inception import VARIANTS, folded, random_weights

ROOT = Path(__file__).parents[1]
SCRIPT = runpy.run_path(str(ROOT / "scripts/golden_inception.py"))
GOLDEN = json.loads((ROOT / "tests/golden/inception.json").read_text())
CASES = pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: "x".join(map(str, case["size"])))


@pytest.fixture(scope="module")
def drawn() -> dict[str, Tensor]:
    return random_weights(GOLDEN["seed"])


@pytest.fixture(scope="module")
def judge() -> InceptionFeatures:
    return InceptionFeatures(random=GOLDEN["seed"])


@pytest.fixture(scope="module")
def file(drawn: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in the published layout, as `torch.save` writes it."""
    path = tmp_path_factory.mktemp("weights") / "mine.pth"
    torch.save(drawn | {"Conv2d_1a_3x3.bn.num_batches_tracked": torch.tensor(0)}, path)
    return path


@pytest.fixture
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty cache, no variable, and a published address that leads nowhere."""
    monkeypatch.delenv(weights.INCEPTION.variable, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(weights, "INCEPTION", weights.INCEPTION._replace(url=(tmp_path / "published.pth").as_uri()))


def relative_error(found: Tensor, wanted: list[float]) -> float:
    theirs = torch.tensor(wanted, dtype=torch.float64)
    return float((found.flatten().double() - theirs).norm() / theirs.norm())


@CASES
def test_features_are_those_of_the_programs_of_published_figures(case: dict, judge: InceptionFeatures) -> None:
    """torch-fidelity, pytorch-fid and clean-fid, all with the same random weights on the same image."""
    x = SCRIPT["images"](*case["size"])
    for name, prepared in VARIANTS.values():
        if name in case:
            other = other_input(judge, prepared)
            found = other(x)
            assert relative_error(found.features[0, SCRIPT["ENTRIES"]], case[name]) < 1e-5, name
            if name == "inception":
                assert relative_error(found.logits[0, SCRIPT["LOGITS"]], case["logits"]) < 1e-5
            else:  # the variants differ by far more than that
                assert relative_error(found.features[0, SCRIPT["ENTRIES"]], case["inception"]) > 1e-3


def other_input(judge: InceptionFeatures, prepared: object) -> InceptionFeatures:
    """The same network behind another preparation of images."""
    other = object.__new__(InceptionFeatures)
    other.__dict__ |= judge.__dict__ | {"prepared": prepared}
    return other


@CASES
def test_clean_resizing_is_that_of_clean_fid(case: dict) -> None:
    x = SCRIPT["images"](*case["size"]).float()
    found = clean_bicubic(x, 299)
    theirs = torch.tensor(case["clean_pixels"])
    torch.testing.assert_close(found[0].diagonal(dim1=1, dim2=2)[:, ::10].flatten(), theirs, rtol=0, atol=1e-4)


@pytest.mark.parametrize("size", [(28, 28), (64, 48), (299, 299), (330, 310)])
def test_clean_resizing_is_pillows_in_float(size: tuple[int, int]) -> None:
    image = SCRIPT["image"](*size)
    channels = [Image.fromarray(image[:, :, i].astype(np.float32)) for i in range(3)]
    wanted = np.stack([np.asarray(c.resize((299, 299), Image.Resampling.BICUBIC)).clip(0, 255) for c in channels])
    found = clean_bicubic(torch.from_numpy(image).permute(2, 0, 1)[None].float(), 299)
    torch.testing.assert_close(found[0], torch.from_numpy(wanted), rtol=0, atol=1e-4)


def test_tensorflows_resizing_pixel_by_pixel() -> None:
    x = torch.rand(1, 1, 5, 7, generator=torch.Generator().manual_seed(0)) * 255
    found = tensorflow_bilinear(x, 12)[0, 0]
    for i in range(12):
        for j in range(12):
            (row, down), (column, right) = divmod(i * 5 / 12, 1), divmod(j * 7 / 12, 1)
            rows, columns = [int(row), min(int(row) + 1, 4)], [int(column), min(int(column) + 1, 6)]
            shares = torch.outer(torch.tensor([1 - down, down]), torch.tensor([1 - right, right]))
            assert float(found[i, j]) == pytest.approx(float((x[0, 0][rows][:, columns] * shares).sum()), rel=1e-5)
    assert torch.equal(tensorflow_bilinear(x, 7)[..., 0, :], x[..., 0, :])


def test_what_it_says_of_itself_and_what_it_takes(judge: InceptionFeatures) -> None:
    assert isinstance(judge, Extractor)
    assert judge.name == "inception_random_weights_0"
    assert judge.digest in repr(judge)
    x = torch.randint(0, 256, (2, 1, 28, 28), dtype=torch.uint8)
    grey = judge(x)
    assert grey.features.shape == (2, judge.dim)
    assert grey.logits.shape == (2, len(judge.classes))
    colour = judge(x[:1].expand(-1, 3, -1, -1).float() / 127.5 - 1)
    torch.testing.assert_close(grey.features[:1], colour.features, rtol=1e-4, atol=1e-4)
    assert judge(x[:0]).features.shape == (0, judge.dim)
    with pytest.raises(DataError, match="6 channels"):
        judge(torch.zeros(1, 6, 8, 8))
    seen = torch.cat([torch.full((1, 3, 8, 8), 90), torch.tensor(255).expand(1, 1, 8, 8)], 1).to(torch.uint8)
    clear = torch.cat([seen[:, :3], torch.zeros_like(seen[:, :1])], 1)
    white = torch.full_like(seen[:, :3], 255)
    pairs = torch.cat([judge(x).features for x in (seen, seen[:, :3], clear, white)])
    torch.testing.assert_close(pairs[0::2], pairs[1::2])  # alpha is laid on white


def test_a_wrong_variant_is_answered_with_the_right_ones() -> None:
    with pytest.raises(RecipeError, match="resize = 'cleen'; scaling is tf or pt, resize is legacy or clean"):
        InceptionFeatures(resize="cleen", random=0)
    with pytest.raises(RecipeError, match="both given"):
        InceptionFeatures("x.pth", random=0)


def test_a_given_file_of_other_weights_is_named_so(file: Path, drawn: dict[str, Tensor], tmp_path: Path) -> None:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    judge = InceptionFeatures(file, resize="clean")
    assert judge.name == f"inception_clean_other_weights@{digest[:8]}"
    assert judge.digest == digest[:12]
    save_file(drawn, tmp_path / "mine.safetensors")
    found = weights.inception_weights(tmp_path / "mine.safetensors")
    assert found.label.startswith("_other_weights@")
    assert found.tensors.keys() == drawn.keys()


@pytest.mark.usefixtures("_alone")
def test_the_variable_names_a_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(weights.INCEPTION.variable, str(file))
    assert extractor("inception_pt").name.startswith("inception_pt_other_weights@")
    monkeypatch.setenv(weights.INCEPTION.variable, "nowhere.pth")
    with pytest.raises(CheckpointError, match=r"'nowhere\.pth' can't be read"):
        extractor("inception")


@pytest.mark.usefixtures("_alone")
def test_the_published_file_is_fetched_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"x": torch.ones(2)}, tmp_path / "published.pth")
    digest = hashlib.sha256((tmp_path / "published.pth").read_bytes()).hexdigest()
    monkeypatch.setattr(weights, "INCEPTION", weights.INCEPTION._replace(digest=digest[:8]))
    first = weights.inception_weights()
    assert (first.label, first.digest) == ("", digest[:12])
    assert "once" in capsys.readouterr().err
    (tmp_path / "published.pth").unlink()
    assert weights.inception_weights().tensors["x"].tolist() == [1, 1]
    assert not capsys.readouterr().err
    assert [p.name for p in weights.cached_path().parent.iterdir()] == [weights.NAME]
    weights.cached_path().write_bytes(b"cut short")
    with pytest.raises(CheckpointError, match=r"cut short or altered: .*; delete that file"):
        weights.inception_weights()


@pytest.mark.usefixtures("_alone")
def test_another_file_at_the_published_address_is_not_kept(tmp_path: Path) -> None:
    (tmp_path / "published.pth").write_bytes(b"a page that says: not found")
    with pytest.raises(CheckpointError, match=r"cut short or altered: its SHA-256 begins with .*nothing was kept"):
        weights.inception_weights()
    assert not list(weights.cached_path().parent.iterdir())


@pytest.mark.usefixtures("_alone")
def test_without_a_network_it_is_said_how_to_get_the_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"can't be fetched .* put it at '.*cache/ganforge/pt_inc") as said:
        extractor("inception")
    assert weights.INCEPTION.variable in str(said.value)
    assert not list(weights.cached_path().parent.iterdir())


def test_files_that_hold_no_such_weights_are_sentences(tmp_path: Path, drawn: dict[str, Tensor]) -> None:
    path = tmp_path / "broken.pth"
    path.write_bytes(b"no tensors")
    with pytest.raises(CheckpointError, match=r"broken\.pth' holds no weights"):
        weights.inception_weights(path)
    torch.save([1, 2], path)
    with pytest.raises(CheckpointError, match=r"broken\.pth' holds no table of tensors"):
        weights.inception_weights(path)
    without = {k: v for k, v in drawn.items() if k != "Mixed_6a.branch3x3.bn.bias"}
    with pytest.raises(CheckpointError, match=r"no weights of InceptionV3.*Mixed_6a\.branch3x3\.bn\.bias"):
        folded(without)
    with pytest.raises(CheckpointError, match=r"no weights of InceptionV3.*fc\.weight"):
        folded(drawn | {"fc.weight": torch.zeros(1000, 2048)})
