"""Games side by side are the same games alone."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn

from ganforge.batch import Batch
from ganforge.errors import RecipeError
from ganforge.games.noise import NoiseGame
from ganforge.layers import SideBySide
from ganforge.plan import Plan, build
from ganforge.recipe import Recipe, override
from ganforge.train import TrainState, play_round

GAMES, SIZE = 3, 12


def planned(*settings: str) -> Plan:
    small = ["data.source=ring", "generator=pacgan", "generator.hidden=[8, 8]", "discriminator=pacgan",
             "discriminator.hidden=[6, 6]", f"train.batch={SIZE}", "train.images=9999", "train.seed=5"]  # fmt: skip
    return build(override(Recipe("tiny", {}), [*small, *settings]))


@dataclass
class Handed:
    """Real samples and latents from a list, so that both sides see the same."""

    x: list[Tensor]
    position: int = 0

    def next(self) -> Batch:
        x = self.x.pop(0)
        return Batch(x, torch.zeros(len(x), dtype=torch.int64))


def doubled(plan: Plan) -> TrainState:
    """A state in float64 with plain optimisers' own settings."""
    state = TrainState.start(plan)
    for player, network in state.players.items():
        network.double()
        state.optimizers[player] = plan.optimizer(player, network)
    state.ema.double()
    return state


def rounds(plan: Plan, x: Tensor, z: Tensor, monkeypatch: pytest.MonkeyPatch) -> dict[str, nn.Module]:
    """Five rounds on given samples (rounds, N, 2) and latents (2·rounds, N, 2); the players."""
    import ganforge.games.noise as noise_game

    latents = list(z)
    monkeypatch.setattr(noise_game, "noise", lambda G, count, rng: latents.pop(0))
    state, stream = doubled(plan), Handed(list(x))
    for _ in range(len(x)):
        play_round(plan, state, stream)
    return {**state.players, "ema": state.ema}


@pytest.mark.parametrize("settings", [[], ["penalties.r1.gamma=.5", "penalties.r2.gamma=.5"], ["game.pack=3"],
                                      ["objective=relativistic_pairing"],
                                      ["optimizer.generator=sgd", "game.unroll=1"],
                                      ["discriminator.minibatch=discrimination"]])  # fmt: skip
def test_games_side_by_side_are_the_games_alone(settings: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(3)
    x = torch.randn(5, GAMES, SIZE, 2, dtype=torch.float64)
    z = torch.randn(10, GAMES, SIZE, 2, dtype=torch.float64)
    together = rounds(planned(f"train.seeds={GAMES}", *settings), x.flatten(1, 2), z.flatten(1, 2), monkeypatch)
    for n in range(GAMES):
        alone = rounds(planned(f"train.seed={5 + n}", *settings), x[:, n], z[:, n], monkeypatch)
        for player, network in alone.items():
            both = together[player]
            assert isinstance(both, SideBySide)
            for name, value in network.state_dict().items():
                assert (both.state()[name][n] - value).abs().max() < 1e-9, (player, name)
            role = "generator" if player == "ema" else player
            start = planned(f"train.seed={5 + n}", *settings).networks()[role].double()
            moved = [(p - q).abs().max() for p, q in zip(network.parameters(), start.parameters(), strict=True)]
            assert max(moved) > 1e-5


def test_one_of_them_can_be_taken_out() -> None:
    plan = planned("train.seeds=3")
    both = TrainState.start(plan).players["generator"].eval()
    like = replace(plan, training=replace(plan.training, seeds=1)).networks()["generator"].eval()
    assert isinstance(both, SideBySide)
    z = torch.randn(6, 2)
    assert torch.allclose(both(z)[4:], both.network(2, like)(z[4:]), atol=1e-6)


@pytest.mark.parametrize("setting", ["game.top_k=.5", "game.top_k={schedule='linear', start=1.0, end=0.5, images=99}",
                                     "terms.feature_matching.weight=1", "train.clip=1",
                                     "train.accumulate=2"])  # fmt: skip
def test_what_would_couple_them_is_refused(setting: str) -> None:
    with pytest.raises(RecipeError, match=r"train\.seeds = 3 plays games side by side, and"):
        planned("train.seeds=3", setting)


def test_the_game_is_an_ordinary_one() -> None:
    assert isinstance(planned("train.seeds=2").game, NoiseGame)
