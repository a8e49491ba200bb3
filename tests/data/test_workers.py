"""Work in forked processes: results in order, errors and deaths said, nobody left behind."""

import errno
import os
import signal
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image
from tests.data.spoilt import photo

from ganforge.data import open_source
from ganforge.data.fit import Fit
from ganforge.data.packed import check, open_pack
from ganforge.data.workers import by_processes, in_order
from ganforge.errors import DataError
from ganforge.io.pack import write_pack

linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")


def children() -> list[str]:
    """The processes that this one has begun and that are still there, or not yet waited for."""
    return Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text("ascii").split()


@linux
def test_results_come_in_order_from_other_processes() -> None:
    def work(number: int) -> tuple[int, int, bytes]:
        time.sleep(0.01 * (number % 3 == 0))
        return number, os.getpid(), bytes(100_000)  # more than a pipe holds

    before = children()
    found = list(by_processes(work, 40, 3))
    assert [number for number, _, _ in found] == list(range(40))
    processes = {process for _, process, _ in found}
    assert os.getpid() not in processes
    assert 2 <= len(processes) <= 3  # on a busy machine one may come too late for any work
    assert all(len(content) == 100_000 for _, _, content in found)
    assert children() == before


@linux
def test_an_error_of_the_work_is_raised_here_as_it_was() -> None:
    def full(number: int) -> int:
        if number == 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        return number

    before, found = children(), list[int]()
    with pytest.raises(OSError, match="No space left") as caught:
        found.extend(by_processes(full, 40, 2))
    assert caught.value.errno == errno.ENOSPC
    assert found == [0, 1, 2, 3, 4]
    assert children() == before


@linux
def test_a_killed_process_is_a_sentence_and_no_endless_wait() -> None:
    def killed(number: int) -> int:
        if number == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    before = children()
    with pytest.raises(DataError, match=r"was killed, as systems do when memory runs out: free some"):
        list(by_processes(killed, 40, 2))
    assert children() == before


@linux
def test_results_that_nobody_wants_any_more_end_the_processes() -> None:
    before, rest = children(), by_processes(lambda number: number, 1000, 2)
    assert next(rest) == 0
    assert len(children()) == len(before) + 2
    rest.close()
    assert children() == before


def test_one_core_or_one_job_needs_no_process() -> None:
    assert list(in_order(lambda number: os.getpid() + number, 1)) == [os.getpid()]


def test_broken_files_leave_no_gap_in_a_pack(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    for n in range(210):
        photo(n, 16, 16).save(tmp_path / "set" / f"{n:03}.png")
    for n in (3, 100):
        (tmp_path / "set" / f"{n:03}.png").write_bytes(b"")
    source = open_source(source=str(tmp_path / "set"), held_out=0, memory=0.0, cache=0.0)
    reasons = write_pack(source, tmp_path / "pack")
    assert [reason.split("'")[1][-7:] for reason in reasons] == ["003.png", "100.png"]
    check(tmp_path / "pack")
    packed = open_pack(tmp_path / "pack", Fit(), held_out=None).train.tensor
    assert packed is not None
    assert len(packed) == 208
    for place, n in ((0, 0), (3, 4), (98, 99), (99, 101), (207, 209)):
        with Image.open(tmp_path / "set" / f"{n:03}.png") as image:
            own = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(16, 16, 3)
        assert torch.equal(packed[place].permute(1, 2, 0), own)
