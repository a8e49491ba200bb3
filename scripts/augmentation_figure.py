"""Draws docs/figures/augmentation.png: handwritten digits under each transformation of `ganforge.augment`.

    python scripts/augmentation_figure.py

Seconds on one core.
"""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from ganforge.augment import ada, diff_augment, instance_noise
from ganforge.augment.ada import GROUPS
from ganforge.augment.diff_augment import POLICIES
from ganforge.data import open_source
from ganforge.io.disk import write_whole
from ganforge.io.images import grid, to_uint8
from ganforge.moment import Moment

TARGET = Path(__file__).parents[1] / "docs" / "figures" / "augmentation.png"
COUNT, SEED = 12, 4
GREYS = 32  # enough for the eye, and a small file


def rows() -> dict[str, Callable[[Tensor, Moment], Tensor]]:
    """What is written beside a row -> the transformation that it shows, at full strength where there is one."""
    alone = {f"ada: {name}, p = 1": ada(groups=(name,), p=1.0).apply for name in GROUPS}  # type: ignore[arg-type]
    return {
        "as they are": lambda x, moment: x,
        "instance_noise, σ = .3": instance_noise(sigma=0.3).apply,
        **{f"diff_augment: {name}": diff_augment(policy=(name,)).apply for name in POLICIES},  # type: ignore[arg-type]
        "diff_augment: all three": diff_augment().apply,
        **alone,
        "ada: its default, p = .3": ada(p=0.3).apply,
        "ada: its default, p = .8": ada(p=0.8).apply,
    }


def figure() -> Figure:
    """A row of the same digits for each."""
    x = open_source().train.read(torch.arange(COUNT)).float() / 127.5 - 1
    shown = rows()
    drawing = Figure(figsize=(7.8, 0.6 * len(shown)), dpi=100, layout="constrained")
    for axes, (name, apply) in zip(drawing.subplots(len(shown), 1), shown.items(), strict=True):
        changed = apply(x, Moment(torch.Generator().manual_seed(SEED)))
        axes.imshow(grid(to_uint8(changed), columns=COUNT, scale=2), cmap="gray", vmin=0, vmax=255)
        axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
        axes.set(xticks=[], yticks=[], frame_on=False)
    return drawing


def main() -> None:
    """Write the file."""
    drawn, data = BytesIO(), BytesIO()
    figure().savefig(drawn, format="png", bbox_inches="tight")
    Image.open(drawn).convert("L").quantize(GREYS, dither=Image.Dither.NONE).save(data, format="png", optimize=True)
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    write_whole(TARGET, data.getvalue())


if __name__ == "__main__":
    main()
