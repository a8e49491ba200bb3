"""InceptionV3 as published FID figures use it: TensorFlow's graph of 2015-12-05, ported.

It differs from the InceptionV3 of the paper and of other libraries in three places: average pools don't count the
padding, the last block pools by the maximum, and there are 1008 classes. The layout of its weights is that of the
published file `pt_inception-2015-12-05-6726825d.pth`; batch norms are folded into the convolutions when it is read.
"""

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Num
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.errors import CheckpointError, RecipeError
from ganforge.features.extractor import Features
from ganforge.features.images import clean_bicubic, in_levels, on_white, recoloured, tensorflow_bilinear
from ganforge.features.weights import Weights, inception_weights, state_digest

__all__ = ["InceptionFeatures", "InceptionV3", "folded", "full_precision", "random_weights"]

SIZE = 299
EPS = 0.001  # of the batch norms
NORM = ("weight", "bias", "running_mean", "running_var")
average_pool = partial(F.avg_pool2d, kernel_size=3, stride=1, padding=1, count_include_pad=False)
flat_max_pool = partial(F.max_pool2d, kernel_size=3, stride=1, padding=1)
max_pool = partial(F.max_pool2d, kernel_size=3, stride=2)


class Convolution(nn.Module):
    """A convolution, the batch norm that was folded into it, and a ReLU; `kernel` is one side, or (height, width)."""

    def __init__(self, inputs: int, outputs: int, kernel: int | tuple[int, int], stride: int = 1, pad: bool = True):
        super().__init__()
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (height // 2, width // 2) if pad else 0
        self.conv = nn.Conv2d(inputs, outputs, (height, width), stride, padding)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x), inplace=True)


class MixedA(nn.Module):
    """35 × 35: branches of 1 × 1, 5 × 5, twice 3 × 3, and a pool."""

    def __init__(self, inputs: int, pooled: int) -> None:
        super().__init__()
        self.branch1x1 = Convolution(inputs, 64, 1)
        self.branch5x5_1 = Convolution(inputs, 48, 1)
        self.branch5x5_2 = Convolution(48, 64, 5)
        self.branch3x3dbl_1 = Convolution(inputs, 64, 1)
        self.branch3x3dbl_2 = Convolution(64, 96, 3)
        self.branch3x3dbl_3 = Convolution(96, 96, 3)
        self.branch_pool = Convolution(inputs, pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        five = self.branch5x5_2(self.branch5x5_1(x))
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), five, three, self.branch_pool(average_pool(x))], 1)


class MixedB(nn.Module):
    """35 × 35 to 17 × 17."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.branch3x3 = Convolution(inputs, 384, 3, stride=2, pad=False)
        self.branch3x3dbl_1 = Convolution(inputs, 64, 1)
        self.branch3x3dbl_2 = Convolution(64, 96, 3)
        self.branch3x3dbl_3 = Convolution(96, 96, 3, stride=2, pad=False)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, max_pool(x)], 1)


class MixedC(nn.Module):
    """17 × 17: branches of 1 × 1, 7 × 7 in two halves, twice 7 × 7 in four, and a pool."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.branch1x1 = Convolution(inputs, 192, 1)
        self.branch7x7_1 = Convolution(inputs, width, 1)
        self.branch7x7_2 = Convolution(width, width, (1, 7))
        self.branch7x7_3 = Convolution(width, 192, (7, 1))
        self.branch7x7dbl_1 = Convolution(inputs, width, 1)
        self.branch7x7dbl_2 = Convolution(width, width, (7, 1))
        self.branch7x7dbl_3 = Convolution(width, width, (1, 7))
        self.branch7x7dbl_4 = Convolution(width, width, (7, 1))
        self.branch7x7dbl_5 = Convolution(width, 192, (1, 7))
        self.branch_pool = Convolution(inputs, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), seven, double, self.branch_pool(average_pool(x))], 1)


class MixedD(nn.Module):
    """17 × 17 to 8 × 8."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.branch3x3_1 = Convolution(inputs, 192, 1)
        self.branch3x3_2 = Convolution(192, 320, 3, stride=2, pad=False)
        self.branch7x7x3_1 = Convolution(inputs, 192, 1)
        self.branch7x7x3_2 = Convolution(192, 192, (1, 7))
        self.branch7x7x3_3 = Convolution(192, 192, (7, 1))
        self.branch7x7x3_4 = Convolution(192, 192, 3, stride=2, pad=False)

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3_2(self.branch3x3_1(x))
        seven = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))
        return torch.cat([three, self.branch7x7x3_4(seven), max_pool(x)], 1)


class MixedE(nn.Module):
    """8 × 8: branches that fork into 1 × 3 and 3 × 1; the last block of the network pools by the maximum."""

    def __init__(self, inputs: int, pool: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.branch1x1 = Convolution(inputs, 320, 1)
        self.branch3x3_1 = Convolution(inputs, 384, 1)
        self.branch3x3_2a = Convolution(384, 384, (1, 3))
        self.branch3x3_2b = Convolution(384, 384, (3, 1))
        self.branch3x3dbl_1 = Convolution(inputs, 448, 1)
        self.branch3x3dbl_2 = Convolution(448, 384, 3)
        self.branch3x3dbl_3a = Convolution(384, 384, (1, 3))
        self.branch3x3dbl_3b = Convolution(384, 384, (3, 1))
        self.branch_pool = Convolution(inputs, 192, 1)
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        one, three = self.branch1x1(x), self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        forks = [self.branch3x3_2a(three), self.branch3x3_2b(three)]
        forks += [self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)]
        return torch.cat([one, *forks, self.branch_pool(self.pool(x))], 1)


class InceptionV3(nn.Module):
    """Images (B, 3, 299, 299), scaled as the variant asks, to 2048 features and 1008 logits without their bias.

    The bias is left out of the logits because the Inception Score's published figures leave it out: its classes were
    multiplied with the weights alone (Salimans et al. 2016, and every port since).
    """

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Convolution(3, 32, 3, stride=2, pad=False)
        self.Conv2d_2a_3x3 = Convolution(32, 32, 3, pad=False)
        self.Conv2d_2b_3x3 = Convolution(32, 64, 3)
        self.Conv2d_3b_1x1 = Convolution(64, 80, 1)
        self.Conv2d_4a_3x3 = Convolution(80, 192, 3, pad=False)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = MixedA(192, 32), MixedA(256, 64), MixedA(288, 64)
        self.Mixed_6a = MixedB(288)
        self.Mixed_6b, self.Mixed_6c = MixedC(768, 128), MixedC(768, 160)
        self.Mixed_6d, self.Mixed_6e = MixedC(768, 160), MixedC(768, 192)
        self.Mixed_7a = MixedD(768)
        self.Mixed_7b, self.Mixed_7c = MixedE(1280, average_pool), MixedE(2048, flat_max_pool)
        self.fc = nn.Linear(2048, 1008)

    def forward(self, x: Float[Tensor, "B 3 299 299"]) -> Features:
        h = max_pool(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))))  # (B, 64, 73, 73)
        h = max_pool(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(h)))  # (B, 192, 35, 35)
        h = self.Mixed_6a(self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(h))))  # (B, 768, 17, 17)
        h = self.Mixed_7a(self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(h)))))  # (B, 1280, 8, 8)
        features = self.Mixed_7c(self.Mixed_7b(h)).mean((2, 3))  # (B, 2048)
        return Features(features, features @ self.fc.weight.T)


def blank() -> InceptionV3:
    """The network without any memory for its weights."""
    with torch.device("meta"):
        return InceptionV3().eval().requires_grad_(False)


def convolutions(network: InceptionV3) -> dict[str, nn.Conv2d]:
    """Every convolution by its name, without the last word."""
    found = ((name.removesuffix(".conv"), part) for name, part in network.named_modules())
    return {name: part for name, part in found if isinstance(part, nn.Conv2d)}


def folded(weights: Mapping[str, Tensor]) -> InceptionV3:
    """The network that holds weights of the published layout, its batch norms folded into the convolutions.

    Raises:
        CheckpointError: if tensors are missing, unknown or of another shape.
    """
    network, left = blank(), {k: v for k, v in weights.items() if not k.endswith("num_batches_tracked")}
    state = {}
    try:
        for name in convolutions(network):
            kernel = left.pop(f"{name}.conv.weight").double()
            scale, bias, mean, variance = (left.pop(f"{name}.bn.{part}").double() for part in NORM)
            scale = scale / (variance + EPS).sqrt()
            state[f"{name}.conv.weight"] = (kernel * scale.view(-1, 1, 1, 1)).float()
            state[f"{name}.conv.bias"] = (bias - mean * scale).float()
        network.load_state_dict(state | {name: tensor.float() for name, tensor in left.items()}, assign=True)
    except (KeyError, RuntimeError) as error:
        raise CheckpointError(
            f"these are no weights of InceptionV3 in the published layout ({' '.join(str(error).split())}); "
            "give pt_inception-2015-12-05-6726825d.pth or a file with the same keys"
        ) from None
    return network.requires_grad_(False)


def random_weights(seed: int) -> dict[str, Tensor]:
    """Weights in the published layout that keep activations alive and know nothing; the same bits everywhere.

    They serve to compare implementations with each other, and nothing else.
    """
    raw, network, weights = np.random.PCG64(seed).random_raw, blank(), {}

    def drawn(low: float, high: float, *shape: int) -> Tensor:
        uniform = (raw(math.prod(shape)) >> np.uint64(40)).astype(np.float32) / np.float32(2**24)
        return torch.from_numpy(low + (high - low) * uniform).view(shape)

    for name, part in convolutions(network).items():
        width = math.sqrt(6 / part.weight[0].numel())  # He's: variance 2 / inputs
        weights[f"{name}.conv.weight"] = drawn(-width, width, *part.weight.shape)
        ranges = zip(NORM, ((0.7, 1.3), (-0.2, 0.2), (-0.2, 0.2), (0.7, 1.3)), strict=True)
        weights |= {f"{name}.bn.{key}": drawn(*ends, len(part.weight)) for key, ends in ranges}
    return weights | {"fc.weight": drawn(-0.05, 0.05, 1008, 2048), "fc.bias": drawn(-0.5, 0.5, 1008)}


def halves(x: Tensor) -> Tensor:
    """Levels to about [-1, 1] as TensorFlow's graph has it."""
    return (x - 128) / 128


def legacy_pt(x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C s s"]:
    """pytorch-fid's resizing: bilinear with half pixels, no antialiasing, of levels in [0, 1]."""
    return F.interpolate(x / 255, (SIZE, SIZE), mode="bilinear", align_corners=False)


VARIANTS: dict[tuple[str, str], tuple[str, Callable[[Tensor], Tensor]]] = {
    ("tf", "legacy"): ("inception", lambda x: halves(tensorflow_bilinear(x, SIZE))),
    ("tf", "clean"): ("inception_clean", lambda x: halves(clean_bicubic(x, SIZE))),
    ("pt", "legacy"): ("inception_pt", lambda x: 2 * legacy_pt(x) - 1),
    ("pt", "clean"): ("inception_pt_clean", lambda x: 2 * (clean_bicubic(x, SIZE) / 255) - 1),
}


def full_precision() -> AbstractContextManager[None]:
    """Convolutions in whole float32: TF32, which is CUDA's default for them, has but three digits."""
    cudnn = torch.backends.cudnn
    kept = {"enabled": cudnn.enabled, "benchmark": cudnn.benchmark, "deterministic": cudnn.deterministic}
    return cudnn.flags(**kept, allow_tf32=False)


class InceptionFeatures:
    """InceptionV3's 2048 pool features and 1008 logits of images of any size, bytes or floats in [-1, 1].

    Args:
        weights: the file that holds them, .pth or .safetensors; by default `$GANFORGE_INCEPTION`, else the published
            file from the cache, fetched once.
        scaling: "tf" as torch-fidelity and the original program, (x - 128) / 128 after TensorFlow 1's resizing; "pt" as
            pytorch-fid, 2x - 1 after `interpolate`.
        resize: "legacy", or "clean": antialiased bicubic, as clean-fid.
        random: a seed: random weights, which serve to compare implementations and judge nothing.
        device: where the network runs; the answer lies on the CPU.

    Attributes:
        name: `inception`, `inception_pt`, `inception_clean`, `inception_pt_clean`; with `_other_weights@` and a digest
            behind it if the weights aren't the published ones, and `_random_weights_` and the seed if they are random.
        digest: 12 hex digits of the weights file's SHA-256.
        resize: as it was chosen.
        classes: 1008 numbers. The logits are without bias, as the Inception Score has them.
        rounds: floats become bytes before anything else, so small steps are lost.

    Raises:
        CheckpointError: if the weights can't be found or read.
        RecipeError: for a scaling or a resizing that there isn't, or for weights that are given and random.

    *Differs:* floats are rounded to bytes first, as files of these images would hold.
    """

    dim = 2048
    classes: tuple[str, ...] = tuple(map(str, range(1008)))
    rounds = True

    def __init__(
        self,
        weights: Path | str | None = None,
        *,
        scaling: str = "tf",
        resize: str = "legacy",
        random: int | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        if (scaling, resize) not in VARIANTS:
            raise RecipeError(
                f"Inception knows no scaling = {scaling!r} with resize = {resize!r}; "
                "scaling is tf or pt, resize is legacy or clean"
            )
        if weights is not None and random is not None:
            raise RecipeError(f"weights = '{weights}' and random = {random} are both given; leave one of them out")
        found = inception_weights(weights) if random is None else drawn_weights(random)
        name, self.prepared = VARIANTS[scaling, resize]
        self.resize = resize
        self.name, self.digest, self.device = name + found.label, found.digest, torch.device(device)
        network: Any = folded(found.tensors)
        self.network = network.to(self.device, memory_format=torch.channels_last)
        self.chunk = 32 if self.device.type == "cpu" else 128  # images at once: 0.1 GB a layer on the CPU

    @torch.inference_mode()
    def __call__(self, images: Num[Tensor, "B C H W"]) -> Features:
        """Features (B, 2048) and logits (B, 1008); raises `DataError` for other than 1 or 3 channels."""
        with full_precision():
            answers = [self.network(self.adapted(chunk.to(self.device))) for chunk in images.split(self.chunk)]
        return Features(*(torch.cat(parts).cpu() for parts in zip(*answers, strict=True)))

    def adapted(self, images: Num[Tensor, "B C H W"]) -> Float[Tensor, "B 3 299 299"]:
        """The images as the network sees them; grey ones are tripled."""
        x = recoloured(self.prepared(on_white(in_levels(images), 0.0, 255.0)), 3)
        return x.contiguous(memory_format=torch.channels_last)

    def __repr__(self) -> str:
        return f"InceptionFeatures({self.name!r}, digest={self.digest!r}, device={str(self.device)!r})"


def drawn_weights(seed: int) -> Weights:
    """Random weights with a label that says so."""
    weights = random_weights(seed)
    return Weights(weights, state_digest(weights), f"_random_weights_{seed}")
