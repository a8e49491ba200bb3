"""How a label enters a network: as numbers beside others, as a learned vector, or as a norm's gain and bias."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import torch
from jaxtyping import Float, Shaped
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.errors import RecipeError
from ganforge.layers.output import Output
from ganforge.layers.spectral import SpectralNorm

__all__ = [
    "ClassHead",
    "Concatenation",
    "Condition",
    "ConditionalBatchNorm",
    "Entry",
    "LabelEmbedding",
    "LabelNumbers",
    "NoLabels",
    "Projection",
    "Reader",
    "called",
    "entry",
    "expect_labels",
    "label_loss",
    "reader",
]

Entry = Annotated[
    Literal["concatenation", "embedding", "batch_norm"],
    Field(
        description="how labels enter, where game.labels gives some: concatenation (numbers beside the latent), "
        "embedding (a learned vector beside it), batch_norm (gain and bias of every norm)"
    ),
]
Reader = Annotated[
    Literal["concatenation", "projection", "auxiliary"],
    Field(
        description="how labels are used, where game.labels gives some: concatenation (at the input), projection "
        "(added to the logit), auxiliary (a class head that tells them)"
    ),
]


@dataclass(frozen=True)
class Condition:
    """What the labels are that a network is given.

    Attributes:
        kind: "class", numbers from 0, (B,) int64, or shares of classes, (B, size) float; or "vector", (B, size) float
            (attributes, continuous labels, an embedding of a text).
        size: the number of classes, or the length of a vector.
        optional: whether a sample may come without one: class -1, or a vector of NaN.
    """

    kind: Literal["class", "vector"]
    size: int
    optional: bool = False

    def blank(self, count: int, device: torch.device) -> Tensor:
        """So many labels of class 0, or vectors of zeros."""
        if self.kind == "class":
            return torch.zeros(count, dtype=torch.int64, device=device)
        return torch.zeros(count, self.size, device=device)

    def none(self, y: Shaped[Tensor, "B ..."]) -> Shaped[Tensor, " B"]:
        """Which samples come without a label, (B,) bool."""
        return y.isnan().any(1) if y.is_floating_point() else y < 0


def called(network: Callable[..., Tensor], x: Tensor, y: Tensor | None) -> Tensor:
    """The network on samples or latents, with their labels where there are some."""
    return network(x) if y is None else network(x, y)


def label_loss(aux: Float[Tensor, "B K"], y: Shaped[Tensor, "B ..."] | None) -> Float[Tensor, " B"]:
    """How badly a class head told the labels, for each sample: -log p(y|x) of classes, half the squared error of a
    vector, which is -log of a normal density of variance 1 up to a constant; 0 where there is no label.

    >>> label_loss(torch.zeros(1, 4), torch.tensor([2])).exp()
    tensor([4.])
    """
    aux = aux.to(torch.promote_types(aux.dtype, torch.float32))
    if y is None:
        return aux.new_zeros(len(aux))
    if y.is_floating_point():
        return 0.5 * torch.where(y.isnan(), 0.0, aux - y.nan_to_num(0.0)).square().sum(1)
    return F.cross_entropy(aux, y, reduction="none", ignore_index=-1)


class LabelNumbers(nn.Module):
    """Labels as numbers, (B, width): a class as 1 among zeros, a vector as it is; zeros where there is none, and then,
    beside vectors that may be missing, 1 in a column more: a vector of zeros is a label too.

    >>> LabelNumbers(Condition("class", 3))(torch.tensor([2, 0]))
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """

    def __init__(self, condition: Condition) -> None:
        super().__init__()
        self.condition = condition
        self.marks = condition.optional and condition.kind == "vector"
        self.width = condition.size + int(self.marks)

    def forward(self, y: Shaped[Tensor, "B ..."]) -> Float[Tensor, "B width"]:
        if y.is_floating_point():
            numbers = y.nan_to_num(0.0)
            return torch.cat([numbers, self.condition.none(y)[:, None].to(y.dtype)], 1) if self.marks else numbers
        numbers = F.one_hot(y.clamp(min=0), self.condition.size).to(torch.get_default_dtype())
        return numbers * (y >= 0)[:, None] if self.condition.optional else numbers


class LabelEmbedding(nn.Module):
    """Labels as learned vectors, (B, width): a row for each class, a linear map of vectors.

    Shares of classes give the mixture of their rows; what comes without a label has a row of its own.

    >>> embed = LabelEmbedding(Condition("class", 10), 4)
    >>> halves = torch.zeros(1, 10).index_fill(1, torch.tensor([3, 5]), 0.5)
    >>> torch.allclose(embed(halves), embed(torch.tensor([3, 5])).mean(0))
    True
    """

    def __init__(self, condition: Condition, width: int) -> None:
        super().__init__()
        self.condition, self.width = condition, width
        self.weight = nn.Parameter(torch.randn(condition.size + int(condition.optional), width))

    def forward(self, y: Shaped[Tensor, "B ..."]) -> Float[Tensor, "B width"]:
        size = self.condition.size
        if not y.is_floating_point():
            return F.embedding(torch.where(y < 0, size, y) if self.condition.optional else y, self.weight)
        known = y.nan_to_num(0.0).to(self.weight.dtype) @ self.weight[:size]
        return (
            torch.where(self.condition.none(y)[:, None], self.weight[-1], known) if self.condition.optional else known
        )


class ConditionalBatchNorm(nn.Module):
    """Batch norm of feature maps whose gain and bias depend on the label: γ(y)·x̂ + β(y).

    Dumoulin et al. 2017, arXiv:1610.07629; for GANs Miyato and Koyama 2018, arXiv:1802.05637. A class begins with gain
    1 and bias 0.
    """

    def __init__(self, channels: int, condition: Condition) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gain, self.bias = LabelEmbedding(condition, channels), LabelEmbedding(condition, channels)
        vectors = condition.kind == "vector"
        nn.init.constant_(self.gain.weight, 0.0 if vectors else 1.0)
        nn.init.zeros_(self.bias.weight)
        self.offset = 1.0 if vectors else 0.0  # a vector of zeros is a label too

    def forward(self, x: Float[Tensor, "B C H W"], y: Shaped[Tensor, "B ..."]) -> Float[Tensor, "B C H W"]:
        gain, bias = self.offset + self.gain(y), self.bias(y)
        return torch.addcmul(bias[:, :, None, None], self.norm(x), gain[:, :, None, None])


class NoLabels(nn.Module):
    """Nothing is done with labels here: there are none, or they enter elsewhere."""

    extra = 0

    def forward(self, x: Float[Tensor, "B ..."], y: Shaped[Tensor, "B ..."] | None = None) -> Float[Tensor, "B ..."]:
        return x

    def answer(self, output: Output, y: Shaped[Tensor, "B ..."] | None = None) -> Output:
        """What the discriminator says, as it is."""
        return output


class Concatenation(nn.Module):
    """Labels beside the input: more entries of a vector, or more channels, each the same number everywhere.

    Mirza and Osindero 2014, arXiv:1411.1784.

    Attributes:
        extra: how many entries or channels come in.
    """

    def __init__(self, numbers: LabelNumbers | LabelEmbedding) -> None:
        super().__init__()
        self.numbers, self.extra = numbers, numbers.width

    def forward(self, x: Float[Tensor, "B C ..."], y: Shaped[Tensor, "B ..."]) -> Float[Tensor, "B CK ..."]:
        numbers = self.numbers(y).to(x.dtype)
        return torch.cat([x, numbers.view(*numbers.shape, *(1,) * (x.ndim - 2)).expand(-1, -1, *x.shape[2:])], 1)

    def answer(self, output: Output, y: Shaped[Tensor, "B ..."]) -> Output:
        """What the discriminator says: it has seen the label."""
        return output


class Projection(nn.Module):
    """⟨e(y), h⟩, what a label adds to the logit of features h, of maps their sum over all places.

    For class numbers it is log p(y|x)/q(y|x), up to what doesn't depend on y, where both are softmaxes of h. Miyato and
    Koyama 2018, arXiv:1802.05637, eq. 3.
    """

    extra = 0

    def __init__(self, condition: Condition, width: int, *, spectral: bool = False) -> None:
        super().__init__()
        embedding = LabelEmbedding(condition, width)
        self.embedding = SpectralNorm(embedding) if spectral else embedding

    def forward(self, x: Float[Tensor, "B ..."], y: Shaped[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
        return x

    def answer(self, output: Output, y: Shaped[Tensor, "B ..."]) -> Output:
        """The logits with the label's part."""
        part = (self.embedding(y) * summed(output.features[-1])).sum(1)
        return replace(output, logits=[logit + part for logit in output.logits])


class ClassHead(nn.Module):
    """The label told from the last features (AC-GAN, Odena et al. 2017, arXiv:1610.09585): the logit knows nothing of
    it, `Output.aux` has a logit for each class, or a number for each of a vector's."""

    extra = 0

    def __init__(self, condition: Condition, width: int, *, spectral: bool = False) -> None:
        super().__init__()
        head = nn.Linear(width, condition.size)
        self.head = SpectralNorm(head) if spectral else head

    def forward(self, x: Float[Tensor, "B ..."], y: Shaped[Tensor, "B ..."] | None = None) -> Float[Tensor, "B ..."]:
        return x

    def answer(self, output: Output, y: Shaped[Tensor, "B ..."] | None = None) -> Output:
        """The class head's logits beside the others."""
        return replace(output, aux=self.head(summed(output.features[-1])))


READERS: dict[str, Callable[..., nn.Module]] = {
    "concatenation": lambda condition, width, spectral: Concatenation(LabelNumbers(condition)),
    "projection": lambda condition, width, spectral: Projection(condition, width, spectral=spectral),
    "auxiliary": lambda condition, width, spectral: ClassHead(condition, width, spectral=spectral),
}


def reader(way: str, condition: Condition | None, width: int, *, spectral: bool = False) -> nn.Module:
    """How a discriminator whose last features have that width uses labels; `spectral` bounds what is learned."""
    return NoLabels() if condition is None else READERS[way](condition, width, spectral)


def entry(way: str, condition: Condition | None, width: int) -> nn.Module:
    """How labels come in beside a generator's latent, as a learned vector of that width or as numbers; not at all, if
    they enter elsewhere."""
    if condition is None or way == "batch_norm":
        return NoLabels()
    return Concatenation(LabelNumbers(condition) if way == "concatenation" else LabelEmbedding(condition, width))


def summed(h: Float[Tensor, "B C ..."]) -> Float[Tensor, "B C"]:
    """Features, of maps their sums over all places."""
    return h.flatten(2).sum(2) if h.ndim > 2 else h


def expect_labels(
    network: nn.Module, condition: Condition | None, y: Shaped[Tensor, "B ..."] | None, *, required: bool = True
) -> None:
    """See that labels come where they are used, and only there; a class head tells them and doesn't require any.

    Raises:
        RecipeError: if not, rather than drop them in silence.
    """
    name = f"{type(network).__module__.rpartition('.')[2]}.{type(network).__name__}"
    if condition is None and y is not None:
        raise RecipeError(f"{name} was built without labels: build it with a condition, or leave the labels out.")
    if condition is not None and y is None and required:
        raise RecipeError(f"{name} is conditional: give it labels y, {condition.kind} of {condition.size}.")
