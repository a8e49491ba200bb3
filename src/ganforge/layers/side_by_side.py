"""Several networks of one architecture as one: every weight gets a leading axis, and one pass serves all."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from ganforge.layers.batch import mixes_samples

__all__ = ["SideBySide"]


class SideBySide(nn.Module):
    """N networks that don't know of each other: the n-th N-th part of a batch goes through the n-th of them.

    So N games with different seeds are one game, N times cheaper in everything but arithmetic. The mean of a loss over
    the whole batch times N is the sum of the games' own losses: each network's gradient is what it would be alone.
    Weights and buffers are named as in one network, with a leading axis N.

    >>> one, two = nn.Linear(3, 2), nn.Linear(3, 2)
    >>> both = SideBySide([one, two])
    >>> x = torch.randn(4, 3)
    >>> torch.allclose(both(x), torch.cat([one(x[:2]), two(x[2:])]), atol=1e-6)
    True
    """

    apart = True  # the batch's order says whose a sample is: real and fake can't be put behind each other

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        weights, buffers = stack_module_state(list(networks))
        self.names = {name.replace(".", "/"): name for name in (*weights, *buffers)}
        for name, value in weights.items():
            self.register_parameter(name.replace(".", "/"), nn.Parameter(value.detach().clone()))
        for name, value in buffers.items():
            self.register_buffer(name.replace(".", "/"), value.clone())
        self.count = len(networks)
        self.one = (copy.deepcopy(networks[0]).to("meta"),)  # in a tuple, so that its weights aren't ours
        self.mixes_samples = mixes_samples(networks[0])
        if hasattr(networks[0], "z_dim"):
            self.z_dim = networks[0].z_dim

    def state(self) -> dict[str, Tensor]:
        """Weights and buffers by the names that one network has, (N, ...)."""
        own = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        return {name: own[mine] for mine, name in self.names.items()}

    def forward(self, x: Float[Tensor, "NB ..."]) -> Float[Tensor, "NB ..."]:
        one = self.one[0].train(self.training)

        def run(state: dict[str, Tensor], part: Tensor) -> Any:
            return functional_call(one, state, (part,))

        parts = x.unflatten(0, (self.count, -1))
        return torch.vmap(run, randomness="different")(self.state(), parts).flatten(0, 1)

    @torch.no_grad()
    def network(self, n: int, like: nn.Module) -> nn.Module:
        """The n-th network on its own: a copy of `like`, a network of this architecture, with its weights."""
        own = copy.deepcopy(like)
        own.load_state_dict({name: value[n] for name, value in self.state().items()})
        return own
