"""Instrument 6: what every objective makes of a logit, and of two distributions whose bars the reader drags."""

import math
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass as message
from torch import Tensor

from ganforge.errors import RecipeError
from ganforge.lab.instruments import Room
from ganforge.lab.links import read_link
from ganforge.lab.messages import STRICT
from ganforge.objectives import OBJECTIVES, Objective
from ganforge.theory import divergences
from ganforge.theory.optimum import game_value, generator_gradient, optimal_discriminator
from ganforge.theory.transport import potential, wasserstein_1d

__all__ = ["MESSAGES", "TITLE", "Link", "Seat", "curves", "open_seat", "weighed"]

TITLE = "Losses and divergences"
WIDEST, POINTS = 6.0, 97  # the logits of the curves
NAMES = tuple(OBJECTIVES)
MEASURES = (
    "jsd", "kl", "reverse_kl", "total_variation", "pearson_chi2", "neyman_chi2", "squared_hellinger",
)  # fmt: skip

Bars = Annotated[
    tuple[Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)], ...], Field(min_length=2, max_length=12)
]


@message(frozen=True, kw_only=True, config=STRICT)
class Link:
    """The whole state: both distributions as bars of any height, and the objective that is looked at."""

    p: Bars = (1.0, 2.0, 4.0, 2.0, 1.0, 0.0)
    q: Bars = (0.0, 1.0, 1.0, 2.0, 4.0, 2.0)
    objective: Literal[NAMES] = "non_saturating"


START = {"p": list(Link().p), "q": list(Link().q), "objective": Link().objective}


@message(frozen=True, kw_only=True, config=STRICT)
class Weigh:
    """Other bars, or another objective."""

    kind: Literal["weigh"]
    p: Bars
    q: Bars
    objective: Literal[NAMES]


MESSAGES: dict[str, type] = {"weigh": Weigh}


def curves() -> dict[str, Any]:
    """The generator's loss of every objective over the logit of a fake, and its slope there; of a pair, the real logit
    being 0."""
    logit = torch.linspace(-WIDEST, WIDEST, POINTS, dtype=torch.float64, requires_grad=True)
    found = {}
    for name, row in OBJECTIVES.items():
        loss = row().g(real=torch.zeros_like(logit), fake=logit)
        (slope,) = torch.autograd.grad(loss.sum(), logit)
        found[name] = {"loss": loss.tolist(), "slope": slope.tolist()}
    return {"logit": logit.tolist(), "objectives": found}


def weighed(p: Tensor, q: Tensor, row: Objective) -> dict[str, Any]:
    """Every divergence of two distributions over places 0, 1, ..., exact; what the objective's best D says there, the
    game's value, and where the generator is sent: the gradient of its loss in its masses."""
    places = torch.arange(len(p), dtype=torch.float64)
    measures = {name: getattr(divergences, name)(p, q) for name in MEASURES}
    best = potential(p, q, places) if row.lipschitz else optimal_discriminator(row, p, q)
    gradient = -best if row.lipschitz else generator_gradient(row, p, q)
    w1 = wasserstein_1d(places, places, p, q)
    return {
        "p": p.tolist(),
        "q": q.tolist(),
        "measures": measures | {"w1": w1},
        "best": best.tolist(),
        "value": w1 if row.lipschitz else game_value(row, p, q),
        "gradient": gradient.tolist(),
        "best_is_probability": row.probability is not None,
        "texts": {
            "optimum": row.optimum,
            "value": row.value.text,
            "follows": row.follows.text,
            "citation": row.citation,
        },
    }


@dataclass
class Seat:
    """A visitor's two distributions."""

    state_: Link
    busy: bool = field(default=False, init=False)
    wake: float = field(default=0.0, init=False)

    def receive(self, said: Any) -> list[dict[str, Any]]:
        """Other bars."""
        link = Link(p=said.p, q=said.q, objective=said.objective)
        figures_of(link)  # refused before anything is changed
        self.state_ = link
        return [self.state()]

    def state(self) -> dict[str, Any]:
        """Everything that there is to draw."""
        link = self.state_
        asked = {"p": list(link.p), "q": list(link.q), "objective": link.objective}
        return {"kind": "state", "link": asked, "start": dict(START), "curves": curves(), **shown(figures_of(link))}

    def advance(self, seconds: float) -> list[dict[str, Any]]:
        """Nothing goes on by itself."""
        return []

    def frames(self) -> list[bytes]:
        """The words say it all."""
        return []

    def close(self) -> None:
        """Nothing to let go of."""


def figures_of(link: Link) -> dict[str, Any]:
    """The figures of a link's bars, divided by their sums.

    Raises:
        RecipeError: where there is nothing to divide, or the numbers of bars differ.
    """
    p, q = (torch.tensor(bars, dtype=torch.float64) for bars in (link.p, link.q))
    if len(p) != len(q):
        raise RecipeError(f"{len(p)} and {len(q)} bars can't be compared; give as many of both")
    if not (p.sum() > 0 and q.sum() > 0):
        raise RecipeError("a distribution has no mass; raise one of its bars")
    return weighed(p / p.sum(), q / q.sum(), OBJECTIVES[link.objective]())


def shown(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures with infinite entries as words."""
    return figures | {key: signed(figures[key]) for key in ("best", "gradient")}


def signed(values: list[float]) -> list[float | str]:
    """Numbers as a page reads them: JSON has no infinity, and its sign matters here."""
    return [v if math.isfinite(v) else "∞" if v > 0 else "−∞" for v in values]


def open_seat(link: dict[str, Any], room: Room) -> Seat:
    """The bars as a link has them.

    Raises:
        RecipeError: for a link that holds something else.
    """
    state: Link = read_link(Link, link, "distributions")
    figures_of(state)
    return Seat(state)
