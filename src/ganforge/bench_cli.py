"""The verbs of `ganforge bench`: each parses, calls and prints, as those in `cli`."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]

AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object on stdout, for programs")]
bench = typer.Typer(help="Figures that papers publish, measured under their protocol; and speed.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the verbs to the command."""
    app.add_typer(bench, name="bench")


@bench.command()
def sample(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="a run folder, or one checkpoint in it")],
    batches: Annotated[str, typer.Option(help="how many samples at once, one row each")] = "1,8,32,64,128,256",
    pairs: Annotated[int, typer.Option(min=1, help="measurements of each side, taken in turns")] = 9,
    *,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps")] = "auto",
    as_json: AsJson = False,
) -> None:
    """How long a batch takes and how many samples a second there are, with the generator's norms folded into its
    weights, as sampling uses it, and as it was trained.

    Examples:

      ganforge bench sample runs/demo

      ganforge bench sample runs/demo --batches 1,256 --json
    """
    from ganforge import measuring

    measuring.bench_sample(run, batches, pairs=pairs, device=device, as_json=as_json)


@bench.command()
def modes(
    remedies: Annotated[
        list[str] | None, typer.Argument(metavar="[REMEDY]...", help="by default all; each has a NAME_truncation too")
    ] = None,
    *,
    sets: Annotated[str, typer.Option("--set", help="ring, grid, or both with a comma")] = "ring,grid",
    steps: Annotated[int, typer.Option(min=1, help="updates of both players; PacGAN's protocol has 400,000")] = 20_000,
    seeds: Annotated[int, typer.Option(min=1, help="games of each, from seeds 0, 1, ...")] = 3,
    quick: Annotated[bool, typer.Option("--quick", help="small networks, 1,200 steps: shows the tool, claims nothing")]
    = False,
    out: Annotated[Path | None, typer.Option(help="JSON lines, and a table beside; what is there isn't done again")]
    = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """How many modes of a ring and a grid of Gaussians each remedy keeps, and how sharp they are.

    PacGAN's protocol (arXiv:1712.04086): their networks, data and figures, beside their published table.

    Examples:

      ganforge bench modes --quick

      ganforge bench modes pack4 --set ring --steps 40000 --seeds 10 --out modes.jsonl
    """
    from ganforge import measuring

    measuring.bench_modes(remedies or [], sets.split(","), steps=steps, seeds=seeds, quick=quick, out=out,
                         as_json=as_json)  # fmt: skip
