"""What the verbs on latent space do, once their words are parsed."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganforge import view
from ganforge.edit.attributes import UNITS
from ganforge.edit.effects import STEPS, Effect, effects
from ganforge.edit.encoder import encoder_for
from ganforge.edit.inversion import feature_map, fitting_image, inverted
from ganforge.edit.naming import planes
from ganforge.edit.pictures import strips
from ganforge.edit.steering import steered
from ganforge.edit.store import check_directions_file, collected, load_directions, save_directions
from ganforge.edit.unsupervised import METHODS, checked_methods
from ganforge.errors import DataError, RecipeError
from ganforge.features import Extractor, extractor, extractor_for
from ganforge.features.images import in_unit_range
from ganforge.io.checkpoint import is_checkpoint
from ganforge.io.disk import replaced
from ganforge.io.film import check_film, save_film
from ganforge.io.images import grid, save_png
from ganforge.recipe import Recipe, resolve
from ganforge.run import recipe_of
from ganforge.sample import Sampler, load, seeds_in
from ganforge.walking import decoded, field, mixed, terms_in, walked

__all__ = ["directions", "edit", "invert", "mix", "walk"]

STRIP, FILM, CORNERS = 12, 60, 8  # frames where no number is given; of a grid, along a side
ROW = 16  # frames of a strip side by side
SHOWN = 4  # seeds in the picture of directions
ENCODER_STEPS = 2000
FRAME = 256  # pixels, up to which small frames of films are enlarged


def judge_of(sampler: Sampler, name: str | None) -> Callable[[], Extractor]:
    """What makes the classifier that reads a generator's samples, when it is needed."""
    return partial(extractor, name or extractor_for(sampler.shape), device=sampler.device)


def loaded(path: Path, device: str, truncation: float | None) -> Sampler:
    """A generator, its latents truncated where a threshold is given."""
    sampler = load(path, device=device)
    return sampler if truncation is None else sampler.truncated(truncation)


def check_picture(out: Path) -> None:
    """See that a picture can go there.

    Raises:
        RecipeError: for an ending that isn't .png.
    """
    if out.suffix != ".png":
        raise RecipeError(f"{str(out)!r} is no picture that this verb writes; end it in .png")


def walk(
    path: Path,
    seeds: str,
    out: Path,
    *,
    frames: int | None,
    way: str,
    loop: bool,
    corners: bool,
    labels: str | None,
    truncation: float | None,
    fps: float,
    device: str,
    as_json: bool,
) -> None:
    """Walk through the latents of seeds, or over the field between four, and write what is seen.

    Raises:
        RecipeError: for outputs and options that don't go together.
    """
    still = out.suffix == ".png"
    if corners and (loop or not still):
        raise RecipeError(f"--grid is one picture, no loop: end {str(out)!r} in .png and leave out --loop")
    if not still:
        check_film(out)
    sampler, keys = loaded(path, device, truncation), seeds_in(seeds)
    if len(sampler.shape) == 1 and not still:
        raise RecipeError(f"{sampler.name} makes points, of which there is no film; end {str(out)!r} in .png")
    if corners:
        made = field(sampler, keys, side=frames or CORNERS, way=way, labels=labels)
    else:
        made = walked(sampler, keys, frames=frames or (STRIP if still else FILM), way=way, loop=loop, labels=labels)
    words = {"model": sampler.name, "seeds": seeds, "way": way, "labels": labels or ""}
    columns = (frames or CORNERS) if corners else min(len(made), ROW)
    if still:
        save_png(out, sheet(sampler, made, columns), words)
    else:
        scale = max(1, FRAME // max(sampler.shape[1:]))
        pictures = [grid(image[None], padding=0, scale=scale) for image in made]
        save_film(out, pictures, fps=fps, words=words)
    view.paths([out], {"model": sampler.name, "frames": len(made)}, as_json=as_json)


def sheet(sampler: Sampler, made: Tensor, columns: int) -> Image.Image:
    """Samples row by row; points in one plot."""
    return sampler.medium.picture(made, None) if len(sampler.shape) == 1 else grid(made, columns)


def mix(
    path: Path, expression: str, out: Path, *, labels: str | None, truncation: float | None, judge: str | None,
    device: str, as_json: bool,
) -> None:  # fmt: skip
    """Add up means of latents, and show each term's exemplars, its mean, and the result.

    A row for each term: its mean, then its exemplars. The last row: the result.
    """
    check_picture(out)
    sampler, terms = loaded(path, device, truncation), terms_in(expression)
    found = mixed(sampler, terms, judge_of(sampler, judge), labels=labels)
    images = decoded(sampler, found.z, found.y)
    rows = [list(images[[1 + i]]) + list(sampler.sample(part[: ROW - 1])) for i, part in enumerate(found.seeds)]
    words = {"model": sampler.name, "sum": expression, "labels": labels or ""}
    save_png(out, sheet(sampler, padded([*rows, [images[0]]]), max(map(len, rows))), words)
    record = {"model": sampler.name, "terms": [[t.weight, part] for t, part in zip(terms, found.seeds, strict=True)]}
    for term, part in zip(terms, found.seeds, strict=True):
        view.say(f"{term.weight:+g} · mean of seeds {','.join(map(str, part))}  ({term.text})")
    view.paths([out], record, as_json=as_json)


def padded(rows: Sequence[Sequence[Tensor]]) -> Tensor:
    """Rows of samples of different lengths, filled up with the darkest; in one batch."""
    if rows[0][0].ndim == 1:  # points stand in one plot, where a blank would be one more
        return torch.stack([sample for row in rows for sample in row])
    widest = max(map(len, rows))
    blank = torch.zeros_like(rows[0][0])
    return torch.stack([sample for row in rows for sample in [*row, *[blank] * (widest - len(row))]])


def edit(
    path: Path, direction: str, seeds: str, steps: str, out: Path, *, labels: str | None, truncation: float | None,
    device: str, as_json: bool,
) -> None:  # fmt: skip
    """Move samples along a direction of a file and show them: a row for each seed, a column for each step."""
    check_picture(out)
    where, word = split_direction(direction)
    amounts, keys = steps_in(steps), seeds_in(seeds)
    sampler = loaded(path, device, truncation)
    found = load_directions(where, sampler)
    number = found.chosen(word)
    made = strips(sampler, [found.vectors[number]], keys, amounts, labels)
    words = {"model": sampler.name, "direction": found.names[number], "seeds": seeds, "steps": steps}
    save_png(out, sheet(sampler, made, len(amounts)), words)
    view.paths([out], {"model": sampler.name, "direction": found.names[number]}, as_json=as_json)


def split_direction(text: str) -> tuple[Path, str]:
    """A file and which of its directions: FILE:0, FILE:class:7; FILE alone is its first.

    >>> split_direction("a.safetensors:class:7"), split_direction("a.safetensors")
    ((PosixPath('a.safetensors'), 'class:7'), (PosixPath('a.safetensors'), '0'))
    """
    file, ending, word = text.partition(".safetensors")
    return Path(file + ending), word.removeprefix(":") or "0"


def steps_in(text: str) -> list[float]:
    """The numbers between commas.

    Raises:
        RecipeError: for what is none.
    """
    try:
        found = [float(word) for word in text.split(",")]
        if all(map(math.isfinite, found)):
            return found
        raise ValueError
    except ValueError:
        raise RecipeError(f"{text!r} names no steps; write numbers and commas: -2,-1,0,1,2") from None


def directions(
    path: Path,
    out: Path | None,
    *,
    methods: list[str],
    count: int,
    attributes: list[str],
    targets: list[str],
    keep: list[str],
    judge: str | None,
    samples: int,
    fitted: int,
    device: str,
    as_json: bool,
) -> None:
    """Find directions, measure what they do, keep them in a file with a picture beside it, and show the table.

    Raises:
        RecipeError: for words that name nothing, and for something to keep where nothing is aimed at.
    """
    if keep and not targets:
        raise RecipeError(f"--keep {keep[0]} is for --target: name what the direction is to change, or leave it out")
    if not (methods or attributes or targets):
        raise RecipeError("--by none leaves nothing to find; name an --attribute or a --target, or ways: --by jacobian")
    file = out or (path if path.is_dir() and not is_checkpoint(path) else Path()) / "directions.safetensors"
    check_directions_file(file)
    sampler, ways = load(path, device=device), checked_methods(methods)
    network = judge_of(sampler, judge)()
    parts: list[tuple[str, Tensor, str]] = []
    with view.bar(f"directions of {sampler.name}", 1.0 * len([*ways, *attributes, *targets, *keep])) as advance:
        for way in ways:
            found = METHODS[way](sampler, count)
            parts += [(f"{way} {i}", v, f"{s:.1%}") for i, (v, s) in enumerate(zip(*found, strict=True))]
            advance(1.0)
        for name in attributes:
            parts.append((name, steered(sampler, name, samples=fitted), "steered"))
            advance(1.0)
        if targets:
            for word, (plane, vector) in zip(
                targets, planes(sampler, targets, keep, network, samples=fitted), strict=True
            ):
                beside = f", beside {', '.join(keep)}" if keep else ""
                parts.append((f"plane {word}", vector, f"{plane.accuracy:.3f} right{beside}"))
            advance(float(len(targets) + len(keep)))
    kept = collected(parts, sampler)
    save_directions(file, kept)
    with view.bar("measuring", float(len(kept.names))) as advance:
        rows = effects(sampler, kept.vectors, kept.names, network, seeds=range(samples), progress=advance)
    picture = file.with_suffix(".png")
    made = strips(sampler, list(kept.vectors), range(SHOWN), STEPS)
    save_png(picture, sheet(sampler, made, SHOWN * len(STEPS)), {"model": sampler.name})
    records = [{**row.record, "note": note} for row, note in zip(rows, kept.notes, strict=True)]
    view.say(f"directions: {file}\npicture: {picture} (a row for each, seeds 0 to {SHOWN - 1} at {STEPS})")
    view.table(*effect_table(rows, kept.notes), {"file": str(file), "directions": records}, as_json=as_json)


def moved(row: Effect, name: str) -> str:
    """How much an attribute changes: in its unit, if it has one, and in standard deviations among samples."""
    deviations = f"{row.in_deviations[name]:+.1f}σ"
    return f"{row.changes[name]:+.2f} ({deviations})" if UNITS[name] else deviations


def effect_table(rows: Sequence[Effect], notes: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Heads and cells: changes from -2 to 2."""
    names = list(rows[0].changes)
    measured = [f"{n} {UNITS[n]}".strip() for n in names]
    heads = ["", "direction", *measured, "class kept", "always", "features", "how"]
    cells = []
    for i, (row, note) in enumerate(zip(rows, notes, strict=True)):
        changes = [moved(row, n) for n in names]
        kept = ["" if share is None else f"{share:.3f}" for share in (row.class_kept, row.class_kept_throughout)]
        cells.append([str(i), row.name, *changes, *kept, f"{row.feature_distance:.2f}", note])
    return heads, cells


def invert(
    path: Path,
    images: list[str],
    out: Path,
    *,
    starts: int,
    steps: int,
    encoder: bool,
    features: str,
    judge: str | None,
    device: str,
    as_json: bool,
) -> None:
    """Find the latents of images, show each above its reconstruction, and keep the latents beside the picture.

    Raises:
        RecipeError: for an ending that isn't .png.
    """
    check_picture(out)
    sampler = load(path, device=device)
    targets, names = read_targets(sampler, images, path)
    network = judge_of(sampler, judge)()
    guess = None
    if encoder:
        kept = beside_run(path) / "encoder.safetensors"
        with view.bar("encoder", float(ENCODER_STEPS)) as advance:
            E = encoder_for(sampler, kept, steps=ENCODER_STEPS, progress=advance)
        guess = E(in_range(targets).to(sampler.device)).cpu()
    with view.bar("inverting", float(len(targets))) as advance:
        found = inverted(sampler, targets, starts=starts, guess=guess, steps=steps, progress=advance,
                         features=feature_map(features, sampler.device))  # fmt: skip
    apart = (network(found.images).features - network(targets).features).norm(dim=1)
    rows = [{"image": name, "pixels": float(p), "start": float(s), network.name: float(f), "won": won}
            for name, p, s, f, won in zip(names, found.pixel_distance, found.start_distance, apart,
                                          starts_named(found.start, starts), strict=True)]  # fmt: skip
    both = torch.cat([targets.to(found.images), found.images])
    columns = min(len(targets), ROW)
    save_png(out, sheet(sampler, pairs(both, columns), columns), {"model": sampler.name, "images": ", ".join(names)})
    latents_file, labels_file = out.with_suffix(".npy"), out.with_suffix(".labels.npy")
    keep_array(latents_file, found.z)
    if found.y is not None:
        keep_array(labels_file, found.y)
        for row, label in zip(rows, found.y.tolist(), strict=True):
            row["label"] = sampler.classes[label] if sampler.classes and isinstance(label, int) else label
    optimised = "optimised too" if features == network.name else "not optimised"
    view.say(f"picture: {out} (originals above reconstructions)\nlatents: {latents_file}"
             f"{'' if found.y is None else f', labels: {labels_file}'}\n"
             f"pixels: root mean square on [-1, 1]; {network.name}: distance of its features, {optimised}")  # fmt: skip
    cells = [[str(row["image"]), *(f"{row[k]:.4g}" for k in ("start", "pixels", network.name)), str(row["won"])]
             for row in rows]  # fmt: skip
    heads = ["image", "pixels at start", "pixels", network.name, "best start"]
    view.table(heads, cells, {"model": sampler.name, "file": str(latents_file), "images": rows}, as_json=as_json)


def keep_array(path: Path, array: Tensor) -> None:
    """A NumPy file, whole or not at all."""
    with replaced(path) as beside, beside.open("wb") as file:
        np.save(file, array.numpy())


def starts_named(won: Tensor, starts: int) -> list[str]:
    """What each winning start was."""
    return [f"sample {i}" if i < starts else "encoder" for i in won.tolist()]


def beside_run(path: Path) -> Path:
    """The folder where something of a run's is kept; of a checkpoint, the folder that it lies in."""
    return path.resolve().parent if is_checkpoint(path) else path


def in_range(x: Tensor) -> Tensor:
    """Images in [-1, 1]; points as they are."""
    return in_unit_range(x) if x.ndim == 4 else x.float()


def pairs(both: Tensor, columns: int) -> Tensor:
    """Originals and reconstructions in turns of a row each; a last row is filled up with the darkest. Points as they
    are."""
    if both.ndim == 2:
        return both
    halves = both.unflatten(0, (2, -1))
    missing = -halves.shape[1] % columns
    halves = torch.cat([halves, torch.zeros_like(halves[:, :1]).expand(-1, missing, *both.shape[1:])], 1)
    return halves.unflatten(1, (-1, columns)).transpose(0, 1).flatten(0, 2)


def read_targets(sampler: Sampler, words: list[str], path: Path) -> tuple[Tensor, list[str]]:
    """Images that fit a generator: of files, and `test:0-7` of its own data, with their names.

    Raises:
        DataError: for a file that holds no image, and for one that doesn't fit.
    """
    found: list[Tensor] = []
    names: list[str] = []
    for word in words:
        split, colon, numbers = word.partition(":")
        if colon and split in ("test", "held_out", "train") and not Path(word).exists():
            index = seeds_in(numbers)
            found += list(read_split(recipe_of(path), split, index))
            names += [f"{split}:{i}" for i in index]
        else:
            found.append(fitting_image(Path(word), sampler))
            names.append(word)
    return torch.stack(found), names


def read_split(recipe: Recipe, split: str, index: list[int]) -> Tensor:
    """Samples of a run's own data by their numbers.

    Raises:
        DataError: where the split isn't there or is shorter.
    """
    source = resolve(recipe)["data"]()
    samples = getattr(source, split)
    if samples is None or max(index) >= len(samples):
        there = "none" if samples is None else f"0 to {len(samples) - 1:,}"
        raise DataError(f"{source.name} has no {split} sample {max(index)}; there are {there}")
    return samples.read(torch.tensor(index))
