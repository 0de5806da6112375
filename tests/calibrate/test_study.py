"""Two live workers on one study: both finish, the number of trials is correct, and both have the same result."""

import itertools
import json
import textwrap
import time
from pathlib import Path

import optuna
import pytest
import yaml

from processes import preloaded, run_command
from synth2real.calibrate.ranges import Space
from synth2real.calibrate.study import NAME, FixedPointSampler, Study, mean_of_best
from synth2real.simulate import Digits, render

SLOW = textwrap.dedent(
    """
    import time
    from synth2real.simulate import Digits

    class Slow(Digits):
        def render(self, values, generator):
            time.sleep(0.03)  # otherwise one worker could finish before the other starts
            return super().render(values, generator)
    """
)


def both(folder: Path, real: Path, trials: int, *more: str) -> list[Path]:
    """Run two workers that open one storage at the same time. Returns the file that each wrote."""
    (folder / "slow.py").write_text(SLOW)
    fixed = ["--target", real, "--trials", trials, "--storage", folder / "s.db", "--resume", *more]
    outs = [folder / f"{name}.yaml" for name in "ab"]
    context = preloaded()
    begin = context.Barrier(2)
    runs = []
    for out in outs:
        arguments = [str(one) for one in ("calibrate", "slow:Slow", "--out", out, *fixed)]
        runs.append(context.Process(target=run_command, args=(arguments, folder, out.with_suffix(".log"), begin)))
        runs[-1].start()
    for run, out in zip(runs, outs, strict=True):
        run.join(120)
        output = out.with_suffix(".log").read_text()
        assert run.exitcode == 0, output
        assert f"in {trials} trials" in output
    return outs


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    folder = tmp_path_factory.mktemp("real")
    render(Digits(size=(8, 8), ranges={"height": (0.8, 0.9)}), 240, folder, seed=5)
    return folder


FAST = ("--set", "calibrate.images=20", "--only", "height", "--only", "blur")


@pytest.mark.parametrize("method", ["search", "posterior"])
def test_two_workers_share_a_study(tmp_path, real, method) -> None:
    count = 20 if method == "search" else 6
    outs = both(tmp_path, real, 20, *FAST, "--method", method)
    trials = optuna.load_study(study_name=NAME, storage=f"sqlite:///{tmp_path / 's.db'}").trials
    complete = [trial for trial in trials if trial.state == optuna.trial.TrialState.COMPLETE]
    assert len(complete) == count
    assert all(trial.state.is_finished() for trial in trials)
    assert method == "posterior" or len({trial.user_attrs["worker"] for trial in complete}) == 2
    found = [yaml.safe_load(out.read_text()) for out in outs]
    assert json.dumps(found[0]) == json.dumps(found[1])
    space = Space.of(Digits(size=(8, 8)), ("height", "blur"), 0.4)
    if method == "search":  # the result is that of the best trials of both
        for name, pair in space.ranges(mean_of_best(complete)).items():
            assert found[0][name] == pytest.approx(pair)
    else:  # each round starts at the point that the round before returned
        for before, after in itertools.pairwise(complete):
            assert after.params == pytest.approx(before.user_attrs["next"])
    reports = [yaml.safe_load(out.with_suffix(".report.yaml").read_text())["distance"] for out in outs]
    assert reports[0] == reports[1]


SPACE = Space.of(Digits(size=(8, 8)), ("height",), 0.4)


def study(folder: Path, process: int) -> Study:
    made = Study(SPACE, str(folder / "s.db"), True, {})
    made.worker = f"elsewhere:{process}"
    return made


def test_a_trial_that_two_take_over_counts_once(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("synth2real.calibrate.study.socket.gethostname", lambda: "elsewhere")
    monkeypatch.setattr("synth2real.calibrate.study._is_alive", lambda process: False)
    first, second = (study(tmp_path, process) for process in (1, 2))
    (_, point, done), (_, same, again) = (
        next(each.trials(1, lambda n: FixedPointSampler(SPACE.start()))) for each in (first, second)
    )
    assert point == same
    done(0.5, distance=0.5)
    again(0.5, distance=0.5)
    assert [trial.value for trial in second.done] == [0.5]


def test_a_trial_started_beyond_the_last_one_is_withdrawn(tmp_path, monkeypatch) -> None:
    first, second = (study(tmp_path, process) for process in (1, 2))
    _, _, done = next(first.trials(1, lambda number: FixedPointSampler(SPACE.start())))
    running, first_check = second._running, [True]  # at the first check, the other worker has not started yet
    monkeypatch.setattr(second, "_running", lambda: [] if first_check and first_check.pop() else running())
    # The other worker finishes while this one waits.
    monkeypatch.setattr("synth2real.calibrate.study.time.sleep", lambda seconds: done(0.5))
    assert list(second.trials(1, lambda number: FixedPointSampler(SPACE.start()))) == []
    assert [trial.state.name for trial in second.study.trials] == ["COMPLETE", "FAIL"]


def test_a_trial_of_another_machine_is_left_to_it_while_it_gives_signs_of_life(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("synth2real.calibrate.study.PATIENCE", 0.4)
    monkeypatch.setattr("synth2real.calibrate.study.EVERY", 0.05)
    first, second = (study(tmp_path, process) for process in (1, 2))
    trials = first.trials(2, lambda n: FixedPointSampler(SPACE.start()))
    _, point, _ = next(trials)
    for _ in range(4):  # longer than the patience
        assert second._orphan(second._running()) is None
        time.sleep(0.2)
    trials.close()  # as if its process were killed: no more signs of life
    monkeypatch.setattr("synth2real.calibrate.study.WAIT", 0.05)
    number, same, _ = next(second.trials(1, lambda n: FixedPointSampler(SPACE.start())))
    assert (number, same) == (0, point)
