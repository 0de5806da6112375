"""What protocols of points share: figures over persons and seeds, and routes by name."""

import pytest
import torch

from benchmarks.lib import points
from synth2real.adapt import MCC


def test_figures_are_means_over_persons() -> None:
    error = torch.tensor([[1.0, 1.0, 1.0, 5.0], [1.0, 1.0, 1.0, 5.0]]).double()
    found = points.figures(error, torch.tensor([0, 0, 0, 1]), within=2.0)
    assert found["median_px"] == 3
    assert found["within"] == 0.5
    assert found["median_low"] == found["median_high"] == 3
    assert found["median_std_over_seeds"] == 0


def test_routes_have_names_of_their_own_or_of_methods() -> None:
    assert set(points.chosen_routes(None, None)) == {"randomized", "refined", "dann", "teacher", "combined"}
    chosen = points.chosen_routes(["mcc", "randomized"], 0.2)
    assert list(chosen) == ["mcc", "randomized"]
    assert isinstance(chosen["mcc"].adapt, MCC)
    with pytest.raises(SystemExit, match=r"--routes: found nothing, expected names of: randomized, "):
        points.chosen_routes(["nothing"], None)
