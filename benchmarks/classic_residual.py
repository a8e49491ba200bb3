"""The loops that published code runs on 32-pixel residual networks, written plainly: what `step.py` compares us with.

Networks as tables 3 and 4 of Miyato et al. 2018 (SNGAN) and section 5.3 of Gulrajani et al. 2017 (WGAN-GP) have them,
steps in the order of common PyTorch code. Comments beginning with *cost* mark where they do work that the result
doesn't need. Parameters stand in the order of ganforge's own networks, so that weights can be taken over. Nothing here
imports ganforge.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

__all__ = ["ROUNDS", "adam", "networks"]

Log = list[tuple[float, ...]]


def adam(network: nn.Module) -> Optimizer:
    """As these papers set it; torch's default on the CPU is a Python loop over the parameters (*cost*)."""
    return torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.0, 0.9))


class Spectral(nn.Module):
    """A layer with weight W/σ(W); its singular vectors move in `advance`, once per discriminator update."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        rows, columns = layer.weight.flatten(1).shape
        self.register_buffer("u", F.normalize(torch.randn(rows), dim=0))
        self.register_buffer("v", F.normalize(torch.randn(columns), dim=0))

    def forward(self, x: Tensor) -> Tensor:
        matrix = self.layer.weight.flatten(1)
        weight = self.layer.weight / torch.dot(self.u, matrix @ self.v)
        if isinstance(self.layer, nn.Linear):
            return F.linear(x, weight, self.layer.bias)
        return F.conv2d(x, weight, self.layer.bias, padding=self.layer.padding)


@torch.no_grad()
def advance(D: nn.Module) -> None:
    """One power iteration in every layer with spectral norm."""
    for part in D.modules():
        if isinstance(part, Spectral):
            matrix = part.layer.weight.flatten(1)
            part.v.copy_(F.normalize(matrix.t() @ part.u, dim=0))
            part.u.copy_(F.normalize(matrix @ part.v, dim=0))


class Up(nn.Module):
    """A generator's block."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        self.conv1, self.conv2 = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        self.shortcut = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = F.interpolate(F.relu(self.norm1(x)), scale_factor=2, mode="nearest")
        h = self.conv1(h)  # cost: four equal pixels each are multiplied one by one
        h = self.conv2(F.relu(self.norm2(h)))
        return h + self.shortcut(F.interpolate(x, scale_factor=2, mode="nearest"))  # cost: the same


class Down(nn.Module):
    """A discriminator's block."""

    def __init__(self, before: int, after: int, *, first: bool, halve: bool, wrap: Callable[[nn.Module], Any]) -> None:
        super().__init__()
        self.first, self.halve = first, halve
        self.conv1 = wrap(nn.Conv2d(before, after, 3, padding=1))
        self.conv2 = wrap(nn.Conv2d(after, after, 3, padding=1))
        self.shortcut = wrap(nn.Conv2d(before, after, 1)) if halve or before != after else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(x if self.first else F.relu(x))
        h = self.conv2(F.relu(h))
        if not self.halve:
            return h + self.shortcut(x)
        h = F.avg_pool2d(h, 2)  # cost: of what the convolution made, three quarters are only summed up
        if self.first:
            return h + self.shortcut(F.avg_pool2d(x, 2))
        return h + F.avg_pool2d(self.shortcut(x), 2)  # cost: a 1×1 convolution commutes with the mean


class Generator(nn.Module):
    """z (B, 128) -> images (B, 3, 32, 32). *cost*: NCHW, the slower layout of these convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.z_dim, self.width = 128, width
        self.first = nn.Linear(128, width * 16)
        self.blocks = nn.Sequential(*(Up(width) for _ in range(3)))
        self.last_norm, self.last = nn.BatchNorm2d(width), nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        x = self.blocks(self.first(z).view(len(z), self.width, 4, 4))
        return torch.tanh(self.last(F.relu(self.last_norm(x))))


class Discriminator(nn.Module):
    """Images (B, 3, 32, 32) -> logits (B,), of sums (SNGAN) or means (WGAN-GP) over places."""

    def __init__(self, width: int, *, spectral: bool, mean: bool) -> None:
        super().__init__()
        wrap: Callable[[nn.Module], Any] = Spectral if spectral else lambda layer: layer
        self.mean = mean
        self.blocks = nn.Sequential(
            *(Down(width if n else 3, width, first=n == 0, halve=n < 2, wrap=wrap) for n in range(4))
        )
        self.head = wrap(nn.Linear(width, 1))

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.blocks(x))
        return self.head(h.mean((2, 3)) if self.mean else h.sum((2, 3))).squeeze(1)


def networks(name: str, width: int) -> tuple[nn.Module, nn.Module]:
    """Generator and discriminator of `sngan`, `wgan_gp` or `relativistic`, by the discriminator's channels."""
    G = Generator(width if name == "wgan_gp" else 2 * width)
    return G, Discriminator(width, spectral=name == "sngan", mean=name == "wgan_gp")


def latents(G: nn.Module, count: int, rng: torch.Generator | None) -> Tensor:
    weight = G.first.weight
    return torch.randn(count, G.z_dim, generator=rng, dtype=weight.dtype, device=weight.device)


def slope(logits: Tensor, x: Tensor) -> Tensor:
    """∇ₓ D, a row a sample. *cost*: torch's second derivatives of a ReLU are zeros, and carried through the network."""
    (gradient,) = torch.autograd.grad(logits, x, torch.ones_like(logits), create_graph=True, retain_graph=True)
    return gradient.flatten(1)


def wgan_gp_loss(D: nn.Module, real: Tensor, fake: Tensor, rng: torch.Generator | None) -> Tensor:
    """Gulrajani et al. 2017, algorithm 1. *cost*: real and fake images in passes of their own."""
    loss = D(fake).mean() - D(real).mean()
    share = torch.rand(len(real), 1, 1, 1, generator=rng, dtype=real.dtype, device=real.device)
    between = (fake + share * (real - fake)).requires_grad_()
    return loss + 10 * ((slope(D(between), between).norm(2, dim=1) - 1) ** 2).mean()


def hinge_loss(D: nn.Module, real: Tensor, fake: Tensor, rng: torch.Generator | None) -> Tensor:
    """Miyato et al. 2018, eq. 16."""
    advance(D)
    return F.relu(1 - D(real)).mean() + F.relu(1 + D(fake)).mean()


def critic_round(
    loss_of: Callable[..., Tensor], G: nn.Module, D: nn.Module, opt_g: Optimizer, opt_d: Optimizer,
    reals: Sequence[Tensor], log: Log, rng: torch.Generator | None = None,
) -> None:  # fmt: skip
    """An update of D on each of the batches of images, then one of G."""
    for real in reals:
        opt_d.zero_grad()
        fake = G(latents(G, len(real), rng)).detach()  # cost: a graph that detach() throws away
        loss_d = loss_of(D, real, fake, rng)
        loss_d.backward()
        opt_d.step()
    opt_g.zero_grad()
    loss_g = -D(G(latents(G, len(reals[-1]), rng))).mean()
    loss_g.backward()  # cost: D's weight gradients too, which the next zero_grad() throws away
    opt_g.step()
    log.append((loss_d.item(), loss_g.item()))


def relativistic_round(
    G: nn.Module, D: nn.Module, opt_g: Optimizer, opt_d: Optimizer, reals: Sequence[Tensor], log: Log,
    rng: torch.Generator | None = None, gamma: float = 1.0,
) -> None:  # fmt: skip
    """Relativistic pairing with R1 and R2 (Huang et al. 2024, R3GAN, eq. 4 and 7): an update of D, one of G."""
    (real,) = reals
    opt_d.zero_grad()
    real = real.detach().requires_grad_()
    fake = G(latents(G, len(real), rng)).detach().requires_grad_()  # cost: a graph that detach() throws away
    on_real, on_fake = D(real), D(fake)
    penalty = slope(on_real, real).square().sum(1) + slope(on_fake, fake).square().sum(1)
    loss_d = (F.softplus(on_fake - on_real) + gamma / 2 * penalty).mean()
    loss_d.backward()
    opt_d.step()
    opt_g.zero_grad()
    fake = G(latents(G, len(real), rng))
    loss_g = F.softplus(D(real.detach()) - D(fake)).mean()  # cost: D(real) with a graph
    loss_g.backward()  # cost: D's weight gradients too
    opt_g.step()
    log.append((loss_d.item(), loss_g.item()))


ROUNDS: dict[str, Callable[..., None]] = {
    "sngan": partial(critic_round, hinge_loss),
    "wgan_gp": partial(critic_round, wgan_gp_loss),
    "relativistic": relativistic_round,
}
