"""Metadata tables that cannot be read."""

import json

import numpy as np
import pytest

from helpers import save
from synth2real import load
from synth2real.errors import InputError


def table(folder, rows):
    """A folder with a small image for each row, and the table."""
    for row in rows:
        save(folder / row["file_name"], np.zeros((4, 4), dtype=np.uint8))
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    return folder


@pytest.mark.parametrize(
    ("rows", "label", "message"),
    [
        (
            [{"file_name": "a.png", "kind": 1}],
            None,
            r"metadata\.jsonl: row 1 has no column 'label'; found the columns 'file_name', 'kind'",
        ),
        ([{"file_name": "a.png", "x": 1}], ["x", "y"], "row 1 has no column 'y'; found .*--label"),
        (
            [{"file_name": "a.png", "x": 1}, {"file_name": "b.png", "x": "left"}],
            ["x"],
            r"metadata\.jsonl: the label column 'x' of b\.png contains 'left', expected a number",
        ),
        (
            [{"file_name": "a.png", "label": "x"}, {"file_name": "b.png", "label": None}],
            None,
            r"metadata\.jsonl: the label column 'label' of b\.png contains None, expected a class name",
        ),
        *(
            ([{"file_name": "a.png", "label": "x"}, {"file_name": "b.png", "label": value}], None, "of b.png contains")
            for value in ("", "   ", "NaN", float("nan"), ["x"], {"x": 1})
        ),
        *(
            (
                [{"file_name": "a.png", "x": value}],
                ["x"],
                rf"'x' of a\.png contains {value!r}, expected a finite number",
            )
            for value in (float("inf"), "-Infinity", "1e999")
        ),
    ],
)
def test_labels_that_cannot_be_read_are_named(tmp_path, rows, label, message):
    with pytest.raises(InputError, match=message):
        load(table(tmp_path, rows), label=label)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "file_name,x,y\na.png,16,19,23,21\n",
            "line 2 has 5 values for 3 columns: 'a.png,16,19,23,21'. Is there a dec",
        ),
        ("file_name,x,y\na.png,1,2\n\nb.png,1\n", "line 4 has 2 values for 3 columns: 'b.png,1'"),
        ("file_name;x;y\na.png;1;2\n", "found the header 'file_name;x;y', expected columns separated by commas"),
        ("file_name,x,x\na.png,1,2\n", "found two columns 'x', expected different names"),
        (f"file_name,x,y\na.png,{'1' * 140_000},2\n", "line 2 is not CSV .*missing quote"),
        ('file_name,x,y\na.png,"1,2\nb.png,1,2\n', "line 3 has 2 values for 3 columns"),
    ],
)
def test_rows_that_do_not_fit_their_header_are_refused(tmp_path, text, message):
    save(tmp_path / "a.png", np.zeros((4, 4), dtype=np.uint8))
    (tmp_path / "metadata.csv").write_text(text)
    with pytest.raises(InputError, match=rf"metadata\.csv: {message}"):
        load(tmp_path, label=["x", "y"])


def test_deeply_nested_rows_are_refused(tmp_path):
    (tmp_path / "metadata.jsonl").write_text("[" * 100_000)
    with pytest.raises(InputError, match="line 1 is not JSON"):
        load(tmp_path)


def test_names_of_folders_stay_text(tmp_path):
    for name in ("1e5", "10e4", "2.0", "2.00", "2"):
        save(tmp_path / name / "a.png", np.zeros((4, 4), dtype=np.uint8))
    assert set(load(tmp_path).classes) == {"1e5", "10e4", "2.0", "2.00", "2"}


def test_a_table_without_file_names_advises_to_rename_their_column(tmp_path):
    (tmp_path / "metadata.csv").write_text("path,label\na.png,1\n")
    expected = r"metadata\.csv: row 1 has no column 'file_name'; found .*Rename the column of the image paths"
    with pytest.raises(InputError, match=expected) as caught:
        load(tmp_path)
    assert "--label" not in str(caught.value)


@pytest.mark.parametrize("name", ["a" * 300 + ".png", "\\u0000.png", "\\ud800.png", "x/" * 5000 + "a.png"])
def test_a_row_with_a_name_that_no_file_can_have_is_refused(tmp_path, name):
    save(tmp_path / "a.png", np.zeros((4, 4), dtype=np.uint8))
    (tmp_path / "metadata.jsonl").write_text(f'{{"file_name": "{name}", "label": 1}}\n')
    with (
        pytest.raises(InputError, match=r"listed in the metadata table of .*no such file"),
        pytest.warns(UserWarning, match="no row"),
    ):
        load(tmp_path)


@pytest.mark.parametrize(("value", "message"), [("1e39", "expected a finite number"), ("9" * 5000, "is not JSON")])
def test_numbers_beyond_what_is_computed_with_are_refused(tmp_path, value, message):
    save(tmp_path / "a.png", np.zeros((4, 4), dtype=np.uint8))
    (tmp_path / "metadata.jsonl").write_text(f'{{"file_name": "a.png", "x": {value}}}\n')
    with pytest.raises(InputError, match=rf"metadata\.jsonl: .*{message}"):
        load(tmp_path, ["x"])


def test_class_names_of_many_digits_are_names(tmp_path):
    names = ["9" * 5000, "1" + "0" * 400 + ".0", "9007199254740993.0"]
    for i in range(3):
        save(tmp_path / f"{i}.png", np.zeros((4, 4), dtype=np.uint8))
    table(tmp_path, [{"file_name": f"{i}.png", "label": name} for i, name in enumerate(names)])
    assert set(load(tmp_path).classes) == {"9" * 5000, "1" + "0" * 400, "9007199254740993"}


def test_tables_that_cannot_be_read_are_named(tmp_path):
    table(tmp_path, [{"file_name": "a.png", "label": 1}, {"file_name": "gone.png", "label": 2}])
    (tmp_path / "gone.png").unlink()
    with pytest.raises(InputError, match=r"gone\.png: listed in the metadata table of .*no such file"):
        load(tmp_path)
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "a.png", "label": 1}\n{oops\n')
    with pytest.raises(InputError, match=r"metadata\.jsonl: line 2 is not JSON"):
        load(tmp_path)
    (tmp_path / "metadata.jsonl").write_text("[1]\n")
    with pytest.raises(InputError, match=r"line 1 contains \[1\], expected an object"):
        load(tmp_path)
    (tmp_path / "metadata.jsonl").write_text("\n")
    with pytest.raises(InputError, match=r"found no row"):
        load(tmp_path)
    (tmp_path / "metadata.jsonl").unlink()
    (tmp_path / "metadata.csv").write_bytes("file_name,label\na.png,caf\xe9\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"metadata\.csv: is not UTF-8"):
        load(tmp_path)
