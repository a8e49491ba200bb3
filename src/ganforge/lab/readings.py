"""What is charted of a game at each tick: distances between the densities, modes, and what D makes of them."""

from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from ganforge.games.packing import packed
from ganforge.lab.pictures import Scenery, shares
from ganforge.metrics.modes import mode_coverage
from ganforge.metrics.sliced import sliced_distance
from ganforge.state import TrainState
from ganforge.theory.divergences import jsd, kl
from ganforge.theory.optimum import game_value
from ganforge.theory.transport import transport

__all__ = ["CHARTED", "COUNTED", "MATCHED", "floors", "readings"]

COUNTED = 10_000  # samples of each kind that are counted in cells
CUSTOM = 2_500  # fakes whose modes are counted, as papers do
MATCHED = 128  # samples of each kind that are matched one to one
PAIRS = 4  # drawings whose distance is averaged for what a perfect generator would read
LINES = 16  # directions of the sliced distance
CHARTED = (
    "images", "round", "loss_discriminator", "loss_generator", "d_real", "d_fake", "accuracy",
    "gradient_norm_discriminator", "gradient_norm_generator", "gradient_norm_output",
)  # fmt: skip
"""What a page's charts take from a tick's record as it is."""


@torch.no_grad()
def readings(scenery: Scenery, state: TrainState, *, dear: bool = True) -> dict[str, Any]:
    """By name; the dear ones, `w1` and `sliced`, only where they are asked for:

    - `jsd`: Jensen-Shannon divergence in nats of the masses in the window's 24 x 24 cells and outside of it, from
      10,000 samples each.
    - `kl`: Kullback-Leibler divergence of the data from the fakes in nats, of the same counts with half a sample more
      in each cell (Krichevsky and Trofimov 1981): without it, one cell that has reals and no fake makes it infinite.
    - `w1`: Wasserstein-1 distance of 128 fakes and 128 reals, exact for these; None without SciPy.
    - `sliced`: sliced Wasserstein distance of 2,500 each.
    - `modes`, `quality`: modes that 2,500 fakes have found, and the share of the fakes that lie at one; only where the
      modes are known.
    - `payoff`: the mean payoff of the stated game at this D; `best_payoff`: at the best D that is constant on each cell
      (None where that is unbounded). What D falls short of.
    """
    G, D = state.players["generator"], state.players["discriminator"]
    fake = scenery.fakes(G, COUNTED)
    counted = shares(fake, scenery.half)
    found: dict[str, Any] = {"jsd": jsd(scenery.real_shares, counted)}
    found["kl"] = kl(smoothed(scenery.real_shares), smoothed(counted))
    if dear:
        found |= transported(scenery.held_out, fake)
    mixture = scenery.plan.source.mixture
    if mixture is not None:
        modes = mode_coverage(samples=fake[:CUSTOM], modes=mixture.means, sigma=mixture.sigmas, weights=mixture.weights)
        found |= {"modes": modes.found, "quality": modes.quality}
    real_logits, fake_logits = (D(packed(x[: len(scenery.real)], scenery.pack)) for x in (scenery.held_out, fake))
    found["payoff"] = float(scenery.objective.payoff(real=real_logits, fake=fake_logits).mean())
    if not scenery.objective.lipschitz and not scenery.objective.paired:
        found["best_payoff"] = game_value(scenery.objective, scenery.real_shares, counted)
    return found


def smoothed(masses: Tensor) -> Tensor:
    """Shares of 10,000 samples with half a sample more in each cell."""
    more = masses * COUNTED + 0.5
    return more / more.sum()


def transported(real: Tensor, fake: Tensor) -> dict[str, float | None]:
    """Wasserstein distances of two clouds; None where a fake isn't finite."""
    fair = bool(fake.isfinite().all())
    return {
        "w1": transport(real[:MATCHED], fake[:MATCHED]).cost if fair and find_spec("scipy") else None,
        "sliced": sliced_distance(real=real[:CUSTOM], fake=fake[:CUSTOM], directions=LINES) if fair else None,
    }


def floors(scenery: Scenery) -> dict[str, Any]:
    """The same distances between two drawings of the data: what a perfect generator would read; w1, which varies most,
    as the mean over several pairs."""
    test = scenery.plan.source.test
    assert test is not None
    again = test.read(torch.arange(min(len(test), COUNTED)))
    pairs = [slice(start, start + CUSTOM) for start in range(0, PAIRS * CUSTOM, CUSTOM)]
    found = [transported(scenery.held_out[pair], again[pair])["w1"] for pair in pairs]
    return {
        "jsd": jsd(scenery.real_shares, shares(again, scenery.half)),
        "sliced": transported(scenery.held_out, again)["sliced"],
        "w1": None if None in found else sum(w for w in found if w is not None) / len(found),
    }
