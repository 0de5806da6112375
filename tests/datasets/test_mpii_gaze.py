"""MPIIGaze from tiny archives in its format: labels, sides, lists, people, and errors for missing data."""

import io
import sys
import tarfile

import numpy as np
import pytest
import torch
from scipy.io import loadmat, savemat
from scipy.spatial.transform import Rotation

from gazesets import mpiigaze_folder
from synth2real.datasets import leave_one_person_out, mpiigaze
from synth2real.errors import InputError

DAYS = {"p00": {"day01": 3, "day02": 1}, "p01": {"day01": 2}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return mpiigaze_folder(tmp_path_factory.mktemp("MPIIGaze"), DAYS)


def stored(folder, name):
    """Image, gaze and pose in the archive, for a name like `p00/day01/0001.jpg left`."""
    person, day, rest = name.split("/")
    file, side = rest.split()
    content = loadmat(folder / "Data/Normalized" / person / f"{day}.mat", struct_as_record=False)
    eyes = getattr(content["data"][0, 0], side)[0, 0]
    index = int(file[:4]) - 1
    return eyes.image[index], eyes.gaze[index], eyes.pose[index]


def test_labels_are_those_of_the_archive_and_right_eyes_are_mirrored(folder):
    people = mpiigaze(folder, subset="all", head_pose=True)
    data = people.data
    assert (len(data), data.shape, data.inputs.dtype) == (12, (1, 36, 60), torch.uint8)
    assert data.columns == ("pitch", "yaw", "head_pitch", "head_yaw")
    assert people.names == ("p00", "p01")
    assert [people.names[i] for i in people.person] == [name[:3] for name in data.names]
    assert len(set(data.names)) == 12
    for i, name in enumerate(data.names):
        image, (x, y, z), pose = stored(folder, name)
        sign = -1 if name.endswith("right") else 1
        matrix = Rotation.from_rotvec(pose).as_matrix()
        expected = [
            np.arcsin(-y),
            sign * np.arctan2(-x, -z),
            np.arcsin(matrix[1, 2]),
            sign * np.arctan2(matrix[0, 2], matrix[2, 2]),
        ]
        assert data.labels[i].tolist() == pytest.approx(expected, abs=1e-6)
        assert np.array_equal(data.inputs[i, 0].numpy(), image[:, ::sign])


def test_right_eyes_may_stay_unmirrored(folder):
    plain, turned = (mpiigaze(folder, subset="all", mirror_right=mirror).data for mirror in (False, True))
    right = torch.tensor([name.endswith("right") for name in plain.names])
    assert plain.columns == ("pitch", "yaw")
    assert torch.equal(plain.inputs[right], turned.inputs[right].flip(-1))
    assert torch.equal(plain.inputs[~right], turned.inputs[~right])
    torch.testing.assert_close(plain.labels[right], turned.labels[right] * torch.tensor([1.0, -1.0]))


def test_the_evaluation_subset_is_the_list_of_the_authors(folder):
    people = mpiigaze(folder, people=["p00"])
    listed = (folder / "Evaluation Subset/sample list for eye image/p00.txt").read_text().split("\n")
    assert people.data.names == tuple(f"p00/{line}" for line in listed if line)
    assert len(people.data) == 7  # the list leaves one of eight out


def test_one_person_is_left_out_at_a_time(folder):
    people = mpiigaze(folder)
    splits = list(leave_one_person_out(people))
    assert [split.name for split in splits] == ["p00", "p01"]
    for split in splits:
        assert all(name.startswith(split.name) for name in split.left_out.names)
        assert not any(name.startswith(split.name) for name in split.others.names)
        assert len(split.others) + len(split.left_out) == len(people.data)
    with pytest.raises(InputError, match=r"only one person \(p01\), expected two or more"):
        next(leave_one_person_out(mpiigaze(folder, people=["p01"])))


def test_missing_data_names_its_address_and_the_expected_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SYNTH2REAL_CACHE", str(tmp_path / "cache"))
    with pytest.raises(
        InputError, match=r"cache/MPIIGaze: found no Data/Normalized .*MPIIGaze\.tar\.gz .*download=True"
    ):
        mpiigaze()
    with pytest.raises(InputError, match=r"exists but contains no Data/Normalized. Remove it"):
        mpiigaze(tmp_path, download=True)


def test_it_is_downloaded_and_only_the_required_files_are_unpacked(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("SYNTH2REAL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "photo.jpg").write_bytes(b"large")
    with tarfile.open(tmp_path / "MPIIGaze.tar.gz", "w:gz") as pack:
        pack.add(folder, "MPIIGaze")
        pack.add(tmp_path / "photo.jpg", "MPIIGaze/Data/Original/p00/day01/0001.jpg")
    asked = []
    module = sys.modules[mpiigaze.__module__]
    monkeypatch.setattr(module, "fetch", lambda url, **settings: asked.append(url) or tmp_path / "MPIIGaze.tar.gz")
    people = mpiigaze(download=True)
    assert torch.equal(people.data.labels, mpiigaze(folder).data.labels)
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["MPIIGaze"]
    assert sorted(path.name for path in (tmp_path / "cache/MPIIGaze/Data").iterdir()) == ["Normalized"]
    mpiigaze(download=True)
    assert asked == ["http://datasets.d2.mpi-inf.mpg.de/MPIIGaze/MPIIGaze.tar.gz"]


def test_data_that_differs_from_the_published_format(folder, tmp_path):
    root = mpiigaze_folder(tmp_path / "set", {"p00": {"day01": 2}})
    listed = root / "Evaluation Subset/sample list for eye image/p00.txt"
    day = root / "Data/Normalized/p00/day01.mat"
    with pytest.raises(InputError, match=r"found the people p00, expected p07\. Unpack the whole archive"):
        mpiigaze(root, people=["p07"])
    listed.write_text("day01/0001.jpg left\nday01/0009.jpg left\n")
    with pytest.raises(InputError, match=r"p00\.txt: line 2 lists 'day01/0009\.jpg left', but p00 has no such image"):
        mpiigaze(root)
    listed.write_text("day01/0001.jpg,left\n")
    with pytest.raises(InputError, match=r"line 1 is 'day01/0001\.jpg,left', expected a line like"):
        mpiigaze(root)
    listed.unlink()
    with pytest.raises(InputError, match=r"p00\.txt: the list of samples does not exist.* subset='all'"):
        mpiigaze(root)
    day.write_bytes(day.read_bytes()[:200])
    with pytest.raises(InputError, match=r"day01\.mat: is not a day of MPIIGaze"):
        mpiigaze(root, subset="all")
    savemat(day, {"filenames": np.array(["0001.jpg"], dtype=object), "data": {"left": {"image": np.zeros((36, 60))}}})
    with pytest.raises(InputError, match=r"day01\.mat: is not a day of MPIIGaze .* expected filenames and data\.left"):
        mpiigaze(root, subset="all")
    day.unlink()
    with pytest.raises(InputError, match=r"p00: found no \.mat file"):
        mpiigaze(root, subset="all")


def test_damage_is_found_before_scipy_reads_the_file(tmp_path):
    folder = mpiigaze_folder(tmp_path, {"p00": {"day01": 2}})
    file = folder / "Data" / "Normalized" / "p00" / "day01.mat"
    whole = file.read_bytes()
    middle = len(whole) // 2
    wrong_kind = whole[:128] + b"\x0e" + whole[129:]
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    for damaged, why in {
        b"": "no MAT file of version 5",
        whole[:-9]: "a variable is incomplete",
        flipped: "Error -",
        wrong_kind: "variables of the kinds {14, 15}",
        whole[:130]: "unpack_from requires a buffer",
    }.items():
        file.write_bytes(damaged)
        with pytest.raises(
            InputError, match=rf"day01\.mat: is not a day of MPIIGaze \(.*{why}.*Unpack the archive again"
        ):
            mpiigaze(folder, subset="all")
    savemat(file, {name: value for name, value in loadmat(io.BytesIO(whole)).items() if name[0] != "_"})
    assert len(mpiigaze(folder, subset="all").data) == 4, "files without compression are read, too"


def test_a_list_that_is_empty_or_no_text_is_named(tmp_path):
    folder = mpiigaze_folder(tmp_path, {"p00": {"day01": 2}})
    listed = folder / "Evaluation Subset" / "sample list for eye image" / "p00.txt"
    for content, message in {b"": "lists no image, expected lines like", b"\xff\xfe": "line 1 is"}.items():
        listed.write_bytes(content)
        with pytest.raises(InputError, match=rf"p00\.txt: {message}"):
            mpiigaze(folder)
