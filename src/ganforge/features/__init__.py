"""Samples to features: classifiers, InceptionV3 as published figures use it, DINOv2, CLIP, points, a user's own.

A GAN is judged in the space of a classifier's penultimate layer, where a distance means "looks like another thing" and
not "has other pixels". Two classifiers lie in the package, so judging never touches the network: `mnist` for grey
images and `cifar10` for colour ones. Numbers from different extractors can't be compared, which is why each carries a
name and a digest of its weights. Points in few dimensions are their own features: `points`.

| name | features | images are |
|---|---|---|
| `mnist`, `cifar10`, `stacked_mnist` | of classifiers in the package | resized with antialiasing to what they know |
| `inception` | InceptionV3's 2048, as torch-fidelity takes them | resized as TensorFlow 1 did, (x - 128) / 128 |
| `inception_pt` | the same network, as pytorch-fid feeds it | resized by `interpolate`, 2x - 1 of x in [0, 1] |
| `inception_clean` | the same network, as clean-fid feeds it | resized with antialiasing, (x - 128) / 128 |
| `dinov2` | DINOv2's class token, from weights that are given | resized by Pillow, bytes to bytes, as dgm-eval |
| `dinov2_clean` | the same network | resized alike and not rounded |
| `clip` | CLIP's image embedding, 768 of ViT-L/14 | short side to 224 by Pillow, the middle square, as published |
| `pixels` | means of 8 × 8 fields, of any number of channels | in [-1, 1] |
| `points` | the samples | as they are |
| `package.module:name` | of a user's own module or extractor | in [-1, 1], their size their own |
| `path/to/model.onnx` | the first output of an ONNX model | in [-1, 1], resized if the model fixes a size |
"""

import difflib
import inspect
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from ganforge.errors import RecipeError
from ganforge.features.classifiers import Classifier, ClassifierFeatures, StackedFeatures, embedded, load_classifier
from ganforge.features.clip import ClipFeatures
from ganforge.features.dinov2 import DinoFeatures
from ganforge.features.extractor import Extractor, Features, PixelFeatures, PointFeatures
from ganforge.features.gaussian import GaussianStatistics, RunningGaussian, from_all
from ganforge.features.inception import InceptionFeatures
from ganforge.features.own import ModuleFeatures, OnnxFeatures, own_extractor

__all__ = [
    "EXTRACTORS",
    "Classifier",
    "ClassifierFeatures",
    "ClipFeatures",
    "DinoFeatures",
    "Extractor",
    "Features",
    "GaussianStatistics",
    "InceptionFeatures",
    "ModuleFeatures",
    "OnnxFeatures",
    "PixelFeatures",
    "PointFeatures",
    "RunningGaussian",
    "StackedFeatures",
    "extractor",
    "extractor_for",
    "from_all",
    "load_classifier",
]

IMPORT_PATH = re.compile(r"[^\W\d]\w*([.:][^\W\d]\w*)+")
EXTRACTORS: dict[str, Callable[..., Extractor]] = {
    "mnist": partial(embedded, "mnist"),
    "cifar10": partial(embedded, "cifar10"),
    "stacked_mnist": partial(StackedFeatures, "mnist"),
    "inception": InceptionFeatures,
    "inception_pt": partial(InceptionFeatures, scaling="pt"),
    "inception_clean": partial(InceptionFeatures, resize="clean"),
    "dinov2": DinoFeatures,
    "dinov2_clean": partial(DinoFeatures, resize="clean"),
    "clip": ClipFeatures,
    "pixels": PixelFeatures,
    "points": PointFeatures,
}


def extractor(name: str, device: torch.device | str = "cpu", *, resize: str | None = None) -> Extractor:
    """The extractor of that name, of that import path (`package.module:name`) or in that ONNX file, on that device.

    Args:
        resize: clean or legacy, where it can resize in several ways; None for the one that its name says.

    Raises:
        RecipeError: if there is none, with the nearest name; if what the path leads to is no extractor; or for a
            resizing that it hasn't got.
        CheckpointError: if its weights can't be found or read.
    """
    if name in EXTRACTORS:
        return EXTRACTORS[name](device=device, **resizing(name, resize))
    if resize is not None and (name.endswith(".onnx") or IMPORT_PATH.fullmatch(name)):
        raise RecipeError(f"resize = {resize!r} means nothing to {name!r}, which resizes by itself: leave it out")
    if name.endswith(".onnx"):
        return OnnxFeatures(name, device=device)
    if IMPORT_PATH.fullmatch(name):
        return own_extractor(name, device)
    near = difflib.get_close_matches(name, EXTRACTORS, n=1)
    others = f"there are {', '.join(EXTRACTORS)}, and your own: package.module:name, or an .onnx file"
    raise RecipeError(f"no feature extractor is called '{name}'; " + (f"did you mean '{near[0]}'?" if near else others))


def resizing(name: str, resize: str | None) -> dict[str, Any]:
    """The option that makes an extractor resize so; none where nothing was asked for.

    Raises:
        RecipeError: for an extractor that resizes in one way only, or whose name says another one.
    """
    if resize is None:
        return {}
    able = [known for known, made in EXTRACTORS.items() if "resize" in inspect.signature(made).parameters]
    if name not in able:
        raise RecipeError(
            f"resize = {resize!r} means nothing to {name!r}, which has one way; two have {', '.join(able)}"
        )
    fixed = getattr(EXTRACTORS[name], "keywords", {}).get("resize", resize)
    if fixed != resize:
        raise RecipeError(f"resize = {resize!r} contradicts {name!r}, which says resize = {fixed!r}: leave out one")
    return {"resize": resize}


def extractor_for(shape: tuple[int, ...]) -> str:
    """The name of the extractor that fits samples of a shape: images (C, H, W), with alpha or without, or points (D,).

    >>> extractor_for((1, 28, 28)), extractor_for((4, 64, 64)), extractor_for((6, 64, 64)), extractor_for((2,))
    ('mnist', 'cifar10', 'pixels', 'points')
    """
    if len(shape) == 1:
        return "points"
    return {1: "mnist", 2: "mnist", 3: "cifar10", 4: "cifar10"}.get(shape[0], "pixels")
