"""The study: trials in a database, so that a search that was killed goes on, and several workers share one.

All that a trial needs is in the database or follows from the seed: a search that is resumed finds what an unbroken one
would have found. With several workers the order of their trials decides, too.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna

from ..errors import InputError
from .ranges import REACH, WIDEST, Space

if TYPE_CHECKING:
    from optuna.study import Study as OptunaStudy

NAME = "calibrate"
WAIT = 0.2  # seconds between two looks at what other workers have left to do
PATIENCE = 30.0  # seconds that a worker has to put its name to a trial that it began
LOCKED = 60  # seconds that a write to SQLite waits for those of other workers
OPENINGS = 5  # a new database is made by several workers at once, of which all but one fail, and look again


class Given(optuna.samplers.BaseSampler):
    """Proposes one point."""

    def __init__(self, point: dict[str, float]) -> None:
        self.point = point

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
        return {}

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        return {}

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> float:
        return self.point[param_name]


class Everywhere(optuna.samplers.CmaEsSampler):
    """CMA-ES over one and the same space, in whatever study."""

    space: dict[str, optuna.distributions.BaseDistribution]

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
        return self.space


class Study:
    """Trials of points in a space.

    Args:
        space: what is searched.
        storage: URL of a database, or the file of an SQLite one; None for memory.
        resume: go on with, or join, the study that the storage holds.
        made_by: what the result follows from, as plain data; a study that is resumed was begun with the same.

    Raises:
        InputError: the storage cannot be opened, or holds a study that is not to be resumed, or another one.
    """

    def __init__(self, space: Space, storage: str | None, resume: bool, made_by: dict[str, Any]) -> None:
        self.space, self.where = space, storage
        self._cma: Any = None
        self.worker = f"{socket.gethostname()}:{os.getpid()}"
        self._nameless: dict[int, float] = {}  # since when this worker has seen a trial without the name of another
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            self.study: OptunaStudy = _opened(storage, resume)
        except optuna.exceptions.DuplicatedStudyError:
            raise InputError(
                f"{storage}: holds a study already, expected a new storage. Pass --resume to go on with it, "
                "or --overwrite, or choose another --storage"
            ) from None
        except ImportError as error:
            raise InputError(f"--storage '{storage}' needs a driver: {error}. Install it, or give a file") from None
        except Exception as error:
            if type(error).__module__.partition(".")[0] not in ("sqlalchemy", "optuna"):
                raise
            first = str(error).splitlines()[0]
            raise InputError(
                f"--storage '{storage}': cannot be opened ({first}), expected the URL of a database or a file"
            ) from None
        self._check(json.loads(json.dumps(made_by)))

    def _check(self, made_by: dict[str, Any]) -> None:
        before = self.study.user_attrs.get("made_by")
        if before is None:
            self.study.set_user_attr("made_by", made_by)
            return
        for key, value in made_by.items():
            if before.get(key) != value:
                raise InputError(
                    f"{self.where}: the study was begun with {key} {before.get(key)}, but --resume found {value}. "
                    "Give the same arguments, or choose another --storage"
                )

    @property
    def done(self) -> list[optuna.trial.FrozenTrial]:
        """Complete trials by number."""
        return self.study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))

    def _running(self) -> list[optuna.trial.FrozenTrial]:
        return self.study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,))

    def _orphan(self, running: Sequence[optuna.trial.FrozenTrial]) -> optuna.trial.FrozenTrial | None:
        """A trial whose worker, on this machine, is no more."""
        for trial in running:
            host, _, process = trial.user_attrs.get("worker", "").rpartition(":")
            if not host:  # its worker is about to put its name to it, or was killed before it could
                since = self._nameless.setdefault(trial.number, time.monotonic())
                gone = time.monotonic() - since > PATIENCE
            else:
                mine = f"{host}:{process}" == self.worker
                gone = mine or (host == socket.gethostname() and not _lives(int(process)))
            if gone:
                return trial
        return None

    def cma(self, seed: int) -> Any:
        """CMA-ES over all trials but the first, which is given; always the same one.

        Its random numbers are no part of the database: where a study goes on, its trials are asked for once more, in
        memory, and told what they were found to be.
        """
        if self._cma is None:
            self._cma = Everywhere(seed=seed, n_startup_trials=1, warn_independent_sampling=False)
            self._cma.space = {
                key: optuna.distributions.FloatDistribution(*self._bounds(key)) for key in sorted(self.space.start())
            }
            if len(self.done) > 1:
                replayed = optuna.create_study()
                for number, trial in enumerate(self.done):
                    replayed.sampler = self._cma if number else Given(trial.params)
                    again = replayed.ask()
                    self._suggest(again)
                    replayed.tell(again, trial.value)
        return self._cma

    def trials(
        self, until: int, sampler: Callable[[int], Any], one_by_one: bool = False
    ) -> Iterator[tuple[int, dict[str, float], Any]]:
        """Points to try, until that many trials are complete: number, point, and a function that takes the value.

        The function takes the value and, as keywords, what is to be kept beside it.

        Args:
            one_by_one: each follows from the one before, so that no worker begins while another one is at it.
        """
        while (count := len(self.done)) < until:
            running = self._running()
            orphan = self._orphan(running)
            most = count + 1 if one_by_one else until
            if orphan is None and (count + len(running) >= most or any("worker" not in t.user_attrs for t in running)):
                time.sleep(WAIT)  # another worker is at the last ones, or at a beginning
                continue
            self.study.sampler = sampler(count)
            trial = self.study.ask() if orphan is None else optuna.trial.Trial(self.study, orphan._trial_id)
            # An orphan has its point already; it is proposed again, so that the sampler's random numbers stay in step.
            assert trial.relative_params is not None
            trial.set_user_attr("worker", self.worker)
            if self._ahead(trial) >= most:  # another worker has begun the last one at the same moment
                self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
                continue
            yield count, self._suggest(trial), self._teller(trial)

    def _ahead(self, trial: optuna.Trial) -> int:
        """Trials that are complete, or were begun before this one and run."""
        return len(self.done) + sum(other.number < trial.number for other in self._running())

    def _suggest(self, trial: optuna.Trial) -> dict[str, float]:
        return {key: trial.suggest_float(key, *self._bounds(key)) for key in self.space.start()}

    def _bounds(self, key: str) -> tuple[float, float]:
        return (-REACH, REACH) if key.endswith(".centre") else (self.space.narrowest, WIDEST)

    def _teller(self, trial: optuna.Trial) -> Callable[..., None]:
        def tell(value: float, **beside: Any) -> None:
            try:
                for key, kept in beside.items():
                    trial.set_user_attr(key, kept)
                self.study.tell(trial, value)
            except optuna.exceptions.UpdateFinishedTrialError:
                return  # another worker took over the same orphan, and found the same

        return tell


def _opened(storage: str | None, resume: bool) -> OptunaStudy:
    """The study of that storage, new, or as it is where it is to be resumed."""
    if storage is None:
        return optuna.create_study(study_name=NAME)
    url = storage if "://" in storage else f"sqlite:///{Path(storage).absolute()}"
    waits = {"connect_args": {"timeout": LOCKED}} if url.startswith("sqlite") else {}
    for left in reversed(range(OPENINGS)):
        try:
            database = optuna.storages.RDBStorage(url, engine_kwargs=waits)
            return optuna.create_study(storage=database, study_name=NAME, load_if_exists=resume)
        except Exception as error:
            if not left or type(error).__name__ not in ("IntegrityError", "OperationalError"):
                raise
            time.sleep(WAIT)
    raise AssertionError("the last opening returns or raises")


def _lives(process: int) -> bool:
    """Whether a process of this machine runs; where that cannot be asked without harm, it is taken to."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def mean_of_best(trials: Sequence[optuna.trial.FrozenTrial]) -> dict[str, float]:
    """The mean of the best tenth of the trials: one trial's distance is noisy, and so is its place."""
    ranked = sorted(trials, key=lambda trial: float(trial.value or 0.0))
    best = ranked[: max(1, len(ranked) // 10)]
    return {key: sum(float(trial.params[key]) for trial in best) / len(best) for key in best[0].params}
