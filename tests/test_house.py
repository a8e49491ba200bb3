"""The rules of the house, read off the syntax tree: which way imports point, how large things are, what is public."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "ganforge"
FILES = sorted(SOURCE.rglob("*.py"))
NAMES = [str(f.relative_to(SOURCE)) for f in FILES]

# Rooms from the ground up: a room may use the rooms on lower floors. Within a floor, rooms don't know each other,
# except on the floor of running, where each may use those that stand before it.
FLOORS: list[list[str]] = [
    ["errors"],
    ["schedules", "moment", "layers", "latent", "theory", "assets", "outside"],
    ["objectives"],
    ["batch", "penalties", "terms", "augment", "features", "optimizers", "settings"],
    ["games", "networks", "data", "metrics", "diagnosis"],
    [
        "io",
        "recipes",
        "sections",
        "keys",
        "recipe",
        "labels",
        "players",
        "arithmetic",
        "plan",
        "sample",
        "walking",
        "edit",
        "rejection",
        "crowd",
        "gan_train",
        "subject",
        "figures",
        "cautions",
        "comparison",
        "published",
        "evaluate",
        "label_figures",
        "state",
        "probe",
        "autopsy",
        "train",
        "tuning",
        "doctor",
        "events",
        "inheritance",
        "run",
        "heal",
    ],
    [
        "bench",
        "experiments",
        "every",
        "tradeoff",
        "view",
        "prescription",
        "scorecard",
        "measuring",
        "judged",
        "commands",
        "data_commands",
        "latent_commands",
        "latent_cli",
        "bench_cli",
        "lab",
        "cli",
        "__main__",
    ],
]
ORDERED = {5, 6}


def floor(room: str) -> int:
    """The floor of a room."""
    return next(i for i, rooms in enumerate(FLOORS) if room in rooms)


def room_of(file: Path) -> str:
    """The first word of a module's path inside the package."""
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_rooms(tree: ast.AST) -> set[str]:
    """The rooms that a module imports from, wherever in the file."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "ganforge":
            names |= {f"ganforge.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    rooms = {n.split(".")[1] for n in names if n.startswith("ganforge.")}
    return rooms - {"__version__"}


def may_import(here: str, there: str) -> bool:
    """True if an import from `here` to `there` points downwards."""
    low, high = floor(there), floor(here)
    if low == high and high in ORDERED:
        return FLOORS[high].index(there) < FLOORS[high].index(here)
    return low < high


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_imports_point_downwards(file: Path) -> None:
    here = room_of(file)
    if here == "__init__":
        return
    wrong = [there for there in imported_rooms(ast.parse(file.read_text())) if there != here]
    assert not [there for there in wrong if not may_import(here, there)]


def test_the_check_of_imports_can_fail() -> None:
    assert not may_import("games", "train")
    assert not may_import("games", "networks")
    assert not may_import("objectives", "penalties")
    assert not may_import("sample", "run")
    assert may_import("run", "sample")


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_sizes(file: Path) -> None:
    text = file.read_text()
    assert text.count("\n") <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 60, f"{node.name} is longer than 60 lines"
            assert len(node.args.args) + len(node.args.posonlyargs) <= 7, f"{node.name} has too many positionals"


def test_half_of_the_functions_fit_into_ten_lines_and_nine_tenths_into_35() -> None:
    lengths = sorted(
        node.end_lineno - node.lineno + 1
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef) and node.end_lineno
    )
    assert lengths[int(len(lengths) * 0.9)] <= 35
    assert lengths[len(lengths) // 2] <= 10


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_public_names_are_declared_and_documented(file: Path) -> None:
    tree = ast.parse(file.read_text())
    assert ast.get_docstring(tree), "a module says what it is"
    declared = [
        ast.literal_eval(node.value) if isinstance(node, ast.Assign) else ast.literal_eval(node.value or ast.List([]))
        for node in tree.body
        if (isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__")
        or (isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "__all__")
    ]
    assert len(declared) == 1, "a module has one __all__"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in declared[0]:
            assert ast.get_docstring(node), f"{node.name} is public and has no docstring"


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_inheritance_is_for_modules_and_exceptions(file: Path) -> None:
    allowed = {"nn.Module", "Exception", "GanforgeError", "NamedTuple", "Protocol", "ModuleType"}
    allowed |= {"nn.Conv2d", "nn.ConvTranspose2d"}  # modules too, whose parameters and kind others look for
    allowed |= {"autograd.Function", "TorchFunctionMode"}  # torch knows operations and modes by inheritance alone
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ClassDef):
            assert {ast.unparse(base).split("[")[0].removeprefix("torch.") for base in node.bases} <= allowed


def imported_by(statement: str) -> set[str]:
    """The top-level modules that are loaded after a statement in a fresh interpreter."""
    code = f"import sys; {statement}; print(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_the_command_line_starts_without_torch() -> None:
    assert not imported_by("import ganforge.cli") & {"torch", "numpy", "matplotlib", "tensorboard"}


def test_nothing_optional_is_loaded() -> None:
    optional = {
        "matplotlib",
        "tensorboard",
        "torchvision",
        "scipy",
        "sklearn",
        "pyarrow",
        "huggingface_hub",
        "beartype",
        "torchmetrics",
        "onnxruntime",
        "playwright",
        "starlette",
        "uvicorn",
        "websockets",
    }
    assert not imported_by("import ganforge.commands, ganforge.run, ganforge.train") & optional


def test_no_file_imports_torchvision() -> None:
    root = SOURCE.parents[1]
    files = [f for room in ("src", "tests", "scripts", "benchmarks") for f in (root / room).rglob("*.py")]
    for file in files:
        words = {
            name.split(".")[0]
            for node in ast.walk(ast.parse(file.read_text()))
            for name in (
                [a.name for a in node.names] if isinstance(node, ast.Import)
                else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            )
        }  # fmt: skip
        assert "torchvision" not in words, file
