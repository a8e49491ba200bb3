"""Saturation: two generator losses with one fixed point, of which one stops teaching when it is needed most."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import torch
from pydantic import Field

from ganforge.experiments.frame import digits_game, follow
from ganforge.experiments.frame.plots import COLOURS, band, panels
from ganforge.objectives import OBJECTIVES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CLAIM", "FULL", "LOOK", "QUICK", "SABOTAGE", "checks", "plots", "trial"]

LOOK = """
The discriminator says of a fake that it is real with probability D(G(z)). In the original game the generator minimises
log(1 - D(G(z))); in practice everybody minimises -log D(G(z)). Both want the same thing, and both are at rest where
D = ½. They differ in how hard they pull on the way there.

Look at the slopes (second plot). With respect to the logit, the slope of log(1 - D) is -D: when a fake is recognised
with certainty, logit far to the left, it is zero, and nothing is learned from the worst samples. The slope of -log D
is -(1 - D): it is -1 there, full force, and fades only for the samples that already pass.

The last plot is the same on handwritten digits: two runs from the same weights with the same noise, differing in the
generator's loss alone. Early in training the discriminator wins, as it must, and the saturating generator's gradient
is several times smaller from then on.

Try `d_lr=1e-3`, a stronger discriminator, which widens the gap, or `d_lr=1e-6`, one that learns nothing: with D = ½
everywhere both slopes are -½ and the difference is gone.
"""

CLAIM = (
    "at a logit of -20 the slope of the saturating loss is {saturating_slope:.1e} and that of the other "
    "{non_saturating_slope:.6f}; on digits the generator's gradient is {ratio:.1f} times smaller with the former"
)

QUICK = {"epochs": 2, "epoch": 20_000}
FULL = {"epochs": 10}
SABOTAGE = {"a discriminator that has learned nothing": {"d_lr": 1e-6, "epoch": 10_000}}

LOSSES = {"minimax": "saturating, log(1 - D)", "non_saturating": "non-saturating, -log D"}
FAR = -20.0


def slopes(name: str, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The generator's loss and its slope at these logits of fakes."""
    logits = logits.detach().requires_grad_()
    loss = OBJECTIVES[name]().g(real=torch.zeros_like(logits), fake=logits)
    (slope,) = torch.autograd.grad(loss.sum(), logits)
    return loss.detach(), slope


def trial(
    *,
    seed: int,
    epochs: Annotated[int, Field(description="epochs on digits, for each loss", ge=1)] = 5,
    epoch: Annotated[int, Field(description="images in an epoch", ge=1000)] = 50_000,
    d_lr: Annotated[float, Field(description="the discriminator's learning rate", ge=0)] = 2e-4,
) -> dict[str, Any]:
    """Slopes in closed form, and both runs from the same start."""
    settings = [f"optimizer.discriminator.lr={d_lr!r}"]
    runs: dict[str, dict[str, list[Any]]] = {}
    for name in LOSSES:
        plan = digits_game(settings, seed=seed, images=epochs * epoch, tick=epoch // 10, objective=name)
        rows, _ = follow(plan, lambda k: (k.images, k.figures["gradient_norm_generator"], k.figures["d_fake"]))
        runs[name] = {"images": [r[0] for r in rows], "norm": [r[1] for r in rows], "d_fake": [r[2] for r in rows]}
    late = {name: run["norm"][len(run["norm"]) // 2 :] for name, run in runs.items()}
    norms = {name: sum(rows) / len(rows) for name, rows in late.items()}
    far = torch.tensor([FAR], dtype=torch.float64)
    return {
        "saturating_slope": slopes("minimax", far)[1].item(),
        "non_saturating_slope": slopes("non_saturating", far)[1].item(),
        "saturating_norm": norms["minimax"],
        "non_saturating_norm": norms["non_saturating"],
        "ratio": norms["non_saturating"] / norms["minimax"],
        "epoch": [epoch],
        "runs": runs,
    }


def checks(figures: dict[str, Any]) -> dict[str, bool]:
    """Opposite profiles of the slope, and what they come to on images."""
    f = figures
    return {
        f"the saturating slope at logit -20, {f['saturating_slope']:.1e}, is 0 to 1e-6": abs(f["saturating_slope"])
        < 1e-6,
        f"the other, {f['non_saturating_slope']:.6f}, is -1 to 1e-6": abs(f["non_saturating_slope"] + 1) < 1e-6,
        f"the saturating generator's gradient is over 1.5 times smaller ({f['ratio']:.2f})": f["ratio"] > 1.5,
    }


def plots(trials: Sequence[dict[str, Any]]) -> dict[str, "Figure"]:
    """Losses and slopes against the logit and against D; gradients on digits."""
    figure, (losses, by_logit, by_d, norms) = panels(2, 2)
    logits = torch.linspace(-8, 8, 321, dtype=torch.float64)
    for (name, label), color in zip(LOSSES.items(), COLOURS, strict=False):
        loss, slope = slopes(name, logits)
        losses.plot(logits, loss, color=color, label=label)
        by_logit.plot(logits, slope, color=color, label=label)
        d = torch.sigmoid(logits)
        by_d.plot(d, slope / (d * (1 - d)), color=color, label=label)
        images = [n / trials[0]["epoch"][0] for n in trials[0]["runs"][name]["images"]]
        band(norms, images, [t["runs"][name]["norm"] for t in trials], label=label, color=color)
    losses.set(title="the generator's loss", xlabel="logit of a fake", ylim=(-8, 8))
    by_logit.set(title="its slope in the logit", xlabel="logit of a fake")
    by_d.set(title="its slope in D", xlabel="D(G(z))", ylim=(-20, 0))
    norms.set(title="digits: norm of the generator's gradient", xlabel="epoch", yscale="log")
    for axes in (losses, by_d, norms):
        axes.legend()
    return {"saturation": figure}
