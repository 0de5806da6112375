"""Metadata tables with odd cells, quotes, encodings and paths; svmlight files."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fuzzing import check_domain, fuzzed, mutated, read
from synth2real import load, load_unlabelled
from synth2real.data.groups import read_groups
from synth2real.data.sparse import Layout

LABELS = st.sampled_from([None, "label", ["x", "y"], ["x"], "x", ["file_name"]])
TOKENS = [b'"', b"'", b",", b"\n", b"\r", b"\0", b"\t", b";", b"nan", b"inf", b"-Infinity", b"1e999", b"9" * 5000, b"\xff",
          b"\xef\xbb\xbf", b"../", b"/etc/passwd", b"e\xcc\x81", b"\xe2\x80\xa8", b"null", b"[" * 3000, b"{" * 3000, b"true",
          b"\\ud800", b"\\u0000", b"1_000", b"0x1", b" ", b"=1+1", b"x" * 200_000, b"\xff\xfe0\0"]  # fmt: skip
ROWS = [{"file_name": f"{i}.png", "label": "ab"[i % 2], "x": i, "y": i / 2} for i in range(3)]
ODD = ["", " ", "nan", "inf", "3.0", "1e5", "None", "a" * 300, "a\nb", 'a"b', "a,b", "\0", "../0.png", "/0.png", "0.png", "1.png",
       "./1.png", "\ud800", "é", "-0", "٣", "1_0", "0.png/", "x" * 5000, "9" * 5000]  # fmt: skip
CELLS = st.sampled_from(ODD) | st.text(max_size=5) | st.integers() | st.floats() | st.none() | st.booleans()
NESTED = CELLS | st.lists(CELLS, max_size=2) | st.dictionaries(st.text(max_size=2), CELLS, max_size=2)
SVMLIGHT = b"1 1:0.5 3:2 # one\n-1 qid:3 2:1e-3\n2.5 1:1\n"
SVMLIGHT_TOKENS = [b":", b"-1", b"0:1", b"qid:", b"nan", b"inf", b"4294967296:1", b"99999999999999999999:1", b"#", b"\0",
                   b"1e999", b"1,2", b"\xff", b"2147483647:1", b"1e39", b"9" * 5000]  # fmt: skip


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(held := io.StringIO(), names)
    writer.writeheader()
    writer.writerows(rows)
    return held.getvalue().encode(errors="surrogatepass")


def as_jsonl(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    for i in range(3):
        Image.new("L", (6, 5), 40 * i).save(folder / f"{i}.png")
    return folder


def check(folder: Path, name: str, data: bytes, label: Any) -> None:
    table = folder / name
    table.write_bytes(data)
    try:
        if domain := read(lambda: load(folder, label), folder):
            check_domain(domain)
        photos = load_unlabelled(folder)
        groups = read(lambda: read_groups(folder, "label", photos), folder)
        assert groups is None or len(groups) == 3
    finally:
        table.unlink()


def test_the_files_to_be_damaged_are_valid(folder, tmp_path) -> None:
    for name, data in {"metadata.csv": as_csv(ROWS), "metadata.jsonl": as_jsonl(ROWS)}.items():
        (folder / name).write_bytes(data)
        assert load(folder).classes == ("a", "b")
        assert load(folder, ["x", "y"]).labels[2].tolist() == [2, 1]
        (folder / name).unlink()
    (tmp_path / "data.svmlight").write_bytes(SVMLIGHT)
    check_domain(load(tmp_path / "data.svmlight"))


@pytest.mark.filterwarnings("ignore:.*have no row in its metadata tables")
@fuzzed(40)
@given(data=mutated([as_csv(ROWS)], TOKENS), label=LABELS)
def test_a_damaged_csv_is_read_or_refused(folder, data, label) -> None:
    check(folder, "metadata.csv", data, label)


@pytest.mark.filterwarnings("ignore:.*have no row in its metadata tables")
@fuzzed(40)
@given(data=mutated([as_jsonl(ROWS)], TOKENS), label=LABELS)
def test_a_damaged_jsonl_is_read_or_refused(folder, data, label) -> None:
    check(folder, "metadata.jsonl", data, label)


@pytest.mark.filterwarnings("ignore:.*have no row in its metadata tables")
@fuzzed(40)
@given(
    cells=st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["file_name", "label", "x", "y"]), NESTED), max_size=4),
    label=LABELS,
    kind=st.sampled_from(["csv", "jsonl"]),
)
def test_odd_cells_are_read_or_refused(folder, cells, label, kind) -> None:
    rows = [dict(row) for row in ROWS]
    for index, column, value in cells:
        rows[index][column] = value
    check(folder, f"metadata.{kind}", (as_csv if kind == "csv" else as_jsonl)(rows), label)


@fuzzed(30)
@given(
    data=mutated([SVMLIGHT, b"0 0:1\n1 1:1\n"], SVMLIGHT_TOKENS),
    label=st.sampled_from([None, "label", ["x"]]),
    zero_based=st.sampled_from([None, True, False]),
)
def test_a_damaged_svmlight_file_is_read_or_refused(tmp_path_factory, data, label, zero_based) -> None:
    file = tmp_path_factory.getbasetemp() / "data.svmlight"
    file.write_bytes(data)
    layout = read(lambda: Layout.of([file], zero_based), file)
    for reader in (lambda: load_unlabelled(file, layout=layout), lambda: load(file, label, layout=layout)):
        if domain := read(reader, file):
            check_domain(domain)
