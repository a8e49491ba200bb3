"""Work in parallel, with its results in order: by forked processes where the system has them, else by threads.

Small images spend as long in Python as in their decoder, and threads take turns there. A forked process costs some
milliseconds, inherits what it works on, and needs nothing of its caller's main module.
"""

import contextlib
import gc
import os
import pickle
import select
import signal
import struct
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, NoReturn, TypeVar

from ganforge.errors import DataError

__all__ = ["cores", "in_order"]

Result = TypeVar("Result")

AHEAD = 4  # jobs of each worker that are begun before the first of all is taken
TICKET = struct.Struct("<q")  # the number of a job
HEAD = struct.Struct("<q?q")  # the number of a job, whether it went well, the bytes that follow


class Worker(NamedTuple):
    """A forked process, and where its results are read."""

    process: int
    results: int


def cores() -> int:
    """The processor's cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(work: Callable[[int], Result], count: int) -> Iterator[Result]:
    """work(0), ..., work(count - 1), in order; never far ahead of what is taken.

    In forked processes: `work` may write to files that are open, but changes nothing else here; torch's threads don't
    exist there, so it keeps to NumPy. What it returns is pickled.

    Raises:
        DataError: if the system kills a process.
        Exception: whatever `work` raises.

    >>> list(in_order(lambda n: n * n, 5))
    [0, 1, 4, 9, 16]
    """
    if sys.platform != "linux" or min(cores(), count) < 2:
        return by_threads(work, count)
    return by_processes(work, count, min(cores(), count))


def by_threads(work: Callable[[int], Result], count: int) -> Iterator[Result]:
    """By threads, as many as there are cores."""
    step = AHEAD * cores()
    with ThreadPoolExecutor(cores()) as pool:
        for start in range(0, count, step):
            yield from pool.map(work, range(start, min(start + step, count)))


def by_processes(work: Callable[[int], Result], count: int, processes: int) -> Iterator[Result]:
    """By forked processes. They take the numbers of jobs from one pipe, and each answers through its own."""
    taken, given = os.pipe()
    workers = [forked(work, taken, given) for _ in range(processes)]
    begun, done = 0, dict[int, Any]()
    try:
        for number in range(count):
            while begun < min(count, number + AHEAD * processes):
                os.write(given, TICKET.pack(begun))
                begun += 1
            while number not in done:
                done.update(answers(workers))
            well, content = done.pop(number)
            if not well:
                raise content
            yield content
    finally:
        for pipe in (taken, given, *(worker.results for worker in workers)):
            os.close(pipe)
        for worker in workers:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(worker.process, signal.SIGTERM)  # idle, or what it does isn't wanted any more
                os.waitpid(worker.process, 0)


def forked(work: Callable[[int], Any], taken: int, given: int) -> Worker:
    """A process that works until it is told to end, or nobody is there to tell."""
    results, answer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads: whatever they hold isn't touched
        process = os.fork()
    if not process:
        working(work, taken, answer, (given, results))
    os.close(answer)
    return Worker(process, results)


def working(work: Callable[[int], Any], taken: int, answer: int, others: tuple[int, ...]) -> NoReturn:
    """The life of a forked process."""
    try:
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, signal.SIG_DFL)
        for pipe in others:
            os.close(pipe)
        gc.freeze()  # what is inherited isn't gone through again and again, and so isn't copied
        while ticket := os.read(taken, TICKET.size):
            number = TICKET.unpack(ticket)[0]
            well, content = outcome(work, number)
            whole = memoryview(HEAD.pack(number, well, len(content)) + content)
            while whole:
                whole = whole[os.write(answer, whole) :]
    finally:
        os._exit(0)  # nothing of the caller's is flushed, closed or cleaned up twice


def outcome(work: Callable[[int], Any], number: int) -> tuple[bool, bytes]:
    """What comes of a job: its result, or what it raised; pickled."""
    try:
        return True, pickle.dumps(work(number))
    except Exception as error:
        with contextlib.suppress(Exception):
            pickle.loads(content := pickle.dumps(error))
            return False, content
        return False, pickle.dumps(RuntimeError(traceback.format_exc()))


def answers(workers: list[Worker]) -> Iterator[tuple[int, tuple[bool, Any]]]:
    """The results that are there; waits for the first.

    Raises:
        DataError: if a process is gone.
    """
    ready = select.select([worker.results for worker in workers], [], [])[0]
    for pipe in ready:
        number, well, length = HEAD.unpack(whole(pipe, HEAD.size))
        yield number, (well, pickle.loads(whole(pipe, length)))


def whole(pipe: int, size: int) -> bytes:
    """So many bytes of a pipe.

    Raises:
        DataError: if it ends before.
    """
    parts = []
    while size:
        part = os.read(pipe, size)
        if not part:
            raise DataError(
                "a process that decoded images was killed, as systems do when memory runs out: free some, or shrink "
                "the largest images."
            )
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
