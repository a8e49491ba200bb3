"""Interpolation: a straight line between two latents sags through the emptiest part of the space."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from ganforge.experiments.frame import digits_game, follow
from ganforge.experiments.frame.plots import COLOURS, REAL, panels
from ganforge.latent import expected_norm, lerp, lerp_norm_ratio, segment_minimum, slerp

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CLAIM", "FULL", "LOOK", "QUICK", "SABOTAGE", "checks", "plots", "trial"]

LOOK = """
A latent of D normal numbers has a length close to √D: in 512 dimensions hardly one in a thousand is shorter than 20 or
longer than 25. The generator has only ever seen points of this thin shell.

The straight line (lerp) between two latents leaves it. At the middle the mean length is 1/√2 of that at the ends, in
2 dimensions as in 512 (left plot: one curve for all, on the theory's √(t² + (1-t)²)). What does depend on the dimension
is the closest approach to the origin: in 2 dimensions some lines pass it closely, in 512 all sag alike.

The great circle (slerp; Shoemake 1985, White 2016, arXiv:1609.04468) turns the direction and interpolates the length,
so it stays in the shell. Where both ends have the same length, so has all between, to rounding.

Then look at the strips: the same two latents, decoded along both ways. The middle of the straight one is what the
generator makes of a latent that it was never trained on, often a more average digit with less contrast.

Try `images=500000` for a better generator, or `way=slerp`, which measures the great circle as if it were the line.
"""

CLAIM = (
    "halfway along the straight line |z| is {ratio_2:.4f}, {ratio_64:.4f} and {ratio_512:.4f} of its value at the ends "
    "in 2, 64 and 512 dimensions (theory: .7071), its minimum {lowest_2:.3f}, {lowest_64:.3f} and {lowest_512:.3f}; "
    "slerp keeps it to {slerp_error:.0e}"
)

QUICK = {"images": 20_000}
FULL = {"images": 500_000}
SABOTAGE = {"the great circle instead of the line": {"way": "slerp", "images": 2_000}}

DIMENSIONS = (2, 64, 512)
STEPS = 21
WAYS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"lerp": lerp, "slerp": slerp}
STRIPS, PICTURES = 4, 9


def lengths(way: str, a: Tensor, b: Tensor) -> Tensor:
    """|z(t)| for t = 0, .05, ..., 1: (21, pairs)."""
    return torch.stack([WAYS[way](a, b, t).norm(dim=-1) for t in torch.linspace(0, 1, STEPS, dtype=a.dtype)])


def trial(
    *,
    seed: int,
    pairs: Annotated[int, Field(description="pairs of latents in each dimension", ge=10)] = 4_000,
    way: Annotated[Literal["lerp", "slerp"], Field(description="the way whose sag is measured")] = "lerp",
    images: Annotated[int, Field(description="images that the decoding generator is trained on", ge=128)] = 150_000,
) -> dict[str, Any]:
    """Lengths along both ways in every dimension, and strips decoded by a generator of digits."""
    rng = torch.Generator().manual_seed(seed)
    figures: dict[str, Any] = {"curves": {}, "slerp_error": 0.0}
    for dim in DIMENSIONS:
        a, b = torch.randn(2, pairs, dim, generator=rng, dtype=torch.float64)
        length = lengths(way, a, b)
        start = length[0].mean().item()
        figures["curves"][str(dim)] = [(row.mean() / start).item() for row in length]
        figures[f"ratio_{dim}"] = (length[STEPS // 2].mean() / start).item()
        lowest = segment_minimum(a, b) if way == "lerp" else length.min(0).values
        figures[f"lowest_{dim}"] = (lowest.mean() / start).item()
        unit = [z / z.norm(dim=1, keepdim=True) * expected_norm(dim) for z in (a, b)]
        error = (lengths("slerp", *unit) / expected_norm(dim) - 1).abs().max().item()
        figures["slerp_error"] = max(figures["slerp_error"], error)
    return figures | {"strips": strips(seed, images)}


def strips(seed: int, images: int) -> dict[str, list[Any]]:
    """Rows of decoded pictures along both ways, between the same latents, as bytes from 0 to 255."""
    _, state = follow(digits_game(seed=seed, images=images, tick=images), lambda tick: None)
    G = state.ema.eval()
    a, b = torch.randn(2, STRIPS, G.z_dim, generator=torch.Generator().manual_seed(seed))  # type: ignore[call-overload]
    found = {}
    with torch.no_grad():
        for way, walk in WAYS.items():
            path = torch.stack([walk(a, b, t) for t in torch.linspace(0, 1, PICTURES)], 1)  # (strips, pictures, z_dim)
            pictures = G(path.flatten(0, 1)).add(1).mul(127.5).round().to(torch.uint8)
            rows = pictures.view(STRIPS, PICTURES, *pictures.shape[-2:]).transpose(1, 2)
            found[way] = rows.reshape(STRIPS * pictures.shape[-2], -1).tolist()
    return found


def checks(figures: dict[str, Any]) -> dict[str, bool]:
    """The sag is the theory's, its minimum depends on the dimension, and slerp has none."""
    f, half = figures, lerp_norm_ratio(0.5)
    found = {
        f"in {dim} dimensions |z(½)|/|z(0)| = {f[f'ratio_{dim}']:.4f} is 1/√2 to .02": abs(f[f"ratio_{dim}"] - half)
        < 0.02
        for dim in DIMENSIONS
    }
    low = [f[f"lowest_{dim}"] for dim in DIMENSIONS]
    return found | {
        f"the minimum is lower in few dimensions ({', '.join(f'{x:.3f}' for x in low)})": low == sorted(low)
        and low[0] < low[-1] - 0.01,
        f"slerp keeps equal lengths to 1e-6 ({f['slerp_error']:.0e})": f["slerp_error"] < 1e-6,
    }


def plots(trials: Sequence[dict[str, Any]]) -> dict[str, "Figure"]:
    """Lengths along the way, the minimum by dimension, and the strips."""
    figure, (curves, lowest) = panels(2)
    t = [k / (STEPS - 1) for k in range(STEPS)]
    for (dim, curve), color in zip(trials[0]["curves"].items(), COLOURS, strict=False):
        curves.plot(t, curve, color=color, label=f"{dim} dimensions")
    curves.plot(t, [lerp_norm_ratio(x) for x in t], ":", color="#222222", label="√(t² + (1-t)²)")
    curves.axhline(1, color=REAL, linewidth=1)
    curves.set(title="mean |z(t)| over mean |z(0)|", xlabel="t", ylim=(0.5, 1.05))
    curves.legend()
    for x, dim in enumerate(DIMENSIONS):
        lowest.bar(x, trials[0][f"lowest_{dim}"], width=0.6, color=COLOURS[x])
    lowest.axhline(lerp_norm_ratio(0.5), color="#222222", linestyle=":", label="1/√2")
    lowest.set_xticks(range(len(DIMENSIONS)), [str(d) for d in DIMENSIONS])
    lowest.set(
        title="closest approach to the origin", xlabel="dimensions", ylabel="mean of min |z(t)| over mean |z(0)|"
    )
    lowest.legend()
    pictures, axes = panels(1, 2, width=7.2, height=3.4)
    for ax, (way, title) in zip(axes, {"lerp": "straight line", "slerp": "great circle"}.items(), strict=True):
        ax.imshow(trials[0]["strips"][way], cmap="gray", vmin=0, vmax=255)
        ax.set(title=title, xticks=[], yticks=[])
        ax.grid(False)
    return {"lengths": figure, "strips": pictures}
