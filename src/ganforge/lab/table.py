"""A game on the table: what is played, what of it is drawn and charted, and an update in slow motion."""

import csv
import io
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ganforge.diagnosis import Finding
from ganforge.games.packing import packed
from ganforge.lab.pictures import Scenery, believed, finite, logits_of, shares, shown
from ganforge.lab.play import Play, settle, turn
from ganforge.lab.readings import CHARTED, COUNTED, floors, readings
from ganforge.lab.stages import STAGES, Rehearsal, rehearsed

__all__ = ["LAYERS", "Table", "sheet"]

LAYERS = ("real", "fakes", "heat", "mesh", "arrows", "level", "optimum", "trails", "model")
DEAR = 4  # ticks between two readings of the Wasserstein distances
MOST_FOLLOWED = 20  # things done by hand that are played again at once, before a round in slow motion
MOST_SHOWN = 256  # points of a batch in slow motion


@dataclass
class Table:
    """A game, and how it is shown.

    Attributes:
        play: the game.
        layers: what is drawn.
        average: whether fakes come from the averaged generator.
        seen: ticks that were charted.
        queue: the updates that are left of a round in slow motion.
        stage: which of the five stages of the update is shown.
        rehearsal: that update.
    """

    play: Play
    layers: frozenset[str] = frozenset({"real", "fakes", "heat", "arrows", "level"})
    average: bool = False
    seen: int = 0
    queue: list[str] = field(default_factory=list)
    stage: int = 0
    rehearsal: Rehearsal | None = None
    number: int = 0
    view: Scenery | None = None
    floor: dict[str, Any] = field(default_factory=dict)
    charts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def scenery(self) -> Scenery:
        """What stays the same while the plan does."""
        plan = self.play.plan
        if self.view is None or self.view.plan is not plan:
            before, self.view = self.view, Scenery(plan)
            if before is None or before.plan.parts["data"].values != plan.parts["data"].values:
                self.floor = floors(self.view)
        return self.view

    @property
    def G(self) -> nn.Module:
        """The generator that is drawn."""
        return self.play.state.ema if self.average else self.play.state.players["generator"]

    def restart(self, play: Play) -> None:
        """Another game, or the same from its beginning."""
        if play is not self.play:
            self.play.close()
        self.play = play
        self.look_anew()

    def look_anew(self) -> None:
        """Forget what belonged to what was played before, if it is another game now."""
        self.queue, self.stage, self.rehearsal = [], 0, None
        if not self.play.rows:
            self.charts, self.seen = [], 0

    @property
    def behind(self) -> bool:
        """Whether there is a tick that isn't charted."""
        return bool(self.play.rows) and self.play.rows[-1]["images"] != self.seen

    def charted(self) -> list[dict[str, Any]]:
        """The row of a tick that is new."""
        if not self.behind:
            return []
        row = self.play.rows[-1]
        self.seen = row["images"]
        dear = (self.seen // self.play.plan.training.tick) % DEAR == 1
        new = {name: row.get(name) for name in CHARTED} | readings(self.scenery, self.play.state, dear=dear)
        self.charts.append(new)
        del self.charts[:-2000]
        return [new]

    def description(self) -> dict[str, Any]:
        """What a page has to know of the game that doesn't change with every round."""
        scenery, mixture = self.scenery, self.play.plan.source.mixture
        return {
            "half": scenery.half,
            "modes": None if mixture is None else len(mixture.means),
            "data": scenery.plan.source.name,
            "z_dim": int(self.G.z_dim),  # type: ignore[arg-type]
            "optimum": scenery.objective.level is not None and not scenery.objective.lipschitz,
            "link": scenery.objective.probability is not None,
            "parameters": {name: sum(p.numel() for p in n.parameters()) for name, n in self.play.state.players.items()},
            "ticks": len(self.charts),
            "floors": self.floor,
        }

    def picture(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """A frame's header and arrays: the layers that are on, or an update in slow motion."""
        play, scenery, state = self.play, self.scenery, self.play.state
        D = state.players["discriminator"]
        fakes = scenery.fakes(self.G)
        real_logits, fake_logits = logits_of(scenery, D, fakes)
        arrays: dict[str, Tensor] = {"real": scenery.real} if "real" in self.layers else {}
        if self.layers & {"heat", "level", "model"}:
            heat = believed(scenery.objective, scenery.heat(D), real=real_logits, fake=fake_logits)
            arrays["heat"] = heat.nan_to_num(0.5).clamp(0, 1)
        if self.layers & {"mesh", "model"}:
            arrays["mesh"] = finite(scenery.mesh(self.G))
        if "optimum" in self.layers:
            best = scenery.optimum(shares(scenery.fakes(self.G, COUNTED), scenery.half))
            arrays |= {} if best is None else {"optimum": best}
        losses = self.losses(real_logits, fake_logits) if "model" in self.layers else {}
        if self.rehearsal is not None:
            header, more = self.staged(self.rehearsal)
            return self.header() | losses | header, arrays | more
        arrays["fakes"] = finite(fakes)
        if "arrows" in self.layers:
            arrays["arrows"] = finite(scenery.arrows(D, fakes))
        belief = [
            believed(scenery.objective, x, real=real_logits, fake=fake_logits) for x in (real_logits, fake_logits)
        ]
        if "model" in self.layers:
            arrays["z"] = scenery.latents(MOST_SHOWN, int(self.G.z_dim))[:, :2].contiguous()  # type: ignore[arg-type]
            arrays |= {f"judged_{side}": shown(x) for side, x in zip(("real", "fake"), belief, strict=True)}
        header = self.header() | losses | {"beliefs": [float(x.mean()) for x in belief], "script": len(play.script)}
        return header, arrays

    def losses(self, real: Tensor, fake: Tensor) -> dict[str, Any]:
        """Both players' losses at the logits of what is drawn, without penalties and other terms."""
        objective = self.scenery.objective
        sides = {"discriminator": objective.d(real=real, fake=fake), "generator": objective.g(real=real, fake=fake)}
        return {"losses": {player: float(loss.mean()) for player, loss in sides.items()}}

    def header(self) -> dict[str, Any]:
        """The numbers of a frame."""
        play = self.play
        return {"round": play.rounds, "images": play.state.images, "turns": dict(play.state.turns), "ended": play.ended}

    def staged(self, seen: Rehearsal) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """The frame of an update's stage: what has come about up to it."""
        stage = {"player": seen.player, "index": self.stage, "name": STAGES[self.stage]}
        if self.stage >= 3:
            stage |= {"loss": seen.loss, "terms": seen.terms}
        if self.stage >= 4:
            stage |= {"gradient_norm": seen.gradient_norm}
        arrays = {"stage_z": seen.z[:MOST_SHOWN, :2].contiguous()}
        if self.stage >= 1:
            arrays |= {"stage_fakes": finite(seen.fakes[:MOST_SHOWN]), "stage_real": finite(seen.real[:MOST_SHOWN])}
        if self.stage >= 2:
            arrays["stage_fake_belief"] = shown(seen.fake_belief[:MOST_SHOWN])
            arrays["stage_real_belief"] = shown(seen.real_belief[:MOST_SHOWN])
        if self.stage >= 4 and seen.player == "generator":
            arrays["stage_arrows"] = finite(seen.arrows[:MOST_SHOWN])
        return {"stage": stage}, arrays

    def next_stage(self) -> list[Finding]:
        """On to the next stage; past the fifth the update is done, and past a round's last update the round."""
        if self.rehearsal is not None and self.stage < len(STAGES) - 1:
            self.stage += 1
            return []
        found: list[Finding] = []
        if self.rehearsal is not None:
            turn(self.play, self.queue.pop(0))
            found += [] if self.queue else self.finish_round()
        if not self.play.ended:
            found += self.rehearse()
        return found

    def rehearse(self) -> list[Finding]:
        """Look at the update that comes next."""
        found: list[Finding] = []
        if not self.queue:
            for _ in range(MOST_FOLLOWED):
                found += self.play.follow_script() if self.play.scripted else []
            if self.play.scripted:  # a link may hold thousands: the rest comes with the next call
                self.rehearsal = None
                return found
            training = self.play.plan.training
            self.number = self.play.state.images // training.tick
            self.queue = ["discriminator"] * training.d_steps + ["generator"] * training.g_steps
        plan, state, player = self.play.plan, self.play.state, self.queue[0]
        if player == "discriminator":
            with plan.stream(position=self.play.stream.position) as ahead:
                piece: tuple[Any, ...] = (ahead.next(), None)
        else:
            piece = self.play.pieces[0]
        self.rehearsal, self.stage = rehearsed(plan, state, self.scenery, player, piece), 0
        return found

    def finish_round(self) -> list[Finding]:
        """The average's update and the tick, as after any round."""
        settle(self.play)
        self.play.rounds += 1
        self.play.pieces = []
        return self.play.tick_after(self.number)

    def end_stages(self) -> None:
        """Out of slow motion: what is left of the round is played at once, so that it is a round like any other."""
        self.rehearsal = None
        left, self.queue = self.queue, []
        if left and left != self.whole_round():
            for player in left:
                turn(self.play, player)
            self.finish_round()

    def whole_round(self) -> list[str]:
        """The updates of a round that hasn't begun."""
        training = self.play.plan.training
        return ["discriminator"] * training.d_steps + ["generator"] * training.g_steps

    def answer(self, place: Tensor) -> dict[str, Any]:
        """D at one place, beside real samples where it judges packs."""
        scenery, D = self.scenery, self.play.state.players["discriminator"]
        beside = torch.cat([place, scenery.held_out[: scenery.pack - 1]])
        with torch.no_grad():
            logit = D(packed(beside, scenery.pack))
        real, fake = logits_of(scenery, D, scenery.fakes(self.G))
        belief = believed(scenery.objective, logit, real=real, fake=fake)
        arrow = scenery.arrows(D, beside)[0]
        return {"logit": float(logit[0]), "belief": float(belief[0]), "arrow": arrow.tolist()}

    def csv(self) -> dict[str, str]:
        """The charts' rows, and the points as they are drawn."""
        points = [("real", *p) for p in self.scenery.real.tolist()]
        points += [("fake", *p) for p in self.scenery.fakes(self.G).tolist()]
        names = list(dict.fromkeys([*CHARTED, *(name for row in self.charts for name in row)]))
        rows = [[row.get(name) for name in names] for row in self.charts]
        return {"charts": sheet(names, rows), "points": sheet(["kind", "x", "y"], points)}


def sheet(names: list[str], rows: list[Any]) -> str:
    """A table as CSV; what isn't there is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return text.getvalue()
