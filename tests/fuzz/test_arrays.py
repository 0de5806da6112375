"""`.npz` files: odd arrays, headers that lie, and damaged archives."""

import io
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy.sparse import csc_array, csr_array, save_npz

from fuzzing import check_domain, fuzzed, mutated, read
from synth2real import load, load_unlabelled
from synth2real.data.groups import read_groups

NAMES = ("images", "features", "labels", "label", "x", "y", "data", "indices", "indptr", "shape", "format")
LABELS = st.sampled_from([None, "label", "x", ["x", "y"], ["x"], ["label"]])
DTYPES = (
    npst.boolean_dtypes() | npst.integer_dtypes() | npst.unsigned_integer_dtypes() | npst.floating_dtypes()
    | npst.complex_number_dtypes() | npst.datetime64_dtypes() | npst.unicode_string_dtypes(max_len=3)
    | npst.byte_string_dtypes(max_len=3) | st.just(np.dtype([("a", "i4"), ("b", "f4")]))
)  # fmt: skip
SIDES = st.lists(st.sampled_from([0, 1, 2, 3, 4]), max_size=5)
TOKENS = [
    b"'|O'", b"'<f8'", b"'>f4'", b"'<U9'", b"(99999999999, 3)", b"(-1,)", b"()", b"True", b"'<M8[ns]'", b"{",
    b"\0", b"(4294967296, 4294967296)", b"'|V0'", b"PK\1\2", b"PK\5\6", b"(" * 300
]  # fmt: skip


RANDOM = np.random.default_rng(0)
IMAGES, FEATURES = RANDOM.integers(0, 256, (4, 5, 6, 3), dtype=np.uint8), RANDOM.normal(size=(4, 3))
ARRAYS: list[dict[str, Any]] = [
    {"images": IMAGES, "labels": np.arange(4) % 2, "x": np.arange(4), "y": np.arange(4) / 2},
    {"images": IMAGES[..., 0] / 255, "label": np.array(["a", "b", "c", "d"])},
    {"features": FEATURES, "labels": np.arange(4) % 2},
]


@cache
def written() -> tuple[bytes, ...]:
    found = []
    for arrays in ARRAYS:
        for save in (np.savez, np.savez_compressed):
            save(file := io.BytesIO(), **arrays)
            found.append(file.getvalue())
    sparse = csr_array(FEATURES * (FEATURES > 0))
    for matrix in (sparse, csc_array(sparse)):
        save_npz(file := io.BytesIO(), matrix, compressed=False)
        found.append(file.getvalue())
    return tuple(found)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("arrays") / "data.reading.npz"


def check(file: Path, data: bytes, label: Any) -> None:
    file.write_bytes(data)
    for reader in (lambda: load_unlabelled(file, size=(3, 4)), lambda: load(file, label)):
        if domain := read(reader, file):
            check_domain(domain)
            groups = read(lambda: read_groups(file, "x", domain), file)
            assert groups is None or len(groups) == len(domain)


@pytest.mark.parametrize("index", range(len(written())))
def test_the_archives_to_be_damaged_are_valid(file, index) -> None:
    file.write_bytes(written()[index])
    check_domain(load_unlabelled(file))
    if "labels.npy" in zipfile.ZipFile(file).namelist():
        check_domain(load(file))


@fuzzed(40)
@given(data=mutated(written(), TOKENS), label=LABELS)
def test_a_damaged_archive_is_read_or_refused(file, data, label) -> None:
    check(file, data, label)


@fuzzed(40)
@given(
    valid=st.sampled_from([{}, *ARRAYS]),
    odd=st.dictionaries(st.sampled_from(NAMES), npst.arrays(DTYPES, SIDES.map(tuple)), max_size=3),
    label=LABELS,
)
def test_odd_arrays_are_read_or_refused(file, valid, odd, label) -> None:
    np.savez(held := io.BytesIO(), **{**valid, **odd})
    check(file, held.getvalue(), label)


@fuzzed(15)
@given(
    descr=st.sampled_from(["<f4", "|u1", "|O", "<f8", "<i8", "<U1", "<M8[ns]", "|V0", "<c16", "", "<f3"]),
    shape=st.lists(st.integers(-2, 4) | st.sampled_from([2**31, 2**40, 2**63, 10**30]), max_size=5).map(tuple),
    name=st.sampled_from(NAMES),
    rest=st.binary(max_size=64),
    deflated=st.booleans(),
)
def test_headers_that_declare_other_arrays_are_refused(file, descr, shape, name, rest, deflated) -> None:
    text = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode() + b"\n"
    header = b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text
    with zipfile.ZipFile(
        held := io.BytesIO(), "w", zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
    ) as archive:
        archive.writestr(f"{name}.npy", header + rest)
    check(file, held.getvalue(), None)
