"""`ganforge` as a user calls it: a process of its own each time, forked from one that has the libraries loaded already.

What a call costs otherwise is two seconds of imports.
"""

import atexit
import json
import os
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

__all__ = ["ganforge"]

PARENT = """
import json, os, sys
import matplotlib.backends.backend_agg, matplotlib.pyplot
import ganforge.commands, ganforge.cli

for line in sys.stdin:
    job = json.loads(line)
    child = os.fork()
    if child == 0:
        break
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
else:
    sys.exit()
for number, path in enumerate((os.devnull, job["out"], job["err"])):
    file = os.open(path, os.O_RDWR)
    os.dup2(file, number)
    os.close(file)
os.environ.clear()
os.environ.update(job["env"])
os.chdir(job["cwd"])
sys.argv = ["ganforge", *job["words"]]
ganforge.cli.main()
"""


@lru_cache
def parent() -> subprocess.Popen[str]:
    """The process that has the libraries and forks; it lives as long as the tests do."""
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    atexit.register(process.kill)
    return process


def ganforge(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """What a call prints and its exit code."""
    process = parent()
    assert process.stdin is not None
    assert process.stdout is not None
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        out.touch()
        err.touch()
        job = {"words": words, "out": str(out), "err": str(err), "env": dict(os.environ), "cwd": str(cwd or Path.cwd())}
        process.stdin.write(json.dumps(job) + "\n")
        code = int(process.stdout.readline())
        return subprocess.CompletedProcess(words, code, out.read_text(), err.read_text())
