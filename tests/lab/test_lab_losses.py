"""The lab's losses and divergences: closed forms, and what is refused."""

import json
import math
from typing import Any

import pytest
import torch

from ganforge.errors import RecipeError
from ganforge.lab.frames import words
from ganforge.lab.instruments import Room, losses
from ganforge.lab.messages import message_of


def opened(**link: Any) -> losses.Seat:
    return losses.open_seat(link, Room())


def told(seat: losses.Seat) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(words(seat.state()))
    return found


def test_worked_numbers_of_two_coins() -> None:
    state = told(opened(p=[1, 1], q=[7, 3], objective="minimax"))
    measures = state["measures"]
    assert measures["jsd"] == pytest.approx(0.021006, abs=1e-6)
    assert measures["total_variation"] == pytest.approx(0.2)
    assert measures["pearson_chi2"] == pytest.approx(0.04 / 0.7 + 0.04 / 0.3)
    assert measures["kl"] == pytest.approx(0.5 * math.log(0.5 / 0.7) + 0.5 * math.log(0.5 / 0.3))
    assert measures["w1"] == pytest.approx(0.2)
    assert state["best"] == pytest.approx([0.5 / 1.2, 0.5 / 0.8])
    assert state["value"] == pytest.approx(2 * measures["jsd"] - math.log(4))


def test_an_infinite_logit_keeps_its_sign_on_the_way_to_the_page() -> None:
    seat = losses.open_seat({"p": [1.0, 1.0], "q": [0.0, 1.0], "objective": "f_total_variation"}, Room())
    assert seat.state()["best"] == ["∞", "−∞"]
    assert json.loads(words(seat.state()))["best"] == ["∞", "−∞"]


def test_disjoint_bars_have_log_two_infinity_and_the_way_between_them() -> None:
    state = told(opened(p=[1, 0, 0, 0], q=[0, 0, 0, 1], objective="wasserstein"))
    assert state["measures"]["jsd"] == pytest.approx(math.log(2))
    assert state["measures"]["kl"] is None
    assert state["measures"]["w1"] == state["value"] == pytest.approx(3.0)
    critic = torch.tensor(state["best"])
    assert float(critic[0] - critic[3]) == pytest.approx(3.0)
    assert critic.diff().abs().max() <= 1 + 1e-9


def test_curves_are_the_losses_and_their_slopes() -> None:
    found = losses.curves()
    t = torch.tensor(found["logit"], dtype=torch.float64)
    by_hand = {
        "non_saturating": (torch.log1p((-t).exp()), -torch.sigmoid(-t)),
        "minimax": (-torch.log1p(t.exp()), -torch.sigmoid(t)),
        "wasserstein": (-t, -torch.ones_like(t)),
    }
    for name, (loss, slope) in by_hand.items():
        curve = found["objectives"][name]
        assert torch.allclose(torch.tensor(curve["loss"], dtype=torch.float64), loss, atol=1e-12)
        assert torch.allclose(torch.tensor(curve["slope"], dtype=torch.float64), slope, atol=1e-12)


@pytest.mark.parametrize("objective", losses.NAMES)
def test_every_objective_is_weighed(objective: str) -> None:
    seat = opened()
    said = {"kind": "weigh", "p": [1, 2, 3], "q": [3, 2, 1], "objective": objective}
    (state,) = seat.receive(message_of(json.dumps(said), losses.MESSAGES))
    assert state["link"] == {"p": [1, 2, 3], "q": [3, 2, 1], "objective": objective}
    assert len(state["best"]) == len(state["gradient"]) == 3
    again = opened(**state["link"])
    assert words(again.state()) == words(state)


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        ({"p": [0, 0], "q": [1, 1]}, "no mass"),
        ({"p": [1, 1, 1], "q": [1, 1]}, "3 and 2 bars"),
        ({"p": [1], "q": [1]}, "no distributions"),
        ({"p": [-1, 2], "q": [1, 1]}, "no distributions"),
        ({"objective": "os"}, "no distributions"),
    ],
)
def test_what_is_no_distribution_is_refused(link: dict[str, Any], reason: str) -> None:
    with pytest.raises(RecipeError, match=reason):
        losses.open_seat(link, Room())
