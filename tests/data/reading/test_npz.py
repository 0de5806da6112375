"""`.npz` files that are damaged, hostile, or contain no numbers."""

import io
import zipfile

import numpy as np
import pytest

from synth2real import load, load_unlabelled
from synth2real.data.reading import npz
from synth2real.data.reading.npz import arrays_of
from synth2real.errors import InputError

FEATURES = np.arange(6.0).reshape(3, 2)


def test_arrays_are_read_on_access_and_keep_their_shape(tmp_path):
    np.savez(tmp_path / "a.npz", features=FEATURES, version=3)
    with arrays_of(tmp_path / "a.npz") as arrays:
        assert list(arrays) == ["features", "version"]
        assert "labels" not in arrays
        assert arrays["version"].shape == ()
        assert arrays.column("version").tolist() == [3]
        assert arrays.numbers("features").dtype == np.float64


def test_an_archive_that_unpacks_to_a_large_multiple_of_its_size_is_refused(tmp_path, monkeypatch):
    file = tmp_path / "bomb.npz"
    np.savez_compressed(file, features=np.zeros((2**16, 8)))
    assert len(load_unlabelled(file)) == 2**16
    monkeypatch.setattr(npz, "LARGE", 2**20)
    with pytest.raises(InputError, match=r"bomb\.npz: unpacks from 0\.0 to 4 MiB, expected at most 100 times its size"):
        load_unlabelled(file)
    np.savez(file, features=np.zeros((2**16, 8)))
    assert len(load_unlabelled(file)) == 2**16


@pytest.mark.parametrize(
    ("arrays", "label", "message"),
    [
        ({"features": FEATURES > 1}, "label", "found the arrays 'features', expected 'label'"),
        ({"features": np.array([[1.0, np.nan]])}, None, "'features' contains NaN, first in row 0, column 1"),
        ({"features": np.array([[1.0], [-np.inf]])}, None, "'features' contains -inf, expected finite numbers"),
        (
            {"features": np.array([[1e39]])},
            None,
            r"'features' contains 1e\+39, expected finite numbers of at most 3.4e",
        ),
        ({"features": FEATURES + 1j}, None, "'features' of complex128, expected real numbers"),
        ({"features": np.array([["a"]])}, None, "'features' of <U1, expected real numbers"),
        ({"features": FEATURES[None]}, None, r"'features' of shape \(1, 3, 2\), expected \(N, F\)"),
        ({"images": np.zeros((2, 0, 4), np.uint8)}, None, r"'images' of shape \(2, 0, 4\) have no pixels"),
        ({"features": FEATURES, "x": [0, np.inf, 1]}, ["x"], "'x' contains inf, expected finite numbers"),
        ({"features": FEATURES, "x": ["a", "b", "c"]}, ["x"], "'x' of <U1, expected real numbers"),
        ({"features": FEATURES, "labels": [0, np.inf, 1]}, None, "'labels' contains inf at index 1, expected a class"),
    ],
)
def test_what_is_no_number_is_named(tmp_path, arrays, label, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=rf"a\.npz: {message}"):
        load(tmp_path / "a.npz", label)


def header(shape: tuple[int, ...]) -> bytes:
    """The first bytes of an array of float32."""
    text = repr({"descr": "<f4", "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    "member", [header((10**13,)), header((10**30,)), header((9, 9)) + bytes(8), b"\x93NUMPY", b"no array"]
)
def test_a_member_that_is_not_what_it_declares_is_unreadable(tmp_path, member):
    with zipfile.ZipFile(held := io.BytesIO(), "w") as archive:
        archive.writestr("features.npy", member)
    (tmp_path / "a.npz").write_bytes(held.getvalue())
    with pytest.raises(InputError, match=r"a\.npz: unreadable \.npz \(.+\), expected arrays of numbers"):
        load_unlabelled(tmp_path / "a.npz")


def test_a_single_array_under_the_name_of_an_archive_is_refused(tmp_path):
    np.save(file := tmp_path / "a.npy", FEATURES)
    file.rename(tmp_path / "a.npz")
    with pytest.raises(InputError, match=r"a\.npz: is not an \.npz file, expected arrays written by numpy\.savez"):
        load_unlabelled(tmp_path / "a.npz")
