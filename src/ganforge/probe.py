"""What is too dear to measure in every step: looked at every few ticks, on fixed latents and fixed real samples.

A look draws from none of the game's random states and leaves every weight and buffer as it was, so a run that is looked
at has the same bits as one that isn't.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from ganforge.data import Split
from ganforge.games.packing import packed
from ganforge.latent import seeded
from ganforge.layers import Output, SpectralNorm
from ganforge.plan import Plan, told_labels
from ganforge.schedules import at
from ganforge.state import TrainState

__all__ = ["Probe", "data_faults", "largest_singular_value", "silent_share", "update_ratio"]

COUNT = {1: 512, 3: 128}  # latents, and real samples of a kind, by the dimensions of a sample: points, images
MOST_TRAIN = {1: 5_000, 3: 2_000}  # training samples among which a fake's nearest is sought
PLACES = 16  # anchors where no modes are known
NEIGHBOURS = 3
ITERATIONS = 10  # power iterations: a few per cent below the norm at worst
TELLING = 0.1  # share of samples, above chance, whose nearest neighbour tells their class; below it tells nothing
SEED = 2**33  # of latents that no sampler and no game draws
ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid)


@dataclass(frozen=True)
class Probe:
    """Fixed latents and real samples of a plan, and what a game in progress makes of them.

    `look(state)` gives, by name:

    - `diversity`: mean distance between two fakes, over that between two reals; `spacing`: the same of the distance to
      the nearest other one.
    - `coverage`: share of reals that have a fake as near as their third real neighbour (Naeem et al. 2020).
    - `places`: shares of the fakes at each mode (where modes are unknown: nearest to each of 16 reals), a list, and
      `modes`: the number of places that they fill, e^entropy, over that of the reals.
    - `held_out_auc`: how often a training sample has a larger logit than a held-out one; .5 where D can't tell.
    - `nearest_train`: median distance from a fake to its nearest training sample, over that from a held-out sample;
      like `held_out_auc` only where there are held-out samples.
    - `dead_*`: share of a player's hidden units that say the same to every sample.
    - `spectral_norm_*`: the largest singular value of any of a player's layers.
    - `update_ratio_*`: length of a player's last update, over that of its weights (Adam and AdamW).
    - `gradient_norm_output`: mean norm of the generator's gradient at a fake; `slope`: mean size of its loss's slope in
      the logit, 0 where the loss saturates.
    - `own_label`: share of held-out samples that D prefers with their own label to the same with another one (with a
      class head: share of those whose own label it finds likelier); `asked_label`: how often a fake's nearest training
      sample is of the class that was asked for, from 0, by chance, to 1, as often as held-out samples' are of theirs
      (none where that is hardly more than chance). Both where D is told classes.
    - `duplicates`, `constant_channels`, `labels`: of the data, see `data_faults`.
    """

    plan: Plan

    @property
    def count(self) -> int:
        """How many samples of a kind."""
        return COUNT[len(self.plan.source.shape)]

    @cached_property
    def z(self) -> Tensor:
        """The latents, (512, z_dim) for points, (128, z_dim) for images."""
        z_dim: int = self.plan.networks()["generator"].z_dim  # type: ignore[assignment]
        return torch.randn(self.count, z_dim, generator=seeded(torch.Generator(), SEED)).to(self.plan.device)

    @cached_property
    def asked(self) -> Tensor | None:
        """The labels of those latents."""
        labels = self.plan.labels
        return None if labels is None else labels.spread(self.count).to(self.plan.device)

    @cached_property
    def trained(self) -> Tensor:
        """Training samples, some thousand."""
        return self.read(self.plan.source.train, MOST_TRAIN[len(self.plan.source.shape)])

    @cached_property
    def held_out(self) -> Tensor:
        """Samples that the game never sees, where there are some; else training samples."""
        split = self.plan.source.held_out
        return self.trained[-self.count :] if split is None else self.read(split, self.count)

    @cached_property
    def known_labels(self) -> Tensor | None:
        """What D is told of as many training samples as there are latents."""
        return self.labels(self.plan.source.train, MOST_TRAIN[len(self.plan.source.shape)], slice(self.count))

    @cached_property
    def new_labels(self) -> Tensor | None:
        """What D is told of the samples that the game never sees."""
        split = self.plan.source.held_out
        if split is None:
            last = slice(-self.count, None)
            return self.labels(self.plan.source.train, MOST_TRAIN[len(self.plan.source.shape)], last)
        return self.labels(split, self.count, slice(None))

    def labels(self, split: Split, most: int, part: slice) -> Tensor | None:
        """Labels of a part of what `read` reads; None where D is told none."""
        if not told_labels(self.plan) or split.labels is None:
            return None
        count = min(most, len(split))
        return split.labels[torch.arange(count) * len(split) // count][part].to(self.plan.device)

    @cached_property
    def anchors(self) -> Float[Tensor, "K D"]:
        """What fakes are sorted by: the modes, or some reals."""
        mixture = self.plan.source.mixture
        return self.held_out[:PLACES].flatten(1) if mixture is None else mixture.means.to(self.plan.device)

    @cached_property
    def faults(self) -> dict[str, float]:
        """What is wrong with the data themselves; asked once."""
        return data_faults(self.trained, self.plan.source.train.labels)

    def read(self, split: Split, most: int) -> Tensor:
        """Samples of a split, evenly chosen, as the game sees them, on its device."""
        count = min(most, len(split))
        x = split.read(torch.arange(count) * len(split) // count).to(self.plan.device)
        return (x.float() - 127.5) / 127.5 if x.dtype == torch.uint8 else x

    def look(self, state: TrainState) -> dict[str, Any]:
        """Every measure by name; see the class."""
        G, D = state.players["generator"], state.players["discriminator"]
        devices = [self.plan.device] if self.plan.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(0)
            with torch.no_grad(), silences(G) as dead_generator:
                fake = untouched(G, self.z, self.asked)
            with torch.no_grad(), silences(D) as dead_discriminator:
                new = untouched(D, self.packs(self.held_out), self.new_labels)
            seen = self.beliefs(D, new) | self.lessons(D, fake) | self.obedience(D, fake)
        seen |= {"dead_generator": mean(dead_generator), "dead_discriminator": mean(dead_discriminator)}
        with torch.no_grad():
            return seen | self.crowd(fake) | self.sizes(state) | self.faults

    def packs(self, x: Tensor) -> Tensor:
        """Samples as D takes them, side by side where the game packs; the rest that fills no pack is left out."""
        m = self.plan.game.seen_shape(self.plan.source.shape)[0] // self.plan.source.shape[0]
        return packed(x[: len(x) // m * m], m)

    @torch.no_grad()
    def beliefs(self, D: nn.Module, new: Tensor) -> dict[str, float]:
        """Whether D knows training samples from others, of which the logits are given."""
        if self.plan.source.held_out is None:
            return {}
        known = untouched(D, self.packs(self.trained[: self.count]), self.known_labels)
        return {"held_out_auc": float(torch.heaviside(known[:, None] - new, known.new_tensor(0.5)).mean())}

    @torch.no_grad()
    def obedience(self, D: nn.Module, fake: Tensor) -> dict[str, float]:
        """Whether D knows which class belongs to a sample, and whether fakes are of the class that was asked for."""
        labels, own = self.plan.labels, self.new_labels
        if labels is None or labels.condition.kind != "class" or own is None:
            return {}
        assert self.asked is not None
        held_out = self.held_out[: len(own)]
        known = preference(D, held_out, own, labels.condition.size)
        shares = torch.bincount(self.trained_labels, minlength=labels.condition.size) / len(self.trained)
        chance = float(shares.square().sum())
        right = [self.nearest_agrees(x, y) - chance for x, y in ((fake, self.asked), (held_out, own))]
        return {"own_label": known, "asked_label": right[0] / right[1] if right[1] > TELLING else float("nan")}

    @cached_property
    def trained_labels(self) -> Tensor:
        """The classes of `trained`."""
        found = self.labels(self.plan.source.train, MOST_TRAIN[len(self.plan.source.shape)], slice(None))
        assert found is not None
        return found

    def nearest_agrees(self, x: Tensor, y: Tensor) -> float:
        """The share of samples whose nearest training sample is of their class."""
        nearest = torch.cdist(x.flatten(1).float(), self.trained.flatten(1)).argmin(1)
        return float((self.trained_labels[nearest] == y).float().mean())

    def lessons(self, D: nn.Module, fake: Tensor) -> dict[str, float]:
        """What the generator is told at its output."""
        objective = getattr(self.plan.game, "objective", None)
        if objective is None:
            return {}
        fake = fake.detach().requires_grad_()
        with torch.enable_grad():
            logits = untouched(D, self.packs(fake), self.asked if told_labels(self.plan) else None)
            real = logits.detach()
            if objective.paired:
                real = untouched(D, self.packs(self.trained[: self.count]), self.known_labels).detach()
            count = min(len(real), len(logits))
            loss = objective.g(real=real[:count], fake=logits[:count]).sum()
            slope, gradient = torch.autograd.grad(loss, (logits, fake))
        return {
            "slope": float(slope.abs().mean()),
            "gradient_norm_output": float(gradient.flatten(1).norm(dim=1).mean()),
        }

    @cached_property
    def reals(self) -> "Crowd":
        """How reals lie among each other."""
        return Crowd.of(self.held_out.flatten(1), self.trained.flatten(1), self.anchors)

    def crowd(self, fake: Tensor) -> dict[str, Any]:
        """How the fakes lie among the reals."""
        x, y = self.held_out.flatten(1), fake.float().flatten(1)
        real, made = self.reals, Crowd.of(y, self.trained.flatten(1), self.anchors)
        return {
            "diversity": ratio(made.distance, real.distance),
            "spacing": ratio(float(made.nearest[:, 0].median()), float(real.nearest[:, 0].median())),
            "coverage": float((torch.cdist(x, y).amin(1) <= real.nearest[:, -1]).float().mean()),
            "known_modes": float(self.plan.source.mixture is not None),
            "modes": perplexity(made.places) / perplexity(real.places),
            "places": [round(share, 6) for share in made.places.tolist()],
        } | ({} if self.plan.source.held_out is None else {"nearest_train": ratio(made.to_known, real.to_known)})

    def sizes(self, state: TrainState) -> dict[str, float]:
        """Of weights and updates."""
        found: dict[str, float] = {}
        for player, network in state.players.items():
            found[f"spectral_norm_{player}"] = max(map(largest_singular_value, matrices(network)), default=0.0)
            ratio = update_ratio(state.optimizers[player], lr=at(self.plan.rates[player], state.images))
            found |= {} if ratio is None else {f"update_ratio_{player}": ratio}
        return found


@dataclass(frozen=True)
class Crowd:
    """How points lie among each other.

    Attributes:
        distance: the mean between two of them.
        nearest: of each, to its three nearest, (N, 3), ascending.
        places: the share nearest to each anchor, (K,).
        to_known: the median to the nearest training sample.
    """

    distance: float
    nearest: Tensor
    places: Tensor
    to_known: float

    @classmethod
    def of(cls, points: Float[Tensor, "N D"], known: Float[Tensor, "M D"], anchors: Float[Tensor, "K D"]) -> "Crowd":
        """Measured."""
        between = torch.cdist(points, points)
        distance = float(between.mean())
        nearest = between.fill_diagonal_(torch.inf).topk(min(NEIGHBOURS, len(points) - 1), largest=False).values
        places = torch.bincount(torch.cdist(points, anchors).argmin(1), minlength=len(anchors)).float() / len(points)
        return cls(distance, nearest, places, float(torch.cdist(points, known).amin(1).median()))


def untouched(network: nn.Module, x: Tensor, y: Tensor | None = None) -> Tensor:
    """A network's output in training, its buffers as they were before."""
    given = (x,) if y is None else (x, y)
    return functional_call(network, {name: buffer.clone() for name, buffer in network.named_buffers()}, given)


def preference(D: nn.Module, x: Tensor, y: Tensor, classes: int) -> float:
    """The share of samples that D prefers with their label, (B,) int64, to the same with another; a draw is half."""
    other = (y + 1 + torch.arange(len(y), device=y.device) % (classes - 1)) % classes
    before = [(buffer, buffer.clone()) for buffer in D.buffers()]
    ahead = agreement(D, x, y) - agreement(D, x, other)
    for buffer, value in before:
        buffer.copy_(value)
    return float(torch.heaviside(ahead, ahead.new_tensor(0.5)).mean())


def agreement(D: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """How well samples and labels go together for D, (B,): the label's logit by a class head, else the sample's."""
    torch.manual_seed(0)  # the same units dropped, whatever the label
    output: Output | None = D.full(x, y) if hasattr(D, "full") else None  # type: ignore[operator]
    if output is None or output.aux is None:
        logits = D(x, y) if output is None else output.logits[0]
        return logits.float().flatten(1).mean(1) if logits.ndim > 1 else logits.float()
    return output.aux.float().gather(1, y[:, None]).squeeze(1)


def ratio(made: float, real: float) -> float:
    """How many times as large; NaN where reals are copies of each other, at distance 0."""
    return made / real if real > 0 else float("nan")


def mean(values: list[float]) -> float:
    """The mean; 0 of nothing."""
    return sum(values) / len(values) if values else 0.0


@contextmanager
def silences(network: nn.Module) -> Iterator[list[float]]:
    """Within it the share of silent units of each activation that runs is added to the list."""
    found: list[float] = []

    def hear(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        found.append(silent_share(output))

    hooks = [part.register_forward_hook(hear) for part in network.modules() if isinstance(part, ACTIVATIONS)]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def silent_share(activation: Float[Tensor, "B C ..."]) -> float:
    """The share of units (channels) that are the same number for every sample and place.

    >>> silent_share(torch.tensor([[0.0, 1.0], [0.0, 2.0]]))
    0.5
    """
    units = activation.float().transpose(0, 1).flatten(1)  # (C, B * places)
    return float((units.amax(1) - units.amin(1) <= 1e-6 * units.abs().amax()).float().mean())


def perplexity(probability: Float[Tensor, " K"]) -> float:
    """e^entropy: how many equally full places would be as mixed."""
    return float(torch.special.entr(probability).sum().exp())


def matrices(network: nn.Module) -> Iterator[Float[Tensor, "rows columns"]]:
    """The linear maps of a network's layers, kernels of convolutions as matrices; what is normalised, normalised."""
    bounded = [part for part in network.modules() if isinstance(part, SpectralNorm)]
    inside = {id(part.layer) for part in bounded}
    for part in network.modules():
        weight = getattr(part, "weight", None)
        if isinstance(weight, Tensor) and weight.ndim > 1 and id(part) not in inside:
            yield weight.detach().float().flatten(1)


def largest_singular_value(matrix: Float[Tensor, "rows columns"]) -> float:
    """The spectral norm from below, by power iteration from a fixed vector.

    >>> round(largest_singular_value(torch.diag(torch.tensor([3.0, 1.0]))), 3)
    3.0
    """
    v = torch.ones(matrix.shape[1], device=matrix.device) + torch.arange(matrix.shape[1], device=matrix.device) % 7
    for _ in range(ITERATIONS):
        v = torch.mv(matrix.t(), torch.mv(matrix, nn.functional.normalize(v, dim=0)))
    return float(torch.mv(matrix, nn.functional.normalize(v, dim=0)).norm())


def update_ratio(optimizer: torch.optim.Optimizer, *, lr: float) -> float | None:
    """The length of Adam's last update over that of the weights, from the moments it left; None for other optimisers
    and before the first step."""
    moved, weight = 0.0, 0.0
    for group in optimizer.param_groups:
        for p in group["params"]:
            slot = optimizer.state.get(p, {})
            if "exp_avg_sq" not in slot:
                return None
            first, second = (1 - beta ** float(slot["step"]) for beta in group["betas"])
            step = lr * slot["exp_avg"] / max(first, 1e-30)
            root = (slot["exp_avg_sq"] / max(second, 1e-30)).sqrt() + group["eps"]
            moved += float((step / root).square().sum())
            weight += float(p.detach().square().sum())
    return (moved / weight) ** 0.5 if weight else None


def data_faults(x: Tensor, labels: Tensor | None) -> dict[str, float]:
    """Of some thousand training samples: the share that is there before, bit for bit; channels of one value, where
    there are several; and the number of different labels, where there are labels."""
    rows = x.flatten(1)
    faults = {"duplicates": 1 - len(torch.unique(rows, dim=0)) / len(rows)}
    channels = x.transpose(0, 1).flatten(1)
    faults["constant_channels"] = float((channels.amax(1) == channels.amin(1)).sum()) if len(channels) > 1 else 0.0
    return faults | ({} if labels is None else {"labels": float(len(labels.unique()))})
