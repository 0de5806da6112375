"""The benchmark on tiny folders, from reading to its table."""

import pytest
import torch

from benchmarks.quality import gaze_mpiigaze as benchmark
from gazesets import mpiigaze_folder, unityeyes_folder
from synth2real.data.domains import Labelled
from synth2real.simulate import SIMULATORS

ROUTES = ("source only", "simgan, no history")
QUICK = ("--n", "20", "--steps", "1", "--refine-steps", "2", "--people", "p00", "p01")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("sets")
    mpiigaze_folder(root / "MPIIGaze", {"p00": {"day01": 5}, "p01": {"day03": 4}})
    return root / "MPIIGaze", unityeyes_folder(root / "UnityEyes" / "imgs", 30)


def test_the_rows_of_the_table(folders, capsys):
    real, rendered = map(str, folders)
    assert benchmark.main(["--mpiigaze", real, "--unityeyes", rendered, *QUICK, "--routes", *ROUTES]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("16 eyes of 2 people; ")
    rows = [line for line in lines if line.startswith("unityeyes ")]
    assert [line[11:31].strip() for line in rows] == ["nearest neighbours", *ROUTES]
    for line in rows:
        mean, median, within, paper = line[31:].split()
        assert 0 < float(median) < 60
        assert 0 < float(mean) < 60
        assert 0 <= float(within) <= 1
        assert paper == str(benchmark.PAPER.get(line[11:31].strip(), "-"))
    assert set(ROUTES) < set(benchmark.routes(1))
    assert sum(line.startswith("none") for line in lines) == 2
    assert any(line.startswith("eyes" if "eyes" in SIMULATORS else "eyes skipped: found no") for line in lines)


def test_each_person_has_a_mean_angle_whose_mean_is_that_of_the_row(folders, capsys):
    real, rendered = map(str, folders)
    arguments = ["--mpiigaze", real, "--unityeyes", rendered, *QUICK, "--routes", "source only", "--by-person"]
    assert benchmark.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("unityeyes") and "source only" in line)
    means = [float(part.split()[1]) for part in lines[at + 1].split(",")]
    assert [part.split()[0] for part in lines[at + 1].split(",")] == ["p00", "p01"]
    assert min(means) - 0.01 <= float(lines[at][31:].split()[0]) <= max(means) + 0.01


def test_missing_data_is_reported_and_skipped(folders, tmp_path, capsys):
    assert benchmark.main(["--mpiigaze", str(tmp_path), *QUICK]) == 0
    assert f"skipped: {tmp_path}: found no Data/Normalized in it" in capsys.readouterr().out
    arguments = ["--mpiigaze", str(folders[0]), "--unityeyes", str(tmp_path), *QUICK, "--routes", "source only"]
    assert benchmark.main(arguments) == 0
    assert f"unityeyes skipped: {tmp_path}: found no .json" in capsys.readouterr().out


def test_neighbours_predict_the_mean_direction_of_the_nearest(monkeypatch):
    monkeypatch.setattr(benchmark, "NEIGHBOURS", 2)
    images = torch.tensor([0, 10, 200, 210], dtype=torch.uint8).view(4, 1, 1, 1).expand(4, 1, 4, 4)
    source = Labelled(images, torch.tensor([[0.0, 0.2], [0.0, 0.4], [0.5, 0.0], [0.1, 0.0]]), columns=("pitch", "yaw"))
    found = benchmark.neighbours(source, images[[1, 2]])
    torch.testing.assert_close(found, torch.tensor([[0.0, 0.3], [0.3, 0.0]]), atol=1e-3, rtol=0)
