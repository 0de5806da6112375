"""Workers: trainings one after another, or several at once in processes of their own."""

from __future__ import annotations

import multiprocessing
import os
import threading
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
_here: tuple[Evaluation, TrialStore] | None = None  # of a worker process


class Workers:
    """Takes pieces to trials. With a store, what is finished is written there, and read in place of a second training.

    Args:
        bench: runs a piece.
        store: of finished trials; needed for more than one job.
        jobs: processes at once; each gets its share of the threads.

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
        """The trial of each piece, in order, or how its training diverged."""
        if self.jobs > 1:
            self._run_at_once(trainings, on_route)
        made = []
        for training in trainings:
            if self.store is not None and self.store.has(training):
                made.append(self.store.read(training, self.evaluation))
                continue
            if on_route is not None:
                on_route(training.name, training.seed)
            made.append(_made(self.evaluation, self.store, training, on_report))
        return made

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
        futures: dict[Future[None], TrainingJob] = {}
        for training in missing:
            assert self._pool is not None
            futures[self._pool.submit(_work, training)] = training
        for done in as_completed(futures):
            done.result()
            if on_route is not None:
                on_route(futures[done].name, futures[done].seed)

    @contextmanager
    def as_in_workers(self) -> Iterator[None]:
        """As many threads as a worker has, to measure speed by."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        yield
        torch.set_num_threads(before)


def _made(
    evaluation: Evaluation, store: TrialStore | None, training: TrainingJob, on_report: OnReport | None
) -> Trial | TrainingDiverged:
    try:
        made: Trial | TrainingDiverged = evaluation.run(training, on_report)
    except TrainingDiverged as error:
        made = error
    if store is not None:
        store.write(training, made)
    return made


def _begin(evaluation: Evaluation, store: TrialStore, threads: int) -> None:
    global _here
    torch.set_num_threads(threads)
    _here = evaluation, store
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that was killed cannot stop its workers: they must not go on unseen."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _work(training: TrainingJob) -> None:
    assert _here is not None
    evaluation, store = _here
    _made(evaluation, store, training, None)
