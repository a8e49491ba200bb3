"""The command line: each verb parses, calls and prints. Progress goes to stderr, results to stdout."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from ganforge import bench_cli, latent_cli

__all__ = ["app", "main"]

app = typer.Typer(
    name="ganforge",
    help="Train, judge and sample generative adversarial networks. Start with [bold]ganforge train[/bold].",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="a run folder, or one checkpoint in it")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="a run folder")]
AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object on stdout, for programs")]
Heal = Annotated[
    bool, typer.Option("--heal", help="where the doctor is sure: back to the last good checkpoint, on with its remedy")
]
Judge = Annotated[
    str | None,
    typer.Option(
        help="mnist, cifar10, inception, inception_pt, inception_clean, dinov2, dinov2_clean, clip, a module "
        "of your own (package.module:name) or an .onnx file; default: by the number of channels"
    ),
]
Metrics = Annotated[
    str | None,
    typer.Option(
        help="only these figures, with commas: frechet_distance,precision; some only when named, as ms_ssim, "
        "path_length, wasserstein, intra_class_distance, classification_accuracy; or fid50k_full, kid50k, ..."
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps")]
Settings = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="any key of the recipe, by its dotted path: train.batch=64"),
]


@app.command()
def train(
    recipe: Annotated[
        str | None, typer.Argument(metavar="[RECIPE]", help="a name that `ganforge recipes` lists, or a .toml file")
    ] = None,
    settings: Settings = None,
    data: Annotated[
        str | None,
        typer.Option(help="mnist, a folder or archive of images, Parquet, IDX, NumPy, or hf:owner/name"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="the run folder to make; default: runs/RECIPE")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1 or mps; short for train.device")] = None,
    init_from: Annotated[Path | None, typer.Option(help="start from the weights of this run or checkpoint")] = None,
    *,
    heal: Heal = False,
    as_json: AsJson = False,
) -> None:
    """Train a GAN and judge it.

    [bold]ganforge train[/bold] trains a DCGAN on handwritten digits that come with the package: about three minutes
    on two CPU cores. Ctrl-C saves; [bold]ganforge resume RUN[/bold] goes on, bit for bit.

    Examples:

      ganforge train mlp_mnist_28 train.images=200000 --out runs/a

      ganforge train dcgan_images_64 --data my_photos/ objective=hinge discriminator.norm=spectral
    """
    from ganforge import commands

    words = [w for w in (recipe, *(settings or [])) if w]
    commands.train(words, data=data, out=out, device=device, init_from=init_from, heal=heal, as_json=as_json)


@app.command()
def resume(run: RunFolder, settings: Settings = None, heal: Heal = False, as_json: AsJson = False) -> None:
    """Go on with a run that was stopped, killed or finished.

    The result has the same bits as a run that was never stopped. To train longer than planned:

      ganforge resume runs/a train.images=400000
    """
    from ganforge import commands

    commands.resume(run, settings or [], heal=heal, as_json=as_json)


@app.command()
def doctor(run: RunFolder, as_json: AsJson = False) -> None:
    """Say what is wrong with a run: since when, by what evidence, how surely, and one change of the recipe against it.

    Reads what the run has recorded, while it trains or after. Exit code 0: healthy; 1: there are findings.
    """
    from ganforge import commands

    commands.doctor(run, as_json=as_json)


@app.command()
def sample(
    run: RunPath,
    seeds: Annotated[
        str | None, typer.Option(help="which samples: 0-63, or 1,7,23; a seed always gives the same image")
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="x.png: one grid; x.npy: an array; a folder: a PNG for each seed")
    ] = Path("samples.png"),
    *,
    labels: Annotated[
        str | None, typer.Option(help="of a conditional run: 3, 0-9 or names; each seed for each label, a row a label")
    ] = None,
    truncation: Annotated[float, typer.Option(help="largest number in a latent: smaller is better and less varied")] = (
        float("inf")
    ),
    count: Annotated[int | None, typer.Option(min=1, help="how many: the seeds 0 to COUNT - 1")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="images made at once; of many, the fastest is found")] = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Make images with a trained generator: its best checkpoint, unless RUN names another one.

    Each PNG carries its seed and model in its metadata.

    Examples:

      ganforge sample runs/demo --seeds 0-99 --out grid.png

      ganforge sample runs/demo --count 50000 --out many.npy
    """
    from ganforge import commands

    commands.sample(run, seeds, out, count=count, labels=labels, truncation=truncation, batch=batch, device=device,
                    as_json=as_json)  # fmt: skip


@app.command()
def tradeoff(
    run: RunPath,
    *,
    thresholds: Annotated[str, typer.Option(help="of latents' truncation")] = ".1,.25,.5,.75,1,1.5,2,inf",
    samples: Annotated[int, typer.Option(min=100, help="generated images at each threshold")] = 5_000,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="a picture of the curve: x.png")] = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Fidelity against variety: the figures of a generator whose latents are truncated, threshold by threshold."""
    from ganforge import commands

    commands.tradeoff(run, thresholds=thresholds, samples=samples, out=out, device=device, as_json=as_json)


@app.command()
def evaluate(
    what: Annotated[str, typer.Argument(metavar="A", help="a run, a checkpoint, or images: a folder, an archive, ...")],
    against: Annotated[
        str | None,
        typer.Argument(metavar="[B]", help="the real images, or the run that learnt from them; of a run its own"),
    ] = None,
    *,
    split: Annotated[
        str | None, typer.Option(help="test, held_out, train, or all but test; default: test where there is one")
    ] = None,
    samples: Annotated[int | None, typer.Option(min=2, help="generated images, and real ones; default 10000")] = None,
    metrics: Metrics = None,
    extractor: Judge = None,
    resize: Annotated[
        str | None, typer.Option(help="clean or legacy: how inception, inception_pt and dinov2 resize images")
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(min=4, max=4096, help="height and width that images are judged at; default: the real ones' own"),
    ] = None,
    bootstrap: Annotated[
        int, typer.Option(min=0, metavar="N", help="intervals from N resamples; each costs its figures once more")
    ] = 0,
    cache: Annotated[
        bool, typer.Option(help="keep what the network says of real images; GANFORGE_CACHE=0 turns it off too")
    ] = True,
    every: Annotated[bool, typer.Option("--every", help="all checkpoints of a run, in a table and a plot")] = False,
    out: Annotated[
        Path | None, typer.Option(help="of --every: its rows, JSON lines; what is there isn't done again")
    ] = None,
    scorecard: Annotated[
        Path | None, typer.Option(help="write a card: x.md, or x.html with pictures of the best and the worst")
    ] = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Judge a generator: distances, precision and recall, beside the floor that real images reach.

    Figures are comparable where the protocol's name and the real data's digest are the same.

    Examples:

      ganforge evaluate runs/mlp

      ganforge evaluate runs/mlp --metrics frechet_distance --bootstrap 200 --scorecard card.html

      ganforge evaluate runs/mlp --every

      ganforge evaluate samples_of_another_tool/ path/to/photos

      ganforge evaluate mnist mnist
    """
    from ganforge import commands

    commands.evaluate(what, against, split=split, samples=samples, metrics=metrics, extractor=extractor,
                      resize=resize, size=size, bootstrap=bootstrap, cache=cache, every=every, out=out,
                      scorecard=scorecard, device=device, as_json=as_json)  # fmt: skip


@app.command()
def data(
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="a folder, an archive, Parquet, IDX, NumPy; hf:owner/name; mnist")
    ],
    sheet: Annotated[Path | None, typer.Option(help="write a contact sheet here: up to 100 images, as PNG")] = None,
    pack: Annotated[Path | None, typer.Option(help="don't look, but decode all of it into this packed set")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="of the pack: size=64, channels=3, fit=pad, filter=box, held_out=500; of a look, pairs=side_by_side",
        ),
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Say what is in a data set, and what of it would hurt a GAN; or pack it.

    Counts, sizes, labels, broken files, exact and near copies, empty images; nothing is changed. A packed set is
    decoded, cropped and resized already: it opens at once, however large, and is read as fast as the disk allows.

    Examples:

      ganforge data my_photos/ --sheet contact.png

      ganforge data my_photos.zip --json

      ganforge data my_photos/ --pack my_photos_64 --set size=64
    """
    from ganforge import data_commands

    data_commands.data(path, sheet=sheet, pack=pack, settings=settings or [], as_json=as_json)


@app.command()
def recipes(as_json: AsJson = False) -> None:
    """List the recipes that come with ganforge."""
    from ganforge import commands

    commands.recipes(as_json=as_json)


@app.command()
def recipe(
    name: Annotated[
        str, typer.Argument(metavar="RECIPE", help="a name that `ganforge recipes` lists, or a .toml file")
    ],
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Print a recipe as TOML with every key, its value and what it means.

    What it prints is a recipe file again: [bold]ganforge recipe dcgan_mnist_28 > mine.toml[/bold], edit, and
    [bold]ganforge train mine.toml[/bold].
    """
    from ganforge import commands

    commands.recipe(name, settings or [], as_json=as_json)


@app.command()
def experiment(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="an experiment; without one they are listed")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="keys of the experiment, as its page lists them"),
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="perform all of them")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="shorter: the phenomenon still shows")] = False,
    full: Annotated[bool, typer.Option("--full", help="longer: as papers do it")] = False,
    seeds: Annotated[int, typer.Option(min=1, help="trials, from seeds 0, 1, ...; four fifths must show it")] = 5,
    jobs: Annotated[int, typer.Option(min=0, help="trials side by side, one thread each; 0: one a core")] = 0,
    out: Annotated[Path, typer.Option(help="the folder of the results, a folder for each experiment in it")] = Path(
        "experiments"
    ),
    as_json: AsJson = False,
) -> None:
    """Reproduce a famous behaviour of GANs, and say whether it showed.

    Each writes figures.json, plots (PNG, SVG) and a page, index.html. Exit code 1: a verdict is "not shown".

    Examples:

      ganforge experiment one-gaussian

      ganforge experiment one-gaussian objective=minimax rounds=800

      ganforge experiment --all --quick
    """
    from ganforge import commands

    words = [w for w in (name, *(settings or [])) if w]
    options = {"quick": quick, "full": full}
    commands.experiment(words, every=every, options=options, seeds=seeds, jobs=jobs, out=out, as_json=as_json)


@app.command()
def lab(
    host: Annotated[str, typer.Option(help="where to listen; anything but loopback needs a token")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free")] = 8686,
    runs: Annotated[Path | None, typer.Option(metavar="DIR", help="a folder of runs to look at")] = None,
    token: Annotated[str | None, typer.Option(help="the token that visitors need; by default one is made")] = None,
) -> None:
    """Play with GANs in the browser: the same code that trains, live.

    Prints the address of the page. Ctrl-C closes it. Needs the extra: pip install 'ganforge\\[lab]'
    """
    from ganforge.lab.serve import serve

    serve(host=host, port=port, runs=runs, token=token)


bench_cli.register(app)
latent_cli.register(app)


def version(show: bool) -> None:
    """Print the version and leave."""
    if show:
        from ganforge import __version__

        typer.echo(f"ganforge {__version__}")
        raise typer.Exit


@app.callback()
def options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    """Options of the command itself."""


def main() -> None:
    """The entry point: a user's mistake ends in sentences on stderr and an exit code, never in a traceback."""
    from ganforge.errors import GanforgeError

    sys.path.append(str(Path.cwd()))  # import paths in recipes reach modules beside the user
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # while libraries load; a run notes signals itself
    try:
        app()
    except (RuntimeError, MemoryError) as error:
        from ganforge.train import out_of_memory

        if not out_of_memory(error):
            raise
        print("error: out of memory; set a smaller data.size, network width or batch", file=sys.stderr)
        sys.exit(2)
    except GanforgeError as error:
        for sentence in str(error).splitlines():
            print(f"error: {sentence}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        print(f"error: {error.strerror or error}{where}; what was there before is untouched", file=sys.stderr)
        sys.exit(2)
