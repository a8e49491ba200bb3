"""Performing experiments: every seed of every experiment is a job of its own, one thread each."""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any

import torch

from ganforge.experiments.frame.experiment import Experiment, Outcome, Trial, load_experiment

__all__ = ["default_jobs", "perform"]

Job = Callable[[], tuple[Trial, float]]


def default_jobs() -> int:
    """As many processes as there are cores that this one may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def one_thread() -> None:
    """What a worker begins with: figures don't depend on how many jobs run side by side."""
    torch.set_num_threads(1)


def job(name: str, seed: int, settings: dict[str, Any]) -> tuple[Trial, float]:
    """One trial and the seconds that it took."""
    start = time.perf_counter()
    trial = load_experiment(name).trial(seed, settings)
    return trial, time.perf_counter() - start


def here(name: str, seed: int, settings: dict[str, Any]) -> tuple[Trial, float]:
    """The same in this process, its number of threads put back afterwards."""
    threads = torch.get_num_threads()
    one_thread()
    try:
        return job(name, seed, settings)
    finally:
        torch.set_num_threads(threads)


def perform(
    wanted: Mapping[str, dict[str, Any]],
    *,
    seeds: Sequence[int],
    jobs: int,
    progress: Callable[[float], None] = lambda done: None,
) -> Iterator[Outcome]:
    """Perform experiments, name -> checked settings; outcomes in the same order, each as soon as it is there.

    `progress` is called with 1 for every trial that is done.
    """
    tasks = {name: [(name, seed, settings) for seed in seeds] for name, settings in wanted.items()}
    if jobs == 1:
        calls = {name: [lambda t=task: here(*t) for task in rows] for name, rows in tasks.items()}
        yield from collected(wanted, calls, progress)
        return
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=one_thread)
    try:
        futures = {name: [submitted(pool, task, progress) for task in rows] for name, rows in tasks.items()}
        yield from collected(wanted, {n: [f.result for f in fs] for n, fs in futures.items()}, lambda done: None)
    finally:
        pool.shutdown(cancel_futures=True)


def submitted(
    pool: ProcessPoolExecutor, task: tuple[str, int, dict[str, Any]], progress: Callable[[float], None]
) -> Future[tuple[Trial, float]]:
    """A task handed to a worker; progress is told when it is done."""
    future = pool.submit(job, *task)
    future.add_done_callback(lambda done: progress(1.0))
    return future


def collected(
    wanted: Mapping[str, dict[str, Any]], calls: Mapping[str, Sequence[Job]], progress: Callable[[float], None]
) -> Iterator[Outcome]:
    """The outcome of each experiment from its trials."""
    for name, rows in calls.items():
        trials = []
        for call in rows:
            trials.append(call())
            progress(1.0)
        yield outcome(load_experiment(name), wanted[name], trials)


def outcome(experiment: Experiment, settings: dict[str, Any], trials: Sequence[tuple[Trial, float]]) -> Outcome:
    """What an experiment's trials come to; its seconds are those of all trials together, on one core."""
    return Outcome(experiment, settings, [t for t, _ in trials], sum(seconds for _, seconds in trials))
