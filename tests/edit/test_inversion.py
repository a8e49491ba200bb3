"""Inversion where the answer is known: of a linear map, of the generator's own samples; and what doesn't fit."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from ganforge import latent_commands
from ganforge.edit.encoder import Encoder, encoder_for, held_out_error
from ganforge.edit.inversion import feature_map, fitting_image, inverted
from ganforge.errors import DataError, RecipeError
from ganforge.labels import Labels
from ganforge.layers import Condition
from ganforge.recipe import Recipe
from ganforge.run import begin
from ganforge.sample import Sampler, latents

CLASSES = Labels(Condition("class", 2), ("left", "right"), shares=torch.full((2,), 0.5))


class Linear(nn.Module):
    """Points Az, or with a label 1 their negatives shifted by 10."""

    def __init__(self) -> None:
        super().__init__()
        self.z_dim = 3
        self.A = nn.Parameter(torch.randn(6, 3, generator=torch.Generator().manual_seed(4)))

    def forward(self, z: torch.Tensor, y: torch.Tensor | None = None) -> torch.Tensor:
        x = z @ self.A.T
        return x if y is None else torch.where(y[:, None] == 1, 10 - x, x)


sampler = Sampler(Linear(), name="linear@0", shape=(6,))


@pytest.fixture(scope="module")
def run(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from conftest import TINY_SETTINGS

    path = tmp_path_factory.mktemp("runs") / "tiny"
    recipe = Recipe("tiny", {**TINY_SETTINGS, "data": {"source": str(tiny_data)}, "judge": {"every": 0}})
    list(begin(recipe, path, command=[]).play())
    return path


def test_a_linear_map_is_inverted_to_least_squares() -> None:
    A = sampler.G.A.detach()
    x = latents([1, 2, 3], 3) @ A.T + 0.1 * latents([4, 5, 6], 6)
    found = inverted(sampler, x, pull=0.0, starts=2, steps=200)
    expected = torch.linalg.lstsq(A, x.T).solution.T
    assert torch.allclose(found.z, expected, atol=1e-3)
    left = (expected @ A.T - x).square().mean(1).sqrt()
    assert torch.allclose(found.pixel_distance, left, atol=1e-4)
    assert (found.pixel_distance < found.start_distance).all()


def test_the_pull_draws_to_the_typical_length() -> None:
    far = 5 * latents([1], 3) / latents([1], 3).norm() @ sampler.G.A.detach().T
    free, pulled = (inverted(sampler, far, pull=pull, starts=1, steps=100).z.norm().item() for pull in (0.0, 100.0))
    assert free == pytest.approx(5, rel=0.01)
    assert pulled < 3


def test_a_start_is_kept_where_no_descent_comes_nearer() -> None:
    own = sampler.generate(latents(range(5), 3)).clone()
    pulled = inverted(sampler, own, pull=1e4, starts=2, steps=50)
    assert (pulled.pixel_distance <= pulled.start_distance).all()
    assert torch.allclose(pulled.pixel_distance, (pulled.images - own).square().mean(1).sqrt(), atol=1e-6)


def test_points_are_not_drawn_away_from_what_fits() -> None:
    own = sampler.generate(latents(range(5), 3)).clone()
    assert inverted(sampler, own, starts=2, steps=200).pixel_distance.max() < 1e-3


def test_a_truncated_generator_is_searched_among_its_own_latents() -> None:
    short = sampler.truncated(0.4)
    own = short.generate(short.latents(range(20))).clone()
    found = inverted(short, own, starts=1, steps=1, lr=1e-9)
    assert found.z.abs().max() <= 0.4 + 1e-6


def test_labels_are_searched_over() -> None:
    told = Sampler(Linear(), name="told@0", shape=(6,), labels=CLASSES)
    y = torch.tensor([0, 1, 1, 0])
    found = inverted(told, told.generate(latents(range(4), 3), y).clone(), pull=0.0, starts=3, steps=100)
    assert torch.equal(found.y, y)
    assert found.pixel_distance.max() < 1e-2


def test_an_encoders_guess_is_a_start_like_any_other(tmp_path: Path) -> None:
    E = encoder_for(sampler, tmp_path / "e.safetensors", steps=200, progress=lambda done: None)
    assert held_out_error(E, sampler) < 0.1
    x = sampler.generate(latents([9], 3)).clone()
    near, far = (inverted(sampler, x, guess=guess, starts=1, steps=1, lr=1e-9) for guess in (E(x), E(x) + 9))
    assert near.start.item() == 1
    assert far.start.item() == 0
    again = encoder_for(sampler, tmp_path / "e.safetensors", steps=200, progress=lambda done: None)
    assert torch.equal(again(x), E(x))


def test_an_encoder_of_another_generator_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "e.safetensors"
    for content in (b"nonsense", None):
        if content:
            path.write_bytes(content)
        other = Linear()
        other.A.data += 0 if content else 1
        E = encoder_for(Sampler(other, name="b@0", shape=(6,)), path, steps=1, progress=lambda done: None)
        assert E(torch.zeros(2, 6)).shape == (2, 3)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 33, 20), (2,)])
def test_encoders_take_samples_of_any_shape(shape: tuple[int, ...]) -> None:
    assert Encoder(shape, 5).eval()(torch.zeros(2, *shape)).shape == (2, 5)


def test_features_with_gradients_are_those_of_the_extractor() -> None:
    from ganforge.features import extractor

    f = feature_map("mnist", torch.device("cpu"))
    x = torch.rand(2, 1, 28, 28, requires_grad=True)
    assert torch.allclose(f(x), extractor("mnist")(x.detach()).features, atol=1e-5)
    assert torch.autograd.grad(f(x).sum(), x)[0].abs().sum() > 0
    assert feature_map("none", torch.device("cpu")) is None
    with pytest.raises(RecipeError, match="no gradients can be had through the extractor 'points'"):
        feature_map("points", torch.device("cpu"))


def test_images_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    grey, colour = (Sampler(Linear(), name="grey@0", shape=(c, 8, 8)) for c in (1, 3))
    array = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
    Image.fromarray(array).save(tmp_path / "colour.png")
    Image.fromarray(array[..., :1].repeat(3, 2)).save(tmp_path / "grey.png")
    Image.fromarray(array[:4]).save(tmp_path / "low.png")
    (tmp_path / "broken.png").write_bytes(b"no")
    assert torch.equal(fitting_image(tmp_path / "grey.png", grey)[0], torch.from_numpy(array[..., 0]))
    assert torch.equal(fitting_image(tmp_path / "colour.png", colour), torch.from_numpy(array).movedim(-1, 0))
    Image.fromarray(257 * array[..., 0].astype(np.uint16)).save(tmp_path / "deep.png")
    assert torch.equal(fitting_image(tmp_path / "deep.png", grey)[0], torch.from_numpy(array[..., 0]))
    for name, model, words in (
        ("low.png", colour, r"is 8×4 pixels and colour, and grey@0 makes 8×8 in colour"),
        ("colour.png", grey, "8×8 pixels and colour, and grey@0 makes 8×8 in grey;"),
        ("broken.png", grey, "can't be read as an image"),
        ("none.png", grey, "can't be read as an image"),
        ("grey.png", sampler, "in no image file"),
    ):
        with pytest.raises(DataError, match=words):
            fitting_image(tmp_path / name, model)
    with pytest.raises(RecipeError, match=r"of shape \(5,\) don't fit linear@0"):
        inverted(sampler, torch.zeros(1, 5))


def test_the_verbs_find_move_and_invert(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import json

    def find(**options: object) -> dict[str, object]:
        given = {"methods": ["jacobian"], "count": 2, "attributes": [], "targets": [], "keep": [], "judge": None}
        latent_commands.directions(
            run, None, **{**given, **options}, samples=20, fitted=200, device="cpu", as_json=True
        )  # type: ignore[arg-type]
        return json.loads(capsys.readouterr().out)

    found = find(attributes=["size"], targets=["brightness"], keep=["contrast"])
    assert [row["name"] for row in found["directions"]] == ["jacobian 0", "jacobian 1", "size", "plane brightness"]  # type: ignore[attr-defined, index]
    file = found["file"]
    latent_commands.edit(run, f"{file}:size", "0-2", "-2,0,2", tmp_path / "e.png", labels=None, truncation=None,
                         device="cpu", as_json=False)  # fmt: skip
    with Image.open(tmp_path / "e.png") as picture:
        assert picture.size == (3 * 66 + 2, 3 * 66 + 2)
    capsys.readouterr()
    for words, call in (("no steps", {"steps": "a"}), ("'0,nan' names no steps", {"steps": "0,nan"}),
                        ("no direction '9'", {"direction": f"{file}:9"}),
                        ("no picture", {"out": tmp_path / "e.gif"})):  # fmt: skip
        given = {"direction": f"{file}:0", "steps": "1", "out": tmp_path / "e.png", **call}
        with pytest.raises(RecipeError, match=words):
            latent_commands.edit(
                run,
                seeds="0",
                labels=None,
                truncation=None,
                device="cpu",
                as_json=False,
                **given,  # type: ignore[arg-type]
            )
    for words, options in (("--keep slant is for --target", {"keep": ["slant"]}), ("no way 'x'", {"methods": ["x"]}),
                           ("no attribute 'charm'", {"attributes": ["charm"]}),
                           ("leaves nothing to find", {"methods": []})):  # fmt: skip
        with pytest.raises(RecipeError, match=words):
            find(**options)
    how = {"starts": 2, "steps": 3, "features": "none", "judge": None, "device": "cpu"}
    latent_commands.invert(run, ["train:0-2"], tmp_path / "i.png", encoder=False, as_json=True, **how)  # type: ignore[arg-type]
    record = json.loads(capsys.readouterr().out)
    assert [row["image"] for row in record["images"]] == ["train:0", "train:1", "train:2"]
    assert np.load(tmp_path / "i.npy").shape == (3, 4)
    with pytest.raises(DataError, match="has no train sample 999"):
        latent_commands.invert(run, ["train:999"], tmp_path / "i.png", encoder=False, as_json=True, **how)  # type: ignore[arg-type]
