"""The verbs on latent space: each parses, calls and prints, as those in `cli`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = ["register"]

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="a run folder, or one checkpoint in it")]
AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object on stdout, for programs")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps")]
Way = Literal["slerp", "lerp", "cubic"]
Seeds = Annotated[str, typer.Option(help="seeds: 0-7, or 1,7,23")]
Label = Annotated[
    str | None, typer.Option("--label", "--labels", help="of a conditional run: one class, or one for each seed: 3,5,8")
]
OneLabel = Annotated[
    str | None, typer.Option("--label", "--labels", help="of a conditional run: one class for the whole sum")
]
Truncation = Annotated[
    float | None, typer.Option(help="threshold of the latents, .5 for instance: better samples, less variety")
]
Judge = Annotated[
    str | None,
    typer.Option("--extractor", help="the classifier that reads samples; default: by the number of channels"),
]


def walk(
    run: RunPath,
    seeds: Seeds = "1,7,23",
    out: Annotated[
        Path, typer.Option("--out", "-o", help=".png: a strip; .gif, .mp4, .webm: a film; a new folder: its frames")
    ] = Path("walk.gif"),
    frames: Annotated[int | None, typer.Option(min=1, help="of all; with --grid along a side")] = None,
    way: Annotated[Way | None, typer.Option(help="default: slerp; of a loop cubic")] = None,
    labels: Label = None,
    fps: Annotated[float, typer.Option(min=0.1, max=50, help="frames a second")] = 20,
    *,
    truncation: Truncation = None,
    loop: Annotated[bool, typer.Option("--loop", help="back to the first seed, without a seam")] = False,
    grid: Annotated[bool, typer.Option("--grid", help="the field between four seeds in the corners")] = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Walk from seed to seed and write a film, a strip or a field of what the generator makes on the way.

    Examples:

      ganforge walk runs/x --seeds 1,7,23 --loop --out walk.gif

      ganforge walk runs/x --seeds 1,7 --way lerp --out strip.png

      ganforge walk runs/x --seeds 1,7,23,5 --grid --out field.png

      ganforge walk runs/digits --seeds 4,4,4 --labels 3,5,8 --out classes.gif
    """
    from ganforge import latent_commands

    latent_commands.walk(run, seeds, out, frames=frames, way=way or ("cubic" if loop else "slerp"), loop=loop,
                         corners=grid, labels=labels, truncation=truncation, fps=fps, device=device,
                         as_json=as_json)  # fmt: skip


def mix(
    run: RunPath,
    expression: Annotated[str, typer.Argument(metavar="SUM", help="'1,2,3 - 4,5 + 7', 'class:7 - class:1 + 0.5*23'")],
    out: Annotated[Path, typer.Option("--out", "-o", help="the picture, .png")] = Path("mix.png"),
    labels: OneLabel = None,
    extractor: Judge = None,
    device: Device = "auto",
    *,
    truncation: Truncation = None,
    as_json: AsJson = False,
) -> None:
    """Add and subtract means of latents, and look at the sum.

    A term is a list of seeds, or class:NAME: the first samples that the embedded classifier reads as that class. A row
    of the picture is a term: its mean, then its exemplars; the last row is the result.

    Examples:

      ganforge mix runs/x "1,2,3 - 4,5 + 7" --out mix.png

      ganforge mix runs/x "class:7 - class:1 + class:9"
    """
    from ganforge import latent_commands

    latent_commands.mix(run, expression, out, labels=labels, truncation=truncation, judge=extractor,
                        device=device, as_json=as_json)  # fmt: skip


def edit(
    run: RunPath,
    direction: Annotated[
        str, typer.Option(help="FILE.safetensors:0, or :NAME, of `ganforge directions`; FILE alone: its first")
    ],
    seeds: Seeds = "0-7",
    steps: Annotated[str, typer.Option(help="in standard deviations of a latent")] = "-2,-1,0,1,2",
    out: Annotated[Path, typer.Option("--out", "-o", help="the picture, .png")] = Path("edit.png"),
    labels: Label = None,
    device: Device = "auto",
    *,
    truncation: Truncation = None,
    as_json: AsJson = False,
) -> None:
    """Move samples along a direction: a row for each seed, a column for each step.

    Examples:

      ganforge edit runs/x --direction runs/x/directions.safetensors:0 --seeds 0-7 --steps=-2,-1,0,1,2
    """
    from ganforge import latent_commands

    latent_commands.edit(run, direction, seeds, steps, out, labels=labels, truncation=truncation, device=device,
                         as_json=as_json)  # fmt: skip


def directions(
    run: RunPath,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="x.safetensors, with x.png; default: in the run")
    ] = None,
    *,
    by: Annotated[
        str, typer.Option(help="ways that need no names, with commas: activations, first_map, jacobian; or none")
    ] = "activations,first_map,jacobian",
    count: Annotated[int, typer.Option(min=1, help="directions of each of them")] = 5,
    attribute: Annotated[
        list[str] | None, typer.Option(help="steered by a measure: slant, stroke_width, brightness, contrast, size")
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option(help="a hyperplane's normal: class:7 by the classifier, or a measure")
    ] = None,
    keep: Annotated[list[str] | None, typer.Option(help="what a target's direction must leave: class:1, slant")] = None,
    extractor: Judge = None,
    samples: Annotated[int, typer.Option(min=2, help="that are moved to measure what changes")] = 500,
    fitted: Annotated[int, typer.Option(min=100, help="that attributes and targets are fitted to")] = 8192,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Find directions of latent space, and measure what moving by two standard deviations either way changes.

    Examples:

      ganforge directions runs/x

      ganforge directions runs/x --by none --attribute stroke_width --attribute slant

      ganforge directions runs/x --by jacobian --target class:7 --keep slant --keep class:1
    """
    from ganforge import latent_commands

    ways = [] if by == "none" else [word.strip() for word in by.split(",")]
    latent_commands.directions(run, out, methods=ways, count=count, attributes=attribute or [], targets=target or [],
                               keep=keep or [], judge=extractor, samples=samples, fitted=fitted, device=device,
                               as_json=as_json)  # fmt: skip


def invert(
    run: RunPath,
    images: Annotated[list[str], typer.Argument(metavar="IMAGES...", help="files of the run's size, or test:0-7")],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="the picture, .png; latents go into .npy beside it, labels into .labels.npy"),
    ] = Path("invert.png"),
    *,
    starts: Annotated[int, typer.Option(min=1, help="nearest samples that are descended from")] = 4,
    steps: Annotated[int, typer.Option(min=1, help="of descent")] = 200,
    features: Annotated[
        str, typer.Option(help="compared beside the pixels: of mnist or cifar10, or none; then they don't judge")
    ] = "none",
    extractor: Judge = None,
    device: Device = "auto",
    encoder: Annotated[bool, typer.Option(help="start from an encoder's guess too; it is trained once")] = True,
    as_json: AsJson = False,
) -> None:
    """Find the latents whose samples are nearest to given images, and show how near they come.

    Examples:

      ganforge invert runs/x test:0-15 --out invert.png

      ganforge invert runs/x my_seven.png my_three.png --no-encoder --starts 16
    """
    from ganforge import latent_commands

    latent_commands.invert(run, images, out, starts=starts, steps=steps, encoder=encoder, features=features,
                           judge=extractor, device=device, as_json=as_json)  # fmt: skip


def register(app: typer.Typer) -> None:
    """Give an application these verbs."""
    for verb in (walk, mix, directions, edit, invert):
        app.command()(verb)
