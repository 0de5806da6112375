"""UnityEyes and MPIIGaze are found by what lies in a folder, and read as their loaders read them."""

from pathlib import Path

import torch

from gazesets import mpiigaze_folder, unityeyes_folder
from synth2real import load, load_unlabelled
from synth2real.data.formats import format_of
from synth2real.datasets import mpiigaze, unityeyes
from synth2real.datasets.eye_records import MPII_GAZE, UNITY_EYES


def test_unityeyes_is_found_in_its_folder_and_in_the_one_above(tmp_path: Path) -> None:
    folder = unityeyes_folder(tmp_path / "imgs", 3)
    assert format_of(folder) is UNITY_EYES
    assert format_of(tmp_path) is UNITY_EYES


def test_unityeyes_are_the_crops_and_labels_of_its_loader(tmp_path: Path) -> None:
    folder = unityeyes_folder(tmp_path / "imgs", 3)
    expected = unityeyes(folder, label=("pitch", "yaw", "iris_x", "iris_y"))
    found = load(folder, ["pitch", "yaw", "iris_x", "iris_y"])
    assert found.names == expected.names
    assert torch.equal(found.inputs[torch.arange(3)], expected.inputs[torch.arange(3)])
    assert torch.allclose(found.labels.float(), expected.labels.float())
    assert len(load_unlabelled(folder)) == 3


def test_mpiigaze_is_the_list_of_its_loader_with_the_directions_of_the_head(tmp_path: Path) -> None:
    folder = mpiigaze_folder(tmp_path, {"p00": {"day01": 2}, "p01": {"day01": 2}})
    assert format_of(folder) is MPII_GAZE
    expected = mpiigaze(folder, head_pose=True).data
    found = load(folder, ["pitch", "yaw"], given=["head_pitch", "head_yaw"])
    assert torch.equal(found.inputs[torch.arange(len(found))], expected.inputs[torch.arange(len(found))])
    assert torch.allclose(found.labels.float(), expected.labels[:, :2].float())
    assert found.given is not None
    assert torch.allclose(found.given, expected.labels[:, 2:].float())
    assert load(folder, "person").classes == ("p00", "p01")
