"""LeCam: the anchors are running means, the squares are of the distance to the other one."""

import pytest
import torch
from torch import Tensor, nn

from ganforge.penalties import Context, lecam


def context(real: Tensor, fake: Tensor, memory: dict[str, Tensor]) -> Context:
    x = torch.zeros(len(real), 2)
    return Context(nn.Identity(), x, x, real, fake, None, torch.Generator(), 0, memory)


def test_anchors_are_exponential_means_without_a_bias_to_zero() -> None:
    penalty = lecam(decay=0.9, weight=1.0, one_sided=False)
    memory = penalty.memory()
    batches = torch.randn(7, 2, 5) + torch.tensor([3.0, -1.0])[:, None]
    for real, fake in batches:
        term = penalty.term(context(real, fake, memory))
    weights = 0.9 ** torch.arange(6, -1, -1.0)
    real_anchor, fake_anchor = ((weights[:, None] * batches.mean(2)).sum(0) / weights.sum()).tolist()
    assert torch.allclose(term, (real - fake_anchor) ** 2 + (fake - real_anchor) ** 2, rtol=1e-4)


def test_one_sided_spares_logits_on_the_other_sides_far_side() -> None:
    penalty = lecam(decay=0.0, weight=1.0)
    real, fake = torch.tensor([3.0, -5.0]), torch.tensor([-2.0, 2.0])  # means -1 and 0
    term = penalty.term(context(real, fake, penalty.memory()))
    assert torch.allclose(term, torch.tensor([3.0**2 + 1.0**2, 0.0]))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("side", [0, 1])
def test_a_batch_that_is_not_finite_leaves_the_means_as_they_were(bad: float, side: int) -> None:
    penalty = lecam()
    memory = penalty.memory()
    penalty.term(context(torch.ones(4), -torch.ones(4), memory))
    before = {k: v.clone() for k, v in memory.items()}
    spoilt = [torch.ones(4), -torch.ones(4)]
    spoilt[side][2] = bad
    penalty.term(context(*spoilt, memory))
    assert all(torch.equal(memory[k], before[k]) for k in before)
    assert penalty.term(context(torch.ones(4), -torch.ones(4), memory)).isfinite().all()


def test_a_first_batch_that_is_not_finite_does_not_count() -> None:
    penalty = lecam(decay=0.5, weight=1.0)
    memory = penalty.memory()
    penalty.term(context(torch.full((4,), float("nan")), torch.zeros(4), memory))
    term = penalty.term(context(torch.ones(4), -torch.ones(4), memory))
    assert torch.allclose(term, torch.full((4,), 8.0))


def test_the_means_change_in_place_and_take_no_gradient() -> None:
    penalty = lecam(weight=1.0)
    memory = penalty.memory()
    kept = dict(memory)
    real = torch.ones(4, requires_grad=True)
    term = penalty.term(context(real, -torch.ones(4), memory))
    (gradient,) = torch.autograd.grad(term.sum(), real)
    assert torch.allclose(gradient, torch.full((4,), 4.0))  # 2·(1 - (-1)): the anchor is a constant
    assert all(memory[k] is kept[k] and not memory[k].requires_grad for k in kept)
    assert memory["weight"].item() == pytest.approx(0.01)


def test_half_precision_logits_are_averaged_and_squared_in_float32() -> None:
    penalty = lecam(weight=1.0, decay=0.0)
    logits = torch.full((512,), 300.0, dtype=torch.float16)
    term = penalty.term(context(logits, -logits, penalty.memory()))
    assert torch.allclose(term, torch.full((512,), 2 * 600.0**2))


@pytest.mark.parametrize("alpha", [0.0, 0.7])
def test_two_sided_the_best_critic_is_the_bounded_one_of_the_lecam_divergence(alpha: float) -> None:
    """-p·D + q·D + λ·(p·(D + α)² + q·(D - α)²) is least at D = (1/2λ - α)·(p - q)/(p + q)."""
    weight, p, q = 0.3, torch.tensor([0.5, 0.3, 0.2, 0.0]), torch.tensor([0.1, 0.3, 0.2, 0.4])
    penalty = lecam(weight=weight, one_sided=False, decay=1 - 1e-12)
    anchors = {"real": torch.tensor(alpha), "fake": torch.tensor(-alpha), "weight": torch.ones(())}
    D = ((1 / (2 * weight) - alpha) * (p - q) / (p + q)).requires_grad_()
    on_real = penalty.term(context(D, torch.full((4,), alpha), dict(anchors)))  # the other half at its anchor: nothing
    on_fake = penalty.term(context(torch.full((4,), -alpha), D, dict(anchors)))
    loss = (p * (on_real - D) + q * (on_fake + D)).sum()
    (gradient,) = torch.autograd.grad(loss, D)
    assert gradient.abs().max() < 1e-6
    divergence = ((p - q) ** 2 / (p + q)).sum()
    value = -(loss - weight * alpha**2 * (p + q).sum()).detach()
    assert torch.allclose(value, weight * (1 / (2 * weight) - alpha) ** 2 * divergence, rtol=1e-5)
