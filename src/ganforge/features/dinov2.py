"""DINOv2's vision transformer with patches of 14 pixels, from weights that are given: the features of FD-DINOv2.

People's judgement of images agrees better with distances between these features than with InceptionV3's (Stein et al.
2023, arXiv:2306.04675). The layout of the weights is that of the published `dinov2_vitl14_pretrain.pth` (Oquab et al.
2023, arXiv:2304.07193); their sizes say whether it is the small, base or large one.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Num
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.errors import CheckpointError, RecipeError
from ganforge.features.extractor import Features
from ganforge.features.images import clean_bicubic, in_levels, on_white, recoloured
from ganforge.features.weights import DIGITS, dinov2_weights, file_digest, signed, tensors_in

__all__ = ["DinoFeatures", "DinoV2", "loaded"]

SIZE, PATCH, HEAD = 224, 14, 64
SIDE = SIZE // PATCH
EPS = 1e-6  # of the layer norms
NAMES = {384: "dinov2_vits14", 768: "dinov2_vitb14", 1024: "dinov2_vitl14"}
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, of levels in [0, 1]


class Attention(nn.Module):
    """Every patch looks at every other, in heads of 64."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, h: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        q, k, v = self.qkv(h).unflatten(2, (3, -1, HEAD)).permute(2, 0, 3, 1, 4)  # each (B, heads, N, 64)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Perceptron(nn.Module):
    """Two layers on each patch alone."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, h: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        return self.fc2(F.gelu(self.fc1(h)))


class Scale(nn.Module):
    """A learnt factor for each channel of a branch."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, h: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        return h * self.gamma


class Block(nn.Module):
    """Attention and perceptron, each a scaled residual of the normalised input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, EPS), nn.LayerNorm(width, EPS)
        self.attn, self.mlp = Attention(width), Perceptron(width)
        self.ls1, self.ls2 = Scale(width), Scale(width)

    def forward(self, h: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        h = h + self.ls1(self.attn(self.norm1(h)))
        return h + self.ls2(self.mlp(self.norm2(h)))


class DinoV2(nn.Module):
    """Normalised images (B, 3, 224, 224) to the class token (B, D) after the last norm."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + SIDE**2, width))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, PATCH, PATCH)})
        self.blocks = nn.Sequential(*(Block(width) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, EPS)

    def forward(self, x: Float[Tensor, "B 3 224 224"]) -> Float[Tensor, "B D"]:
        patches = self.patch_embed["proj"](x).flatten(2).transpose(1, 2)  # (B, 256, D)
        h = torch.cat([self.cls_token.expand(len(x), -1, -1), patches], 1) + self.pos_embed
        return self.norm(self.blocks(h)[:, 0])


def positions(stored: Float[Tensor, "1 N D"]) -> Float[Tensor, "1 M D"]:
    """Embeddings of 37 × 37 places, at which the network was finished, made those of 16 × 16.

    The factor is that of DINOv2's own code: a tenth of a patch too large, which its published features are taken with.
    """
    token, places = stored[:, :1], stored[:, 1:]
    side = round(places.shape[1] ** 0.5)
    if side == SIDE:
        return stored
    grid = places.unflatten(1, (side, side)).permute(0, 3, 1, 2)
    factor = (SIDE + 0.1) / side
    grid = F.interpolate(grid, scale_factor=(factor, factor), mode="bicubic")
    return torch.cat([token, grid.permute(0, 2, 3, 1).flatten(1, 2)], 1)


def loaded(weights: Mapping[str, Tensor]) -> DinoV2:
    """The network of the size that its weights have.

    Raises:
        CheckpointError: if tensors are missing, unknown or of another shape.
    """
    state = {name: tensor.float() for name, tensor in weights.items() if name != "mask_token"}
    try:
        state["pos_embed"] = positions(state["pos_embed"])
        depth = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("blocks."))
        with torch.device("meta"):
            network = DinoV2(state["cls_token"].shape[-1], depth)
        network.load_state_dict(state, assign=True)
    except (KeyError, ValueError, IndexError, RuntimeError) as error:
        raise CheckpointError(
            f"these are no weights of DINOv2 in the published layout ({' '.join(str(error).split())[:300]}); "
            "give dinov2_vitl14_pretrain.pth, or that of vitb14 or vits14"
        ) from None
    return network.eval().requires_grad_(False)


def pillow_bicubic(x: Float[Tensor, "B C H W"], size: int) -> Float[Tensor, "B C s s"]:
    """Antialiased bicubic of bytes to bytes, by Pillow itself."""
    pictures = [Image.fromarray(channel) for channel in x.flatten(0, 1).to("cpu", torch.uint8).numpy()]
    found = [np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC)) for picture in pictures]
    flat = torch.from_numpy(np.stack(found)) if found else torch.empty(0, size, size)
    return flat.unflatten(0, x.shape[:2]).to(x)


RESIZINGS = {"legacy": ("", pillow_bicubic), "clean": ("_clean", clean_bicubic)}


class DinoFeatures:
    """DINOv2's class token, 1024 numbers of the large network, of images of any size, bytes or floats in [-1, 1].

    Args:
        weights: the file that holds them, .pth or .safetensors; by default `$GANFORGE_DINOV2`, else
            `dinov2_vitl14_pretrain.pth` in the cache. They are never fetched.
        resize: "legacy", as dgm-eval by default: Pillow's bicubic from bytes to bytes; "clean", as its option
            `clean_resize`: the same, not rounded.
        device: where the network runs; the answer lies on the CPU.

    `name` ends with the first digits of the file's digest, because no published digest is known to compare it with.

    Raises:
        CheckpointError: if the weights can't be found or read.
        RecipeError: for a resizing that there isn't.
    """

    classes: tuple[str, ...] = ()
    rounds = True  # floats become bytes

    def __init__(
        self, weights: Path | str | None = None, *, resize: str = "legacy", device: torch.device | str = "cpu"
    ) -> None:
        if resize not in RESIZINGS:
            raise RecipeError(f"DINOv2 knows no resize = {resize!r}; it is legacy or clean")
        file = dinov2_weights(weights)
        self.digest, self.device = file_digest(file)[:DIGITS], torch.device(device)
        self.network = loaded(tensors_in(file)).to(self.device)
        self.dim: int = self.network.cls_token.shape[-1]
        suffix, self.resized = RESIZINGS[resize]
        self.resize = resize
        self.name = signed(NAMES.get(self.dim, f"dinov2_width{self.dim}") + suffix, self.digest)
        self.chunk = 16 if self.device.type == "cpu" else 128  # images at once

    @torch.inference_mode()
    def __call__(self, images: Num[Tensor, "B C H W"]) -> Features:
        """Features (B, D) and no logits (B, 0); raises `DataError` for other than 1 or 3 channels."""
        answers = [self.network(self.adapted(chunk.to(self.device))) for chunk in images.split(self.chunk)]
        return Features(torch.cat(answers).cpu(), torch.empty(len(images), 0))

    def adapted(self, images: Num[Tensor, "B C H W"]) -> Float[Tensor, "B 3 224 224"]:
        """The images as the network sees them; grey ones are tripled."""
        x = recoloured(self.resized(on_white(in_levels(images), 0.0, 255.0), SIZE), 3) / 255
        return (x - x.new_tensor(MEAN).view(3, 1, 1)) / x.new_tensor(DEVIATION).view(3, 1, 1)

    def __repr__(self) -> str:
        return f"DinoFeatures({self.name!r}, digest={self.digest!r}, device={str(self.device)!r})"
