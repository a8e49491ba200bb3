"""Dominance: a discriminator that is always right has nothing left to teach."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ganforge.experiments.frame import digits_game, follow
from ganforge.experiments.frame.plots import COLOURS, band, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CLAIM", "FULL", "LOOK", "QUICK", "SABOTAGE", "checks", "plots", "trial"]

LOOK = """
Here everything favours the discriminator: no dropout, a hundred times the generator's learning rate, and the
saturating loss. Look at the left plot: one curve goes to 1 at once and the other to 0. The dashed line is the moment
from which the discriminator dominates: D(real) above .9 and D(G(z)) below .1, from there to the end.

Then look at the generator's gradient, on a logarithmic scale: it falls by orders of magnitude as the discriminator
becomes sure. The generator did not converge. It is no longer told anything, and its losses look perfectly calm.

The second run has the remedy: 2e-4 for both players, and dropout of .3 in the discriminator. It is still the better
player, but it is no longer sure, and the gradient lives.

Try `r1=10` for the other usual remedy, a penalty that keeps the discriminator flat around real images (Mescheder et al.
2018, arXiv:1801.04406), beside the rates of the sick run: `cured_d_lr=1e-3 cured_g_lr=1e-5 r1=10 images=300000`.
"""

CLAIM = (
    "the discriminator dominates from image {moment:,.0f} on, D(real) = {d_real:.3f} and D(G(z)) = {d_fake:.3f}; with "
    "balanced learning rates and dropout they end at {cured_d_real:.2f} and {cured_d_fake:.2f}, and the generator's "
    "gradient is {gradient_ratio:.0f} times as large"
)

QUICK = {"images": 30_000}
FULL = {"images": 600_000}
SABOTAGE = {"the remedy on from the start": {"d_lr": 2e-4, "g_lr": 2e-4, "dropout": 0.3, "images": 20_000}}

HIGH, LOW = 0.9, 0.1


def run(seed: int, images: int, d_lr: float, g_lr: float, settings: list[str]) -> dict[str, list[Any]]:
    """Beliefs and the norm of the generator's gradient along a run."""
    rates = [f"optimizer.discriminator.lr={d_lr!r}", f"optimizer.generator.lr={g_lr!r}"]
    plan = digits_game([*rates, *settings], seed=seed, images=images, tick=images // 60, objective="minimax")
    names = ("d_real", "d_fake", "gradient_norm_generator")
    rows, _ = follow(plan, lambda k: (k.images, *(k.figures[name] for name in names)))
    columns = map(list, zip(*rows, strict=True))
    return dict(zip(("images", "d_real", "d_fake", "gradient"), columns, strict=True))


def trial(
    *,
    seed: int,
    images: Annotated[int, Field(description="images of each run", ge=1000)] = 150_000,
    d_lr: Annotated[float, Field(description="the discriminator's learning rate", gt=0)] = 1e-3,
    g_lr: Annotated[float, Field(description="the generator's learning rate", gt=0)] = 1e-5,
    dropout: Annotated[float, Field(description="the discriminator's dropout", ge=0, lt=1)] = 0.0,
    cured_d_lr: Annotated[float, Field(description="the discriminator's with the remedy", gt=0)] = 2e-4,
    cured_g_lr: Annotated[float, Field(description="the generator's with the remedy", gt=0)] = 2e-4,
    cured_dropout: Annotated[float, Field(description="dropout with the remedy", ge=0, lt=1)] = 0.3,
    r1: Annotated[float, Field(description="weight of an R1 penalty in the cured run; 0: none", ge=0)] = 0.0,
) -> dict[str, Any]:
    """The sick run and the cured one, from the same start."""
    more = [f"discriminator.dropout={cured_dropout!r}", *([f"penalties.r1.gamma={r1!r}"] if r1 else [])]
    runs = [
        run(seed, images, d_lr, g_lr, [f"discriminator.dropout={dropout!r}"]),
        run(seed, images, cured_d_lr, cured_g_lr, more),
    ]
    sick, cured = ({k: sum(v[-30:]) / len(v[-30:]) for k, v in run.items()} for run in runs)
    return {
        "moment": moment(runs[0]),
        "d_real": sick["d_real"],
        "d_fake": sick["d_fake"],
        "gradient": sick["gradient"],
        "cured_d_real": cured["d_real"],
        "cured_d_fake": cured["d_fake"],
        "cured_gradient": cured["gradient"],
        "gradient_ratio": cured["gradient"] / sick["gradient"],
        "runs": runs,
    }


def moment(run: dict[str, list[Any]]) -> float:
    """Images seen when the discriminator began to dominate for good; infinity if it never did."""
    start = float("inf")
    for images, d_real, d_fake in zip(run["images"], run["d_real"], run["d_fake"], strict=True):
        if not (d_real > HIGH and d_fake < LOW):
            start = float("inf")
        elif start == float("inf"):
            start = images
    return start


def checks(figures: dict[str, Any]) -> dict[str, bool]:
    """It dominates without the remedy and not with it."""
    f = figures
    return {
        f"D(real) {f['d_real']:.3f} ends above .9 and D(G(z)) {f['d_fake']:.3f} below .1": f["d_real"] > HIGH
        and f["d_fake"] < LOW,
        f"with the remedy D(G(z)) {f['cured_d_fake']:.3f} ends above .1": f["cured_d_fake"] > LOW,
        f"the remedy's gradient is over 3 times as large ({f['gradient_ratio']:.1f})": f["gradient_ratio"] > 3,
    }


def plots(trials: Sequence[dict[str, Any]]) -> dict[str, "Figure"]:
    """Beliefs without and with the remedy, and both gradients."""
    figure, (sick, cured, gradient) = panels(3)
    images = [x / 1000 for x in trials[0]["runs"][0]["images"]]
    for axes, n, title in ((sick, 0, "the discriminator dominates"), (cured, 1, "the remedy")):
        for name, label, color in (("d_real", "D(real)", COLOURS[2]), ("d_fake", "D(G(z))", COLOURS[1])):
            band(axes, images, [t["runs"][n][name] for t in trials], label=label, color=color)
        axes.set(title=title, xlabel="thousand images", ylim=(0, 1))
        axes.legend(loc="center right")
    sick.axvline(
        sorted(t["moment"] for t in trials)[len(trials) // 2] / 1000, color="#222222", linestyle="--", linewidth=1
    )
    for n, label in ((0, "dominated"), (1, "with the remedy")):
        band(gradient, images, [t["runs"][n]["gradient"] for t in trials], label=label, color=COLOURS[n])
    gradient.set(title="norm of the generator's gradient", xlabel="thousand images", yscale="log")
    gradient.legend()
    return {"dominance": figure}
