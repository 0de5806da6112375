"""The pool of processes: order, bits, errors; workers that are killed, recycled, or end with their parent."""

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from engines.struck import Squared, Struck, end, fail_oddly, refuse, torch_threads, unpicklable
from processes import is_running
from synth2real.engines import engine
from synth2real.engines.processes import Processes
from synth2real.errors import InputError

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])}


@pytest.fixture(scope="module")
def pool():
    with Processes(2) as made:
        yield made


def test_results_come_in_the_order_of_the_parts_whoever_is_first(pool: Processes) -> None:
    found = list(pool.map(Squared(slow=0.05), range(9)))
    assert [square for square, _ in found] == [i * i for i in range(9)]
    workers = {process for _, process in found}
    assert len(workers) == 2
    assert os.getpid() not in workers


def test_no_part_runs_far_ahead_of_the_first_unfinished_one(pool: Processes) -> None:
    taken = []

    def parts():
        for i in range(40):
            taken.append(i)
            yield i

    results = pool.map(Squared(), parts())
    next(results)
    assert len(taken) <= 12
    results.close()


def test_the_same_workers_serve_several_rounds_and_functions(pool: Processes) -> None:
    work = Squared()
    rounds = [{process for _, process in pool.map(function, range(6))} for function in (work, work, Squared())]
    assert len(set.union(*rounds)) == 2


def test_errors_and_warnings_arrive_as_they_were_raised(pool: Processes) -> None:
    with pytest.warns(UserWarning, match="about 2"):
        assert list(pool.map(refuse, [2])) == [2]
    with pytest.warns(UserWarning, match="about"), pytest.raises(InputError, match=r"^3 is refused$"):
        list(pool.map(refuse, range(9)))


def test_errors_and_results_that_cannot_travel_are_told(pool: Processes) -> None:
    with pytest.raises(RuntimeError, match="odd 1 1"):
        list(pool.map(fail_oddly, [1]))
    with pytest.raises((AttributeError, pickle.PicklingError), match="lambda"):
        list(pool.map(unpicklable, [1]))


def test_killed_workers_are_replaced_and_no_part_is_lost_or_doubled(pool: Processes, tmp_path: Path) -> None:
    for late in (False, True):
        marks = tmp_path / str(late)
        marks.mkdir()
        found = list(Struck(pool, marks, late).map(Squared(slow=0.02), range(12)))
        assert [square for square, _ in found] == [i * i for i in range(12)]
        assert (marks / "struck").exists()
        assert len(list(marks.iterdir())) == 13


def test_a_worker_that_is_killed_while_it_waits_is_replaced(pool: Processes) -> None:
    work = Squared()
    found = list(pool.map(work, range(4)))
    os.kill(found[0][1], signal.SIGKILL)
    assert [square for square, _ in pool.map(work, range(4))] == [0, 1, 4, 9]


def test_a_part_that_kills_its_workers_is_named(pool: Processes) -> None:
    message = r"^7: the process that worked on it was killed 3 times \(the last by SIGKILL\), .* fewer --jobs"
    with pytest.raises(InputError, match=message):
        list(pool.map(end, [7]))


def test_workers_are_recycled() -> None:
    with Processes(1, recycled=2) as pool:
        processes = [process for _, process in pool.map(Squared(), range(5))]
    assert len(set(processes)) == 3
    assert processes[0] == processes[1] != processes[2]


def test_workers_whose_memory_grows_are_recycled(pool: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    work = Squared()
    with Processes(1) as pool:
        first = next(iter(pool.map(work, [1])))[1]
        worker = pool._workers[0]
        assert worker is not None
        assert worker.memory > 2**20
        worker.first -= 10 * pool.growth
        same, new = (process for _, process in pool.map(work, [1, 2]))
    assert first == same != new


def test_the_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import time\nfrom engines.struck import Squared\nfrom synth2real.engines.processes import Processes\n"
        "if __name__ == '__main__':\n"
        "    with Processes(1) as pool:\n"
        "        print(next(iter(pool.map(Squared(), [1])))[1], flush=True)\n"
        "        time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, env=ENVIRONMENT)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for _ in range(200):
        if not is_running(worker):
            return
        time.sleep(0.05)
    raise AssertionError("the worker still runs")


def test_a_script_without_the_main_guard_is_told_so(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from engines.struck import Squared\nfrom synth2real.engines.processes import Processes\n"
        "print(list(Processes(1).map(Squared(), [1])))\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=ENVIRONMENT)
    assert "if __name__ == '__main__':" in done.stderr.splitlines()[-1]


def test_more_jobs_share_the_threads_and_none_is_refused() -> None:
    assert Processes(10**6).threads == 1
    assert Processes(1).threads == torch.get_num_threads()
    with pytest.raises(InputError, match="jobs is 0, expected 1 or more processes"):
        engine("processes", 0)
    with pytest.raises(InputError, match="--engine 'dask' is unknown, expected one of: processes, ray"):
        engine("dask", 2)


def test_each_worker_has_a_gpu_of_its_own_where_there_are_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    key = "CUDA_VISIBLE_DEVICES"
    assert [Processes(4, gpus=1)._environment(place)[key] for place in range(4)] == ["0", "1", "2", "0"]
    assert key not in Processes(4)._environment(0)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,6,7")
    assert [Processes(3, gpus=1)._environment(place)[key] for place in range(3)] == ["5", "6", "7"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert key not in Processes(4, gpus=1)._environment(1)


def test_a_worker_computes_with_its_share_of_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    with Processes(2) as pool:
        assert pool.threads == 2
        assert list(pool.map(torch_threads, [0])) == [min(2, os.cpu_count() or 1)]
