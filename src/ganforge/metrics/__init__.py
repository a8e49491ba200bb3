"""Numbers that judge a generator: one file a metric, from features or statistics of them to a number.

Two-sample functions take `*, real, fake`, by keyword only: precision and recall are each other's mirror image, and an
exchanged pair of arguments is the most durable bug of this field. A number means nothing without the extractor, the
counts and the splits that it came from; a reported name fixes all of them.

| function | says |
|---|---|
| `frechet_distance` | how far the Gaussians fitted to both sets lie apart; biased upwards at few samples |
| `frechet_infinity` | the same at infinitely many fakes, by extrapolation |
| `intra_class_distances` | the same class by class |
| `kernel_distance` | the same question without the bias, with a standard error |
| `kernel_distance_subsets` | the same as most tables report it, over 100 random subsets |
| `classifier_score` | whether each image is one thing and all together are many things |
| `manifold_scores` | fidelity (precision, density) apart from diversity (recall, coverage) |
| `memorisation` | whether fakes are copies of training images (authenticity, and MiFID's cosine distance) |
| `nearest_training`, `nearest_several` | which training image, or images, lie nearest to each fake |
| `closeness` | how near a fake lies to a training image for that one's surroundings |
| `path_length` | how smoothly images change along a walk through latent space |
| `pairwise_similarity` | how alike generated images are to each other (MS-SSIM) |
| `pyramid_distances` | how far the patches of two sets of images lie apart, scale by scale (sliced Wasserstein) |
| `realism` | which single fakes look most and least like real ones |
| `class_shares` | which classes are missing |
| `class_coverage` | how many of many classes are there, and how unevenly |
| `mode_coverage` | which modes of a known mixture are found, and how many samples lie at one |
| `reverse_kl` | how unevenly the modes are filled |
| `sliced_distance` | how far two clouds lie apart, exactly on random lines; for points in few dimensions |
| `wasserstein_distance` | how far they lie apart by their cheapest match, exactly; for few samples |
"""

from ganforge.metrics.classifier_score import Score, classifier_score
from ganforge.metrics.frechet import frechet_distance
from ganforge.metrics.frechet_infinity import Extrapolation, frechet_infinity
from ganforge.metrics.intra_class import intra_class_distances
from ganforge.metrics.kernel import KernelDistance, kernel_distance
from ganforge.metrics.kernel_subsets import KernelSubsets, kernel_distance_subsets
from ganforge.metrics.manifold import ManifoldScores, k_nearest_radius, manifold_scores
from ganforge.metrics.memorisation import (
    Memorisation,
    closeness,
    cosine_distance,
    memorisation,
    memorisation_penalty,
    nearest_several,
    nearest_training,
)
from ganforge.metrics.modes import ModeCoverage, mode_coverage, reverse_kl
from ganforge.metrics.ms_ssim import Similarity, ms_ssim, pairwise_similarity
from ganforge.metrics.path_length import PathLength, path_length
from ganforge.metrics.pyramid import pyramid_distances
from ganforge.metrics.realism import realism
from ganforge.metrics.shares import ClassCoverage, class_coverage, class_shares
from ganforge.metrics.sliced import sliced_distance
from ganforge.metrics.wasserstein import Wasserstein, wasserstein_distance

__all__ = [
    "ClassCoverage",
    "Extrapolation",
    "KernelDistance",
    "KernelSubsets",
    "ManifoldScores",
    "Memorisation",
    "ModeCoverage",
    "PathLength",
    "Score",
    "Similarity",
    "Wasserstein",
    "class_coverage",
    "class_shares",
    "classifier_score",
    "closeness",
    "cosine_distance",
    "frechet_distance",
    "frechet_infinity",
    "intra_class_distances",
    "k_nearest_radius",
    "kernel_distance",
    "kernel_distance_subsets",
    "manifold_scores",
    "memorisation",
    "memorisation_penalty",
    "mode_coverage",
    "ms_ssim",
    "nearest_several",
    "nearest_training",
    "pairwise_similarity",
    "path_length",
    "pyramid_distances",
    "realism",
    "reverse_kl",
    "sliced_distance",
    "wasserstein_distance",
]
