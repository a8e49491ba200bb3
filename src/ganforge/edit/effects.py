"""What moving along a direction does to samples: which measures change, whether they stay what they are."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float, Num, Shaped
from torch import Tensor

from ganforge.edit.attributes import attributes
from ganforge.features import Extractor
from ganforge.sample import Sampler

__all__ = ["STEPS", "Effect", "edited", "effects"]

KEPT = ("class_kept", "class_kept_at_ends", "class_kept_throughout")
STEPS = (-2.0, -1.0, 0.0, 1.0, 2.0)


@dataclass(frozen=True)
class Effect:
    """What a walk over the steps does to samples.

    Attributes:
        name: of the direction.
        changes: attribute -> mean change from the first step to the last, in the attribute's own unit.
        in_deviations: the same in standard deviations of the attribute over unmoved samples.
        agreeing: attribute -> share of samples that change in the direction of the mean.
        class_kept: share of moved samples that are read as the unmoved one is, over all steps but 0.
        class_kept_at_ends: that of the worse of the two ends.
        class_kept_throughout: share of samples that are read the same at every step.
        feature_distance: mean distance of the ends from the unmoved sample, in the mean distance of two samples.
    """

    name: str
    changes: dict[str, float]
    in_deviations: dict[str, float]
    agreeing: dict[str, float]
    class_kept: float | None
    class_kept_at_ends: float | None
    class_kept_throughout: float | None
    feature_distance: float

    @property
    def record(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


@torch.no_grad()
def edited(
    sampler: Sampler, z: Float[Tensor, "N z"], y: Shaped[Tensor, "N ..."] | None, vector: Float[Tensor, " z"],
    steps: Sequence[float],
) -> Num[Tensor, "S N ..."]:  # fmt: skip
    """The samples at z + s·vector for every step s, as they are kept."""
    return torch.stack([sampler.medium.stored(sampler.generate(z + s * vector, y)).cpu() for s in steps])


def effects(
    sampler: Sampler,
    vectors: Float[Tensor, "K z"],
    names: Sequence[str],
    judge: Extractor,
    *,
    seeds: Sequence[int],
    steps: Sequence[float] = STEPS,
    progress: Callable[[float], object] = lambda done: None,
) -> list[Effect]:
    """What each direction does to the samples of the seeds, whose labels stay."""
    z, y = sampler.latents(seeds), sampler.labels_of(seeds)
    still = edited(sampler, z, y, vectors[0], [0.0])[0]
    typical = judge(still).features
    spread = (typical - typical.roll(1, 0)).norm(dim=1).mean()
    found = []
    for vector, name in zip(vectors, names, strict=True):
        moved = edited(sampler, z, y, vector, [s for s in steps if s])
        found.append(effect(moved, still, judge, name=name, spread=float(spread)))
        progress(1.0)
    return found


def effect(
    moved: Num[Tensor, "S N ..."], still: Num[Tensor, "N ..."], judge: Extractor, *, name: str, spread: float
) -> Effect:
    """Of one direction, from the samples at its steps."""
    changes, deviations, agreeing = {}, {}, {}
    first, last, rest = (attributes(x) if x.ndim == 4 else {} for x in (moved[0], moved[-1], still))
    for key, values in rest.items():
        change = last[key] - first[key]
        changes[key] = float(change.mean())
        deviations[key] = float(change.mean() / values.std().clamp_min(1e-12))
        agreeing[key] = float((change.sign() == change.mean().sign()).float().mean())
    at_rest, read = judge(still), [judge(x) for x in moved]
    ends = torch.stack([(read[i].features - at_rest.features).norm(dim=1) for i in (0, -1)]).mean()
    same: dict[str, float | None] = dict.fromkeys(KEPT)
    if at_rest.logits.shape[1]:
        whole = torch.stack([r.logits.argmax(1) == at_rest.logits.argmax(1) for r in read])  # (S, N)
        each = whole.float().mean(1)
        shares = (each.mean(), each[[0, -1]].min(), whole.all(0).float().mean())
        same = {name: float(share) for name, share in zip(KEPT, shares, strict=True)}
    return Effect(name, changes, deviations, agreeing, feature_distance=float(ends) / max(spread, 1e-12), **same)
