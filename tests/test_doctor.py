"""The doctor on games that were played: a healthy one, and some that were made ill."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ganforge.diagnosis import Finding, Trace, diagnose, read_trace
from ganforge.doctor import HEALED
from ganforge.errors import CheckpointError, DivergenceError
from ganforge.heal import play_healing, treat
from ganforge.io.folder import RunFolder
from ganforge.plan import build
from ganforge.probe import Probe
from ganforge.recipe import Recipe, load_recipe, override
from ganforge.run import Diagnosis, Healed, Run, begin, continued, read_recipe
from ganforge.state import TrainState
from terminal import ganforge

IMAGES = 120_000
QUICK = [
    f"train.images={IMAGES}", "train.tick=4096", "train.device=cpu", "train.seed=100", "run.probe=1",
    "run.samples=1000000", "run.checkpoint=8192", "judge.every=0", "judge.samples=1000", "judge.final=1000",
    "data.held_out=1000",
]  # fmt: skip
RATE = "{schedule='cosine', start=2e-3, end=1e-4, images=120000}"
CALM = [f"optimizer.generator.lr={RATE}", f"optimizer.discriminator.lr={RATE}"]


def ring(*settings: str) -> Recipe:
    return override(load_recipe("points_ring_8"), [*QUICK, *settings])


def played(recipe: Recipe, path: Path) -> list[str]:
    """The findings that were said along the way."""
    torch.set_num_threads(1)
    run = begin(recipe, path, command=["ganforge", "train"])
    return [event.finding.name for event in run.play() if isinstance(event, Diagnosis)]


def names(path: Path) -> set[str]:
    return {finding.name for finding in diagnose(read_trace(path))}


def doctor(path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return ganforge("doctor", str(path), *words)


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "healthy"
    assert played(ring(*CALM), path) == []
    return path


@pytest.fixture(scope="module")
def sick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generator's learning rate is a thousand times D's: it ends in a collapse, whatever the machine's rounding."""
    path = tmp_path_factory.mktemp("runs") / "sick"
    said = played(ring("optimizer.generator.lr=1e-2", "optimizer.discriminator.lr=1e-5"), path)
    assert set(said) >= {"generator dominance", "mode collapse"}
    return path


def test_a_healthy_run_has_no_findings_and_the_doctor_says_so(healthy: Path) -> None:
    assert names(healthy) == set()
    assert not (healthy / "findings.jsonl").exists()
    result = doctor(healthy)
    assert result.returncode == 0
    assert result.stdout.startswith("healthy: ")
    record = json.loads(doctor(healthy, "--json").stdout)
    assert record.pop("looks") >= 6
    assert record == {"run": str(healthy), "healthy": True, "findings": [], "past": [], "healed": []}


def test_a_run_that_recovered_is_healthy_and_its_past_is_told(healthy: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(healthy, path)
    RunFolder.open(path).append("findings", {"images": 40_960, "finding": "mode hopping"})
    RunFolder.open(path).append("findings", {"images": 50_000, "finding": HEALED, "text": "went back."})
    result = doctor(path)
    assert result.returncode == 0
    assert result.stdout.startswith("healthy at the end of ")
    first, second = result.stdout.splitlines()
    assert first.endswith("along the way, and gone by then: mode hopping (said at 40,960)")
    assert second == "healed along the way: went back."
    assert [r["finding"] for r in json.loads(doctor(path, "--json").stdout)["healed"]] == [HEALED]


def test_a_sick_run_has_findings_with_a_remedy_in_the_folder_the_report_and_the_table(sick: Path) -> None:
    result = doctor(sick)
    assert result.returncode == 1
    words = " ".join(result.stdout.split())
    assert "mode collapse" in words
    lines = result.stdout.splitlines()
    command = f'  ganforge train {sick}/recipe.toml \'optimizer.both.lr={{schedule="cosine",start=0.001,end=0.0001,'
    above = lines[next(n for n, line in enumerate(lines) if line.startswith(command)) - 1]
    assert above.startswith("  against ")
    assert "mode collapse" in above
    record = json.loads(doctor(sick, "--json").stdout)
    assert not record["healthy"]
    assert {r["finding"] for r in record["findings"] + record["past"]} >= {"generator dominance", "mode collapse"}
    assert all(f"{r['finding']} (said at {r['images']:,})" in words for r in record["past"])
    assert {"finding", "since", "evidence", "certainty", "remedy"} <= record["findings"][0].keys()
    said = RunFolder.open(sick).records("findings")
    assert len({r["finding"] for r in said}) == len(said), "each is said once"
    assert "generator dominance" in (sick / "report.html").read_text()


def test_a_run_that_was_hardly_looked_at_is_not_called_healthy(healthy: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(healthy, path)
    seldom = [{k: v for k, v in t.items() if k != "modes"} for t in RunFolder.open(healthy).records("ticks")]
    (path / "ticks.jsonl").write_text("".join(json.dumps(t) + "\n" for t in seldom))
    result = doctor(path)
    assert result.returncode == 0
    assert result.stdout.startswith("nothing found up to")
    assert "collapse by: 0 of at least 6; train with a smaller train.tick" in result.stdout
    record = json.loads(doctor(path, "--json").stdout)
    assert (record["looks"], record["healthy"]) == (0, None)


def test_the_doctor_needs_a_run(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no run"):
        read_trace(tmp_path)
    assert doctor(tmp_path).returncode == 2


def test_a_trace_is_what_the_run_recorded(healthy: Path) -> None:
    trace = read_trace(healthy)
    ticks = RunFolder.open(healthy).records("ticks")
    assert trace.images.tolist() == [t["images"] for t in ticks]
    assert trace["d_real"].tolist() == [t["d_real"] for t in ticks]
    assert np.isnan(trace["no such signal"]).all()
    assert trace.places.shape == (len(ticks), 8)
    assert trace.setting("penalties.r1.gamma") == 0.02
    assert trace.setting("train.images") == IMAGES
    assert "mode_distance" in trace.judgements
    same = Trace.of(ticks, recipe=trace.recipe)
    assert same["modes"].tolist() == trace["modes"].tolist()


def test_traces_are_read_without_torch(healthy: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from ganforge.diagnosis import diagnose, read_trace; "
        f"print(diagnose(read_trace(Path({str(healthy)!r}))), 'torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["[]", "False"]


PROVOKED = {
    "D a hundred times as fast": (
        ["optimizer.generator.lr=1e-4", "optimizer.discriminator.lr=1e-2", "penalties.r1=none"],
        {"mode collapse", "discriminator dominance"},
    ),
    "momentum and no penalty": (
        ["optimizer.generator.beta1=0.9", "optimizer.discriminator.beta1=0.9", "penalties.r1=none"],
        {"mode collapse", "mode hopping", "discriminator dominance"},
    ),
    "a generator of two units": (["generator.hidden=[2]"], {"mode collapse"}),
    "rates beyond all use": (
        ["optimizer.generator.lr=0.3", "optimizer.discriminator.lr=0.3"],
        {"divergence", "oscillation", "generator dominance"},
    ),
}


@pytest.mark.parametrize("harm", PROVOKED)
def test_a_game_made_ill_is_found_ill(harm: str, tmp_path: Path) -> None:
    settings, expected = PROVOKED[harm]
    said = played(ring(*settings), tmp_path / "run")
    assert set(said) & expected


def test_the_saturating_loss_before_a_strong_discriminator_vanishes(tmp_path: Path) -> None:
    digits = [
        "train.images=24000", "train.tick=1280", "train.device=cpu", "run.probe=1", "judge.every=0",
        "judge.samples=100", "judge.final=100", "run.samples=1000000", "objective=minimax", "discriminator.dropout=0",
        "optimizer.discriminator.lr=1e-3", "optimizer.generator.lr=1e-5", "discriminator.hidden=[64]",
        "generator.hidden=[64]",
    ]  # fmt: skip
    said = played(override(load_recipe("mlp_mnist_28"), digits), tmp_path / "run")
    assert {"vanishing generator gradient", "discriminator dominance"} <= set(said)
    found = {f.name: f for f in diagnose(read_trace(tmp_path / "run"))}
    assert found["vanishing generator gradient"].remedy == "objective=non_saturating"


def test_a_game_that_goes_to_infinity_names_the_first_tensor(tiny_recipe: Recipe, tmp_path: Path) -> None:
    wild = ["objective=wasserstein", "optimizer.discriminator=sgd", "optimizer.discriminator.lr=1e18"]
    run = begin(override(tiny_recipe, wild), tmp_path / "run", command=[])
    findings = []
    with pytest.raises(DivergenceError) as caught:
        findings.extend(event.finding for event in run.play() if isinstance(event, Diagnosis))
    assert caught.value.bad
    assert caught.value.bad in str(caught.value)
    finding = findings[-1]
    assert isinstance(finding, Finding)
    assert caught.value.bad in finding.evidence
    assert finding.remedy.startswith("optimizer.discriminator.lr=")
    assert "not finite" in names(tmp_path / "run")


def test_a_look_changes_nothing(tiny_recipe: Recipe) -> None:
    plan = build(override(tiny_recipe, ["generator=dcgan", "generator.width=4", "discriminator=dcgan",
                                        "discriminator.width=4"]))  # fmt: skip
    state = TrainState.start(plan)
    before = {name: tensor.clone() for name, tensor in state.tensors().items()}
    callers = torch.get_rng_state()
    first, second = Probe(plan).look(state), Probe(plan).look(state)
    assert first == second
    assert torch.equal(torch.get_rng_state(), callers)
    after = state.tensors()
    assert [name for name in before if not torch.equal(before[name], after[name])] == []
    assert all(p.grad is None for network in state.players.values() for p in network.parameters())


def test_a_run_that_is_not_looked_at_has_the_same_bits(tiny_recipe: Recipe, tmp_path: Path) -> None:
    runs = [begin(override(tiny_recipe, [f"run.probe={n}"]), tmp_path / f"{n}", command=[]) for n in (0, 1)]
    for run in runs:
        list(run.play())
    blind, seen = (run.state.tensors() for run in runs)
    assert [name for name in blind if not torch.equal(blind[name], seen[name])] == []
    assert "modes" not in RunFolder.open(tmp_path / "0").records("ticks")[-1]


def test_heal_goes_back_changes_the_recipe_and_says_so(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    path = tmp_path / "run"
    run = begin(ring("optimizer.generator.lr=1e-2", "optimizer.discriminator.lr=5e-4"), path, command=[])
    healed = [event for event in play_healing(run) if isinstance(event, Healed)]
    assert 1 <= len(healed) <= 3
    assert healed[0].finding.remedy == "optimizer.generator.lr=0.0005"
    assert run.complete
    records = [r for r in RunFolder.open(path).records("findings") if r["finding"] == "healed"]
    assert [r["remedy"] for r in records] == [event.finding.remedy for event in healed]
    assert records[0]["images"] < records[0]["since"]
    text = (path / "recipe.toml").read_text()
    assert f"# healed from image {records[0]['images']:,} on: optimizer.generator.lr=0.0005" in text
    assert read_recipe(RunFolder.open(path)).sections["optimizer"]["generator"]["lr"] == 0.0005
    ticks = RunFolder.open(path).records("ticks")
    assert [t["images"] for t in ticks] == sorted({t["images"] for t in ticks}), "nothing is told twice"
    assert names(path) & {"generator dominance", "mode hopping"} == set()
    assert continued(path).complete


def treated(run: Run, since: int) -> Healed:
    """What healing does about a finding that began there."""
    return treat(run, Finding("mode collapse", since, "few places", 0.9, "optimizer.generator.lr=1e-4", "It is poor."))


def test_a_late_illness_goes_back_to_a_checkpoint_and_an_early_one_to_the_beginning(
    tiny_recipe: Recipe, tmp_path: Path
) -> None:
    settings = ["train.images=96", "train.tick=16", "run.checkpoint=16", "run.keep=10"]
    for since, back in ((32, 0), (33, 32), (96, 80)):  # of 96 images
        run = begin(override(tiny_recipe, settings), tmp_path / f"{since}", command=[])
        list(run.play())
        assert treated(run, since).images == back
        assert run.state.images == back
        assert max([int(p.name) for p in run.folder.all_checkpoints()], default=0) == back
        list(run.play())
        assert run.complete


def test_a_game_that_begins_anew_begins_with_the_weights_that_it_inherited(tiny_recipe: Recipe, tmp_path: Path) -> None:
    source = begin(tiny_recipe, tmp_path / "source", command=[])
    list(source.play())
    run = begin(override(tiny_recipe, ["train.seed=5"]), tmp_path / "run", command=[], init_from=tmp_path / "source")
    first = {name: tensor.clone() for name, tensor in run.state.players["generator"].state_dict().items()}
    list(run.play())
    treated(run, 1)
    again = run.state.players["generator"].state_dict()
    assert run.state.images == 0
    assert [name for name, tensor in first.items() if not torch.equal(again[name], tensor)] == []


def test_it_says_so_where_the_weights_that_it_inherited_are_gone(tiny_recipe: Recipe, tmp_path: Path) -> None:
    source = begin(tiny_recipe, tmp_path / "source", command=[])
    list(source.play())
    run = begin(tiny_recipe, tmp_path / "run", command=[], init_from=tmp_path / "source")
    list(run.play())
    shutil.rmtree(tmp_path / "source")
    treated(run, 1)
    said = run.folder.records("findings")[-1]["text"]
    assert "and went on, with new weights, as those that it began with can't be had: " in said
    assert str(tmp_path / "source") in said
    assert said.endswith(".")
    assert not said.endswith("..")
