"""What several tests start from. Folders are made once and only read."""

import os
from pathlib import Path

import pytest

from helpers import dots, picture, save
from packages import Packages
from skips import not_run
from synth2real import cli


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """End with one line that says what was not run, and how to run it."""
    skipped = [report.longrepr[2] for report in terminalreporter.stats.get("skipped", [])]
    slow = "not slow" in terminalreporter.config.option.markexpr
    if line := not_run(skipped, slow_left_out=slow):
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def classes(tmp_path_factory):
    """A labelled source: 40 grey images of 16 by 16 in the class subfolders `dark` and `light`."""
    folder = tmp_path_factory.mktemp("classes")
    for i in range(40):
        name, level = ("dark", 70) if i % 2 else ("light", 190)
        save(folder / name / f"{i}.png", picture(i, level=level))
    return folder


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """An unlabelled target: 40 grey images of 16 by 16, some in a subfolder."""
    folder = tmp_path_factory.mktemp("photos")
    for i in range(40):
        save(folder / ("first" if i % 4 else ".") / f"photo{i}.png", picture(100 + i, level=80 if i % 2 else 200))
    return folder


@pytest.fixture(scope="session")
def points(tmp_path_factory):
    """A labelled source of 40 dots in frames of 16 by 16, with a metadata.jsonl."""
    return dots(tmp_path_factory.mktemp("points"))


@pytest.fixture
def synth2real(monkeypatch, capsys):
    """The command line: call it with arguments, get (exit code, stdout, stderr)."""

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["synth2real", *map(str, arguments)])
        capsys.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Installs packages with plugins for the test, see `Packages`."""
    return Packages(tmp_path / "site", monkeypatch)


@pytest.fixture(scope="session")
def run(tmp_path_factory, classes, photos):
    """A run folder of a tiny classifier of `dark` and `light`."""
    from synth2real import Budget, Route, load, load_unlabelled
    from synth2real.route.route import default_task
    from synth2real.route.run_folder import RunFolder, train

    source, folder = load(classes), RunFolder(tmp_path_factory.mktemp("runs") / "run", {})
    train(
        folder, Route(), source, load_unlabelled(photos), task=default_task(source), budget=Budget(steps=30, batch=16)
    )
    return folder.path


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real data sets; the test is skipped where it is absent."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SYNTH2REAL_DATA", beside))
    if not folder.is_dir():
        pytest.skip("needs the real data sets: set SYNTH2REAL_DATA to their folder")
    return folder
