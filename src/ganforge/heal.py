"""Healing: when the doctor is sure enough, back to the last good checkpoint, one change of the recipe, and on."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

from ganforge.diagnosis import Finding
from ganforge.doctor import HEALED
from ganforge.errors import CheckpointError, DivergenceError, RecipeError
from ganforge.events import Healed
from ganforge.inheritance import take_weights
from ganforge.io.checkpoint import load_checkpoint
from ganforge.io.disk import remove
from ganforge.plan import build
from ganforge.recipe import override
from ganforge.run import Event, Run, read_recipe
from ganforge.state import TrainState

__all__ = ["MOST", "SURE", "play_healing", "treat"]

SURE = 0.6  # certainty from which a finding is acted upon
MOST = 5  # changes of a run's recipe
EARLY = 1 / 3  # of the planned images: a game that was ill by then begins anew, as D's lead stays in its weights
KEEP = 10  # checkpoints kept, so that there is a good one to go back to


def play_healing(run: Run, stop: Callable[[], bool] = lambda: False, *, sure: float = SURE) -> Iterator[Event]:
    """Like `Run.play`, but a finding at least so sure changes the recipe: at most five times, no remedy twice.

    What is written after the checkpoint that the run goes back to is dropped; a line of findings.jsonl and a comment in
    recipe.toml say what was changed, where and why. Nothing is judged twice, and the number of images stays as planned.
    """
    while True:
        keep_more(run)
        cause: list[Finding] = []

        def halt(cause: list[Finding] = cause) -> bool:
            return stop() or bool(cause)

        try:
            for event in run.play(halt):
                yield event
                cause.extend([] if cause else treatable(run, sure))
        except DivergenceError:
            if not cause:
                raise
        if not cause or stop():
            return
        yield treat(run, cause[0])


def treatable(run: Run, sure: float) -> list[Finding]:
    """The surest finding whose remedy is new, if there is one and the run may still be changed."""
    tried = [r["remedy"] for r in run.folder.records("findings") if r["finding"] == HEALED]
    if len(tried) >= MOST:
        return []
    present = [f for f in run.doctor.present if f.certainty >= sure and f.remedy not in tried]
    return [f for f in present if accepted(run, f)][:1]


def accepted(run: Run, finding: Finding) -> bool:
    """Whether the remedy makes a recipe that can be built."""
    try:
        build(override(read_recipe(run.folder), [finding.remedy]))
    except RecipeError:
        return False
    return True


def treat(run: Run, finding: Finding) -> Healed:
    """Change the recipe and go back to the last checkpoint from before the finding began; to the beginning if that was
    in the game's first third, or no checkpoint fits the changed networks. Changes the run in place.
    """
    seen = run.state.images
    with run.folder.lock():
        run.plan = build(override(read_recipe(run.folder), [finding.remedy]))
        run.state, lost = before(run, finding.since)
        for path in run.folder.all_checkpoints():
            if int(path.name) > run.state.images:
                remove(path)
        record = finding.record(run.state.images) | {
            "finding": HEALED,
            "text": f"{finding.name}, seen at {seen:,} images: went back to {run.state.images:,} images, changed "
            f"{finding.remedy} and went on{lost}.",
            "of": finding.name,
        }
        run.folder.append("findings", record)
    vars(run).pop("probe", None)  # it belongs to the old plan
    return Healed(finding, run.state.images)


def before(run: Run, images: int) -> tuple[TrainState, str]:
    """The latest saved game from before so many images, in the run's plan; a new one where there is none, or early.

    With it the words for what couldn't be brought back.
    """
    early = images <= EARLY * run.plan.training.images
    for path in reversed([p for p in run.folder.checkpoints() if int(p.name) < images and not early]):
        state = TrainState.start(run.plan)
        try:
            tensors, record = load_checkpoint(path, "state")
            state.restore(tensors["state"], record["state"])
        except CheckpointError:
            continue
        return state, ""
    return beginning(run)


def beginning(run: Run) -> tuple[TrainState, str]:
    """A new game in the run's plan, with the weights that the run began with if they were another's and are there.

    With it the words for weights that are gone or don't fit.
    """
    state, inherited = TrainState.start(run.plan), run.folder.environment().get("init_from")
    if inherited is None:
        return state, ""
    try:
        take_weights(state, Path(inherited))
    except CheckpointError as error:
        return state, f", with new weights, as those that it began with can't be had: {str(error).rstrip('.')}"
    return state, ""


def keep_more(run: Run) -> None:
    """Keep enough checkpoints to go back to; the recipe on the disk stays as it is."""
    recording = run.plan.recording
    kept = dataclasses.replace(recording, keep=max(recording.keep, KEEP))
    run.plan = dataclasses.replace(run.plan, recording=kept)
