"""mSDA beside the authors' plain solution."""

import pytest

from benchmarks.speed import msda


def test_both_solvers_give_the_same_outputs() -> None:
    times, outputs, shape = msda.measured(*msda.drawn(40, 60), layers=2, rounds=1)
    assert shape == (40, 60)
    assert outputs["synth2real"][0].shape == outputs["plain"][0].shape == (20, 180)
    assert {name: len(seconds) for name, seconds in times.items()} == {"synth2real": 1, "plain": 1}
    outputs["plain"] = tuple(-part for part in outputs["plain"])
    with pytest.raises(SystemExit, match="the outputs differ by"):
        msda.check(outputs)


def test_fewer_operations_are_counted_for_ours() -> None:
    for shape in ((4000, 5000), (8000, 5000)):
        ours, plain = msda.of_ours(*shape), msda.of_plain(*shape)
        assert ours[0] < plain[0]
        assert ours[1] < plain[1]
