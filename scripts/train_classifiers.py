"""Trains the classifiers in whose feature space ganforge judges images.

    python scripts/train_classifiers.py mnist --out src/ganforge/assets/classifiers/mnist.safetensors
    python scripts/train_classifiers.py cifar10 --data FOLDER_OF_PARQUET_FILES --out cifar10.safetensors

One fixed schedule each; the last weights are kept, and the test split is read once, at the end: nothing is selected on
it. MNIST takes about three minutes on two cores, CIFAR-10 about fifteen.
"""

import argparse
import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

import ganforge
from ganforge.features import Classifier

DIGITS = tuple("0123456789")
OBJECTS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
MNIST = Path(ganforge.__file__).parent / "assets/mnist"


class Split(NamedTuple):
    """Images (N, C, H, W) as uint8, and their class numbers (N,)."""

    x: Tensor
    y: Tensor


@dataclass(frozen=True)
class Plan:
    """All that makes one classifier out of one data set."""

    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    widths: tuple[int, ...]
    epochs: int
    learning_rate: float
    shift: int  # crops move by up to so many pixels
    flip: bool = False
    grey: float = 0.0  # share of the images that lose their colour, so that grey ones are no surprise
    label_smoothing: float = 0.0
    weight_decay: float = 5e-4
    batch: int = 256


PLANS = {
    "mnist": Plan(DIGITS, (1, 28, 28), (16, 32, 64), epochs=8, learning_rate=0.2, shift=2),
    "cifar10": Plan(
        OBJECTS, (3, 32, 32), (16, 40, 80, 128), epochs=18, learning_rate=0.3, shift=3, flip=True, grey=0.1,
        label_smoothing=0.05,
    ),
}  # fmt: skip


def idx(path: Path, offset: int, *shape: int) -> Tensor:
    """The numbers of one gzipped IDX file, after its header."""
    data = np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=offset)
    return torch.from_numpy(data.reshape(-1, *shape).copy())


def mnist(split: str, folder: Path | None) -> Split:
    folder, stem = folder or MNIST, {"train": "train", "test": "t10k"}[split]
    x = idx(folder / f"{stem}-images-idx3-ubyte.gz", 16, 1, 28, 28)
    return Split(x, idx(folder / f"{stem}-labels-idx1-ubyte.gz", 8).long())


def cifar10(split: str, folder: Path | None) -> Split:
    """Rows of Parquet files: `img` (a struct with the encoded bytes) and `label`."""
    import pyarrow.parquet as parquet

    if folder is None:
        raise SystemExit("cifar10 needs --data: the folder with train-*.parquet and test-*.parquet")
    table = parquet.read_table(sorted(folder.glob(f"{split}-*.parquet")), columns=["img", "label"])
    images = [np.asarray(Image.open(io.BytesIO(row["bytes"])).convert("RGB")) for row in table["img"].to_pylist()]
    x = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
    return Split(x, torch.tensor(table["label"].to_pylist()))


SOURCES = {"mnist": mnist, "cifar10": cifar10}


def shifted(x: Tensor, reach: int, rng: torch.Generator) -> Tensor:
    """Each image moved by up to `reach` pixels; what comes in repeats the edge."""
    B, _, H, W = x.shape
    windows = F.pad(x.float(), (reach,) * 4, mode="replicate").unfold(2, H, 1).unfold(3, W, 1)
    rows, columns = torch.randint(2 * reach + 1, (2, B), generator=rng)
    return windows[torch.arange(B), :, rows, columns]


def augmented(x: Tensor, plan: Plan, rng: torch.Generator) -> Tensor:
    """uint8 (B, C, H, W) to float in [-1, 1], seen as the plan wants it."""
    x = shifted(x, plan.shift, rng) / 127.5 - 1
    flip, grey = torch.rand(2, len(x), 1, 1, 1, generator=rng)
    if plan.flip:
        x = torch.where(flip < 0.5, x.flip(3), x)
    return torch.where(grey < plan.grey, x.mean(1, keepdim=True), x)


def batches(split: Split, plan: Plan, rng: torch.Generator) -> Iterator[Split]:
    """One epoch in a new order; the incomplete batch at the end is left out."""
    order = torch.randperm(len(split.x), generator=rng)
    for rows in order.split(plan.batch)[: len(order) // plan.batch]:
        x = augmented(split.x[rows], plan, rng)
        yield Split(x.contiguous(memory_format=torch.channels_last), split.y[rows])


def progress_bar() -> Progress:
    figures = TextColumn("loss {task.fields[loss]:.3f}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), figures)
    return Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True))


def train(network: Classifier, split: Split, plan: Plan, rng: torch.Generator) -> None:
    """Stochastic gradient descent with Nesterov's momentum on one cycle of the learning rate."""
    steps = plan.epochs * (len(split.x) // plan.batch)
    optimiser = torch.optim.SGD(
        network.parameters(), plan.learning_rate, momentum=0.9, nesterov=True, weight_decay=plan.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.learning_rate, total_steps=steps, pct_start=0.2)
    with progress_bar() as bar:
        task = bar.add_task("training", total=steps, loss=float("nan"))
        for _ in range(plan.epochs):
            for x, y in batches(split, plan, rng):
                loss = F.cross_entropy(network(x).logits, y, label_smoothing=plan.label_smoothing)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                bar.update(task, advance=1, loss=loss.item())


@torch.inference_mode()
def accuracy(network: nn.Module, split: Split) -> float:
    """The share of images whose largest logit is the right one."""
    network.eval()
    right = [
        (network(x / 127.5 - 1).logits.argmax(1) == y).sum()
        for x, y in zip(split.x.split(500), split.y.split(500), strict=True)
    ]
    return sum(int(n) for n in right) / len(split.x)


def save(path: Path, network: nn.Module, plan: Plan, **facts: object) -> None:
    """The weights, and beside them in the same file all that is needed to build the network again."""
    facts |= {"shape": plan.shape, "classes": plan.classes, "widths": plan.widths}
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, path, {key: json.dumps(value) for key, value in facts.items()})
    path.chmod(0o644)  # safetensors leaves it to its owner alone


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=PLANS)
    parser.add_argument("--out", type=Path, required=True, help="the safetensors file to write")
    parser.add_argument("--data", type=Path, help="folder of the data (MNIST: default is the package's own)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, help="another length than the plan's, to try something out")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    plan = PLANS[options.name]
    if options.epochs:
        plan = Plan(**vars(plan) | {"epochs": options.epochs})
    torch.manual_seed(options.seed)
    network = Classifier(plan.shape, len(plan.classes), plan.widths).to(memory_format=torch.channels_last)
    rng = torch.Generator().manual_seed(options.seed)
    train(network, SOURCES[options.name]("train", options.data), plan, rng)
    score = accuracy(network, SOURCES[options.name]("test", options.data))
    command = f"python scripts/train_classifiers.py {options.name} --seed {options.seed}"
    command += f" --epochs {options.epochs}" if options.epochs else ""
    save(options.out, network, plan, accuracy=score, command=command)
    print(json.dumps({"out": str(options.out), "test_accuracy": score, "bytes": options.out.stat().st_size}))


if __name__ == "__main__":
    main()
