import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from synth2real import load
from synth2real.data.labels import Masks
from synth2real.errors import InputError
from synth2real.simulate import Eyes, render
from synth2real.simulate.scene.camera import equalise

# A plain, wide open eye in the centre that looks into the camera. Each test changes only what it tests.
OPEN = {"gaze_pitch": 0, "gaze_yaw": 0, "head_pitch": 0, "head_yaw": 0, "roll": 0, "offset_x": 0, "offset_y": 0}
OPEN |= {"eye_height": 0, "kappa_in": 0, "kappa_up": 0, "slant": 0}
OPEN |= {"opening": 1, "closed": 0, "upper_lid": 9, "lower_lid": 9, "equalised": 0, "grain": 0, "glasses": 0}


def made(n=60, seed=0, size=(72, 120), **changes):
    return Eyes(size=size, ranges={**OPEN, **changes}).sample(n, seed)


def centroid(mask):
    """x and y (N, 2) of masks (N, H, W)."""
    weight = mask.float() / mask.float().sum((1, 2), keepdim=True)
    x, y = (weight.sum(axis) @ torch.arange(weight.shape[3 - axis]).float() for axis in (1, 2))
    return torch.stack([x, y], 1)


def test_the_iris_is_at_its_label():
    looks = made(gaze_pitch=(-12, 12), gaze_yaw=(-20, 20), head_yaw=(-15, 15), head_pitch=(-10, 10), fissure=40)
    whole = looks.masks["iris"] | looks.masks["pupil"]
    uncut = (centroid(whole) - looks.labels["iris"]).abs().amax(1)
    assert uncut.max() < 0.15
    ellipse = looks.labels["ellipse"]
    area = torch.pi * ellipse[:, 0] * ellipse[:, 1]
    assert torch.allclose(whole.sum((1, 2)).float(), area, rtol=0.02)
    assert torch.all(ellipse[:, 1] <= ellipse[:, 0])


def test_the_angle_is_that_of_the_longer_axis():
    for pitch, yaw, angle in ((0, 25, math.pi / 2), (25, 0, 0)):
        found = made(4, gaze_pitch=pitch, gaze_yaw=yaw).labels["ellipse"][:, 2]
        assert torch.all(((found - angle).abs() < 1e-3) | ((found + angle).abs() < 1e-3))
    looks = made(8, gaze_pitch=20, gaze_yaw=20, fissure=40)
    mask = (looks.masks["iris"] | looks.masks["pupil"])[0].nonzero().flip(1).float()
    long = torch.linalg.eigh(torch.cov(mask.T)).eigenvectors[:, 1]
    angle = looks.labels["ellipse"][0, 2]
    assert abs(long[0] * angle.cos() + long[1] * angle.sin()) > 0.99


def test_the_pupil_is_the_centroid_of_its_visible_part():
    for preset in ("webcam", "infrared"):
        looks = Eyes(preset=preset, size=(96, 128)).sample(200, 1)
        seen = looks.masks["pupil"].sum((1, 2)) > 20
        assert seen.sum() > 100
        error = (centroid(looks.masks["pupil"][seen]) - looks.labels["pupil"][seen]).norm(dim=1)
        assert error.max() < 0.7
        assert error.median() < 0.15


def test_the_whole_pupil_is_at_the_iris():
    looks = made()
    assert torch.allclose(looks.labels["pupil"], looks.labels["iris"], atol=0.1)


def test_a_pupil_half_covered_has_its_centroid_below_the_iris():
    looks = made(upper_lid=1, opening=0.9, pupil=3)
    assert torch.all(looks.labels["pupil"][:, 1] > looks.labels["iris"][:, 1] + 1)


def test_gaze_moves_the_iris_as_in_mpiigaze():
    still, up, left = (made(gaze_pitch=p, gaze_yaw=y).labels["iris"] for p, y in ((0, 0), (15, 0), (0, 15)))
    assert torch.all(up[:, 1] < still[:, 1] - 3)
    assert torch.allclose(up[:, 0], still[:, 0], atol=1e-3)
    assert torch.all(left[:, 0] < still[:, 0] - 3)


@pytest.mark.parametrize("left", [0, 1])
def test_the_pupil_of_a_level_gaze_is_above_the_line_of_the_corners(left):
    looks = made(eye_height=2, left=left, field=40, slant=7, roll=(-10, 10))
    points = looks.labels["eyelid"].view(-1, 16, 2)
    nose, outer, iris = points[:, 0], points[:, 8], looks.labels["iris"]
    across = outer - nose
    away = (iris - nose)[:, 0] * across[:, 1] - (iris - nose)[:, 1] * across[:, 0]
    above = (away / across.norm(dim=1)) * (1 if left else -1)
    assert torch.allclose(above, torch.full_like(above, 2 * 120 / 40), atol=0.01)


def test_the_slant_lifts_the_outer_corner_on_both_sides():
    for left in (0, 1):
        points = made(slant=8, left=left).labels["eyelid"].view(-1, 16, 2)
        rise, run = points[:, 0, 1] - points[:, 8, 1], (points[:, 0, 0] - points[:, 8, 0]).abs()
        assert torch.allclose(torch.atan2(rise, run).rad2deg(), torch.tensor(8.0), atol=0.01)


def test_the_line_of_sight_points_nasally_and_up_from_the_axis_of_the_eyeball():
    straight = made(field=40, left=(0.5, 0.5))
    turned = made(field=40, left=(0.5, 0.5), kappa_in=6, kappa_up=2, eyeball=12, iris=5)
    still = made(field=40, left=(0.5, 0.5), eyeball=12, iris=5)
    assert torch.equal(turned.labels["gaze"], straight.labels["gaze"])
    reach, scale = (12**2 - 5**2) ** 0.5, 120 / 40
    moved = (turned.labels["iris"] - still.labels["iris"]) / scale
    points = turned.labels["eyelid"].view(-1, 16, 2)
    nasal = (points[:, 0, 0] - points[:, 8, 0]).sign()
    assert torch.allclose(moved[:, 0] * nasal, torch.tensor(-reach * math.sin(math.radians(6))), atol=0.02)
    assert torch.allclose(moved[:, 1], torch.tensor(reach * math.sin(math.radians(2))), atol=0.02)


def test_the_eye_in_the_head_follows_from_gaze_and_head():
    labels = Eyes(ranges={"face_tilt": 10}).sample(200, 0)
    head = labels.labels["head"] - torch.tensor([math.radians(10), 0])
    names = ("head_pitch", "head_yaw")
    assert torch.allclose(head, torch.stack([labels.parameters[n] for n in names], 1).deg2rad(), atol=1e-6)
    assert made(4, gaze_pitch=20, head_pitch=5).labels["eye"].rad2deg()[0].tolist() == pytest.approx([15, 0], abs=1e-4)
    assert made(4, gaze_yaw=-8, head_yaw=5).labels["eye"].rad2deg()[0].tolist() == pytest.approx([0, -13], abs=1e-4)


def test_gaze_and_its_vector_agree():
    labels = Eyes().sample(100, 0).labels
    (pitch, yaw), (x, y, z) = labels["gaze"].T, labels["gaze_vector"].T
    assert torch.allclose(labels["gaze_vector"].norm(dim=1), torch.ones(100))
    assert torch.allclose(torch.asin(-y), pitch, atol=1e-5)
    assert torch.allclose(torch.atan2(-x, -z), yaw, atol=1e-5)
    ahead = made(2).labels["gaze_vector"]
    assert torch.allclose(ahead, torch.tensor([0.0, 0.0, -1.0]), atol=1e-6)


def test_lids_follow_the_gaze_and_landmarks_lie_on_them():
    looks = made(20, upper_lid=4, gaze_pitch=(-20, 15), roll=(-20, 20), left=(0.5, 0.5), head_yaw=(-15, 15))
    points = looks.labels["eyelid"].view(20, 16, 2)
    up, down = (made(9, upper_lid=4, gaze_pitch=p).labels["eyelid"].view(9, 16, 2)[:, 4, 1] for p in (15, -15))
    assert torch.all(up < down - 2)
    middle = points.mean(1)
    for i in range(20):
        for inward, inside in ((0.85, True), (1.15, False)):
            x, y = (middle[i] + inward * (points[i, [4, 12]] - middle[i])).round().long().T
            inner = (x >= 0) & (x < 120) & (y >= 0) & (y < 72)
            assert torch.all(looks.masks["skin"][i, y[inner], x[inner]] != inside)


def test_left_determines_the_side_of_the_nose():
    for left, sign in ((1, -1), (0, 1)):
        points = made(5, left=left).labels["eyelid"].view(5, 16, 2)
        assert torch.all((points[:, 0, 0] - points[:, 8, 0]) * sign > 10)


def test_covered_parts_have_no_label():
    labels = made(30, opening=0, upper_lid=3, lower_lid=5).labels
    assert labels["pupil"].isnan().all()
    assert labels["iris"].isnan().all()
    assert labels["ellipse"].isnan().all()
    for name in ("gaze", "gaze_vector", "head", "eyelid"):
        assert labels[name].isfinite().all()
    away = made(10, offset_x=20, field=15).labels
    assert away["pupil"].isnan().all()


def test_masks_cover_the_image_once():
    masks = Eyes(size=(36, 60)).sample(300, 2).masks
    assert tuple(masks) == Eyes.regions
    assert torch.all(torch.stack(list(masks.values())).sum(0) == 1)


@pytest.mark.parametrize("preset", ["webcam", "infrared"])
def test_presets_choose_size_and_ranges(preset):
    eyes = Eyes(preset=preset)
    assert eyes.size == {"webcam": (36, 60), "infrared": (128, 128)}[preset]
    assert eyes.range("equalised") == {"webcam": (0.9, 0.9), "infrared": (0, 0)}[preset]
    assert Eyes(preset=preset, size=(40, 40)).size == (40, 40)
    assert eyes.with_ranges(blur=1).size == eyes.size
    assert Eyes(preset=preset, ranges={"field": 30}).range("field") == (30, 30)
    for parameter in eyes.parameters:
        low, high = eyes.range(parameter.name)
        assert parameter.limits[0] <= low <= high <= parameter.limits[1], parameter
    images = eyes.sample(40, 0).images.float()
    assert images.std((1, 2, 3)).min() > 3


def test_webcam_images_are_equalised():
    images = Eyes(ranges={"equalised": 1}).sample(50, 0).images.flatten(1).float()
    even = torch.linspace(0.05, 0.95, 10)
    found = torch.quantile(images, even, dim=1).mean(1)
    assert torch.allclose(found, even * 255, atol=8)


def test_equalise_is_that_of_opencv():
    image = torch.tensor([[[[52, 55, 61, 59], [79, 61, 76, 61], [79, 61, 76, 61], [52, 55, 61, 59]]]]) / 255
    out = (equalise(image) * 255).round().int()[0, 0]
    assert out[0].tolist() == [0, 36, 182, 73]
    assert out[1].tolist() == [255, 182, 219, 182]
    flat = torch.full((1, 3, 4, 4), 0.5)
    assert equalise(flat).isfinite().all()


def test_three_channels_are_one_eye_in_colour():
    grey, rgb = (Eyes(channels=channels, size=(36, 60)).sample(20, 0) for channels in (1, 3))
    assert rgb.images.shape == (20, 3, 36, 60)
    assert torch.equal(rgb.labels["gaze"], grey.labels["gaze"])
    assert (rgb.images[:, 0].float() - rgb.images[:, 2].float()).abs().mean() > 2


@pytest.mark.parametrize("size", [(16, 16), (36, 60), (90, 60)])
def test_any_size_shows_the_same_scene(size):
    fixed = {p.name: sum(p.default) / 2 for p in Eyes.parameters} | {"closed": 0, "left": 1, "gaze_yaw": 10}
    small, large = (Eyes(size=s, ranges=fixed).sample(30, 0) for s in (size, (size[0] * 2, size[1] * 2)))
    assert small.images.shape == (30, 1, *size)
    assert torch.allclose((small.labels["pupil"] + 0.5) * 2 - 0.5, large.labels["pupil"], atol=0.3)
    assert torch.allclose((small.labels["eyelid"] + 0.5) * 2 - 0.5, large.labels["eyelid"], atol=0.01)


def test_memory_is_bounded_by_smaller_chunks_for_larger_images():
    for size in ((36, 60), (128, 128), (512, 512)):
        eyes = Eyes(size=size)
        assert 8 <= eyes.chunk <= 200
        assert eyes.chunk == 8 or eyes.chunk * size[0] * size[1] <= 600_000
    assert Eyes(device="cuda").chunk == 8 * Eyes().chunk
    eyes = Eyes(size=(256, 256))
    long, short = eyes.sample(eyes.chunk + 3, 5), eyes.sample(3, 5)
    assert torch.equal(long.images[:3], short.images)
    assert torch.equal(long.masks["iris"][:3], short.masks["iris"])


def test_label_may_be_columns():
    eyes = Eyes()
    whole = eyes.sample(5, 0).labels
    assert eyes.labelled(5, 0).columns == ("pitch", "yaw")
    found = eyes.labelled(5, 0, ["iris_x", "pitch", "head"])
    assert found.columns == ("iris_x", "pitch", "head_pitch", "head_yaw")
    expected = torch.cat([whole["iris"][:, :1], whole["gaze"][:, :1], whole["head"]], 1)
    assert torch.equal(found.labels.nan_to_num(-1), expected.nan_to_num(-1))
    assert eyes.labelled(5, 0, "yaw").labels.shape == (5, 1)
    assert Eyes(label=("iris_x", "iris_y")).labelled(5, 0).columns == ("iris_x", "iris_y")
    with pytest.raises(
        InputError, match="simulator eyes has no label 'iris_z', expected one of: gaze, gaze_vector, head, iris"
    ):
        eyes.labelled(5, 0, ["iris_x", "iris_z"])
    with pytest.raises(InputError, match="simulator eyes: found an empty list of labels"):
        eyes.labelled(5, 0, [])


def test_the_regions_are_a_label_too():
    eyes = Eyes(size=(24, 40))
    data, looks = eyes.labelled(9, 4, "mask", given=["head_yaw"]), eyes.sample(9, 4)
    assert isinstance(data.labels, Masks)
    assert data.classes == ("skin", "sclera", "iris", "pupil")
    for i, name in enumerate(data.classes):
        assert (data.labels.tensor == i).equal(looks.masks[name])
    assert data.given.shape == (9, 1)
    with pytest.raises(
        InputError, match=r"simulator eyes has no label 'boxes', expected one of: gaze, .*, mask, pitch"
    ):
        eyes.labelled(5, 0, "boxes")
    with pytest.raises(InputError, match="label 'mask' is among others, expected it alone"):
        eyes.labelled(5, 0, ["pupil", "mask"])


def test_one_region_is_a_label_and_the_others_are_its_background():
    eyes = Eyes(size=(24, 40))
    data, looks = eyes.labelled(9, 4, ["mask:pupil"]), eyes.sample(9, 4)
    assert data.classes == ("background", "pupil")
    assert (data.labels.tensor == 1).equal(looks.masks["pupil"])
    with pytest.raises(InputError, match="simulator eyes: has no region 'lash', expected some of: skin, sclera, iris"):
        eyes.labelled(5, 0, "mask:lash")


def test_rendered_masks_are_loaded_with_their_names(tmp_path):
    eyes = Eyes(size=(24, 40), label="mask")
    render(eyes, 9, tmp_path, seed=4)
    data = load(tmp_path, label="mask")
    assert data.classes == ("skin", "sclera", "iris", "pupil")
    assert torch.equal(data.labels.tensor, eyes.labelled(9, 4).labels.tensor)


def test_folder_holds_masks_and_nulls(tmp_path):
    eyes = Eyes(ranges={**OPEN, "opening": (0, 1), "upper_lid": 4, "lower_lid": 5})
    render(eyes, 40, tmp_path, seed=1, masks=True)
    rows = [json.loads(line) for line in (tmp_path / "metadata.jsonl").read_text().splitlines()]
    looks = eyes.sample(40, 1)
    assert list(rows[0])[:9] == [
        *("file_name", "pitch", "yaw", "gaze_x", "gaze_y", "gaze_z", "head_pitch", "head_yaw", "iris_x")
    ]
    for i, row in enumerate(rows):
        x = looks.labels["pupil"][i, 0]
        assert row["pupil_x"] is None if x.isnan() else row["pupil_x"] == pytest.approx(x.item())
        mask = Image.open(tmp_path / f"{i:06d}_mask.png")
        assert mask.mode == "P"
        index = torch.from_numpy(np.array(mask))
        assert all(torch.equal(index == k, looks.masks[name][i]) for k, name in enumerate(Eyes.regions))
    assert {row["pupil_x"] is None for row in rows} == {True, False}
    render(eyes, 2, tmp_path, seed=1, overwrite=True)
    assert len(list(tmp_path.glob("*.png"))) == 2


def test_settings_that_do_not_fit_are_named():
    with pytest.raises(InputError, match="simulator eyes has no parameter 'height'"):
        Eyes(ranges={"height": 1})
    with pytest.raises(InputError, match="simulator eyes: gaze_yaw is 90, expected a number or"):
        Eyes(ranges={"gaze_yaw": 90})


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same_kind_of_images():
    looks = Eyes(device="cuda").sample(250, 0)
    assert looks.images.device.type == "cpu"
    assert abs(looks.images.float().mean() - Eyes().sample(250, 0).images.float().mean()) < 8
