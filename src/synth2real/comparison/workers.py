"""Workers: run trainings one after another, or several at the same time in separate processes."""

from __future__ import annotations

import multiprocessing
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import Any, Self

import torch

from ..errors import InputError, TrainingDiverged
from ..route.route import OnReport
from .evaluation import Evaluation, TrainingJob, Trial
from .trials import TrialStore

OnRoute = Callable[[str, int], None]
_here: tuple[Evaluation, TrialStore] | None = None  # set in each worker process


class Workers:
    """Runs trainings. With a store, finished trials are written there; a stored trial is read, not trained again.

    Args:
        evaluation: runs and measures one training.
        store: of finished trials; required for more than one job.
        jobs: number of processes; the threads are divided equally among them.

    Raises:
        InputError: `jobs` is below 1.
    """

    def __init__(self, evaluation: Evaluation, store: TrialStore | None, jobs: int) -> None:
        if jobs < 1:
            raise InputError(f"jobs is {jobs}, expected 1 or more processes")
        self.evaluation, self.store, self.jobs = evaluation, store, jobs
        self.threads = max(1, torch.get_num_threads() // jobs)
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=error[0] is None, cancel_futures=True)

    def run(
        self, trainings: Sequence[TrainingJob], on_route: OnRoute | None, on_report: OnReport | None
    ) -> list[Trial | TrainingDiverged]:
        """For each training, in order: its trial, or the error if it diverged."""
        if self.jobs > 1:
            self._run_at_once(trainings, on_route)
        trials = []
        for training in trainings:
            if self.store is not None and self.store.has(training):
                trials.append(self.store.read(training, self.evaluation))
                continue
            if on_route is not None:
                on_route(training.name, training.seed)
            trials.append(_trial(self.evaluation, self.store, training, on_report))
        return trials

    def _run_at_once(self, trainings: Sequence[TrainingJob], on_route: OnRoute | None) -> None:
        assert self.store is not None
        missing = [training for training in trainings if not self.store.has(training)]
        if missing and self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.jobs,
                mp_context=multiprocessing.get_context("spawn"),  # a fork of a process with threads may hang
                initializer=_begin,
                initargs=(self.evaluation, self.store, self.threads),
            )
        futures: dict[Future[list[str]], TrainingJob] = {}
        for training in missing:
            assert self._pool is not None
            futures[self._pool.submit(_work, training)] = training
        for done in as_completed(futures):
            for message in done.result():
                warnings.warn(message, stacklevel=2)
            if on_route is not None:
                on_route(futures[done].name, futures[done].seed)

    @contextmanager
    def as_in_workers(self) -> Iterator[None]:
        """Set the number of threads of a worker process, to measure speed."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        yield
        torch.set_num_threads(before)


def _trial(
    evaluation: Evaluation, store: TrialStore | None, training: TrainingJob, on_report: OnReport | None
) -> Trial | TrainingDiverged:
    try:
        trial: Trial | TrainingDiverged = evaluation.run(training, on_report)
    except TrainingDiverged as error:
        trial = error
    if store is not None:
        store.write(training, trial)
    return trial


def _begin(evaluation: Evaluation, store: TrialStore, threads: int) -> None:
    global _here
    torch.set_num_threads(threads)
    _here = evaluation, store
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this worker when its parent ends: a parent that was killed cannot stop its workers."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _work(training: TrainingJob) -> list[str]:
    """Train and store. Returns the warnings, which the parent process shows as its own."""
    assert _here is not None
    evaluation, store = _here
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default", UserWarning)
        _trial(evaluation, store, training, None)
    return [str(one.message) for one in caught if issubclass(one.category, UserWarning)]
