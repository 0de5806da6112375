"""Runs in turns, and sums over rounds."""

from benchmarks.lib.timing import interleaved, rates, ratios, spread


def test_runs_take_turns_after_a_warm_up_and_every_second_round_backwards() -> None:
    order: list[str] = []

    def run(name: str) -> float:
        order.append(name)
        return float(len(order))

    found = interleaved({name: lambda name=name: run(name) for name in "ab"}, rounds=2)
    assert "".join(order) == "ba" + "ab" + "ba"
    assert found == {"a": [3.0, 6.0], "b": [4.0, 5.0]}


def test_a_spread_has_median_least_and_most() -> None:
    assert spread([3.0, 1.0, 2.00004]) == {"median": 2.0, "least": 1.0, "most": 3.0}
    assert rates(10, [2.0, 5.0, 1.0]) == {"median": 5.0, "least": 2.0, "most": 10.0}
    assert ratios([2.0, 9.0, 4.0], [1.0, 3.0, 4.0]) == {"median": 2.0, "least": 1.0, "most": 3.0}
