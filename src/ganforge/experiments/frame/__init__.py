"""What all experiments share: finding them, performing them over seeds, the verdict, plots and pages."""

from ganforge.experiments.frame.experiment import Experiment, Outcome, Trial, experiment_names, load_experiment
from ganforge.experiments.frame.game import accuracy, affine_game, digits_game, draw, follow, planned, reals
from ganforge.experiments.frame.page import write_index, write_outcome
from ganforge.experiments.frame.stage import perform

__all__ = [
    "Experiment",
    "Outcome",
    "Trial",
    "accuracy",
    "affine_game",
    "digits_game",
    "draw",
    "experiment_names",
    "follow",
    "load_experiment",
    "perform",
    "planned",
    "reals",
    "write_index",
    "write_outcome",
]
