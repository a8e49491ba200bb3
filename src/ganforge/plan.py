"""A recipe built: everything that training needs, as values."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ganforge.arithmetic import check_speed
from ganforge.augment import Augmentation
from ganforge.data import Source, Stream
from ganforge.errors import RecipeError
from ganforge.games import Game
from ganforge.labels import Labels, wanted_labels
from ganforge.layers import ClassHead, OrthonormalLinear, SideBySide, SpectralNorm, called, mixes_samples
from ganforge.optimizers import OPTIMIZERS
from ganforge.penalties import Penalty
from ganforge.players import PLAYERS, device_named, new_networks
from ganforge.recipe import Recipe, load_recipe, resolve, to_toml
from ganforge.schedules import Number
from ganforge.sections import Part
from ganforge.settings import Averaging, Judging, Recording, Speed, Training
from ganforge.terms import Term

__all__ = ["Plan", "build", "told_labels", "twice_differentiated"]


@dataclass(frozen=True)
class Plan:
    """What a recipe comes to. Nothing in it changes while a run goes on; what changes is in `TrainState`.

    Attributes:
        name: the recipe's name.
        parts: the resolved recipe, section -> function with its parameters.
        source: the samples.
        game: who loses what.
        rates: player -> learning rate, a number or a schedule over images seen.
        training, averaging, recording, judging, speed: the sections of those names.
        device: where training happens.
        labels: what the generator is asked for; None: nothing.
    """

    name: str
    parts: dict[str, Any]
    source: Source
    game: Game
    rates: dict[str, Number]
    training: Training
    averaging: Averaging
    recording: Recording
    judging: Judging
    speed: Speed
    device: torch.device
    labels: Labels | None = None

    @property
    def toml(self) -> str:
        """The recipe with every key written out; it builds this plan again."""
        return to_toml(self.parts)

    def networks(self) -> dict[str, nn.Module]:
        """New players, their weights drawn from the recipe's seed."""
        shapes = {"generator": self.source.shape, "discriminator": self.game.seen_shape(self.source.shape)}
        first, count = self.training.seed, self.training.seeds
        condition = None if self.labels is None else self.labels.condition
        made = [
            new_networks(self.parts, shapes, seed=first + n, device=self.device, condition=condition)
            for n in range(count)
        ]
        return made[0] if count == 1 else {player: SideBySide([m[player] for m in made]) for player in PLAYERS}

    def optimizer(self, player: str, network: nn.Module) -> torch.optim.Optimizer:
        """A new optimiser for one player."""
        return self.parts[f"optimizer.{player}"](network.parameters())

    def stream(self, *, position: int) -> Stream:
        """The training samples from the given position on."""
        return Part(self.source.stream, self.parts["data"].values)(
            self.source.train,
            batch=self.training.batch * self.training.seeds,
            device=self.device,
            seed=self.training.seed,
            position=position,
        )


def build(recipe: Recipe | Plan | str) -> Plan:
    """A plan from a recipe, its name, or the path of a recipe file; a plan stays as it is.

    Raises:
        RecipeError: every mistake in the recipe at once.
        DataError: if the data can't be opened.
    """
    if isinstance(recipe, Plan):
        return recipe
    recipe = load_recipe(recipe) if isinstance(recipe, str) else recipe
    parts = resolve(recipe)
    device = device_named(parts["train"].values["device"])
    penalties = tuple(p() for p in parts["penalties"].values())
    terms, augmentations = (tuple(p() for p in parts[key].values()) for key in ("terms", "augment"))
    source = opened(parts["data"])
    labels = wanted_labels(parts["game"].values, source)
    condition = {} if labels is None else {"condition": labels.condition}
    plan = Plan(
        name=recipe.name,
        parts=parts,
        source=source,
        game=parts["game"](
            objective=parts["objective"](),
            penalties=penalties,
            terms=terms,
            augmentations=augmentations,
            **condition,
        ),
        rates={p: rate(parts, p) for p in PLAYERS},
        training=parts["train"](),
        averaging=parts["ema"](),
        recording=parts["run"](),
        judging=parts["judge"](),
        speed=parts["speed"](),
        device=device,
        labels=labels,
    )
    check(plan, penalties)
    try_out(plan, terms)
    return plan


def opened(part: Part) -> Source:
    """The source that a recipe's [data] leads to.

    Raises:
        RecipeError: if a function from outside returned something else.
    """
    source = part()
    if not isinstance(source, Source):
        raise RecipeError(
            f"data.source = {part.values['source']!r} gave {source!r:.60}; it has to return a ganforge.data.Source"
        )
    return source


def rate(parts: dict[str, Any], player: str) -> Number:
    """A player's learning rate.

    Raises:
        RecipeError: if its optimiser has none.
    """
    values = parts[f"optimizer.{player}"].values
    if "lr" not in values:
        raise RecipeError(f"optimizer.{player}.name = {values['name']!r} has no keyword parameter 'lr'; wrap it in one")
    return values["lr"]


@torch.no_grad()
def try_out(plan: Plan, terms: tuple[Term, ...]) -> None:
    """Two samples through both networks, in evaluation mode.

    Raises:
        RecipeError: if the generator's samples or the discriminator's logits have another shape than the game needs, or
            if the discriminator doesn't show a layer that a term looks at.
    """
    one = replace(plan, training=replace(plan.training, seeds=1))
    players, shape, seen = one.networks(), plan.source.shape, plan.game.seen_shape(plan.source.shape)
    G, D = players["generator"].eval(), players["discriminator"].eval()
    if not isinstance(getattr(G, "z_dim", None), int):
        raise RecipeError("generator.name: a generator has an attribute z_dim, the length of its latents; add one")
    weight = next(G.parameters())
    z_dim: int = G.z_dim  # type: ignore[assignment]
    y = None if plan.labels is None else plan.labels.condition.blank(2, weight.device)
    x = called(G, torch.zeros(2, z_dim, device=weight.device, dtype=weight.dtype), y)
    if tuple(x.shape) != (2, *shape):
        raise RecipeError(f"generator.name: two samples came out as {tuple(x.shape)}; they should be {(2, *shape)}")
    told = y if told_labels(plan) else None
    blank = torch.zeros(2, *seen, device=weight.device, dtype=weight.dtype)
    logits = called(D, blank, told)
    if tuple(logits.shape) != (2,):
        raise RecipeError(f"discriminator.name: two logits came out as {tuple(logits.shape)}; they should be (2,)")
    for term in terms:
        if term.layer is not None:
            check_layer(D, blank, told, term.name, term.layer)


def told_labels(plan: Plan) -> bool:
    """Whether the discriminator is told labels: there are some, and it doesn't have to find them."""
    return plan.labels is not None and getattr(plan.game, "tells", True)


def check_layer(D: nn.Module, x: Tensor, y: Tensor | None, name: str, layer: int) -> None:
    """See that the discriminator shows the hidden layer that a term looks at.

    Raises:
        RecipeError: if it doesn't.
    """
    if not hasattr(D, "full"):
        raise RecipeError(
            f"terms.{name}: this discriminator shows no hidden layers; give it a method full(x, y) that returns a "
            f"ganforge.layers.Output with its features, or set terms.{name}=none"
        )
    count = len(D.full(x, y).features)  # type: ignore[operator]
    if not -count <= layer < count:
        raise RecipeError(
            f"terms.{name}.layer = {layer}: this discriminator shows {count} hidden layers; "
            f"choose one from {-count} to {count - 1}"
        )


def check(plan: Plan, penalties: tuple[Penalty, ...]) -> None:
    """Combinations that no single section can judge.

    Raises:
        RecipeError: every one that doesn't work, at once.
    """
    training, images = plan.training, len(plan.source.train)
    most, pack = plan.game.max_d_steps, plan.game.seen_shape(plan.source.shape)[0] // plan.source.shape[0]
    rules: list[Rule] = [
        *meaning_rules(plan, penalties),
        *check_speed(plan.speed, plan.device, twice=twice_differentiated(plan)),
        (
            lambda: most is not None and training.d_steps > most,
            f"train.d_steps = {training.d_steps}: with game.fakes = 'shared' there is one discriminator step a round; "
            "set train.d_steps=1 or game.fakes=fresh",
        ),
        (
            lambda: most is not None and training.g_steps > most,
            f"train.g_steps = {training.g_steps}: with game.fakes = 'shared' the one pass of the generator serves one "
            "update of it; set train.g_steps=1 or game.fakes=fresh",
        ),
        (
            lambda: (training.batch // training.accumulate) % pack != 0,
            f"game.pack = {pack} doesn't divide the {training.batch // training.accumulate} samples of "
            f"{'a piece of ' if training.accumulate > 1 else ''}the batch; set train.batch to a multiple of "
            f"{pack * training.accumulate}",
        ),
        (
            lambda: training.batch % training.accumulate != 0,
            f"train.accumulate = {training.accumulate} doesn't divide train.batch = {training.batch}; choose a divisor",
        ),
        (
            lambda: plan.judging.metric == "sliced_distance" and len(plan.source.shape) != 1,
            "judge.metric = 'sliced_distance' is a figure of points; for images set judge.metric=frechet_distance",
        ),
        (
            lambda: plan.judging.metric == "mode_distance" and plan.source.mixture is None,
            f"judge.metric = 'mode_distance' needs data whose modes are known, and {plan.source.name} has none; "
            f"set judge.metric={'sliced' if len(plan.source.shape) == 1 else 'frechet'}_distance",
        ),
        (
            lambda: plan.judging.metric == "class_divergence" and plan.source.extractor is None,
            f"judge.metric = 'class_divergence' needs classes that are wanted in equal shares, as those of "
            f"stacked_mnist, and {plan.source.name} has none; set judge.metric=frechet_distance",
        ),
        (
            lambda: training.batch == training.accumulate and mixes_samples(try_networks(plan)[1]),
            "this discriminator compares the samples of a batch, and it gets one at a time; set a larger train.batch",
        ),
        (
            lambda: training.batch > images,
            f"train.batch = {training.batch} is more than the {images} training images; "
            f"set train.batch={images} or less",
        ),
    ]
    if mistakes := [sentence for broken, sentence in rules if broken()]:
        raise RecipeError(*mistakes)


def twice_differentiated(plan: Plan) -> list[str]:
    """Keys of the parts of a game that differentiate a player twice."""
    slopes = [f"penalties.{p.name}" for p in getattr(plan.game, "penalties", ()) if p.term is not None and p.per_sample]
    return [*slopes, *(["game.unroll"] if getattr(plan.game, "unroll", 0) else [])]


def has(kind: type[nn.Module], network: nn.Module) -> bool:
    """Whether any layer of a network is of that kind."""
    return any(isinstance(part, kind) for part in network.modules())


def try_networks(plan: Plan) -> list[nn.Module]:
    """The players of a single game."""
    return list(replace(plan, training=replace(plan.training, seeds=1)).networks().values())


Rule = tuple[Callable[[], bool], str]


def meaning_rules(plan: Plan, penalties: tuple[Penalty, ...]) -> list[Rule]:
    """Parts of a game that have no meaning with each other: (whether it is so, the reason and the remedy)."""
    slopes = [p.name for p in penalties if p.term is not None and p.per_sample]
    augmentations: tuple[Augmentation, ...] = getattr(plan.game, "augmentations", ())
    for_images = [a.name for a in augmentations if a.images_only]
    steered = [a.name for a in augmentations if a.watch is not None]
    optimizer = plan.parts["optimizer.discriminator"].values["name"]
    together = coupled(plan, penalties) if plan.training.seeds > 1 else []
    return [
        (
            lambda: bool(together),
            f"train.seeds = {plan.training.seeds} plays games side by side, and {', '.join(together)} would let them "
            "see each other; leave it out, or set train.seeds=1",
        ),
        (
            lambda: bool(slopes) and mixes_samples(try_networks(plan)[1]),
            f"penalties.{', penalties.'.join(slopes)}: a gradient penalty is one sample's, and this discriminator "
            "mixes the samples of a batch (batch norm, or a minibatch layer); set discriminator.norm=none or spectral, "
            "and discriminator.minibatch=none",
        ),
        *label_rules(plan),
        *weight_rules(plan, penalties),
        (
            lambda: bool(for_images) and len(plan.source.shape) != 3,
            f"augment.{', augment.'.join(for_images)}: changes pictures, and these samples are points of shape "
            f"{plan.source.shape}; for points there is augment.instance_noise",
        ),
        (
            lambda: bool(steered) and getattr(getattr(plan.game, "objective", None), "level", 0.0) is None,
            f"augment.{', augment.'.join(steered)}: its strength follows how many real samples the discriminator takes "
            f"for real, and the logits of this objective decide nothing; fix it, as by augment.ada.p=.2, or choose "
            "another objective",
        ),
        (
            lambda: getattr(plan.game, "unroll", 0) > 0 and optimizer not in OPTIMIZERS,
            f"game.unroll looks ahead through the discriminator's optimiser, and {optimizer!r} is none that it knows; "
            f"set optimizer.discriminator to {', '.join(OPTIMIZERS)}, or game.unroll=0",
        ),
    ]


def label_rules(plan: Plan) -> list[Rule]:
    """What labels can't do."""
    game, given = plan.game, plan.labels is not None
    parts = (*getattr(game, "penalties", ()), *getattr(game, "terms", ()))
    of_classes, head = any(part.of_classes for part in parts), given and has(ClassHead, try_networks(plan)[1])
    return [
        (
            lambda: given and getattr(game, "pack", 1) > 1,
            f"game.pack = {getattr(game, 'pack', 1)}: a pack has a label for each of its members, and a discriminator "
            "takes one; set game.pack=1 or game.labels=none",
        ),
        (
            lambda: of_classes and not head,
            "penalties.auxiliary_classifier and terms.auxiliary_classifier ask the discriminator for the label; set "
            "discriminator.labels=auxiliary, and game.labels=data",
        ),
        (
            lambda: head and not of_classes,
            "discriminator.labels = 'auxiliary': nobody teaches its class head; add "
            "penalties.auxiliary_classifier.real=1 and terms.auxiliary_classifier.weight=1",
        ),
        (
            lambda: given and not told_labels(plan) and not head,
            "game.labels = 'code': the code is for a class head to find; set discriminator.labels=auxiliary",
        ),
        (
            lambda: not given and getattr(game, "label_dropout", 0) > 0,
            "game.label_dropout leaves labels out, and there are none; set game.labels=data, or game.label_dropout=0",
        ),
    ]


def coupled(plan: Plan, penalties: tuple[Penalty, ...]) -> list[str]:
    """Keys of the parts through which games side by side would see each other."""
    game = plan.game
    return [
        *(f"penalties.{p.name}" for p in penalties if p.memory() or p.of_batch),
        *(f"augment.{a.name}" for a in getattr(game, "augmentations", ()) if a.watch is not None),
        *(f"terms.{t.name}" for t in getattr(game, "terms", ()) if not t.per_sample),
        *([] if getattr(game, "top_k", 1.0) >= 1 else ["game.top_k"]),
        *([] if plan.labels is None else ["game.labels"]),
        *(["train.accumulate"] if plan.training.accumulate > 1 else []),
        *(["train.clip"] if plan.training.clip is not None else []),
        *(["discriminator.norm"] if any(has(SpectralNorm, n) for n in try_networks(plan)) else []),
    ]


def weight_rules(plan: Plan, penalties: tuple[Penalty, ...]) -> list[Rule]:
    """Penalties on the discriminator's weights where these don't mean what they count on."""
    clips = [p.name for p in penalties if p.project is not None]
    of_weights = [p.name for p in penalties if p.of_weights]
    of_matrices = [p.name for p in penalties if p.of_weights and p.term is not None]
    return [
        (
            lambda: bool(clips) and has(SpectralNorm, try_networks(plan)[1]),
            f"penalties.{', penalties.'.join(clips)}: spectral norm divides each layer's weights by their largest "
            "singular value, so their size is no bound that clipping could set; leave one out: "
            f"discriminator.norm=none or penalties.{clips[0] if clips else ''}=none",
        ),
        (
            lambda: bool(of_weights) and has(OrthonormalLinear, try_networks(plan)[1]),
            f"penalties.{', penalties.'.join(of_weights)}: this discriminator's layers are orthonormal whatever "
            "their weights are, so there is nothing to bring about; "
            f"set penalties.{of_weights[0] if of_weights else ''}=none",
        ),
        (
            lambda: bool(of_matrices) and all(w.ndim < 2 for w in try_networks(plan)[1].parameters()),
            f"penalties.{', penalties.'.join(of_matrices)}: this discriminator has no weight matrix that could be "
            f"orthogonal; set penalties.{of_matrices[0] if of_matrices else ''}=none",
        ),
    ]
