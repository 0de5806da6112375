"""Steps of methods beside others."""

from functools import partial

import pytest

from benchmarks.lib import by_hand
from benchmarks.speed import training_step
from benchmarks.speed.training_step import case, rows


def broken(*arguments: object) -> None:
    raise ImportError("no such library")


def test_a_library_that_fails_says_why_in_its_row_and_the_step_by_hand_has_a_ratio(monkeypatch) -> None:
    monkeypatch.setattr(training_step, "PEERS", {"other": (broken, ("source-only",)), "none": (broken, ("dann",))})
    monkeypatch.setattr(training_step, "case", partial(case, count=32, batch=8))
    failed, hand = rows("source-only", steps=1, rounds=1)
    assert (failed["beside"], failed["error"]) == ("other", "ImportError: no such library")
    assert (hand["beside"], hand["method"], hand["part"]) == ("by hand", "source-only", "classes")
    assert hand["ratio"]["median"] == pytest.approx(hand["theirs"]["median"] / hand["ours"]["median"], rel=1e-2)


def test_a_step_by_hand_that_computes_something_else_is_refused(monkeypatch) -> None:
    class Other(by_hand.METHODS["source-only"]):
        def loss(self, x, y, z, progress):
            return 2 * super().loss(x, y, z, progress)

    monkeypatch.setitem(by_hand.METHODS, "source-only", Other)
    with pytest.raises(SystemExit, match=r"source-only: the losses are .*, by hand .*, expected the same"):
        training_step.check(case("source-only", count=32, batch=8))
