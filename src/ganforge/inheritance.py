"""A game that begins with another run's weights."""

from pathlib import Path

from ganforge.errors import CheckpointError
from ganforge.io.checkpoint import load_checkpoint
from ganforge.sample import find_checkpoint
from ganforge.state import TrainState

__all__ = ["take_weights"]


def take_weights(state: TrainState, path: Path) -> list[str]:
    """Start from another run's weights: what has the same name and shape is taken, the rest stays as it was drawn.

    Returns:
        What was loaded, and a line for each tensor that was not.

    Raises:
        CheckpointError: if nothing fits.
    """
    tensors, record = load_checkpoint(find_checkpoint(path), "state")
    found, taken, left = tensors["state"], 0, []
    for name, network in {**state.players, "ema": state.ema}.items():
        for key, own in network.state_dict().items():
            other = found.get(f"{name}.{key}")
            if other is not None and other.shape == own.shape:
                own.copy_(other)
                taken += 1
            else:
                why = "is not there" if other is None else f"is {tuple(other.shape)} there, {tuple(own.shape)} here"
                left.append(f"{name}.{key} {why}")
    if not taken:
        raise CheckpointError(
            f"nothing in {path} ({record['name']}) fits these networks; choose a run of the same kind"
        )
    notes = [f"took {taken} tensors from {path} ({record['name']} at {record['images']:,} images)"]
    return notes + [f"not taken, drawn anew: {line}" for line in left]
