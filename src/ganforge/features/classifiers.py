"""Small classifiers whose weights lie in the package: of digits, of colour pictures, of stacks of digits."""

import hashlib
import itertools
import json
from functools import reduce
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Num
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ganforge.errors import CheckpointError, DataError
from ganforge.features.extractor import Features
from ganforge.features.images import in_unit_range, on_white, recoloured, resized

__all__ = ["Classifier", "ClassifierFeatures", "StackedFeatures", "embedded", "load_classifier"]

CHUNK = 256  # images at once: the activations of one chunk stay near the caches


def block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """3 × 3 convolution, batch norm, ReLU."""
    convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class Stage(nn.Module):
    """Halves the image, then adds one residual block."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.down = block(inputs, outputs, stride=2)
        self.residual = block(outputs, outputs)

    def forward(self, h: Tensor) -> Tensor:
        h = self.down(h)
        return h + self.residual(h)


class Classifier(nn.Module):
    """A small residual network: images (B, C, H, W) in [-1, 1] to `Features`.

    The first width belongs to the full resolution, each further one halves it; the last is the dimension D of the
    features: averages over the plane of values that a ReLU left non-negative.

    >>> Classifier((1, 28, 28), classes=10, widths=(16, 32, 64))(torch.zeros(2, 1, 28, 28)).features.shape
    torch.Size([2, 64])
    """

    def __init__(self, shape: tuple[int, int, int], classes: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.stem = block(shape[0], widths[0])
        self.stages = nn.Sequential(*(Stage(inputs, outputs) for inputs, outputs in pairwise(widths)))
        self.head = nn.Linear(widths[-1], classes)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Features:
        features = self.stages(self.stem(x)).mean((2, 3))
        return Features(features, self.head(features))


def load_classifier(path: Path) -> tuple[Classifier, dict[str, Any]]:
    """The classifier that a safetensors file holds, and the facts stored beside its weights.

    The file says how to build the network (`shape`, `classes`, `widths`) and what it is worth (`accuracy` on the test
    split, `command` that made it). Raises `CheckpointError` if it can't be read or lacks one of them.
    """
    try:
        with safe_open(path, "pt") as file:
            facts = {key: json.loads(value) for key, value in (file.metadata() or {}).items()}
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - a file, not a dictionary
        network = Classifier(tuple(facts["shape"]), len(facts["classes"]), tuple(facts["widths"]))
        network.load_state_dict(weights)
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"'{path}' holds no classifier ({error}); train one with scripts/train_classifiers.py"
        ) from error
    return network, facts


def fused(network: Classifier) -> Classifier:
    """The same function in evaluation mode, its batch norms folded into the convolutions before them."""
    for part in list(network.eval().modules()):
        if isinstance(part, nn.Sequential) and isinstance(part[0], nn.Conv2d) and isinstance(part[1], nn.BatchNorm2d):
            part[0], part[1] = fuse_conv_bn_eval(part[0], part[1]), nn.Identity()
    return network


class ClassifierFeatures:
    """A frozen classifier that takes images of any size, grey or colour, bytes or floats in [-1, 1].

    `name` and `digest` (12 hex digits of the weights file's SHA-256) say whose features these are; `shape` (C, H, W) is
    what the network sees, `dim` the length D of its features, `classes` the names of its K classes, `accuracy` its
    share of right answers on the test split. Images of another shape are turned grey or tripled, then resized with
    antialiasing. The answer lies on the CPU, where the float64 statistics are taken.

    >>> judge = embedded("mnist")
    >>> judge(torch.zeros(5, 3, 32, 32, dtype=torch.uint8)).logits.shape
    torch.Size([5, 10])
    """

    def __init__(self, name: str, path: Path, device: torch.device | str = "cpu") -> None:
        network, facts = load_classifier(path)
        self.name, self.device = name, torch.device(device)
        self.digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        self.shape: tuple[int, int, int] = tuple(facts["shape"])
        self.classes: tuple[str, ...] = tuple(facts["classes"])
        self.accuracy: float = facts["accuracy"]
        self.dim: int = network.head.in_features
        network = fused(network).requires_grad_(False)
        self.network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def __call__(self, images: Num[Tensor, "B C H W"]) -> Features:
        """Features (B, D) and logits (B, K) of B images; raises `DataError` for other than 1 or 3 channels."""
        answers = [self.network(self.adapted(chunk.to(self.device))) for chunk in images.split(CHUNK)]
        return Features(*(torch.cat(parts).cpu() for parts in zip(*answers, strict=True)))

    def adapted(self, images: Num[Tensor, "B C H W"]) -> Float[Tensor, "B c h w"]:
        """The images as the network was trained to see them."""
        x = resized(recoloured(on_white(in_unit_range(images)), self.shape[0]), self.shape[1:])
        return x.contiguous(memory_format=torch.channels_last)

    def __repr__(self) -> str:
        return f"ClassifierFeatures({self.name!r}, digest={self.digest!r}, dim={self.dim}, device={str(self.device)!r})"


class StackedFeatures:
    """One digit's classifier on each channel apart: features side by side, a class for each row of digits.

    With C channels and K digits there are K ** C classes, in the order of counting; a logit is the sum of the channels'
    log probabilities, so their softmax is the product of what each channel is.

    >>> StackedFeatures("mnist")(torch.zeros(5, 3, 28, 28, dtype=torch.uint8)).logits.shape
    torch.Size([5, 1000])
    """

    def __init__(self, name: str, channels: int = 3, device: torch.device | str = "cpu") -> None:
        self.single, self.channels = embedded(name, device), channels
        self.name, self.digest, self.device = f"stacked_{name}", self.single.digest, self.single.device
        self.shape = (channels, *self.single.shape[1:])
        self.dim = channels * self.single.dim
        self.accuracy = self.single.accuracy**channels
        self.classes = tuple("".join(row) for row in itertools.product(self.single.classes, repeat=channels))

    def __call__(self, images: Num[Tensor, "B C H W"]) -> Features:
        """Features (B, C·D) and logits (B, K ** C); a grey image is the same digit in each channel.

        Raises:
            DataError: for other than 1 or C channels.
        """
        if images.shape[1] not in (1, self.channels):
            raise DataError(
                f"images with {images.shape[1]} channels can't be judged by {self.name}; give ones with {self.channels}"
            )
        found = self.single(images.expand(-1, self.channels, -1, -1).flatten(0, 1)[:, None])
        each = found.logits.log_softmax(1).unflatten(0, (-1, self.channels))
        logits = reduce(lambda rows, one: (rows[:, :, None] + one[:, None]).flatten(1), each.unbind(1))
        return Features(found.features.unflatten(0, (-1, self.channels)).flatten(1), logits)


def embedded(name: str, device: torch.device | str = "cpu") -> ClassifierFeatures:
    """An extractor whose weights lie in the package."""
    return ClassifierFeatures(name, Path(str(files("ganforge") / "assets/classifiers" / f"{name}.safetensors")), device)
