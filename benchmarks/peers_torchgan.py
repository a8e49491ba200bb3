"""What `peers.py` measures: a step of torchgan's trainer beside ours and the plain loop, in an environment that has it.

Its networks are given the arguments that make them DCGAN as published: a generator with ReLU, a discriminator that ends
in a logit. Its losses come in the order D, G, so that a step is ours on fresh fakes; without the two biases that it has
and ours doesn't, five rounds in float64 show the same weights.
"""

import argparse
import datetime
import itertools
import json
import os
import sys
from collections.abc import Callable
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from contests import Contest, Run, classic_fresh_dcgan, our_fresh_dcgan, resident
from plans import FULL, QUICK, Scale, dcgan_plan
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from same_update import KINDS, Side, largest_difference
from step import LARGEST_DIFFERENCE, measured, slug
from torch import nn
from torch.optim import Adam, Optimizer

from ganforge.io import environment
from ganforge.io.disk import write_whole
from metrics import declare_operators

HEAD = ("side", "seconds a step", "images/s", "GFLOP", "of the kernel's rate", "ratio to torchgan")
PAIRS = 9

# ---------------------------------------------------------------- torchgan


def networks(scale: Scale) -> tuple[nn.Module, nn.Module]:
    """Its DCGAN with the published activations."""
    from torchgan.models import DCGANDiscriminator, DCGANGenerator

    G = DCGANGenerator(100, scale.size, 3, scale.width, nonlinearity=nn.ReLU())
    D = DCGANDiscriminator(scale.size, 3, scale.width, last_nonlinearity=nn.Identity())
    return G, D


def adam(network: nn.Module) -> Optimizer:
    return Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999))


def trainer(G: nn.Module, D: nn.Module, opt_g: Optimizer, opt_d: Optimizer, batch: int) -> Any:
    """Its trainer of these networks; the folders that it makes at once are thrown away."""
    from torchgan.losses import MinimaxDiscriminatorLoss, MinimaxGeneratorLoss
    from torchgan.trainer import Trainer

    def player(network: nn.Module, optimizer: Optimizer) -> dict[str, Any]:
        return {"name": lambda: network, "optimizer": {"name": lambda parameters: optimizer}}

    with TemporaryDirectory() as folder:
        made = Trainer(
            {"generator": player(G, opt_g), "discriminator": player(D, opt_d)},
            [MinimaxDiscriminatorLoss(), MinimaxGeneratorLoss()],
            device=torch.device("cpu"), checkpoints=f"{folder}/model", recon=f"{folder}/images",
        )  # fmt: skip
    made.batch_size = batch
    return made


def play(own: Any, real: torch.Tensor) -> None:
    """The body of the loop in torchgan's `BaseTrainer.train`, word for word."""
    own.real_inputs = real.to(own.device)
    lgen, ldis, gen_iter, dis_iter = own.train_iter()
    own.loss_information["generator_losses"] += lgen
    own.loss_information["discriminator_losses"] += ldis
    own.loss_information["generator_iters"] += gen_iter
    own.loss_information["discriminator_iters"] += dis_iter
    own.logger.run_mid_epoch(own)


def torchgan_dcgan(scale: Scale) -> Run:
    batches, (G, D) = resident(scale.size, scale.batch), networks(scale)
    own = trainer(G, D, adam(G), adam(D), scale.batch)

    def steps(count: int) -> None:
        for real in itertools.islice(batches, count):
            play(own, real)

    return steps


# ---------------------------------------------------------------- the same update


def without_extras(G: Any, D: Any) -> tuple[nn.Module, nn.Module]:
    """Without the two biases, and D's layers in the order in which they act."""
    G.model[-1][0].bias = None
    D.model[0][0].bias = None
    last = D.disc
    del D.disc
    D.disc = last
    return G, D


@contextmanager
def drawn_from(noise: torch.Generator) -> Any:
    """torchgan draws in torch's default type from torch's own generator: both are lent for a round."""
    state, dtype = torch.get_rng_state(), torch.get_default_dtype()
    torch.set_rng_state(noise.get_state())
    torch.set_default_dtype(torch.float64)
    try:
        yield
        noise.set_state(torch.get_rng_state())
    finally:
        torch.set_rng_state(state)
        torch.set_default_dtype(dtype)


def torchgan_side(scale: Scale) -> Side:
    def rounds(G: Any, D: Any, opt_g: Any, opt_d: Any, reals: Any, log: Any, noise: torch.Generator) -> None:
        own = trainer(G, D, opt_g, opt_d, len(reals[0]))  # draws latents for its pictures
        with drawn_from(noise):
            play(own, reals[0])

    return dcgan_plan(scale, "game.fakes=fresh"), *without_extras(*networks(scale)), adam, rounds


def equality(scale: Scale) -> dict[str, float]:
    """That a step is the same update as ours; ends the program if it isn't."""
    KINDS["torchgan"] = torchgan_side
    found = largest_difference("torchgan", scale)
    if not found["difference"] <= LARGEST_DIFFERENCE:
        sys.exit(f"torchgan's step and ours don't compute the same update: after 5 rounds weights differ by {found}")
    return found


# ---------------------------------------------------------------- the report

SIDES: dict[str, Callable[[Scale], Run]] = {
    "torchgan": torchgan_dcgan,
    "ganforge": our_fresh_dcgan,
    "plain loop": classic_fresh_dcgan,
}


def markdown(results: dict[str, Any]) -> str:
    lines = [HEAD, ("---",) * len(HEAD)]
    for side, found in results["contest"]["sides"].items():
        seconds, ratio = found["seconds"], found["ratio"]
        lines.append((
            side, f"{seconds['median']:.4g} ({seconds['min']:.4g} to {seconds['max']:.4g})",
            f"{found['images_per_second']:,.0f}", f"{found['gflop']:,.4g}", f"{found['share_of_probe']:.0%}",
            "1" if side == "torchgan" else f"{ratio['of_medians']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})",
        ))  # fmt: skip
    machine, equal, probe = results["machine"], results["equality"], results["contest"]["probe_gflops"]
    return "\n\n".join([
        f"# Our step against torchgan's, {results['date']}",
        f"`{results['command']}`: {results['contest']['title']}",
        "\n".join("| " + " | ".join(line) + " |" for line in lines),
        f"Ratios are of medians over {results['contest']['pairs']} interleaved samples, in parentheses the least and "
        "the largest of single pairs; above 1 a side is faster than torchgan.",
        f"torchgan {results['versions']['torchgan']}: its models, losses and `Trainer`, a step as its `train` plays "
        "it, gradient norms and logs included, on float batches prepared beforehand. What differs from ours: its "
        "generator's last convolution and its discriminator's first one have biases, and weights begin otherwise. Its "
        "generator is given ReLU for its default of leaky ReLU, its discriminator a logit for leaky ReLU on top; its "
        "losses come in the order D, G.",
        f"The same update: without those biases, weights differ by {equal['difference']:.1e} after 5 rounds in float64 "
        f"(moved by {equal['moved']:.1e}).",
        f"torchvision {results['versions']['torchvision']}, which torchgan imports, does not load beside this torch: "
        "two operators that it looks for (nms, qnms) are declared, none is called.",
        f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads, torch {machine['torch']}, Python "
        f"{machine['python']}. Load average at the start {results['load_average']:.1f}; meanwhile a 3×3 convolution "
        f"128→128 ran at {probe['median']:.0f} ({probe['min']:.0f} to {probe['max']:.0f}) GFLOP/s.",
    ]) + "\n"  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny networks and samples: checks the program, no speed")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder of the results")
    given = parser.parse_args()
    declare_operators()
    torch.manual_seed(0)
    scale, pairs = (QUICK, 2) if given.quick else (FULL, PAIRS)
    title = f"DCGAN, {scale.size}×{scale.size}, width {scale.width}, batch {scale.batch}: a step, fresh fakes"
    contest = Contest(title, "step", SIDES, images=lambda scale: scale.batch)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        results = {
            "benchmark": "peers", "command": f"python benchmarks/peers.py{' --quick' if given.quick else ''}",
            "date": datetime.date.today().isoformat(), "machine": environment("cpu"),
            "versions": {name: version(name) for name in ("torchgan", "torchvision")},
            "load_average": os.getloadavg()[0], "equality": equality(scale),
            "contest": measured(contest, scale, pairs, bar),
        }  # fmt: skip
    stem = given.out / f"peers{'-quick' if given.quick else ''}-{slug(results['machine'])}"
    given.out.mkdir(parents=True, exist_ok=True)
    write_whole(stem.with_suffix(".json"), (json.dumps(results, indent=1) + "\n").encode())
    write_whole(stem.with_suffix(".md"), markdown(results).encode())
    print(markdown(results))


if __name__ == "__main__":
    main()
