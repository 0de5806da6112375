"""Two workers on one study in PostgreSQL, each with an external renderer, one of them killed."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
import yaml

from skips import optional
from synth2real.calibrate.study import NAME
from synth2real.simulate import external, render

LAMP = Path(__file__).parents[2] / "examples" / "lamp" / "lamp.yaml"
TRIALS = 12


def programs() -> Path:
    """The folder of PostgreSQL's programs, as Debian installs them; else the test is skipped."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    if not found:
        pytest.skip("needs PostgreSQL in /usr/lib/postgresql (apt-get install postgresql)")
    if os.getuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("needs setpriv, because PostgreSQL refuses to run as root")
    return found[-1].parent


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The URL of a server of its own, which listens at a socket in its folder."""
    optional("psycopg", "postgresql")
    bin = programs()
    folder = Path(tempfile.mkdtemp(prefix="synth2real-postgresql-"))  # not in tmp_path, which other users cannot enter
    user = []
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]

    def call(program: str, *arguments: str) -> None:
        data = ["-D", str(folder / "data")]
        subprocess.run([*user, bin / program, *data, *arguments], check=True, cwd=folder, stdout=subprocess.DEVNULL)

    try:
        call("initdb", "-U", "postgres", "--auth=trust", "--no-sync")
        call("pg_ctl", "-w", "-l", str(folder / "log"), "-o", f"-k {folder} -c listen_addresses= -F", "start")
        yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
        call("pg_ctl", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def slow_lamp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lamp of the examples, whose program takes a while: otherwise one worker could do all."""
    folder = tmp_path_factory.mktemp("lamp")
    shutil.copy(LAMP.with_name("program.py"), folder / "program.py")
    file = folder / "slow.yaml"
    file.write_text(LAMP.read_text().replace("program.py", "slow.py"))
    (folder / "slow.py").write_text(
        "import time, runpy\ntime.sleep(0.2)\nrunpy.run_path('program.py', run_name='__main__')\n"
    )
    return file


def begun(lamp: Path, real: Path, out: Path, storage: str) -> subprocess.Popen[str]:
    """A worker of the study."""
    arguments = ["calibrate", lamp, "--target", real, "--out", out, "--storage", storage, "--resume"]
    arguments += ["--method", "search", "--trials", TRIALS, "--only", "power", "--set", "calibrate.images=20"]
    return subprocess.Popen(
        [sys.executable, "-m", "synth2real", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def states(storage: str) -> list[str]:
    """The state of each trial; empty before the study is made."""
    try:
        study = optuna.load_study(study_name=NAME, storage=storage)
    except KeyError:
        return []
    return [trial.state.name for trial in study.trials]


@pytest.mark.slow
def test_a_killed_worker_costs_no_trial_and_blocks_none(database: str, slow_lamp: Path, tmp_path: Path) -> None:
    real = tmp_path / "real"
    render(external(LAMP)(size=(16, 16), ranges={"power": (0.8, 0.9)}), 64, real, seed=5)
    outs = [tmp_path / f"{name}.yaml" for name in ("killed", "goes-on")]
    workers = [begun(slow_lamp, real, out, database) for out in outs]
    deadline = time.monotonic() + 120
    while states(database).count("COMPLETE") < 3:
        assert time.monotonic() < deadline
        ended = next((worker for worker in workers if worker.poll() is not None), None)
        assert ended is None, ended.communicate()[0]
        time.sleep(0.1)
    workers[0].send_signal(signal.SIGKILL)
    workers[0].communicate()
    output, _ = workers[1].communicate(timeout=120)
    assert workers[1].returncode == 0, output
    assert f"in {TRIALS} trials" in output
    assert not outs[0].exists()
    study = optuna.load_study(study_name=NAME, storage=database)
    complete = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    assert len(complete) == TRIALS
    assert "RUNNING" not in states(database)
    assert len({trial.user_attrs["worker"] for trial in complete}) == 2
    low, high = yaml.safe_load(outs[1].read_text())["power"]
    assert 0.45 < low < high  # as one worker finds: nearer to 0.8 to 0.9 than the default, 0.3 to 0.6
