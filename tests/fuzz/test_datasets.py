"""Files of public data sets: MPIIGaze's `.mat` and lists, UnityEyes' `.json`, and archives."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import check_domain, fuzzed, mutated, read
from gazesets import mpiigaze_folder, unityeyes_folder
from synth2real.datasets.download import unpack
from synth2real.datasets.mpii_gaze import mpiigaze
from synth2real.datasets.unity_eyes import unityeyes

TOKENS = [
    b"(nan, 1, 2)", b"(1e999, 1, 2)", b"()", b"[]", b"{}", b"null", b"[" * 2000, b"9" * 5000, b"\xff", b"\0", b'"',
    b",", b"1e9", b"-1e300", b"left", b"right", b"../"
]  # fmt: skip


@pytest.fixture(scope="module")
def gaze(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mpiigaze_folder(tmp_path_factory.mktemp("mpiigaze"), {"p00": {"day01": 2}})


@fuzzed(15)
@given(data=st.data(), subset=st.sampled_from(["evaluation", "all"]))
def test_a_damaged_day_or_list_of_mpiigaze_is_read_or_refused(gaze, data, subset) -> None:
    file = gaze / data.draw(st.sampled_from(sorted(path.relative_to(gaze) for path in gaze.rglob("*.*"))))
    whole = file.read_bytes()
    try:
        file.write_bytes(data.draw(mutated([whole], TOKENS)))
        if people := read(lambda: mpiigaze(gaze, subset=subset, head_pose=True), file):
            check_domain(people.data)
            assert not people.data.labels.isnan().any()
    finally:
        file.write_bytes(whole)


@pytest.fixture(scope="module")
def unity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unityeyes_folder(tmp_path_factory.mktemp("unityeyes"), 1, size=(60, 80))


@pytest.mark.filterwarnings("ignore")  # Pillow warns of damage
@fuzzed(15)
@given(data=st.data())
def test_a_damaged_image_or_description_of_unityeyes_is_read_or_refused(unity, data) -> None:
    file = unity / data.draw(st.sampled_from(["1.json", "1.json", "1.jpg"]))
    whole = file.read_bytes()
    try:
        file.write_bytes(data.draw(mutated([whole], TOKENS)))
        if eyes := read(lambda: unityeyes(unity, label=("pitch", "yaw", "iris_x", "iris_y")), unity):
            check_domain(eyes)
            assert not eyes.labels.isnan().any()
    finally:
        file.write_bytes(whole)


def archives() -> list[bytes]:
    """A small file in each format of archives."""
    found = []
    for mode in ("w", "w:gz", "w:bz2", "w:xz"):
        with tarfile.open(fileobj=(held := io.BytesIO()), mode=mode) as tar:
            for name in ("a/b.txt", "a/c.txt"):
                tar.addfile(member := tarfile.TarInfo(name), io.BytesIO(b"text"))
                member.size = 4
        found.append(held.getvalue())
    for how in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(held := io.BytesIO(), "w", how) as pack:
            pack.writestr("a/b.txt", b"text" * 20)
        found.append(held.getvalue())
    return found


@fuzzed(15)
@given(data=mutated(archives(), [b"../", b"/", b"\0", b"PK\1\2"]))
def test_a_damaged_archive_is_unpacked_within_its_folder_or_refused(tmp_path_factory, data) -> None:
    place = tmp_path_factory.mktemp("archive")
    (place / "data.archive").write_bytes(data)
    read(lambda: unpack(place / "data.archive", place / "out"), place / "data.archive")
    assert {path.name for path in place.iterdir()} <= {"data.archive", "out"}


def test_the_files_to_be_damaged_are_valid(gaze, unity, tmp_path) -> None:
    assert len(mpiigaze(gaze, subset="all").data) == 4
    assert unityeyes(unity).labels.isfinite().all()
    for index, data in enumerate(archives()):
        (tmp_path / f"{index}").write_bytes(data)
        assert (unpack(tmp_path / f"{index}", tmp_path / f"out{index}") / "a" / "b.txt").is_file()
