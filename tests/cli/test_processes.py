"""Commands on several processes: what runs on several, what the other processes say, and what a lost one leaves."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers import below, refused
from processes import children, environment, free_port, is_running
from synth2real.cli import processes
from synth2real.route.silent_folder import SilentFolder


@pytest.fixture(scope="module")
def features(tmp_path_factory: Any) -> Path:
    """A source and a target of three classes of features, far apart."""
    folder, random = tmp_path_factory.mktemp("features"), np.random.default_rng(0)
    labels = np.arange(120) % 3
    values = 4 * np.eye(3, 8)[labels] + random.normal(0, 0.3, (120, 8))
    np.savez(folder / "source.npz", features=values.astype("float32"), labels=labels)
    np.savez(folder / "target.npz", features=(values + 0.2).astype("float32"))
    return folder


@pytest.fixture
def on_two(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes this process one of two."""

    def become(rank: int) -> None:
        for name, value in environment(rank, 2, free_port()).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("TORCH_CPP_LOG_LEVEL", "ERROR")
        for stream in ("stdout", "stderr"):  # which the others than the first replace
            monkeypatch.setattr(sys, stream, getattr(sys, stream))

    return become


def training(features: Path, out: Path, *more: str) -> list[str]:
    given = [str(features / "source.npz"), "--target", str(features / "target.npz"), "--out", str(out)]
    return ["-m", "synth2real", "train", *given, "--adapt", "dann", "--set", "adapt.optimize=sgd", *more]


def started(arguments: list[str], rank: int, port: int) -> subprocess.Popen[str]:
    own = {**os.environ, **environment(rank, 2, port)}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, *arguments], env=own, stdout=pipe, stderr=pipe, text=True)


def test_a_command_that_does_not_train_refuses_several_processes(synth2real: Any, on_two: Any, tmp_path: Path) -> None:
    on_two(0)
    result = synth2real("predict", "run", "photos", "--out", tmp_path / "out.csv")
    refused(result, "predict was started on 2 processes (WORLD_SIZE), expected one: only train, adapt, refine")


def test_compare_names_its_own_way_to_several_processes(synth2real: Any, on_two: Any, tmp_path: Path) -> None:
    on_two(0)
    refused(
        synth2real("compare", "a", "--target", "b", "--out", tmp_path / "out"), "Its option --jobs starts processes"
    )


def test_the_others_than_the_first_do_not_repeat_an_error_in_the_options(on_two: Any, synth2real: Any) -> None:
    on_two(1)
    assert synth2real("train", "--no-such-option") == (2, "", "")


def test_a_dry_run_is_made_by_the_first_process_alone(synth2real: Any, on_two: Any, tmp_path: Path) -> None:
    on_two(1)
    assert synth2real("train", "a", "--target", "b", "--out", tmp_path / "out", "--dry-run") == (0, "", "")


@pytest.mark.parametrize("variables", [{}, {"WORLD_SIZE": "1", "RANK": "0"}, {"WORLD_SIZE": "2"}])
def test_one_process_is_alone(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    """A WORLD_SIZE without a RANK is not of torchrun."""
    for name in ("WORLD_SIZE", "RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert processes.count() == 1
    assert processes.first()


def test_a_silent_folder_writes_nothing(tmp_path: Path) -> None:
    folder: Any = SilentFolder(tmp_path / "run", {})
    folder.log("a line")
    folder.report("train", 1, 2, {"label": 1.0})
    for method in ("checkpoint", "restore", "keep", "keep_refiner", "corrected", "finish", "diverged"):
        getattr(folder, method)(None)
    assert folder.kept == 0
    assert below(tmp_path) == []


def losses(run: Path) -> list[float]:
    return [json.loads(line)["label"] for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_torchrun_trains_the_model_of_one_process(features: Path, tmp_path: Path, synth2real: Any) -> None:
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(free_port())]
    more = ("--steps", "60", "--json")
    made = subprocess.run(
        [sys.executable, *launch, *training(features, tmp_path / "two", *more)], capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    assert made.stdout.count("\n") == 1, "one process speaks"
    assert made.stderr.count("on 2 processes") == 1
    assert synth2real(*training(features, tmp_path / "one", *more)[2:])[0] == 0
    assert below(tmp_path / "two") == below(tmp_path / "one")
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=0.05, abs=0.01)  # some have bfloat16
    for name in ("one", "two"):
        assert (
            synth2real("predict", tmp_path / name, features / "target.npz", "--out", tmp_path / f"{name}.csv")[0] == 0
        )
    first, second = ((tmp_path / f"{name}.csv").read_text().splitlines() for name in ("one", "two"))
    assert [line.split(",")[:2] for line in first] == [line.split(",")[:2] for line in second]


def accelerated(arguments: list[str], *options: str) -> subprocess.Popen[str]:
    launch = ["-m", "accelerate.commands.launch", *options, "--num_processes", "2", "--main_process_port"]
    command = [sys.executable, *launch, str(free_port()), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_accelerate_trains_the_model_of_torchrun_to_the_bit(features: Path, tmp_path: Path) -> None:
    needs_accelerate()
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(free_port())]
    training_of = {name: training(features, tmp_path / name, "--steps", "40") for name in ("torchrun", "accelerate")}
    subprocess.run([sys.executable, *launch, *training_of["torchrun"]], check=True, capture_output=True)
    made = accelerated(training_of["accelerate"], "--multi_gpu")
    said = made.communicate(timeout=120)[1]
    assert made.returncode == 0, said
    assert said.count("on 2 processes") == 1
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in training_of]
    assert weights[0] == weights[1]


@pytest.mark.slow
def test_accelerate_that_starts_one_process_is_named(features: Path, tmp_path: Path) -> None:
    needs_accelerate()
    made = accelerated(training(features, tmp_path / "run", "--steps", "2"), "--cpu")
    said = made.communicate(timeout=120)[1]
    assert made.returncode == 0, said
    assert "warning: accelerate launch was asked for several processes and has started one" in said


@pytest.mark.slow
@pytest.mark.parametrize("doomed", [0, 1])
def test_a_process_of_accelerate_that_is_killed_ends_the_other(features: Path, tmp_path: Path, doomed: int) -> None:
    needs_accelerate()
    out = tmp_path / "run"
    launcher = accelerated(training(features, out, "--steps", "100000"), "--multi_gpu")
    assert waited(lambda: (out / "checkpoint.safetensors").is_file())
    both = {rank: pid for pid in children(launcher.pid) for rank in ranks_of(pid)}
    os.kill(both[doomed], signal.SIGKILL)
    said = launcher.communicate(timeout=60)[1]
    assert launcher.returncode != 0
    assert f"rank      : {doomed} (local_rank: {doomed})" in said.partition("Root Cause")[2]
    assert waited(lambda: not any(map(is_running, both.values())))
    assert (out / "checkpoint.safetensors").is_file()


def needs_accelerate() -> None:
    if importlib.util.find_spec("accelerate") is None:
        pytest.skip("needs the package accelerate")


def ranks_of(pid: int) -> list[int]:
    """The rank of a process of a launcher, from its variables; none of another process."""
    variables = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return [int(one.partition("=")[2]) for one in variables if one.startswith("RANK=")]


def waited(done: Callable[[], bool]) -> bool:
    """Wait a minute at most until something is done."""
    for _ in range(600):
        if done():
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize(("variables", "count"), [({}, 1), ({"RANK": "0"}, 0)])
def test_several_processes_of_which_accelerate_starts_one(
    monkeypatch: Any, variables: dict[str, str], count: int
) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"ACCELERATE_MIXED_PRECISION": "no", "MASTER_PORT": "29500", **variables}.items():
        monkeypatch.setenv(name, value)
    assert len(processes.notes("train")) == count
    assert processes.notes("render") == []


@pytest.mark.slow
@pytest.mark.parametrize("doomed", [0, 1])
def test_a_process_that_is_killed_ends_the_other_and_the_run_resumes_on_one(
    features: Path, tmp_path: Path, synth2real: Any, doomed: int
) -> None:
    out, port = tmp_path / "run", free_port()
    arguments = training(features, out, "--steps", "1000")
    both = [started(arguments, rank, port) for rank in range(2)]
    for _ in range(600):
        time.sleep(0.1)
        if (out / "checkpoint.safetensors").is_file():
            break
    both[doomed].send_signal(signal.SIGKILL)
    said = both[1 - doomed].communicate(timeout=60)[1]
    both[doomed].communicate()
    assert both[1 - doomed].returncode == 2
    assert "Traceback" not in said
    assert "error: another process of this training has ended" in said
    assert "is kept. The same command with --resume goes on from it" in said
    kept = ["checkpoint.safetensors", "config.yaml", "log.txt", "metrics.jsonl", "provenance.json", "settings.yaml"]
    assert below(out) == kept
    code, _, error = synth2real(*arguments[2:], "--resume")
    assert code == 0, error
    assert len(losses(out)) == 1000 // 20


@pytest.mark.slow
def test_an_error_that_all_processes_meet_is_said_once(features: Path, tmp_path: Path) -> None:
    port = free_port()
    arguments = training(features, tmp_path / "run", "--label", "missing")
    both = [started(arguments, rank, port) for rank in range(2)]
    said = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [2, 2]
    assert sum(text.count("error: ") for text in said) == 1
    assert not (tmp_path / "run").exists()
