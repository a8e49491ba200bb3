"""The numbers of a run that belong to no network, objective or source: how long, how large, how often.

Each class is a section of a recipe; its fields are the section's keys.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

__all__ = ["Averaging", "Judging", "Recording", "Speed", "Training"]


@dataclass(frozen=True, kw_only=True)
class Training:
    """Section [train]: the loop's own numbers. One *image seen* is one real image shown to the discriminator."""

    images: Annotated[int, Field(gt=0, description="images seen when training ends")] = 1_000_000
    batch: Annotated[int, Field(gt=0, description="real images in one discriminator update")] = 128
    d_steps: Annotated[int, Field(gt=0, description="discriminator updates for each generator update")] = 1
    g_steps: Annotated[int, Field(gt=0, description="generator updates in a round, on the last batch")] = 1
    accumulate: Annotated[int, Field(gt=0, description="pieces that a batch is split into to save memory")] = 1
    clip: Annotated[float | None, Field(gt=0, description="largest norm of a player's gradient; none: no limit")] = None
    tick: Annotated[int, Field(gt=0, description="images seen between two lines of the log")] = 10_000
    seed: Annotated[int, Field(ge=0, lt=2**31, description="weights, data order and noise all follow from it")] = 0
    seeds: Annotated[
        int, Field(gt=0, description="games played as one, with seed, seed + 1, ...; for studies, not for runs")
    ] = 1
    device: Annotated[str, Field(description="auto, cpu, cuda, cuda:1, mps")] = "auto"


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Section [speed]: how the arithmetic is done. `auto` is measured once, when a run begins, and written down."""

    precision: Annotated[
        Literal["float32", "tf32", "bf16", "auto"],
        Field(description="of products: float32, tf32 (NVIDIA), bf16 (mixed, where there are instructions), or auto"),
    ] = "float32"
    threads: Annotated[
        Annotated[int, Field(ge=0)] | Literal["auto"],
        Field(description="of a CPU; 0: torch's own number; auto: small networks are often faster on one"),
    ] = 0
    compile: Annotated[
        bool | Literal["auto"],
        Field(description="whether torch compiles both networks (not under gradient penalties); pays on a GPU"),
    ] = False


@dataclass(frozen=True, kw_only=True)
class Averaging:
    """Section [ema]: the moving average of the generator's weights, which is what gets judged and sampled."""

    half_life: Annotated[float, Field(ge=0, description="images after which a weight counts half; 0: no average")] = (
        10e3
    )
    ramp: Annotated[
        float | None, Field(gt=0, description="while young, the half-life is at most this share of the images seen")
    ] = 0.1


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Section [run]: what is written into the run folder, and how often."""

    checkpoint: Annotated[int, Field(gt=0, description="images seen between two checkpoints")] = 100_000
    keep: Annotated[int, Field(gt=0, description="checkpoints kept besides the best one")] = 2
    samples: Annotated[int, Field(gt=0, description="images seen between two sample grids")] = 50_000
    probe: Annotated[
        int, Field(ge=0, description="ticks between two looks at diversity, dead units, held-out logits; 0: none")
    ] = 5
    grid: Annotated[int, Field(gt=0, le=1024, description="images in a sample grid, seeds 0, 1, 2, ...")] = 64


@dataclass(frozen=True, kw_only=True)
class Judging:
    """Section [judge]: how checkpoints are compared, and what the final figures are."""

    every: Annotated[int, Field(ge=0, description="images seen between two judgements; 0: only at the end")] = 100_000
    samples: Annotated[int, Field(ge=100, description="generated and held-out images in a judgement")] = 5_000
    final: Annotated[int, Field(ge=100, description="generated and test images in the final figures")] = 10_000
    extractor: Annotated[
        str | None,
        Field(
            description="mnist, cifar10, inception, inception_pt, inception_clean, dinov2, dinov2_clean, points, an "
            "import path or an .onnx file; none: by the data's shape"
        ),
    ] = None
    metric: Annotated[
        Literal["frechet_distance", "kernel_distance", "sliced_distance", "mode_distance", "class_divergence"] | None,
        Field(
            description="what chooses a checkpoint: frechet_distance, kernel_distance, sliced_distance (points), "
            "mode_distance (known modes), class_divergence (many classes); none: the distance of modes where they are "
            "known, sliced for other points, else frechet_distance"
        ),
    ] = None
