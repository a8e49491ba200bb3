"""What the verbs on latent space do, once their words are parsed."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ganforge import view
from ganforge.errors import RecipeError
from ganforge.features import Extractor, extractor, extractor_for
from ganforge.io.film import check_film, save_film
from ganforge.io.images import grid, save_png
from ganforge.sample import Sampler, load, seeds_in
from ganforge.walking import decoded, field, mixed, terms_in, walked

__all__ = ["mix", "walk"]

STRIP, FILM, CORNERS = 12, 60, 8  # frames where no number is given; of a grid, along a side
ROW = 16  # frames of a strip side by side
FRAME = 256  # pixels, up to which small frames of films are enlarged


def judge_of(sampler: Sampler, name: str | None) -> Callable[[], Extractor]:
    """What makes the classifier that reads a generator's samples, when it is needed."""
    return partial(extractor, name or extractor_for(sampler.shape), device=sampler.device)


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
    sampler, keys = load(path, device=device), seeds_in(seeds)
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
    path: Path, expression: str, out: Path, *, labels: str | None, judge: str | None, device: str, as_json: bool
) -> None:
    """Add up means of latents, and show each term's exemplars, its mean, and the result.

    A row for each term: its mean, then its exemplars. The last row: the result.
    """
    check_picture(out)
    sampler, terms = load(path, device=device), terms_in(expression)
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
    widest = max(map(len, rows))
    blank = torch.zeros_like(rows[0][0])
    return torch.stack([sample for row in rows for sample in [*row, *[blank] * (widest - len(row))]])
