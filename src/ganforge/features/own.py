"""Extractors from outside: a user's own module or extractor by its import path, and ONNX models."""

import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from ganforge.errors import CheckpointError, RecipeError
from ganforge.features.extractor import Extractor, Features
from ganforge.features.images import in_unit_range, on_white, recoloured, resized
from ganforge.features.weights import DIGITS, file_digest, signed, state_digest
from ganforge.outside import imported

__all__ = ["ModuleFeatures", "OnnxFeatures", "own_extractor"]

CHUNK = 64  # images at once
WANTED = "an nn.Module that turns images in [-1, 1] into features (B, D), or an extractor"


def own_extractor(path: str, device: torch.device | str = "cpu") -> Extractor:
    """What an import path leads to: a module or an extractor, or a function or class that gives one.

    A function is called without arguments, or with `device=` if it has such a parameter.

    Raises:
        RecipeError: if it can't be imported or called, or gives something else.
    """
    found = imported(path, what=WANTED)
    if isinstance(found, type) or not isinstance(found, nn.Module | Extractor):
        found = called(path, found, device)
    if isinstance(found, nn.Module):
        return ModuleFeatures(path, found, device)
    if not isinstance(found, Extractor):
        raise RecipeError(f"{path!r} gives {type(found).__name__}, which extracts nothing; let it give {WANTED}")
    return found


def called(path: str, function: Callable[..., Any], device: torch.device | str) -> Any:
    """What a function from outside gives, told of the device if it wants to know."""
    try:
        takes_device = "device" in inspect.signature(function).parameters
        return function(device=device) if takes_device else function()
    except Exception as error:  # whatever the user's own code raises
        raise RecipeError(
            f"{path!r} can't be called ({type(error).__name__}: {error}); it is called without arguments, or with "
            f"device= if it has such a parameter, and gives {WANTED}"
        ) from error


class ModuleFeatures:
    """A module of a user's own: images in [-1, 1], with the size and channels that they have, to features (B, D).

    `digest` is of the weights that it holds now, and `name` ends with its first digits. It knows no classes.

    >>> ModuleFeatures("flat", nn.Flatten())(torch.zeros(5, 1, 2, 3, dtype=torch.uint8)).features.shape
    torch.Size([5, 6])
    """

    classes: tuple[str, ...] = ()

    def __init__(self, name: str, module: nn.Module, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.digest = state_digest(module.state_dict())
        self.name, self.path = signed(name, self.digest), name
        self.module = module.eval().to(self.device)

    @torch.inference_mode()
    def __call__(self, images: Num[Tensor, "B C H W"]) -> Features:
        """Features (B, D) and no logits (B, 0); raises `RecipeError` if the module gives anything else."""
        return gathered(self.path, [self.module(in_unit_range(c.to(self.device))) for c in images.split(CHUNK)], images)


class OnnxFeatures:
    """An ONNX model with one input, images in [-1, 1], whose first output is features (B, D); needs `ganforge[onnx]`.

    Where the model fixes channels, grey images are tripled and colour ones turned grey; where it fixes a size, images
    are resized with antialiasing; where it fixes a batch, the last one is filled up. `digest` is of the file, and of
    `<file>.data` beside it if weights lie there; `name` is the file's, with the digest's first digits.

    Raises:
        RecipeError: if onnxruntime isn't installed, or if the model takes no images.
        CheckpointError: if the file can't be read.
    """

    classes: tuple[str, ...] = ()

    def __init__(self, path: Path | str, device: torch.device | str = "cpu") -> None:
        self.path, self.device = Path(path).expanduser(), torch.device(device)
        beside = self.path.with_name(f"{self.path.name}.data")
        digests = [file_digest(file) for file in (self.path, beside) if file == self.path or file.exists()]
        self.digest = "".join(digest[: DIGITS // len(digests)] for digest in digests)
        self.name = signed(self.path.name, self.digest)
        self.session = session(self.path, self.device)
        inputs = self.session.get_inputs()
        shape = inputs[0].shape if len(inputs) == 1 else []
        if len(shape) != 4 or inputs[0].type != "tensor(float)":
            raise RecipeError(f"'{self.path}' takes no images; give a model with one float input of four axes, B C H W")
        self.input = inputs[0].name
        self.batch, self.channels, *self.size = (n if isinstance(n, int) and n > 0 else None for n in shape)

    def __call__(self, images: Num[Tensor, "B C H W"]) -> Features:
        """Features (B, D) and no logits (B, 0); raises `RecipeError` if the model gives anything else."""
        return gathered(str(self.path), [self.features(c) for c in images.split(self.batch or CHUNK)], images)

    def features(self, images: Num[Tensor, "B C H W"]) -> Tensor:
        """The model's first output for one chunk."""
        x = self.adapted(images)
        missing = (self.batch or len(x)) - len(x)
        x = torch.cat([x, x[-1:].expand(missing, -1, -1, -1)]) if len(x) else x
        try:
            answer = self.session.run(None, {self.input: x.contiguous().numpy()})[0]
        except Exception as error:  # the library's own classes, which aren't there to be named
            raise RecipeError(
                f"'{self.path}' can't take images of shape {tuple(x.shape[1:])} ({error}); give it a fitting input"
            ) from None
        return torch.from_numpy(answer)[: len(images)]

    def adapted(self, images: Num[Tensor, "B C H W"]) -> Float[Tensor, "B c h w"]:
        """The images with the channels and the size that the model fixes."""
        x = in_unit_range(images.cpu())
        x = x if self.channels is None else recoloured(on_white(x), self.channels)
        height, width = (fixed or there for fixed, there in zip(self.size, x.shape[2:], strict=True))
        return resized(x, (height, width))


def session(path: Path, device: torch.device) -> Any:
    """A model, ready to run.

    Raises:
        RecipeError: where onnxruntime isn't installed, with the extra that brings it.
        CheckpointError: if the file is no model.
    """
    try:
        onnxruntime: Any = importlib.import_module("onnxruntime")
    except Exception as error:  # whatever a broken installation raises
        raise RecipeError(f"ONNX models need onnxruntime ({error}): pip install 'ganforge[onnx]'") from None
    wanted = ["CUDAExecutionProvider"] if device.type == "cuda" else []
    providers = [*(p for p in wanted if p in onnxruntime.get_available_providers()), "CPUExecutionProvider"]
    try:
        return onnxruntime.InferenceSession(str(path), providers=providers)
    except Exception as error:  # as above
        words = " ".join(str(error).split())
        raise CheckpointError(f"'{path}' holds no ONNX model that can run ({words}); export it anew") from None


def gathered(path: str, answers: list[Any], images: Tensor) -> Features:
    """The features of all chunks on the CPU, if they are features."""
    for answer in answers:
        if not isinstance(answer, Tensor) or answer.ndim != 2 or not answer.is_floating_point():
            what = f"{answer.dtype} {tuple(answer.shape)}" if isinstance(answer, Tensor) else type(answer).__name__
            raise RecipeError(f"{path!r} gives {what} where features (B, D) are wanted; let it give floats, a row each")
    features = torch.cat([answer.float().cpu() for answer in answers])
    if len(features) != len(images):
        raise RecipeError(f"{path!r} gives {len(features)} rows for {len(images)} images; let it give one row each")
    return Features(features, torch.empty(len(images), 0))
