r"""Golden numbers of CLIP's image tower, from transformers', whose layout of the weights is the published one.

    pip install --no-deps --target refs transformers huggingface-hub tokenizers regex pyyaml tqdm httpx2 httpcore2 \
        truststore h11 anyio certifi idna packaging filelock fsspec
    PYTHONPATH=refs python scripts/golden_clip.py

Both networks get the same small random weights, drawn from a seed, and the same prepared images; once with patches of
14 pixels, as ViT-L/14 has them, and once with patches of 32, as ViT-B/32.
"""

import importlib
import json
import math
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from ganforge.features.clip import loaded

SEED, WIDTH, DEPTH, EMBEDDING = 0, 128, 3, 48
PATCHES = (14, 32)
OUT = Path(__file__).parents[1] / "tests/golden/clip.json"


def random_weights(patch: int, seed: int = SEED) -> dict[str, torch.Tensor]:
    """Weights in the published layout, of a small network."""
    raw = np.random.PCG64(seed).random_raw

    def drawn(size: float, *shape: int) -> torch.Tensor:
        uniform = (raw(math.prod(shape)) >> np.uint64(40)).astype(np.float32) / np.float32(2**24)
        return torch.from_numpy(size * (2 * uniform - 1)).view(shape)

    def linear(name: str, inputs: int, outputs: int) -> dict[str, torch.Tensor]:
        return {f"{name}.weight": drawn((3 / inputs) ** 0.5, outputs, inputs), f"{name}.bias": drawn(0.1, outputs)}

    def norm(name: str) -> dict[str, torch.Tensor]:
        return {f"{name}.weight": 1 + drawn(0.3, WIDTH), f"{name}.bias": drawn(0.1, WIDTH)}

    top, places = "vision_model.embeddings", 1 + (224 // patch) ** 2
    weights = {
        f"{top}.class_embedding": drawn(1.0, WIDTH),
        f"{top}.patch_embedding.weight": drawn(0.05, WIDTH, 3, patch, patch),
        f"{top}.position_embedding.weight": drawn(1.0, places, WIDTH),
    }
    weights |= norm("vision_model.pre_layrnorm")
    for i in range(DEPTH):
        layer = f"vision_model.encoder.layers.{i}"
        weights |= norm(f"{layer}.layer_norm1") | norm(f"{layer}.layer_norm2")
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            weights |= linear(f"{layer}.self_attn.{part}", WIDTH, WIDTH)
        weights |= linear(f"{layer}.mlp.fc1", WIDTH, 4 * WIDTH) | linear(f"{layer}.mlp.fc2", 4 * WIDTH, WIDTH)
    weights |= norm("vision_model.post_layernorm")
    return weights | {"visual_projection.weight": drawn(0.1, EMBEDDING, WIDTH)}


def prepared() -> torch.Tensor:
    """Two images as the network sees them, (2, 3, 224, 224)."""
    raw = np.random.PCG64(1).random_raw(2 * 3 * 224 * 224) >> np.uint64(40)
    return torch.from_numpy(raw.astype(np.float32) / np.float32(2**22) - 2).view(2, 3, 224, 224)


@torch.inference_mode()
def by_transformers(patch: int) -> torch.Tensor:
    """The image embedding of their network with these weights."""
    transformers = importlib.import_module("transformers")
    config = transformers.CLIPVisionConfig(
        hidden_size=WIDTH, intermediate_size=4 * WIDTH, num_hidden_layers=DEPTH, num_attention_heads=WIDTH // 64,
        patch_size=patch, image_size=224, projection_dim=EMBEDDING, hidden_act="quick_gelu",
    )  # fmt: skip
    network = transformers.CLIPVisionModelWithProjection(config).eval()
    network.load_state_dict(random_weights(patch))
    return network(pixel_values=prepared()).image_embeds


@torch.inference_mode()
def main() -> None:
    """Writes the file, and says how near ours is."""
    found = {}
    for patch in PATCHES:
        theirs, ours = by_transformers(patch), loaded(random_weights(patch))(prepared())
        print(f"patches of {patch}: relative error {float((ours - theirs).norm() / theirs.norm()):.1e}")
        found[str(patch)] = [[float(f"{v:.9g}") for v in row] for row in theirs.tolist()]
    versions = {package: version(package) for package in ("transformers", "torch", "numpy")}
    record = {"command": "python scripts/golden_clip.py", "versions": versions, "seed": SEED, "features": found}
    OUT.write_text(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
