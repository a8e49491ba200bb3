"""Our training step against another toolkit's: the DCGAN of torchgan, played by its own trainer.

    python benchmarks/peers.py                    # two minutes on two quiet cores, and the packages' download
    python benchmarks/peers.py --env ~/.peers   # where the packages go
    python benchmarks/peers.py --quick --out quick

The packages are installed into an environment of their own, made on the first call (by default in the user's cache):
the torch of constraints.txt, what ganforge needs, torchgan, and torchvision, which torchgan imports, without the torch
that it asks for. There `peers_torchgan.py` measures; this file needs Python alone.
"""

import argparse
import os
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONSTRAINTS = ROOT / "constraints.txt"
PEERS = ("torchgan==0.1.0", "torchvision==0.29.1")
PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--constraint", str(CONSTRAINTS))


def default_env() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return cache / "ganforge" / "peers"


def python_of(env: Path) -> Path:
    return env / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def ours() -> list[str]:
    """What ganforge itself needs."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]


def installed(env: Path) -> Path:
    """The environment's Python, with everything installed; the environment is made where it isn't there."""
    mark, python = env / "peers.txt", python_of(env)
    wanted = "\n".join([*ours(), *PEERS, CONSTRAINTS.read_text()])
    if mark.exists() and mark.read_text() == wanted and python.exists():
        return python
    if env.exists() and any(env.iterdir()) and not mark.exists():  # another environment, perhaps
        sys.exit(f"--env {env} is a folder of other things: give one that is empty or not there yet.")
    print(f"installing into {env} ...", file=sys.stderr)
    try:
        env.mkdir(parents=True, exist_ok=True)
        mark.write_text("unfinished\n")
        venv.create(env, with_pip=True)
        subprocess.run([python, *PIP, *ours()], check=True)
        subprocess.run([python, *PIP, "--no-deps", *PEERS], check=True)
    except OSError as error:
        sys.exit(f"the packages could not be installed into --env {env}: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"the packages could not be installed into --env {env}: pip's own words are above (exit code "
                 f"{error.returncode}). Call again when it can reach its index.")  # fmt: skip
    mark.write_text(wanted)
    return python


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", type=Path, default=default_env(), help="folder of the environment (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="tiny networks and samples: checks the program, no speed")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder of the results")
    given = parser.parse_args()
    python = installed(given.env.expanduser().absolute())
    words = [python, Path(__file__).with_name("peers_torchgan.py"), "--out", given.out, *["--quick"] * given.quick]
    quiet = {"CONSOLE_LOGGING": "0", "TENSORBOARD_LOGGING": "0", "VISDOM_LOGGING": "0"}  # torchgan's switches
    sys.exit(subprocess.run(words, env=os.environ | quiet | {"PYTHONPATH": str(ROOT / "src")}).returncode)


if __name__ == "__main__":
    main()
