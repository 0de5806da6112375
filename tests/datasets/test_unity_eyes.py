"""UnityEyes from tiny folders in its format: the crop, its labels, and invalid files."""

import json
import warnings

import pytest
import torch

from gazesets import draw_eye, unityeyes_folder
from synth2real.datasets import unityeyes
from synth2real.errors import InputError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return unityeyes_folder(tmp_path_factory.mktemp("imgs"), 12)


def test_gaze_is_in_the_convention_of_the_project(folder):
    data = unityeyes(folder, equalise=False)
    assert (data.shape, data.columns, len(data)) == ((1, 36, 60), ("pitch", "yaw"), 12)
    assert data.names[:2] == ("1.jpg", "2.jpg")
    assert data.names[-1] == "12.jpg"
    assert data.inputs.dtype == torch.uint8
    for image, (pitch, yaw) in zip(data.inputs, data.labels.tolist(), strict=True):
        # The eye is 40 pixels wide in the frame, so the crop of 60 has its scale.
        drawn = torch.from_numpy(draw_eye(pitch, yaw)).float()
        assert (image[0].float() - drawn).abs().mean() < 3


def test_the_irises_centre_is_in_pixels_of_the_crop(folder):
    data = unityeyes(folder, label=("iris_x", "iris_y"), size=(18, 30), equalise=False)
    assert data.columns == ("iris_x", "iris_y")
    rows, columns = torch.meshgrid(torch.arange(18.0), torch.arange(30.0), indexing="ij")
    for image, xy in zip(data.inputs.float(), data.labels, strict=True):
        dark = (130 - image[0]).relu()  # iris and pupil; the lids cover all but the middle part
        seen = torch.stack([(dark * grid).sum() / dark.sum() for grid in (columns, rows)])
        assert (seen[0] - xy[0]).abs() < 0.7
        assert (seen[1] - xy[1]).abs() < 1.5
    both = unityeyes(folder, label=("yaw", "iris_x"), limit=3)
    assert (both.columns, len(both)) == (("yaw", "iris_x"), 3)
    assert torch.equal(both.labels[:, 0], unityeyes(folder).labels[:3, 1])


def test_histograms_are_equalised(folder):
    image = unityeyes(folder, limit=1).inputs.float()
    assert image.min() == 0
    assert image.max() == 255


def test_crops_that_do_not_fit_in_memory_stay_on_disk(folder, monkeypatch):
    whole = unityeyes(folder)
    monkeypatch.setattr("synth2real.data.reading.memory.limit", lambda: 100)
    lazy = unityeyes(folder)
    assert not isinstance(lazy.inputs, torch.Tensor)
    assert lazy.shape == whole.shape
    index = torch.tensor([7, 2, 2])
    assert torch.equal(lazy.inputs[index], whole.inputs[index])


def test_a_crop_may_reach_beyond_the_image(tmp_path):
    folder = unityeyes_folder(tmp_path / "imgs", 1, size=(30, 44))
    image = unityeyes(folder, equalise=False).inputs[0, 0]
    assert image.shape == (36, 60)
    assert (image[:, 0] == 0).all()
    assert (image[10:20, 20:40] > 0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("caruncle_2d"), "KeyError: 'caruncle_2d'"),
        (lambda d: d["eye_details"].update(look_vec="(0.1, 0.2)"), "ValueError"),
        (lambda d: d["iris_2d"].__setitem__(0, "(a, b, c)"), "could not convert string to float: 'a'"),
        (lambda d: d["iris_2d"].__setitem__(0, "(nan, 1, 1)"), r"found \(nan, 1, 1\)"),
        (lambda d: d["iris_2d"].__setitem__(0, 7), "AttributeError"),
        (lambda d: d.update(interior_margin_2d=d["interior_margin_2d"][:5]), "IndexError"),
        (lambda d: d.update(interior_margin_2d=d["caruncle_2d"] * 3), "the eye is 0.0 pixels wide"),
        (lambda d: d["eye_details"].update(look_vec="(0, 0, 0, 0)"), "look_vec is 0.0, 0.0, 0.0, expected a direction"),
        (lambda d: d["eye_details"].update(look_vec="(1e300, 0, 1, 0)"), "expected a direction of length 1"),
        (lambda d: d.update(caruncle_2d=["(1e300, 1, 1)"]), "points of the eye are far outside the image"),
    ],
)
def test_descriptions_in_another_format(tmp_path, change, message):
    path = unityeyes_folder(tmp_path / "imgs", 1) / "1.json"
    described = json.loads(path.read_text())
    change(described)
    path.write_text(json.dumps(described))
    with pytest.raises(
        InputError, match=rf"1\.json: is not in the format of UnityEyes, .*{message}.*\. Render it again$"
    ):
        unityeyes(path.parent)


def test_an_eye_of_no_width_is_refused_without_a_division_by_zero(tmp_path):
    path = unityeyes_folder(tmp_path / "imgs", 1) / "1.json"
    described = json.loads(path.read_text())
    x = float(described["interior_margin_2d"][0].strip("()").split(",")[0])
    described |= {"caruncle_2d": [f"({x + 1e-13}, 50, 1)"], "interior_margin_2d": [f"({x}, 50, 1)"] * 16}
    path.write_text(json.dumps(described))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match=r"the eye is [\d.e-]+ pixels wide"):
            unityeyes(path.parent)


@pytest.mark.parametrize("place", ["(1e300, 1, 2)", "(9999999, 1, 2)", "(nan, 1, 2)", "(" + "9" * 5000 + ")", "(1,)"])
def test_an_eye_far_outside_its_image_is_refused(tmp_path, place):
    path = unityeyes_folder(tmp_path / "imgs", 1) / "1.json"
    described = json.loads(path.read_text())
    described["interior_margin_2d"][3] = place
    path.write_text(json.dumps(described))
    with pytest.raises(InputError, match=r"1\.json: is not in the format of UnityEyes, "):
        unityeyes(path.parent)


def test_folders_and_images_that_cannot_be_used(tmp_path):
    with pytest.raises(InputError, match=r"found no \.json, expected the folder 'imgs' .*cl\.cam\.ac\.uk"):
        unityeyes(tmp_path)
    folder = unityeyes_folder(tmp_path / "imgs", 2)
    with pytest.raises(InputError, match="label roll: expected some of pitch, yaw, iris_x, iris_y"):
        unityeyes(folder, label=("roll",))
    whole = (folder / "2.jpg").read_bytes()
    (folder / "2.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"2\.jpg: unreadable image .* remove it with its \.json"):
        unityeyes(folder)
    (folder / "2.jpg").unlink()
    with pytest.raises(InputError, match=r"2\.json: describes 2\.jpg, but there is no such file"):
        unityeyes(folder)
