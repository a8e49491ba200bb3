"""CLIP's image tower, from the weights that were published with the paper: features that know what people write.

Radford et al. 2021, "Learning transferable visual models from natural language supervision" (arXiv:2103.00020). The
layout of the weights is Hugging Face's: the file `model.safetensors` of `openai/clip-vit-large-patch14`, of
`openai/clip-vit-base-patch32` and of others that differ in sizes alone; the sizes are read off the tensors. The tower
for texts, which lies in the same file, isn't used.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Num
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.errors import CheckpointError
from ganforge.features.extractor import Features
from ganforge.features.images import in_levels, on_white, recoloured
from ganforge.features.weights import clip_weights, tensors_in

__all__ = ["Clip", "ClipFeatures", "fitted", "loaded"]

SIZE, HEAD = 224, 64
EPS = 1e-5  # of the layer norms
PREFIX = "vision_model."
NAMES = {(768, 32): "clip_vitb32", (768, 16): "clip_vitb16", (1024, 14): "clip_vitl14"}  # (width, patch)
MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # of levels in [0, 1]


class Attention(nn.Module):
    """Every patch looks at every other, in heads of 64."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(width, width) for _ in range(3))
        self.out_proj = nn.Linear(width, width)

    def forward(self, h: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        q, k, v = (
            part(h).unflatten(2, (-1, HEAD)).transpose(1, 2)  # (B, heads, N, 64)
            for part in (self.q_proj, self.k_proj, self.v_proj)
        )
        return self.out_proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Perceptron(nn.Module):
    """Two layers on each patch alone, with the paper's quick GELU between them, x·sigmoid(1.702 x)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, h: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        x = self.fc1(h)
        return self.fc2(x * torch.sigmoid(1.702 * x))


class Block(nn.Module):
    """Attention and perceptron, each a residual of the normalised input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(width, EPS), nn.LayerNorm(width, EPS)
        self.self_attn, self.mlp = Attention(width), Perceptron(width)

    def forward(self, h: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        h = h + self.self_attn(self.layer_norm1(h))
        return h + self.mlp(self.layer_norm2(h))


class Clip(nn.Module):
    """Normalised images (B, 3, 224, 224) to the embedding (B, E) that CLIP compares with that of a text.

    The names of the parts are those of the weights, down to their misspelt layer.
    """

    def __init__(self, width: int, depth: int, patch: int, embedding: int) -> None:
        super().__init__()
        self.embeddings = nn.ModuleDict(
            {
                "patch_embedding": nn.Conv2d(3, width, patch, patch, bias=False),
                "position_embedding": nn.Embedding(1 + (SIZE // patch) ** 2, width),
            }
        )
        self.embeddings.register_parameter("class_embedding", nn.Parameter(torch.zeros(width)))
        self.pre_layrnorm, self.post_layernorm = nn.LayerNorm(width, EPS), nn.LayerNorm(width, EPS)
        self.encoder = nn.ModuleDict({"layers": nn.Sequential(*(Block(width) for _ in range(depth)))})
        self.visual_projection = nn.Linear(width, embedding, bias=False)

    def forward(self, x: Float[Tensor, "B 3 224 224"]) -> Float[Tensor, "B E"]:
        patches = self.embeddings["patch_embedding"](x).flatten(2).transpose(1, 2)  # (B, N, D)
        first = self.embeddings.get_parameter("class_embedding").expand(len(x), 1, -1)
        h = torch.cat([first, patches], 1) + self.embeddings.get_parameter("position_embedding.weight")
        h = self.encoder["layers"](self.pre_layrnorm(h))
        return self.visual_projection(self.post_layernorm(h[:, 0]))


def loaded(weights: Mapping[str, Tensor]) -> Clip:
    """The network of the size that its weights have.

    Raises:
        CheckpointError: if tensors are missing, unknown or of another shape.
    """
    mine = {
        k.removeprefix(PREFIX): v.float() for k, v in weights.items() if k.startswith((PREFIX, "visual_projection"))
    }
    mine.pop("embeddings.position_ids", None)  # 0, 1, 2, ...; of older files
    try:
        width, _, patch, _ = mine["embeddings.patch_embedding.weight"].shape
        depth = 1 + max(int(name.split(".")[2]) for name in mine if name.startswith("encoder.layers."))
        with torch.device("meta"):
            network = Clip(width, depth, patch, len(mine["visual_projection.weight"]))
        network.load_state_dict(mine, assign=True)
    except (KeyError, ValueError, IndexError, RuntimeError) as error:
        raise CheckpointError(
            f"these are no weights of CLIP in Hugging Face's layout ({' '.join(str(error).split())[:300]}); "
            "give model.safetensors of openai/clip-vit-large-patch14 or of openai/clip-vit-base-patch32"
        ) from None
    return network.eval().requires_grad_(False)


def fitted(x: Float[Tensor, "B C H W"], size: int = SIZE) -> Float[Tensor, "B C s s"]:
    """Pillow's bicubic, bytes to bytes, until the short side is `size`, and of the long one the middle: as published.

    >>> fitted(torch.zeros(1, 3, 30, 40)).shape
    torch.Size([1, 3, 224, 224])
    """
    H, W = x.shape[2:]
    h, w = (size * length // min(H, W) for length in (H, W))
    top, left = round((h - size) / 2), round((w - size) / 2)
    pictures = [Image.fromarray(channel) for channel in x.flatten(0, 1).to("cpu", torch.uint8).numpy()]
    found = [np.asarray(picture.resize((w, h), Image.Resampling.BICUBIC)) for picture in pictures]
    flat = torch.from_numpy(np.stack(found)) if found else torch.empty(0, h, w)
    return flat[:, top : top + size, left : left + size].unflatten(0, x.shape[:2]).to(x)


class ClipFeatures:
    """CLIP's image embedding, 768 numbers of ViT-L/14 and 512 of ViT-B/32, of images of any size, bytes or in [-1, 1].

    Args:
        weights: the file that holds them, .safetensors or .pth; by default `$GANFORGE_CLIP`, else the published file of
            ViT-L/14 from the cache, fetched once.
        device: where the network runs; the answer lies on the CPU.

    The embedding is as the projection leaves it; its length isn't made 1. `name` ends with the first digits of the
    file's digest if the weights aren't the published ones of ViT-L/14.

    Raises:
        CheckpointError: if the weights can't be found or read.
    """

    classes: tuple[str, ...] = ()
    resize = "legacy"
    rounds = True  # floats become bytes

    def __init__(self, weights: Path | str | None = None, *, device: torch.device | str = "cpu") -> None:
        file, self.digest, label = clip_weights(weights)
        self.device = torch.device(device)
        self.network = loaded(tensors_in(file)).to(self.device)
        self.dim = self.network.visual_projection.out_features
        width, _, patch, _ = self.network.embeddings.get_parameter("patch_embedding.weight").shape
        self.name = NAMES.get((width, patch), f"clip_width{width}_patch{patch}") + label
        self.chunk = 16 if self.device.type == "cpu" else 128  # images at once

    @torch.inference_mode()
    def __call__(self, images: Num[Tensor, "B C H W"]) -> Features:
        """Features (B, E) and no logits (B, 0); raises `DataError` for other than 1 or 3 channels."""
        answers = [self.network(self.adapted(chunk.to(self.device))) for chunk in images.split(self.chunk)]
        return Features(torch.cat(answers).cpu(), torch.empty(len(images), 0))

    def adapted(self, images: Num[Tensor, "B C H W"]) -> Float[Tensor, "B 3 224 224"]:
        """The images as the network sees them; grey ones are tripled, transparent ones laid on white."""
        x = recoloured(fitted(on_white(in_levels(images), 0.0, 255.0)), 3) / 255
        return (x - x.new_tensor(MEAN).view(3, 1, 1)) / x.new_tensor(DEVIATION).view(3, 1, 1)

    def __repr__(self) -> str:
        return f"ClipFeatures({self.name!r}, digest={self.digest!r}, device={str(self.device)!r})"
