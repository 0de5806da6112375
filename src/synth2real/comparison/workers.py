"""Workers: run trainings one after another, or several at the same time on an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from ..engines import Engine, Here
from ..errors import TrainingDiverged
from ..route.route import OnReport
from .evaluation import Evaluation, TrainingJob, Trial
from .trials import TrialStore

OnRoute = Callable[[str, int], None]


class Workers:
    """Runs trainings. With a store, finished trials are written there; a stored trial is read, not trained again.

    Args:
        evaluation: runs and measures one training.
        store: of finished trials; required if the engine has workers.
        engine: runs the trainings.
    """

    def __init__(self, evaluation: Evaluation, store: TrialStore | None, engine: Engine) -> None:
        self.evaluation, self.store, self.engine = evaluation, store, engine
        self.jobs = engine.jobs
        # One object for all rounds, because the engine sends it to each worker once.
        self._trained = None if store is None else StoredTraining(evaluation, store)

    def run(
        self, trainings: Sequence[TrainingJob], on_route: OnRoute | None, on_report: OnReport | None
    ) -> list[Trial | TrainingDiverged]:
        """For each training, in order: its trial, or the error if it diverged."""
        if not isinstance(self.engine, Here):
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
        assert self._trained is not None
        missing = [training for training in trainings if not self.store.has(training)]
        for number, _ in self.engine.completed(self._trained, missing):
            if on_route is not None:
                on_route(missing[number].name, missing[number].seed)

    @contextmanager
    def as_in_workers(self) -> Iterator[None]:
        """Set the number of threads of a worker process, to measure speed."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.engine.threads)
        yield
        torch.set_num_threads(before)


@dataclass(frozen=True)
class StoredTraining:
    """Trains and stores, in any process; a training that is stored already is not repeated."""

    evaluation: Evaluation
    store: TrialStore

    def __call__(self, training: TrainingJob) -> None:
        if not self.store.has(training):
            _trial(self.evaluation, self.store, training, None)


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
