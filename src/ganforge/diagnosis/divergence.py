"""Divergence: logits and losses run away from what the game is about."""

import numpy as np

from ganforge.diagnosis.finding import Finding, certainty, count
from ganforge.diagnosis.made import RECIPE, made
from ganforge.diagnosis.poverty import FAR
from ganforge.diagnosis.remedy import APART, balanced, fastest, sane, stabilised, urgent
from ganforge.diagnosis.trace import Trace, lasting

__all__ = ["check", "healthy", "sick"]

LOST = 3.0  # D's loss where guessing costs 2 log 2 = 1.386
GROWN = 100.0
LEAST = 5


def check(trace: Trace) -> Finding | None:
    """For the last five ticks or more, D's loss is over 3, more than twice what guessing costs (of objectives that are
    a cross-entropy); or both players' gradients have grown a hundredfold; or, at three looks, the fakes lie four times
    as far apart as reals.
    """
    for evidence, start, excess, images, least in (lost(trace), steep(trace), scattered(trace)):
        if start is not None:
            return Finding(
                "divergence",
                int(images[start]),
                f"{evidence}, for {count(len(images) - start, 'tick' if least == LEAST else 'look')}",
                certainty(excess, len(images) - start, least=least),
                urgent(trace)
                or balanced(trace, fastest(trace), least=APART)
                or stabilised(trace)
                or sane(trace, fastest(trace)),
                "The weights run away; what they reach doesn't come back by itself.",
            )
    return None


Sign = tuple[str, int | None, float, np.ndarray, int]


def lost(trace: Trace) -> Sign:
    """D's loss far above that of guessing."""
    entropic = trace.setting("objective.name", "non_saturating") in {"minimax", "non_saturating"}
    loss = trace["loss_discriminator"]
    start = lasting(loss > LOST, LEAST) if entropic else None
    level = float(np.median(loss[start:])) if start is not None else 0.0
    words = f"D's loss is {level:.3g}, where guessing would cost 1.386"
    return words, start, (level - LOST) / 10, trace.images, LEAST


def steep(trace: Trace) -> Sign:
    """Gradients of both players that grow without end; logits may drift without harm, since only differences count."""
    norm = np.minimum(*(relative(trace[f"gradient_norm_{p}"]) for p in ("generator", "discriminator")))
    start = lasting(norm > GROWN, LEAST)
    last = float(norm[-1]) if len(norm) else 0.0
    words = f"the gradients of both players are {last:.3g} times as large as in the beginning, or more"
    return words, start, last / GROWN - 1, trace.images, LEAST


def relative(norm: np.ndarray) -> np.ndarray:
    """A norm over its median in the first ticks."""
    return norm / max(float(np.median(norm[:LEAST])), 1e-9) if len(norm) > LEAST else np.zeros(len(norm))


def scattered(trace: Trace) -> Sign:
    """Fakes that fly apart."""
    looks = trace.probed("diversity")
    start = lasting(looks["diversity"] > FAR, 3)
    distance = float(np.median(looks["diversity"][start:])) if start is not None else 0.0
    return f"fakes lie {distance:.3g} times as far apart as reals", start, (distance - FAR) / FAR, looks.images, 3


def sick(rng: np.random.Generator) -> Trace:
    """D's loss goes up by a decade or two; or an unbounded critic gets steeper and steeper."""
    start = int(rng.integers(6, 40))
    if rng.random() < 0.5:
        return made(rng, start, loss_discriminator=float(rng.uniform(5, 500)), loss_generator=20.0, accuracy=0.5)
    signals = {f"gradient_norm_{p}": np.geomspace(0.1, 1e5, 50) for p in ("generator", "discriminator")}
    return Trace(
        **vars(made(rng, 0, accuracy=0.55, **signals)) | {"recipe": RECIPE | {"objective": {"name": "wasserstein"}}}
    )


def healthy(rng: np.random.Generator) -> Trace:
    """A sure D has large logits and a small loss."""
    return made(rng, 5, real_logits=9.0, fake_logits=-8.0, loss_discriminator=float(rng.uniform(0.3, 2)), d_fake=0.15)
