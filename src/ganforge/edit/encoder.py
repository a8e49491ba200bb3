"""A network that reads latents off samples: trained on a generator's own pairs, kept beside its run."""

import json
import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ganforge.edit.maps import image_of
from ganforge.edit.store import generator_digest
from ganforge.io.disk import write_whole
from ganforge.sample import Sampler

__all__ = ["Encoder", "encoder_for", "trained_encoder"]

SEED = 3_200_000_000  # of its latents, and the first of those that give it labels
WIDTH, SMALL = 32, 4


class Encoder(nn.Module):
    """Samples (B, ...) in [-1, 1] to latents (B, z): strided convolutions to some 4 × 4, then a linear map; of points,
    a hidden layer."""

    def __init__(self, shape: tuple[int, ...], z_dim: int) -> None:
        super().__init__()
        if len(shape) == 1:
            self.body = nn.Sequential(nn.Linear(shape[0], 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU())
            inside = 256
        else:
            halvings = max(1, math.ceil(math.log2(max(shape[1:]) / SMALL)))
            widths = [shape[0], *(WIDTH * min(2**i, 8) for i in range(halvings))]
            layers: list[nn.Module] = []
            for before, after in pairwise(widths):
                layers += [nn.Conv2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
            self.body = nn.Sequential(*layers, nn.Flatten())
            with torch.no_grad():
                inside = self.body.eval()(torch.zeros(1, *shape)).shape[1]
        self.head = nn.Linear(inside, z_dim)

    def forward(self, x: Float[Tensor, "B ..."]) -> Float[Tensor, "B z"]:
        return self.head(self.body(x))


def trained_encoder(
    sampler: Sampler,
    *,
    steps: int = 2000,
    batch: int = 64,
    lr: float = 2e-3,
    progress: Callable[[float], object] = lambda done: None,
) -> Encoder:
    """An encoder whose latents of samples are nearest to those that they were made of, in the mean square.

    It tends to E[z|x]: where a sample has several latents it says their mean, which is a start for descent and no more.
    Zhu et al. 2016, arXiv:1609.03552, section 3.1. *Differs:* the latents' error, on samples, for lack of real pairs.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        E = Encoder(sampler.shape, sampler.z_dim).to(sampler.device).train()
        rng = torch.Generator().manual_seed(SEED)
        optimizer = torch.optim.Adam(E.parameters(), lr=lr)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for step in range(steps):
            z = torch.randn(batch, sampler.z_dim, generator=rng).to(sampler.device)
            with torch.no_grad():
                x = image_of(sampler, z, sampler.labels_of(range(SEED + step * batch, SEED + (step + 1) * batch)))
            loss = (E(x) - z).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            progress(1.0)
    return E.eval().requires_grad_(False)


def encoder_for(sampler: Sampler, path: Path, *, steps: int = 2000, progress: Callable[[float], object]) -> Encoder:
    """The encoder that is kept at a path, if it belongs to this generator; else a new one, which is kept there.

    `progress` hears of each step of `steps`.
    """
    mark = json.dumps({"generator": generator_digest(sampler), "steps": steps})
    E = Encoder(sampler.shape, sampler.z_dim)
    try:
        with safe_open(path, "pt") as file:
            if (file.metadata() or {}).get("of") == mark:
                E.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
                progress(float(steps))
                return E.to(sampler.device).eval().requires_grad_(False)
    except (OSError, SafetensorError, RuntimeError):
        pass  # missing or broken: it is made anew
    E = trained_encoder(sampler, steps=steps, progress=progress)
    write_whole(path, save({k: v.cpu().contiguous() for k, v in E.state_dict().items()}, {"of": mark}))
    return E


def held_out_error(E: Encoder, sampler: Sampler, *, samples: int = 512) -> float:
    """Mean square error of a latent's numbers on samples that it wasn't trained on; 1 is what knowing nothing gives."""
    seeds = range(samples)
    z, y = sampler.latents(seeds), sampler.labels_of(seeds)
    with torch.no_grad():
        return float((E(image_of(sampler, z, y)).cpu() - z).square().mean())
