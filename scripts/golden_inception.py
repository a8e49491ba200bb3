"""Golden numbers of InceptionV3, from the programs that published figures are taken with.

    pip install --no-deps --target refs torch-fidelity pytorch-fid clean-fid torchvision requests tqdm
    PYTHONPATH=refs python scripts/golden_inception.py

All networks get the same random weights, drawn from a seed in the published layout, and the same images. What is
written to tests/golden/inception.json is theirs alone; how far ours are from it, over all 2048 features, is printed.
torchvision doesn't load beside a torch without its compiled operators, so those are declared first.
"""

import importlib
import json
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import numpy as np
import torch

from ganforge.features import InceptionFeatures
from ganforge.features.inception import random_weights

SEED = 0
SIZES = [(28, 28), (64, 48), (330, 310)]  # up, up to another shape, down
ENTRIES = slice(None, None, 16)  # 128 of 2048 features
LOGITS = slice(None, None, 24)  # 42 of 1008 logits
OUT = Path(__file__).parents[1] / "tests/golden/inception.json"
PACKAGES = ("torch-fidelity", "pytorch-fid", "clean-fid", "torchvision", "torch", "pillow", "numpy")
KINDS = ("inception", "inception_pt", "inception_clean")


def image(height: int, width: int) -> np.ndarray:
    """One colour image (H, W, 3) of bytes: waves with noise, so that both smooth places and edges are there."""
    noise = (np.random.PCG64(height * 1000 + width).random_raw(height * width * 3) >> np.uint64(58)).astype(np.int64)
    rows, columns, colours = np.mgrid[:height, :width, :3]
    waves = (rows * (3 + colours) + columns * (7 - 2 * colours)) % 256
    return ((waves // 2 + noise.reshape(height, width, 3)) % 256).astype(np.uint8)


def images(height: int, width: int) -> torch.Tensor:
    """The same as a batch (1, 3, H, W)."""
    return torch.from_numpy(image(height, width)).permute(2, 0, 1)[None]


def bare(package: str) -> None:
    """Makes the files of a package importable without what its first file would load."""
    folder = next(Path(place) / package for place in sys.path if (Path(place) / package).is_dir())
    sys.modules[package] = ModuleType(package)
    sys.modules[package].__path__ = [str(folder)]


def declare_operators() -> torch.library.Library:
    """The operators that torchvision expects of its compiled half, without anything behind them."""
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


def torch_fidelity(weights: dict[str, torch.Tensor]) -> Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
    """torch-fidelity's network: bytes to features and logits without bias."""
    bare("torch_fidelity")
    module = importlib.import_module("torch_fidelity.feature_extractor_inceptionv3")
    with TemporaryDirectory() as folder:
        torch.save(weights, Path(folder) / "weights.pth")
        return module.FeatureExtractorInceptionV3(
            "inception", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(Path(folder) / "weights.pth")
        )


def pytorch_fid(weights: dict[str, torch.Tensor]) -> Callable[[torch.Tensor], list[torch.Tensor]]:
    """pytorch-fid's network: images in [0, 1] to a list of one feature map."""
    library = declare_operators()
    module: Any = importlib.import_module("pytorch_fid.inception")
    module.load_state_dict_from_url = lambda *_, **__: weights
    network = module.InceptionV3().eval()
    del library
    return network


def clean_resized(x: np.ndarray) -> torch.Tensor:
    """clean-fid's resizer: (H, W, 3) bytes to (1, 3, 299, 299) levels."""
    bare("cleanfid")
    resizer = importlib.import_module("cleanfid.resize").build_resizer("clean")
    return torch.from_numpy(resizer(x)).permute(2, 0, 1)[None]


def clean_features(network: Any, levels: torch.Tensor) -> torch.Tensor:
    """What clean-fid does with resized levels, (x - 128) / 128, in torch-fidelity's layers: of that size, it resizes
    nothing, but it takes bytes only, so its layers are called one by one."""
    x = (levels - 128) / 128
    for name, layer in network.named_children():
        x = layer(x) if name != "fc" else x
    return x.flatten(1)


def report(what: str, theirs: torch.Tensor, ours: torch.Tensor) -> float:
    """The relative error of ours in the Euclidean norm."""
    error = float((ours.double() - theirs.double()).norm() / theirs.double().norm())
    print(f"{what}: relative error {error:.1e}, largest {float((ours - theirs).abs().max()):.1e}", file=sys.stderr)
    return error


@torch.inference_mode()
def main() -> None:
    """Writes the file, and says how near ours is."""
    weights = random_weights(SEED)
    fidelity, pytorch = torch_fidelity(dict(weights)), pytorch_fid(dict(weights))
    ours = {kind: InceptionFeatures(random=SEED, **options) for kind, options in variants().items()}
    cases = []
    for size in SIZES:
        x, levels = images(*size), clean_resized(image(*size))
        features, logits = fidelity(x)
        theirs = {
            "inception": features,
            "inception_pt": pytorch(x.float() / 255)[0].flatten(1),
            "inception_clean": clean_features(fidelity, levels),
        }
        for kind, found in theirs.items():
            report(f"{kind} {size}", found, ours[kind](x).features)
        report(f"logits {size}", logits, ours["inception"](x).logits)
        numbers = {kind: rounded(found[0, ENTRIES]) for kind, found in theirs.items()}
        cases.append({"size": size, **numbers, "logits": rounded(logits[0, LOGITS]), "clean_pixels": pixels(levels)})
    versions = {package: version(package) for package in PACKAGES}
    record = {"command": "python scripts/golden_inception.py", "versions": versions, "seed": SEED, "cases": cases}
    OUT.write_text(json.dumps(record) + "\n")


def variants() -> dict[str, dict[str, Any]]:
    """Our three, by the options that make them."""
    return dict(zip(KINDS, ({}, {"scaling": "pt"}, {"resize": "clean"}), strict=True))


def rounded(x: torch.Tensor) -> list[float]:
    """Nine significant digits, which hold a float32."""
    return [float(f"{value:.9g}") for value in x.flatten().tolist()]


def pixels(levels: torch.Tensor) -> list[float]:
    """A few levels along the diagonal of a resized image."""
    return rounded(levels[0].diagonal(dim1=1, dim2=2)[:, ::10])


if __name__ == "__main__":
    main()
