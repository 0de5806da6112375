"""The study stores trials in a database. A search can be resumed after a crash, and several workers can share it.

All inputs of a trial are in the database or depend on the seed. A resumed search therefore has the same result as an
uninterrupted one. With several workers, the result also depends on the order of their trials.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna

from ..errors import InputError, WriteError
from .ranges import REACH, WIDEST, Space

if TYPE_CHECKING:
    from optuna.study import Study as OptunaStudy

NAME = "calibrate"
WAIT = 0.2  # seconds between two checks for free trials
BEAT, EVERY = "beat", 5.0  # sign of life of a running trial, an attribute that is counted up; seconds between two
PATIENCE = 30.0  # seconds without a new sign of life after which a trial counts as abandoned
FULL = "no space left on device"
LOCKED = 60  # seconds that a write to SQLite waits for the writes of other workers
OPENINGS = 5  # attempts to open a database; if several workers create it at once, all but one fail and try again


class FixedPointSampler(optuna.samplers.BaseSampler):
    """A sampler that always proposes the same point."""

    def __init__(self, point: dict[str, float]) -> None:
        self.point = point

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
        return {}

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        return {}

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> float:
        return self.point[param_name]


class FixedSpaceCmaEs(optuna.samplers.CmaEsSampler):
    """CMA-ES with a fixed search space, in every study."""

    space: dict[str, optuna.distributions.BaseDistribution]

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
        return self.space


class Study:
    """Trials of points in a space.

    Args:
        space: the search space.
        storage: URL of a database, or an SQLite file; None for memory.
        resume: resume or join the study in the storage.
        made_by: all inputs that determine the result, as plain data. A study can only be resumed with the same inputs.

    Raises:
        InputError: the storage cannot be opened, or it contains a study and `resume` is false, or it contains a study
            with other inputs.
        WriteError: here or later, the storage cannot be written, for example because the disk is full.
    """

    def __init__(self, space: Space, storage: str | None, resume: bool, made_by: dict[str, Any]) -> None:
        self.space, self.where = space, storage
        self._cma: Any = None
        self.worker = f"{socket.gethostname()}:{os.getpid()}"
        self._seen: dict[int, tuple[int | None, float]] = {}  # of running trials: the last beat, and when it was new
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            self.study: OptunaStudy = _opened(storage, resume)
        except optuna.exceptions.DuplicatedStudyError:
            raise InputError(
                f"{storage}: contains a study already, expected a new storage. Pass --resume to continue it, "
                "or --overwrite, or choose another --storage"
            ) from None
        except ImportError as error:
            raise InputError(
                f"--storage '{storage}' needs a database driver that cannot be imported ({error}). Install the driver, "
                "or use a file"
            ) from None
        except Exception as error:
            if not _is_of_database(error):
                raise
            if _reason(error) == FULL:
                raise self._unwritable(error) from None
            raise InputError(
                f"--storage '{storage}': cannot be opened ({_reason(error)}), expected the URL of a database or a "
                "file. If the file is damaged, begin anew with --overwrite"
            ) from None
        with self._stored():
            self._check(json.loads(json.dumps(made_by)))

    @contextmanager
    def _stored(self) -> Iterator[None]:
        """Turns an error of the database into a `WriteError`."""
        try:
            yield
        except Exception as error:
            if not _is_of_database(error) or isinstance(error, optuna.exceptions.UpdateFinishedTrialError):
                raise
            raise self._unwritable(error) from None

    def _unwritable(self, error: Exception) -> WriteError:
        return WriteError(
            f"{self.where}: the study cannot be written: {_reason(error)}. Free space on the disk, and check that it "
            "is mounted; then the same command, with --resume if the study exists, goes on after the last trial"
        )

    def _check(self, made_by: dict[str, Any]) -> None:
        before = self.study.user_attrs.get("made_by")
        if before is None:
            self.study.set_user_attr("made_by", made_by)
            return
        for key, value in made_by.items():
            if before.get(key) != value:
                raise InputError(
                    f"{self.where}: the study was started with {key} {before.get(key)}, but --resume found {value}. "
                    "Use the same arguments, or choose another --storage"
                )

    @property
    def done(self) -> list[optuna.trial.FrozenTrial]:
        """Complete trials, ordered by number."""
        with self._stored():
            return self.study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))

    def _running(self) -> list[optuna.trial.FrozenTrial]:
        with self._stored():
            return self.study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,))

    def _orphan(self, running: Sequence[optuna.trial.FrozenTrial]) -> optuna.trial.FrozenTrial | None:
        """An abandoned trial: its worker ran on this machine and has ended, or gives no sign of life any more."""
        for trial in running:
            host, _, process = trial.user_attrs.get("worker", "").rpartition(":")
            mine = f"{host}:{process}" == self.worker
            if mine or (host == socket.gethostname() and not _is_alive(int(process))) or self._is_silent(trial):
                return trial
        return None

    def _is_silent(self, trial: optuna.trial.FrozenTrial) -> bool:
        """Whether the worker of a trial, on any machine, has given no new sign of life for long.

        Only the clock of this process is read, because those of several machines differ.
        """
        beat, now = trial.user_attrs.get(BEAT), time.monotonic()
        last, since = self._seen.get(trial.number, (None, now))
        if trial.number not in self._seen or beat != last:
            self._seen[trial.number] = beat, now
            return False
        return now - since > PATIENCE

    @contextmanager
    def _beating(self, trial: optuna.Trial) -> Iterator[None]:
        """Give signs of life of a trial while the context lasts."""
        if self.where is None:
            yield
            return
        ended = threading.Event()

        def beat() -> None:
            count = 0
            while not ended.wait(EVERY):
                count += 1
                with suppress(Exception):  # what is wrong with the database, the search itself will notice
                    trial.set_user_attr(BEAT, count)

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def cma(self, seed: int) -> Any:
        """The CMA-ES sampler of this study. The first trial does not come from it, but has a fixed point.

        The database does not store its random state. When a study is resumed, the sampler replays all trials in memory,
        with their known values.
        """
        if self._cma is None:
            self._cma = FixedSpaceCmaEs(seed=seed, n_startup_trials=1, warn_independent_sampling=False)
            self._cma.space = {
                key: optuna.distributions.FloatDistribution(*self._bounds(key)) for key in sorted(self.space.start())
            }
            if len(self.done) > 1:
                replayed = optuna.create_study()
                for number, trial in enumerate(self.done):
                    replayed.sampler = self._cma if number else FixedPointSampler(trial.params)
                    again = replayed.ask()
                    self._suggest(again)
                    replayed.tell(again, trial.value)
        return self._cma

    def trials(
        self, until: int, sampler: Callable[[int], Any], one_by_one: bool = False
    ) -> Iterator[tuple[int, dict[str, float], Any]]:
        """Yield points until `until` trials are complete: number, point, and a function that stores the value.

        This function takes the value. Keywords are stored with it as attributes of the trial.

        Args:
            until: number of complete trials at which to stop.
            sampler: returns the Optuna sampler of the trial with the given number.
            one_by_one: each trial depends on the one before. A worker waits while another worker runs a trial.
        """
        while (count := len(self.done)) < until:
            running = self._running()
            orphan = self._orphan(running)
            most = count + 1 if one_by_one else until
            if orphan is None and (count + len(running) >= most or any("worker" not in t.user_attrs for t in running)):
                time.sleep(WAIT)  # other workers run the last trials, or a trial has no worker name yet
                continue
            self.study.sampler = sampler(count)
            with self._stored():
                trial = self.study.ask() if orphan is None else optuna.trial.Trial(self.study, orphan._trial_id)
                # An orphan already has a point. Proposing it again keeps the random state of the sampler in step.
                assert trial.relative_params is not None
                trial.set_user_attr("worker", self.worker)
                if self._ahead(trial) >= most:  # another worker started the last trial at the same time
                    self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
                    continue
                point = self._suggest(trial)
            with self._beating(trial):
                yield count, point, self._teller(trial)

    def _ahead(self, trial: optuna.Trial) -> int:
        """Number of trials that are complete, or were started before this one and are running."""
        return len(self.done) + sum(other.number < trial.number for other in self._running())

    def _suggest(self, trial: optuna.Trial) -> dict[str, float]:
        return {key: trial.suggest_float(key, *self._bounds(key)) for key in self.space.start()}

    def _bounds(self, key: str) -> tuple[float, float]:
        return (-REACH, REACH) if key.endswith(".centre") else (self.space.narrowest, WIDEST)

    def _teller(self, trial: optuna.Trial) -> Callable[..., None]:
        def tell(value: float, **beside: Any) -> None:
            # An error means that another worker took over the same orphan and found the same value.
            with self._stored(), suppress(optuna.exceptions.UpdateFinishedTrialError):
                for key, kept in beside.items():
                    trial.set_user_attr(key, kept)
                self.study.tell(trial, value)

        return tell


def _is_of_database(error: Exception) -> bool:
    return type(error).__module__.partition(".")[0] in ("sqlalchemy", "optuna")


def _reason(error: BaseException) -> str:
    """The first line of an error of the database; of the error behind it, which says more, if there is one."""
    first = str(error.__cause__ or error).partition("\n")[0]
    return FULL if "disk is full" in first else first


def _opened(storage: str | None, resume: bool) -> OptunaStudy:
    """Create the study in the storage, or open it if `resume` is true. A new file that cannot be filled is removed."""
    if storage is None:
        return optuna.create_study(study_name=NAME)
    file = Path(storage)
    new = "://" not in storage and not file.exists()
    try:
        return _connected(storage, resume)
    except Exception as error:
        if new and not resume and not isinstance(error, optuna.exceptions.DuplicatedStudyError):
            for path in (file, file.with_name(f"{file.name}-journal")):
                path.unlink(missing_ok=True)
        raise


def _connected(storage: str, resume: bool) -> OptunaStudy:
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


def _is_alive(process: int) -> bool:
    """Whether a process on this machine is running. True on systems where a check could end the process."""
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
    """Mean point of the best tenth of the trials. A single trial is noisy in its distance and its point."""
    ranked = sorted(trials, key=lambda trial: float(trial.value or 0.0))
    best = ranked[: max(1, len(ranked) // 10)]
    return {key: sum(float(trial.params[key]) for trial in best) / len(best) for key in best[0].params}
