"""Golden numbers of DINOv2's transformer, from timm's, which knows the published layout.

    pip install --no-deps --target refs timm huggingface-hub torchvision
    PYTHONPATH=refs python scripts/golden_dinov2.py

Both networks get the same small random weights, drawn from a seed, and the same prepared images. timm is given the
position embeddings of 16 × 16 places, because it makes them of 37 × 37 in another way than DINOv2's own code.
"""

import importlib
import json
import math
import runpy
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganforge.features.dinov2 import loaded, positions

SEED, WIDTH, DEPTH = 0, 128, 3
OUT = Path(__file__).parents[1] / "tests/golden/dinov2.json"


def random_weights(seed: int = SEED, width: int = WIDTH, depth: int = DEPTH) -> dict[str, torch.Tensor]:
    """Weights in the published layout, of a small network."""
    raw = np.random.PCG64(seed).random_raw

    def drawn(size: float, *shape: int) -> torch.Tensor:
        uniform = (raw(math.prod(shape)) >> np.uint64(40)).astype(np.float32) / np.float32(2**24)
        return torch.from_numpy(size * (2 * uniform - 1)).view(shape)

    def linear(name: str, inputs: int, outputs: int) -> dict[str, torch.Tensor]:
        return {f"{name}.weight": drawn((3 / inputs) ** 0.5, outputs, inputs), f"{name}.bias": drawn(0.1, outputs)}

    def norm(name: str) -> dict[str, torch.Tensor]:
        return {f"{name}.weight": 1 + drawn(0.3, width), f"{name}.bias": drawn(0.1, width)}

    weights = {"cls_token": drawn(1.0, 1, 1, width), "pos_embed": drawn(1.0, 1, 1 + 37 * 37, width)}
    weights |= {"mask_token": drawn(1.0, 1, width)}
    weights |= {"patch_embed.proj.weight": drawn(0.05, width, 3, 14, 14), "patch_embed.proj.bias": drawn(0.1, width)}
    for i in range(depth):
        block = f"blocks.{i}"
        weights |= norm(f"{block}.norm1") | linear(f"{block}.attn.qkv", width, 3 * width)
        weights |= linear(f"{block}.attn.proj", width, width) | {f"{block}.ls1.gamma": 0.5 + drawn(0.3, width)}
        weights |= norm(f"{block}.norm2") | linear(f"{block}.mlp.fc1", width, 4 * width)
        weights |= linear(f"{block}.mlp.fc2", 4 * width, width) | {f"{block}.ls2.gamma": 0.5 + drawn(0.3, width)}
    return weights | norm("norm")


def prepared() -> torch.Tensor:
    """Two images as the network sees them, (2, 3, 224, 224)."""
    raw = np.random.PCG64(1).random_raw(2 * 3 * 224 * 224) >> np.uint64(40)
    return torch.from_numpy(raw.astype(np.float32) / np.float32(2**22) - 2).view(2, 3, 224, 224)


@torch.inference_mode()
def main() -> None:
    """Writes the file, and says how near ours is."""
    library = runpy.run_path(str(Path(__file__).with_name("golden_inception.py")))["declare_operators"]()
    transformer: Any = importlib.import_module("timm.models.vision_transformer").VisionTransformer
    options = {"embed_dim": WIDTH, "depth": DEPTH, "num_heads": WIDTH // 64, "init_values": 1e-5, "num_classes": 0}
    network = transformer(img_size=224, patch_size=14, global_pool="token", **options).eval()
    weights = random_weights()
    own = {name: tensor for name, tensor in weights.items() if name != "mask_token"}
    network.load_state_dict(own | {"pos_embed": positions(weights["pos_embed"])})
    theirs, ours = network(prepared()), loaded(weights)(prepared())
    print(f"relative error {float((ours - theirs).norm() / theirs.norm()):.1e}")
    versions = {package: version(package) for package in ("timm", "torch", "numpy")}
    record = {"command": "python scripts/golden_dinov2.py", "versions": versions, "seed": SEED}
    OUT.write_text(
        json.dumps(record | {"features": [[float(f"{v:.9g}") for v in row] for row in theirs.tolist()]}) + "\n"
    )
    del library


if __name__ == "__main__":
    main()
