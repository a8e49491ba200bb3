"""Two time scales: as the learning rates part, the faster player wins."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ganforge.experiments.frame import digits_game, follow
from ganforge.experiments.frame.plots import COLOURS, band, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CLAIM", "FULL", "LOOK", "QUICK", "SABOTAGE", "checks", "plots", "trial"]

LOOK = """
One number says who is winning: the margin D(real) - D(G(z)), the discriminator's mean belief in real images less its
mean belief in fakes. At 1 the discriminator has won, at 0 it cannot tell them apart.

The product of both learning rates stays the same here while their ratio goes from far below 1 to far above. Look at the
curve: where the generator is the faster one, the margin stays low, since every weakness is used before it is mended;
where the discriminator is, the margin goes to 1.

Neither end is where one wants to be. A margin of 0 may mean a perfect generator, or a discriminator that is too slow to
teach; at 1 the gradient is sharp and arbitrary. Heusel et al. 2017 (arXiv:1706.08500) prove convergence to a local
equilibrium when the discriminator is the faster one, which is why ratios of 2 to 4 are usual.

Try `ratios='[0.01, 1, 100]'`.
"""

CLAIM = (
    "the margin D(real) - D(G(z)) goes from {first_margin:.2f} where the generator learns faster to {last_margin:.2f} "
    "where the discriminator does"
)

QUICK = {"ratios": (0.1, 10.0), "images": 20_000}
FULL = {"images": 300_000}
SABOTAGE = {"rates that are not apart": {"ratios": (1.0, 1.0), "images": 10_000}}

LR = 2e-4  # the geometric mean of both rates


def trial(
    *,
    seed: int,
    ratios: Annotated[
        tuple[float, ...], Field(description="the discriminator's learning rate over the generator's", min_length=2)
    ] = (0.05, 0.2, 1.0, 5.0, 20.0),
    images: Annotated[int, Field(description="images of each run", ge=1000)] = 60_000,
) -> dict[str, Any]:
    """A run for each ratio, all from the same start."""
    runs = []
    for ratio in ratios:
        rates = {"generator": LR / ratio**0.5, "discriminator": LR * ratio**0.5}
        settings = [f"optimizer.{player}.lr={rate!r}" for player, rate in rates.items()]
        plan = digits_game(settings, seed=seed, images=images, tick=images // 40)
        rows, _ = follow(plan, lambda k: (k.images, k.figures["d_real"], k.figures["d_fake"]))
        runs.append([list(column) for column in zip(*rows, strict=True)])
    margins = [margin(*run) for run in runs]
    return {
        "first_margin": margins[0],
        "last_margin": margins[-1],
        "ratios": list(ratios),
        "margins": margins,
        "runs": runs,
    }


def margin(images: Sequence[int], d_real: Sequence[float], d_fake: Sequence[float]) -> float:
    """Mean of D(real) - D(G(z)) in the second half."""
    half = len(images) // 2
    return sum(r - f for r, f in zip(d_real[half:], d_fake[half:], strict=True)) / (len(images) - half)


def checks(figures: dict[str, Any]) -> dict[str, bool]:
    """The margin grows with the ratio, a good part of the way from 0 to 1."""
    m = figures["margins"]
    return {
        f"the margin grows with every ratio ({', '.join(f'{x:.2f}' for x in m)})": all(
            a < b + 0.05 for a, b in pairwise(m)
        ),
        f"it grows by over .25 in all ({m[-1] - m[0]:.2f})": m[-1] - m[0] > 0.25,
    }


def plots(trials: Sequence[dict[str, Any]]) -> dict[str, "Figure"]:
    """The margin against the ratio, and both beliefs over time."""
    figure, (curve, *rest) = panels(1 + 2)
    first = trials[0]
    band(curve, first["ratios"], [t["margins"] for t in trials], label="margin", color=COLOURS[0])
    curve.set(title="who wins", xlabel="learning rate of D over that of G", xscale="log", ylabel="D(real) - D(G(z))",
              ylim=(0, 1))  # fmt: skip
    for axes, n, title in ((rest[0], 0, "the generator learns faster"), (rest[1], -1, "the discriminator does")):
        images = [x / 1000 for x in first["runs"][n][0]]
        band(axes, images, [t["runs"][n][1] for t in trials], label="D(real)", color=COLOURS[2])
        band(axes, images, [t["runs"][n][2] for t in trials], label="D(G(z))", color=COLOURS[1])
        axes.set(title=title, xlabel="thousand images", ylim=(0, 1))
        axes.legend()
    return {"two-time-scales": figure}
