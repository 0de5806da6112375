"""The engine of Ray: each part is a task on a cluster, or on a Ray of its own on this machine.

Tasks of plain Ray, not Ray Data: a part has a fixed size and its own seed, its result is small or is on disk already,
and the order is kept. Ray Data cuts blocks as it likes, moves the pixels through its object store, and needs pandas.
"""

from __future__ import annotations

import logging
import os
import socket
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from ..errors import InputError
from .base import KILLS, Engine, Outcome, Part, Result, Task, Tasks, limit_threads, lost, outcome_of, searched
from .processes import RECYCLED
from .transport import packed, packed_error, unpacked

SHOWN = 5  # machines in a message
ANSWER = 10.0  # seconds that a cluster has to answer
_held: tuple[str, Any] | None = None  # in a worker: the function, and by which name it was sent


class RayTasks(Engine):
    """Runs the parts as tasks of Ray. A worker that is killed is replaced by Ray, and its task repeated.

    It joins the cluster that `RAY_ADDRESS` names, or the Ray that this process has begun; else it starts one on this
    machine. On a cluster, all machines need the same synth2real, and the data and output at the same paths.

    Args:
        jobs: number of tasks at the same time.
        gpus: number of GPUs that each task asks for.
        threads: of torch in each task, which asks for as many CPUs. None: 1.

    Raises:
        InputError: Ray is not installed, the cluster does not answer, or no machine of it has so many CPUs or GPUs.
    """

    def __init__(self, jobs: int = 1, gpus: float = 0, threads: int | None = None) -> None:
        super().__init__(jobs, gpus, threads or 1)
        self._ray, self._begun = _connected(self.jobs * self.threads)
        self._check()
        self._work = self._ray.remote(
            num_cpus=self.threads, num_gpus=self.gpus, max_retries=KILLS - 1, max_calls=RECYCLED, name="synth2real"
        )(_work)
        self._function: Callable[[Any], Any] | None = None
        self._sent: tuple[str, Any] = ("", None)

    def _check(self) -> None:
        """Raise `InputError` if a task would wait for ever."""
        machines = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        if any(one.get("CPU", 0) >= self.threads and one.get("GPU", 0) >= self.gpus for one in machines):
            return
        found = "; ".join(f"{one.get('CPU', 0):g} CPUs, {one.get('GPU', 0):g} GPUs" for one in machines[:SHOWN])
        self.close()
        raise InputError(
            f"--engine ray: a part needs {self.threads} CPUs and {self.gpus:g} GPUs, but the machines of the cluster "
            f"have: {found}. Set OMP_NUM_THREADS to a smaller number, or take --device cpu"
        )

    def completed(
        self, function: Callable[[Part], Result], parts: Iterable[Part], ahead: int | None = None
    ) -> Iterator[tuple[int, Result]]:
        """See `Engine.completed`."""
        if function is not self._function:
            self._function = function
            self._sent = uuid.uuid4().hex, self._ray.put(self._ray.cloudpickle.dumps(function))
        tasks = Tasks(parts, ahead)
        running: dict[Any, Task[Part]] = {}
        try:
            while True:
                while len(running) < self.jobs and (task := tasks.begin()) is not None:
                    # In a list, so that a worker fetches the function once and not for each part.
                    running[self._work.remote(self._sent[0], [self._sent[1]], os.getcwd(), self.threads, task.part)] = (
                        task
                    )
                if not running:
                    return
                for done in self._ray.wait(list(running))[0]:
                    task = running.pop(done)
                    tasks.done(task)
                    yield task.number, self._outcome(done, task).unwrapped()
        finally:
            for left in running:
                self._ray.cancel(left, force=True)

    def _outcome(self, done: Any, task: Task[Any]) -> Outcome:
        try:
            outcome: Outcome = unpacked(self._ray.get(done))
        except self._ray.exceptions.RayError as error:
            raise lost(task.part, f"as Ray says: {str(error).partition(chr(10))[0]}") from None
        return outcome

    def close(self) -> None:
        """End the Ray that this engine has begun; a cluster goes on."""
        if self._begun:
            self._ray.shutdown()
        self._begun = False


def _connected(cpus: int) -> tuple[Any, bool]:
    """The module ray, connected, and whether this began it."""
    try:
        import ray
    except ImportError:
        raise InputError(
            "--engine ray needs Ray, which is not installed. Install it with: pip install 'synth2real[ray]'"
        ) from None
    if ray.is_initialized():
        return ray, False
    address = os.environ.get("RAY_ADDRESS")
    own: dict[str, Any] = {} if address else {"num_cpus": cpus, "include_dashboard": False}
    try:
        _check_answer(address)
        ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **own)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        place = f"the cluster at RAY_ADDRESS={address} does not answer" if address else "Ray does not start here"
        raise InputError(
            f"--engine ray: {place} ({str(error).partition(chr(10))[0]}). Check it with `ray status`, or take --engine "
            "processes"
        ) from None
    return ray, True


def _check_answer(address: str | None) -> None:
    """Raise an `OSError` if nothing listens at an address `host:port`: Ray itself would try for minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=ANSWER).close()


def _work(name: str, sent: list[Any], folder: str, threads: int, part: Any) -> bytes:
    """One part, in a worker of Ray."""
    import ray

    global _held
    with suppress(OSError):  # on another machine the folder may be missing; then a path of a message says so
        os.chdir(folder)
    try:
        if _held is None or _held[0] != name:
            with searched(folder):
                _held = name, unpacked(ray.get(sent[0]))
        limit_threads(threads)
        return packed(outcome_of(_held[1], part))
    except Exception as error:  # the function, or what it returns, cannot travel
        return packed(Outcome(None, packed_error(error)))
