"""On what a run ran: versions, machine, commit. Bits can only be the same again where these are."""

import contextlib
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganforge import __version__

__all__ = ["environment"]


def environment(device: torch.device | str | None = None) -> dict[str, Any]:
    """Versions, machine and commit as JSON's types; what can't be found out is left out, and nothing is raised.

    Args:
        device: the one that trains; by default the first CUDA device if there is one, else the CPU.

    >>> sorted(environment("cpu"))[:4]
    ['cores', 'cpu', 'device', 'ganforge']
    """
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    found = {
        "ganforge": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": _device(device),
        "cuda": torch.version.cuda if device.type == "cuda" else None,
        "git": _commit(),
    }
    return {key: value for key, value in found.items() if value}


def _cpu() -> str:
    """The processor's name as people know it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return _output("sysctl", "-n", "machdep.cpu.brand_string") or platform.processor() or platform.machine()


def _device(device: torch.device) -> str:
    with contextlib.suppress(Exception):
        if device.type == "cuda":
            return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device)


def _commit() -> str:
    """The working directory's commit, with `-dirty` where files differ from it; empty outside git."""
    return _output("git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def _output(*command: str) -> str:
    """What a program prints, or nothing where it fails."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode(errors="replace").strip()
