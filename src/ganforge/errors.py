"""What a user can do wrong, as a tree.

GanforgeError
├── RecipeError       a key, a value or a combination in a recipe
├── DataError         a path or a file that is no data
├── CheckpointError   a run or checkpoint that can't be read, or doesn't fit
├── MemoryLimitError  the batch doesn't fit on the device
├── TheoryError       probabilities that are none, a grid or points that theory can't compute with
└── DivergenceError   the game went to NaN or infinity and stayed there

Each message is one clear sentence that quotes the value and says the remedy. The command line prints it and exits
with the class's `exit_code`; a traceback is left for what can't be the user's doing.
"""

__all__ = [
    "CheckpointError",
    "DataError",
    "DivergenceError",
    "GanforgeError",
    "MemoryLimitError",
    "RecipeError",
    "TheoryError",
]


class GanforgeError(Exception):
    """The root: a mistake that a user can mend."""

    exit_code = 2


class RecipeError(GanforgeError):
    """A recipe that can't be built; `mistakes` holds every one that was found, a sentence each."""

    def __init__(self, *mistakes: str) -> None:
        self.mistakes = mistakes
        super().__init__("\n".join(mistakes))


class DataError(GanforgeError):
    """A path that holds no images, or a broken file."""


class CheckpointError(GanforgeError):
    """A run folder or checkpoint that is missing, cut short, or of another format."""


class MemoryLimitError(GanforgeError):
    """The step doesn't fit into the device's memory; the message names a batch size that does."""


class TheoryError(GanforgeError):
    """Probabilities that are none, a grid too coarse or too small for a density, points that don't fit together."""


class DivergenceError(GanforgeError):
    """Three updates in a row had gradients that are not finite; `bad` is the first tensor that went bad, if known."""

    exit_code = 3

    def __init__(self, message: str, *, bad: str = "") -> None:
        self.bad = bad
        super().__init__(message)
