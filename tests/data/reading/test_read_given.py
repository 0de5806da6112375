"""Reading given columns: tables beside labelled and unlabelled images, arrays, and what is refused."""

import json
import unicodedata
import warnings

import numpy as np
import pytest
import torch

from helpers import picture, save, truncate
from synth2real import load, load_unlabelled
from synth2real.errors import InputError

HEAD = ["head_pitch", "head_yaw"]


def folder(path, rows, name="metadata.csv"):
    """A folder with an image for each row, and a table of the rows."""
    for i, row in enumerate(rows):
        save(path / row["file_name"], picture(i))
    if name.endswith("csv"):
        lines = [",".join(rows[0]), *(",".join(str(value) for value in row.values()) for row in rows)]
    else:
        lines = [json.dumps(row) for row in rows]
    (path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def rows(count=3, **more):
    return [
        {"file_name": f"{i}.png", "pitch": "left", "head_pitch": i / 10, "head_yaw": -i, **more} for i in range(count)
    ]


def arrays(path, **given):
    np.savez(path / "real.npz", images=np.zeros((3, 8, 8), np.uint8), **given)
    return path / "real.npz"


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl"])
def test_an_unlabelled_folder_takes_given_columns_from_its_table_and_no_label(tmp_path, name) -> None:
    """The column `pitch` is text, which would be refused if it was read."""
    target = load_unlabelled(folder(tmp_path, rows(), name), given=HEAD[::-1])
    assert target.given_columns == ("head_yaw", "head_pitch")
    assert target.given.dtype == torch.float32
    assert torch.allclose(target.given, torch.tensor([[0, 0], [-1, 0.1], [-2, 0.2]]))
    assert load_unlabelled(tmp_path).given is None


def test_rows_are_found_by_the_image_whatever_their_order_and_folder(tmp_path) -> None:
    made = folder(tmp_path, rows(12)[::-1])
    folder(made / "more", [{"file_name": "é.png", "head_pitch": 7, "head_yaw": 8}])
    table = made / "more" / "metadata.csv"
    table.write_text(unicodedata.normalize("NFD", table.read_text(encoding="utf-8")), encoding="utf-8")
    target = load_unlabelled(made, given=HEAD)
    assert target.given[:12, 1].tolist() == [-i for i in range(12)]  # `10.png` comes after `9.png`
    assert (target.names[12], target.given[12].tolist()) == ("more/é.png", [7, 8])


def test_an_image_takes_them_from_the_table_beside_it(tmp_path) -> None:
    made = folder(tmp_path / "images", rows())
    folder(tmp_path, [{"file_name": "other.png", "head_pitch": 1, "head_yaw": 1}])
    assert load_unlabelled(made / "1.png", given=HEAD).given.tolist() == [[pytest.approx(0.1), -1]]


def test_labelled_data_takes_them_beside_its_labels(tmp_path) -> None:
    source = load(folder(tmp_path, [{**row, "pitch": 3, "yaw": 4} for row in rows()]), ["pitch", "yaw"], given=HEAD)
    assert (source.columns, source.given_columns) == (("pitch", "yaw"), tuple(HEAD))
    assert source.given[:, 1].tolist() == [0, -1, -2]
    file = arrays(tmp_path, head_pitch=np.arange(3), head_yaw=np.ones((3, 1)), labels=np.arange(3))
    assert load(file, given=HEAD).given.tolist() == [[0, 1], [1, 1], [2, 1]]
    assert load_unlabelled(file, given=["head_yaw"]).given.tolist() == [[1], [1], [1]]


def test_a_skipped_image_needs_no_value(tmp_path) -> None:
    made = folder(tmp_path, [*rows(2), {**rows(3)[2], "head_pitch": ""}])
    truncate(made / "2.png")
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        assert load_unlabelled(made, given=HEAD, skip_bad=True).given[:, 1].tolist() == [0, -1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"head_yaw": ""}, r"metadata.csv: the given column 'head_yaw' of 0.png is empty, expected a number for every"),
        ({"head_yaw": "nan"}, r"the given column 'head_yaw' of 0.png is empty"),
        (
            {"head_yaw": "left"},
            r"the given column 'head_yaw' of 0.png contains 'left', expected a number. Write",
        ),
        ({"head_yaw": "inf"}, r"the given column 'head_yaw' of 0.png contains 'inf', expected a finite number"),
    ],
)
def test_a_value_that_is_no_number_is_refused_with_its_image(tmp_path, change, message) -> None:
    with pytest.raises(InputError, match=message):
        load_unlabelled(folder(tmp_path, rows(**change)), given=HEAD)


def test_a_missing_table_column_or_row_is_refused(tmp_path) -> None:
    for name in ("0.png", "1.png"):
        save(tmp_path / name, picture(0))
    with pytest.raises(
        InputError,
        match=r"needs the given columns 'head_pitch', 'head_yaw', but found no metadata.csv .* Write ",
    ):
        load_unlabelled(tmp_path, given=HEAD)
    (tmp_path / "metadata.csv").write_text("file_name,head_pitch\n0.png,1\n")
    with pytest.raises(InputError, match=r"row 1 has no column 'head_yaw'; found the columns 'file_name',"):
        load_unlabelled(tmp_path, given=HEAD)
    with pytest.raises(InputError, match=r"1.png: no row of a metadata table has the given columns 'head_pitch' for"):
        load_unlabelled(tmp_path, given=["head_pitch"])
    (tmp_path / "metadata.csv").write_text("file_name,head_pitch\n0.png,1\n0.png,2\n1.png,2\n")
    with pytest.raises(InputError, match=r"0.png: found two rows in the metadata tables"):
        load_unlabelled(tmp_path, given=["head_pitch"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, r"real.npz: has no array 'exposure' for the given column, found 'images'. Write each given column as"),
        ({"exposure": np.zeros((3, 2))}, r"the given column 'exposure' of shape \(3, 2\), expected \(3,\), one number"),
        ({"exposure": np.zeros(2)}, r"the given column 'exposure' of shape \(2,\), expected \(3,\)"),
        (
            {"exposure": np.array([0, np.nan, 1])},
            r"'exposure' contains NaN, first in row 1, expected a number",
        ),
        ({"exposure": np.array(["a"] * 3)}, r"'exposure' of <U1, expected real numbers"),
    ],
)
def test_arrays_that_are_no_column_of_numbers_are_refused(tmp_path, given, message) -> None:
    with pytest.raises(InputError, match=message):
        load_unlabelled(arrays(tmp_path, **given), given=["exposure"])


def test_an_svmlight_file_has_no_given_columns(tmp_path) -> None:
    (tmp_path / "x.svmlight").write_text("1 1:0.5\n0 2:1\n")
    with pytest.raises(InputError, match=r"'exposure', which an svmlight file does not have. Write an .npz"):
        load_unlabelled(tmp_path / "x.svmlight", given=["exposure"])


def test_a_label_is_not_read_as_given(tmp_path) -> None:
    made = folder(tmp_path, rows(label="a"))
    for label in (None, "label"):
        with pytest.raises(InputError, match="the given column 'label' is a label column too"):
            load(made, label, given=["label"])
    with pytest.raises(InputError, match="the given column 'head_yaw' is a label column too"):
        load(made, ["head_pitch", "head_yaw"], given=["head_yaw"])
    with pytest.raises(InputError, match="the given column 'labels' is a label column too"):
        load_unlabelled(arrays(tmp_path, labels=np.zeros(3)), given=["labels"])
