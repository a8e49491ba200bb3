"""What a scorecard shows of a judgement: figures as sentences, the best and the worst samples, their neighbours."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ganforge import __version__
from ganforge.crowd import ALL, Maker, Progress, pictured
from ganforge.data import Source
from ganforge.errors import DataError
from ganforge.evaluate import Verdict
from ganforge.every import ROWS, comparable, read_rows
from ganforge.figures import MEANINGS
from ganforge.io.images import grid
from ganforge.io.scatter import scatter
from ganforge.io.scorecard import Card, Line, Picture, Point
from ganforge.metrics import closeness, nearest_several, realism
from ganforge.view import number

__all__ = ["card", "pictures", "run_of"]

SAMPLES = 64
EXTREMES = 36  # best, and worst
EXAMPLES = 8  # fakes with their neighbours
NEIGHBOURS = 5
SEARCHED = 1_000  # fakes among which the closest to a training image are sought
TRAINING = 50_000  # training images among which neighbours are sought
BACKDROP = 2_000  # real points behind generated ones
GAP = 10  # pixels between a fake and its neighbours
NOWHERE = 1e-12


def card(
    verdict: Verdict, maker: Maker, *, run: Path | None, command: str, sections: Mapping[str, Sequence[Picture]]
) -> Card:
    """The scorecard of a judgement.

    Args:
        run: the folder whose `every.jsonl` has the figures of other checkpoints; None for none.
        command: how it was called.
        sections: what `pictures` gave; nothing for a card without.
    """
    record, found = verdict.record, verdict.record["figures"]
    rows = [] if run is None else comparable(read_rows(run / ROWS), run=run.resolve().name, like=record)
    both = (record["floor"].get("recall"), record["floor"].get("precision"))
    return Card(
        title=maker.name,
        verdict=in_short(record),
        lines=list(lines(record)),
        facts=facts(record, command),
        notes=[f"{note[:1].upper()}{note[1:]}." for note in record["notes"]],
        shares={name: share or 0.0 for name, share in found.get("shares", {}).items()},
        pictures=sections,
        path=[
            Point(row["images"], row["figures"]["recall"], row["figures"]["precision"])
            for row in rows
            if None not in (row["figures"].get("recall"), row["figures"].get("precision"))
        ],
        floor=None if None in both else both,
        images=record.get("images", 0),
    )


def run_of(what: str) -> Path | None:
    """The run's folder that a path stands for, by itself or by a checkpoint in it."""
    path = Path(what)
    return next((p for p in (path, path.parent.parent) if (p / "recipe.toml").is_file()), None)


def in_short(record: Mapping[str, Any]) -> str:
    """The first figure beside its floor, then precision and recall."""
    found, floor = record["figures"], record["floor"]
    first = next((name for name in MEANINGS if name in found and name != "shares"), None)
    if first is None:
        return "Judged by its classes alone."
    beside = "" if floor.get(first) is None else f", where real images reach {number(floor, first)}"
    words = f"{titled(first)} {number(found, first)}{beside}."
    rest = [f"{name} {number(found, name)}" for name in ("precision", "recall") if name in found and name != first]
    return words + (f" {', '.join(rest).capitalize()}." if rest else "")


def titled(name: str) -> str:
    """A figure's name as a heading."""
    words = name.replace("_", " ").replace("frechet", "Fréchet")
    return "MS-SSIM" if name == "ms_ssim" else words[:1].upper() + words[1:]


def lines(record: Mapping[str, Any]) -> Iterator[Line]:
    """A line for each figure that is one number."""
    found, floor, spans = record["figures"], record["floor"], record.get("intervals", {})
    for name in (n for n in MEANINGS if n in found and n != "shares"):
        span = " [{:.4g}, {:.4g}]".format(*spans[name]) if name in spans else ""
        yield Line(titled(name), number(found, name) + span, number(floor, name), sentence(name, found, floor))


def sentence(name: str, found: Mapping[str, Any], floor: Mapping[str, Any]) -> str:
    """What a figure says, beside what real images reach."""
    value, level = found[name], floor[name]
    meaning = f"{MEANINGS[name][:1].upper()}{MEANINGS[name][1:]}."
    if value is None:
        return "There are too few images for it."
    if level is None:
        return meaning
    error = found.get(f"{name}_error") or 0.0
    said = SENTENCES[name](value, level, error) if name in SENTENCES else ""
    return said or meaning


def times(value: float, level: float, error: float) -> str:
    """A distance as a multiple of the floor."""
    if level <= NOWHERE:
        return f"Lower is better; real images reach {level:.3g}."
    ratio = value / level
    if ratio < 1.2:
        return "Lower is better; as near to real images as other real images are."
    return f"Lower is better; {ratio:,.{0 if ratio >= 10 else 1}f} times what real training images reach."


def errors(value: float, level: float, error: float) -> str:
    """An unbiased distance in standard errors."""
    if value <= 2 * error:
        return "Within two standard errors of 0: no difference from real images was found."
    return f"Lower is better, and 0 for no difference; {value / error:,.0f} standard errors above 0." if error else ""


def alike(value: float, level: float, error: float) -> str:
    """How alike images are to each other, in standard errors."""
    if value <= level + 2 * error:
        return f"Pairs of fakes are no more alike than pairs of real images, {level:.3g}."
    return f"Pairs of fakes are more alike than pairs of real images, {level:.3g}: less variety."


SENTENCES: dict[str, Callable[[float, float, float], str]] = {
    "frechet_distance": times,
    "frechet_infinity": times,
    "memorisation_informed_distance": times,
    "intra_class_distance": times,
    "wasserstein": times,
    "ms_ssim": alike,
    "sliced_distance": times,
    "mode_distance": times,
    "kernel_distance": errors,
    "classifier_score": lambda v, f, e: f"Higher is better; the classifier gives real images {f:.4g}.",
    "precision": lambda v, f, e: f"{v:.1%} of the fakes look real; of real images {f:.1%} do.",
    "recall": lambda v, f, e: f"The generator could make {v:.1%} of the real images; other real ones cover {f:.1%}.",
    "density": lambda v, f, e: f"Fakes lie {v / f:.2f} times as deep among the reals as real images do." if f else "",
    "coverage": lambda v, f, e: f"{v:.1%} of the reals have a fake close by; {f:.1%} have another real image.",
    "mode_quality": lambda v, f, e: f"{v:.1%} lie within 3 standard deviations of a mode; of real samples {f:.1%}.",
}


def facts(record: Mapping[str, Any], command: str) -> dict[str, str]:
    """The protocol in words."""
    judge = record["extractor"]
    resized = {"resize": judge["resize"]} if "resize" in judge else {}
    split, made = record["split"].replace("_", "-"), f"{record['samples']:,}"
    kind = "all images" if split == ALL else f"the {split} images"
    resampled = {"intervals": f"2.5 to 97.5 % of {record['bootstrap']:,} resamples"} if "bootstrap" in record else {}
    seen = {"images seen": f"{record['images']:,}"} if record.get("images") else {}
    return {
        "protocol": record["protocol"],
        **({"fakes": f"{made}, numbers {record['seeds']}"} if "seeds" in record else {"images": made}),
        "real images": f"{record['real_samples']:,} of {kind}, SHA-256 {record['data']}…",
        "floor": f"{record['floor_samples']:,} real training images in the fakes' place",
        "extractor": f"{judge['name']}, weights {judge['weights']}…",
        **resized,
        **resampled,
        **seen,
        "command": command,
        "ganforge": __version__,
    }


def pictures(
    verdict: Verdict,
    maker: Maker,
    source: Source,
    *,
    columns: int | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, list[Picture]]:
    """The pictures of a scorecard, by section: samples, best and worst by realism, nearest training images.

    Of points one, of them over real ones.

    Args:
        columns: samples beside each other; None for a square of them.
        cache: the folder where what the network says of training images is kept.
    """
    samples = taken(maker, range(min(SAMPLES, verdict.fake.count)))
    if samples.ndim == 2:
        image = scatter(samples_of(maker, verdict), verdict.standard.real.features[:BACKDROP])
        return {"Samples": [Picture("Generated points over real ones", "Real points in grey.", image)]}
    first = Picture("Samples", f"Numbers 0 to {len(samples) - 1}, not chosen.", grid(samples, columns))
    return {
        "Samples": [first],
        **extremes(verdict, maker),
        **neighbours(verdict, maker, source, cache=cache, progress=progress),
    }


def taken(maker: Maker, numbers: Sequence[int]) -> Tensor:
    """The samples of these numbers."""
    return torch.cat(list(maker.batches(list(numbers))))


def samples_of(maker: Maker, verdict: Verdict) -> Tensor:
    """As many points as fit into a picture."""
    return taken(maker, range(min(BACKDROP, verdict.fake.count)))


def extremes(verdict: Verdict, maker: Maker) -> dict[str, list[Picture]]:
    """The samples of highest and of lowest realism; none where there are too few real images to say so."""
    try:
        score = realism(real=verdict.standard.real.features, fake=verdict.fake.features)
    except DataError:
        return {}
    order, count = score.argsort(descending=True), min(EXTREMES, len(score) // 2)
    if not count:
        return {}
    inside = f"Of all, {(score >= 1).double().mean():.0%} reach 1: nearer to a real image than its third neighbour."
    last = "The least real comes first."
    shown = {"Most real": (order[:count], inside), "Least real": (order[-count:].flip(0), last)}
    return {
        "Best and worst by realism": [
            Picture(
                f"{title}, {count} of {len(score):,}",
                f"Realism {score[index[0]]:.2f} to {score[index[-1]]:.2f}. {note}",
                grid(taken(maker, index.tolist())),
            )
            for title, (index, note) in shown.items()
        ]
    }


def neighbours(
    verdict: Verdict, maker: Maker, source: Source, *, cache: Path | None, progress: Progress | None
) -> dict[str, list[Picture]]:
    """Fakes, each with the training images that lie nearest in the features: copies would stand beside themselves."""
    order = torch.randperm(len(source.train), generator=torch.Generator().manual_seed(2))[:TRAINING].sort().values
    judge, split = verdict.standard.extractor, verdict.record["split"]
    train = pictured(source.train, order, judge, split="train", cache=cache, progress=progress).features
    if len(train) < 2:
        return {}
    fakes, real = verdict.fake.features[:SEARCHED], verdict.standard.real.features[:SEARCHED]
    index = nearest_several(training=train, fake=fakes, count=NEIGHBOURS)[1]
    close = closeness(training=train, fake=fakes)
    held = (
        ""
        if split in ("train", ALL)
        else f"; of {split.replace('_', '-')} images {nearer(closeness(training=train, fake=real))}"
    )
    shown = {
        "The first fakes": (
            torch.arange(min(EXAMPLES, len(fakes))),
            f"Left a fake, beside it the nearest of {len(train):,} training images.",
        ),
        "Those closest to a training image": (
            close.argsort()[:EXAMPLES],
            f"By the distance of that image to its own nearest neighbour, of the first {len(fakes):,} fakes. "
            f"{nearer(close)} lie nearer than that{held}. Copies would show here.",
        ),
    }
    return {
        "Nearest training images": [
            Picture(title, words, beside(taken(maker, n.tolist()), source.train.read(order[index[n]].flatten())))
            for title, (n, words) in shown.items()
        ]
    }


def nearer(close: Tensor) -> str:
    """The share below 1."""
    return f"{(close < 1).double().mean():.0%}"


def beside(fakes: Tensor, near: Tensor) -> Image.Image:
    """Fakes below each other, and to the right of each its neighbours."""
    sheets = [grid(fakes, columns=1), grid(near, columns=len(near) // len(fakes))]
    edges = list(itertools.accumulate((s.width + GAP for s in sheets), initial=0))
    whole = Image.new("RGB", (edges[-1] - GAP, sheets[0].height), (38, 38, 38))
    for edge, sheet in zip(edges, sheets, strict=False):
        whole.paste(sheet.convert("RGB"), (edge, 0))
    return whole
