"""Numbers that judge a generator: one file a metric, from features or statistics of them to a number.

Two-sample functions take `*, real, fake`, by keyword only: precision and recall are each other's mirror image, and an
exchanged pair of arguments is the most durable bug of this field. A number means nothing without the extractor, the
counts and the splits that it came from; a reported name fixes all of them.

| function | says |
|---|---|
| `frechet_distance` | how far the Gaussians fitted to both sets lie apart; biased upwards at few samples |
| `kernel_distance` | the same question without the bias, with a standard error |
| `kernel_distance_subsets` | the same as most tables report it, over 100 random subsets |
| `classifier_score` | whether each image is one thing and all together are many things |
| `manifold_scores` | fidelity (precision, density) apart from diversity (recall, coverage) |
| `class_shares` | which classes are missing |
| `class_coverage` | how many of many classes are there, and how unevenly |
| `mode_coverage` | which modes of a known mixture are found, and how many samples lie at one |
| `reverse_kl` | how unevenly the modes are filled |
| `sliced_distance` | how far two clouds lie apart, exactly on random lines; for points in few dimensions |
"""

from ganforge.metrics.classifier_score import Score, classifier_score
from ganforge.metrics.frechet import frechet_distance
from ganforge.metrics.kernel import KernelDistance, kernel_distance
from ganforge.metrics.kernel_subsets import KernelSubsets, kernel_distance_subsets
from ganforge.metrics.manifold import ManifoldScores, k_nearest_radius, manifold_scores
from ganforge.metrics.modes import ModeCoverage, mode_coverage, reverse_kl
from ganforge.metrics.shares import ClassCoverage, class_coverage, class_shares
from ganforge.metrics.sliced import sliced_distance

__all__ = [
    "ClassCoverage",
    "KernelDistance",
    "KernelSubsets",
    "ManifoldScores",
    "ModeCoverage",
    "Score",
    "class_coverage",
    "class_shares",
    "classifier_score",
    "frechet_distance",
    "k_nearest_radius",
    "kernel_distance",
    "kernel_distance_subsets",
    "manifold_scores",
    "mode_coverage",
    "reverse_kl",
    "sliced_distance",
]
