"""The loops that tutorials teach, written as they teach them: what `step.py` compares ganforge with.

Both are good teaching code and are to be read as such. Comments beginning with *cost* mark where they do work that the
result doesn't need. Nothing here imports ganforge.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader, Dataset

__all__ = [
    "Digits",
    "LeanDigits",
    "adam",
    "dcgan_discriminator",
    "dcgan_fresh_step",
    "dcgan_generator",
    "dcgan_step",
    "digit_loader",
    "mlp_discriminator",
    "mlp_epoch",
    "mlp_generator",
    "mlp_step",
]

Log = list[tuple[float, ...]]


def adam(network: nn.Module) -> Optimizer:
    """The optimiser of both tutorials. *cost*: torch's default on the CPU is a Python loop over the parameters."""
    return torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999))


# ---------------------------------------------------------------- the fully connected GAN on MNIST


def mlp_generator(z_dim: int = 64) -> nn.Sequential:
    """z (B, 64) -> images (B, 784) in [-1, 1]."""
    return nn.Sequential(
        nn.Linear(z_dim, 256),
        nn.LeakyReLU(0.2),
        nn.Linear(256, 512),
        nn.LeakyReLU(0.2),
        nn.Linear(512, 784),
        nn.Tanh(),
    )


def mlp_discriminator(dropout: float = 0.3) -> nn.Sequential:
    """Images (B, 784) -> probabilities of being real (B, 1)."""
    return nn.Sequential(
        nn.Linear(784, 512),
        nn.LeakyReLU(0.2),
        nn.Dropout(dropout),
        nn.Linear(512, 256),
        nn.LeakyReLU(0.2),
        nn.Dropout(dropout),
        nn.Linear(256, 1),
        nn.Sigmoid(),
    )


class Digits(Dataset):
    """MNIST as tutorials load it: a PIL image at a time, through what torchvision's ToTensor and Normalize do to it.

    torchvision itself can't be installed beside every build of torch; its operations are written out here one by one
    (`torchvision.transforms.functional.to_tensor` and `normalize`). *cost*: some twenty small operations an image.
    """

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = images, labels  # (N, H, W) uint8, (N,)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self.images[index].numpy())
        return normalised(as_tensor(image)), int(self.labels[index])


def as_tensor(image: Image.Image) -> Tensor:
    """A PIL image as (C, H, W) in [0, 1]."""
    x = torch.from_numpy(np.array(image, np.uint8, copy=True))
    x = x.view(image.size[1], image.size[0], len(image.getbands()))
    x = x.permute((2, 0, 1)).contiguous()
    return x.to(dtype=torch.get_default_dtype()).div(255)


def normalised(x: Tensor) -> Tensor:
    """[0, 1] to [-1, 1]."""
    x = x.clone()
    mean = torch.as_tensor((0.5,), dtype=x.dtype, device=x.device)
    std = torch.as_tensor((0.5,), dtype=x.dtype, device=x.device)
    if (std == 0).any():
        raise ValueError("a standard deviation of 0 can't be divided by")
    return x.sub_(mean.view(-1, 1, 1)).div_(std.view(-1, 1, 1))


class LeanDigits(Digits):
    """The same images by hand-written transforms, a third of the operations."""

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self.images[index].numpy())
        x = torch.from_numpy(np.array(image)).unsqueeze(0)  # (1, 28, 28)
        x = x.to(torch.float32).div(255)
        return (x - 0.5) / 0.5, int(self.labels[index])


def digit_loader(images: Tensor, labels: Tensor, batch: int = 128, kind: type[Digits] = Digits) -> DataLoader:
    """Shuffled batches, stacked image by image."""
    return DataLoader(kind(images, labels), batch_size=batch, shuffle=True)


def mlp_step(
    G: nn.Module, D: nn.Module, opt_g: Optimizer, opt_d: Optimizer, real: Tensor, log: Log,
    rng: torch.Generator | None = None,
) -> None:  # fmt: skip
    """One update of each player on real images (B, 784), and the losses logged."""
    bce = nn.BCELoss()
    z_dim = next(G.parameters()).shape[1]
    ones, zeros = real.new_ones(len(real), 1), real.new_zeros(len(real), 1)

    z = torch.randn(len(real), z_dim, generator=rng, dtype=real.dtype, device=real.device)
    fake = G(z)  # cost: a graph that detach() throws away
    loss_d = bce(D(real), ones) + bce(D(fake.detach()), zeros)  # cost: two passes where one would do
    opt_d.zero_grad()
    loss_d.backward()
    opt_d.step()

    z = torch.randn(len(real), z_dim, generator=rng, dtype=real.dtype, device=real.device)
    loss_g = bce(D(G(z)), ones)
    opt_g.zero_grad()
    loss_g.backward()  # cost: D's weight gradients too, which the next zero_grad() throws away
    opt_g.step()

    log.append((loss_d.item(), loss_g.item()))


def mlp_epoch(
    G: nn.Module, D: nn.Module, opt_g: Optimizer, opt_d: Optimizer, batches: Iterable[Sequence[Tensor]], log: Log
) -> None:
    """Once through the data."""
    for images, _ in batches:
        mlp_step(G, D, opt_g, opt_d, images.view(len(images), -1), log)


# ---------------------------------------------------------------- DCGAN, in the public PyTorch example's order


def dcgan_widths(width: int, size: int) -> list[int]:
    """Channels of the feature maps from 4×4 up: halved with every doubling, 8·width at most; four maps at 64 pixels."""
    return [width * min(2**level, 8) for level in reversed(range(size.bit_length() - 3))]


def dcgan_generator(width: int = 64, z_dim: int = 100, channels: int = 3, size: int = 64) -> nn.Sequential:
    """z (B, 100, 1, 1) -> images (B, 3, 64, 64) in [-1, 1]. *cost*: NCHW, the slower layout of these convolutions."""
    widths = dcgan_widths(width, size)
    layers: list[nn.Module] = [nn.ConvTranspose2d(z_dim, widths[0], 4, 1, 0, bias=False)]
    for before, after in pairwise([*widths, channels]):
        layers += [nn.BatchNorm2d(before), nn.ReLU(True), nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False)]
    return nn.Sequential(*layers, nn.Tanh()).apply(dcgan_weights)


def dcgan_discriminator(width: int = 64, channels: int = 3, size: int = 64) -> nn.Sequential:
    """Images (B, 3, 64, 64) -> probabilities of being real (B,)."""
    widths = [*reversed(dcgan_widths(width, size))]
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True)]
    for before, after in pairwise(widths):
        layers += [nn.Conv2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after)]
        layers += [nn.LeakyReLU(0.2, inplace=True)]
    head = [nn.Conv2d(widths[-1], 1, 4, 1, 0, bias=False), nn.Sigmoid(), nn.Flatten(0)]
    return nn.Sequential(*layers, *head).apply(dcgan_weights)


def dcgan_weights(layer: nn.Module) -> None:
    """Weights N(0, .02), gains N(1, .02), as Radford et al. 2016 begin."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)
        nn.init.zeros_(layer.bias)


def dcgan_step(
    G: nn.Module, D: nn.Module, opt_g: Optimizer, opt_d: Optimizer, real: Tensor, log: Log,
    rng: torch.Generator | None = None,
) -> None:  # fmt: skip
    """One update of each player on real images (B, 3, 64, 64); one batch of fakes serves both."""
    bce = nn.BCELoss()
    z_dim = next(G.parameters()).shape[0]

    D.zero_grad()
    label = real.new_full((len(real),), 1.0)
    output = D(real)
    loss_real = bce(output, label)
    loss_real.backward()
    d_real = output.mean().item()

    z = torch.randn(len(real), z_dim, 1, 1, generator=rng, dtype=real.dtype, device=real.device)
    fake = G(z)
    label.fill_(0.0)
    output = D(fake.detach())
    loss_fake = bce(output, label)
    loss_fake.backward()
    d_fake = output.mean().item()
    opt_d.step()

    G.zero_grad()
    label.fill_(1.0)
    output = D(fake)
    loss_g = bce(output, label)
    loss_g.backward()  # cost: D's weight gradients too, which the next zero_grad() throws away
    opt_g.step()

    log.append(((loss_real + loss_fake).item(), loss_g.item(), d_real, d_fake, output.mean().item()))


def dcgan_fresh_step(
    G: nn.Module, D: nn.Module, opt_g: Optimizer, opt_d: Optimizer, real: Tensor, log: Log,
    rng: torch.Generator | None = None,
) -> None:  # fmt: skip
    """The same, each player on fakes of its own, as Goodfellow et al. 2014 have it."""
    bce = nn.BCELoss()
    z_dim = next(G.parameters()).shape[0]
    ones, zeros = real.new_ones(len(real)), real.new_zeros(len(real))

    D.zero_grad()
    z = torch.randn(len(real), z_dim, 1, 1, generator=rng, dtype=real.dtype, device=real.device)
    fake = G(z)  # cost: a graph that detach() throws away
    loss_d = bce(D(real), ones) + bce(D(fake.detach()), zeros)
    loss_d.backward()
    opt_d.step()

    G.zero_grad()
    z = torch.randn(len(real), z_dim, 1, 1, generator=rng, dtype=real.dtype, device=real.device)
    loss_g = bce(D(G(z)), ones)
    loss_g.backward()  # cost: D's weight gradients too, which the next zero_grad() throws away
    opt_g.step()

    log.append((loss_d.item(), loss_g.item()))
