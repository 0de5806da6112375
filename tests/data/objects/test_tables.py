"""Tables of pandas."""

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import picture, save
from skips import optional
from synth2real import InputError, Labelled, Unlabelled

pd = optional("pandas", "datasets")
SIZES = np.array([0.5, 1.5, 2.5, 3.5])


@pytest.fixture
def frame(tmp_path):
    """Four images with a class and two numbers, and an index that does not count from 0."""
    names = [save(tmp_path / "photos" / f"{i}.png", picture(i)).name for i in range(4)]
    columns = {"file_name": names, "part": ["nut", "bolt"] * 2, "size": SIZES, "heat": SIZES + 20}
    return pd.DataFrame(columns, index=[9, 7, 5, 3])


@pytest.fixture
def photos(tmp_path):
    return tmp_path / "photos"


def test_the_column_of_paths_is_found_by_its_name(frame, photos):
    found = Labelled.of(frame, "part", root=photos)
    assert (found.names, found.classes, found.labels.tolist()) == (
        ("0.png", "1.png", "2.png", "3.png"),
        ("bolt", "nut"),
        [1, 0, 1, 0],
    )
    assert found.shape == (1, 16, 16)


def test_the_column_of_paths_is_found_by_its_files(frame, photos):
    renamed = frame.rename(columns={"file_name": "photo"})
    assert Labelled.of(renamed, "part", root=photos).names[0] == "0.png"
    assert Labelled.of(renamed, "part", root=photos, image="photo").names[0] == "0.png"
    with pytest.raises(InputError, match=r"the columns 'photo', 'part' are no numbers, .*root='photos'"):
        Unlabelled.of(renamed)


def test_a_list_of_columns_is_values_and_given_columns_are_no_labels(frame, photos):
    found = Labelled.of(frame, ["size"], root=photos, given=["heat"])
    assert (found.columns, found.labels[:, 0].tolist()) == (("size",), SIZES.tolist())
    assert (found.given_columns, found.given[:, 0].tolist()) == (("heat",), (SIZES + 20).tolist())
    assert Unlabelled.of(frame, root=photos, given=["heat"]).given_columns == ("heat",)


def test_a_table_of_numbers_is_features(frame):
    table = frame[["size", "heat", "part"]]
    found = Labelled.of(table, "part")
    assert torch.equal(found.inputs, torch.tensor(table[["size", "heat"]].to_numpy(), dtype=torch.float32))
    assert Labelled.of(table[["size", "heat"]], table["part"]).classes == ("bolt", "nut")
    assert Labelled.of(table[["size"]].astype("Float64"), table["part"]).shape == (1,)
    assert Labelled.of(table.rename(columns={"part": "label"})).classes == ("bolt", "nut")


def test_a_target_leaves_the_usual_label_column_out(frame):
    assert Unlabelled.of(frame[["size", "heat"]].assign(label=1)).shape == (2,)


def test_images_may_stand_in_the_table_itself():
    images = [Image.fromarray(picture(i)) for i in range(2)]
    assert Labelled.of(pd.DataFrame({"image": images, "label": [1, 0]})).shape == (1, 16, 16)


def test_labels_of_another_index_are_refused(frame):
    with pytest.raises(InputError, match=r"the index of y differs from that of X.* y.loc\[X.index\]"):
        Labelled.of(frame[["size"]], frame["part"].reset_index(drop=True))
    with pytest.raises(InputError, match="4 inputs but 3 labels"):
        Labelled.of(frame[["size"]], ["a", "b", "a"])


def test_wrong_tables_are_refused(frame, photos):
    with pytest.raises(InputError, match="no label column 'colour', found the columns 'file_name'"):
        Labelled.of(frame, "colour", root=photos)
    with pytest.raises(InputError, match=r"of which none is called 'labels', 'label' or 'class'. Name the labels"):
        Labelled.of(frame, root=photos)
    with pytest.raises(InputError, match=r"'file_name', 'path' may all be the images. Name one: image='file_name'"):
        Unlabelled.of(frame.assign(path=frame["file_name"]), root=photos)
    with pytest.raises(InputError, match="no image column 'photo'"):
        Unlabelled.of(frame, image="photo")
    with pytest.raises(InputError, match="no given column 'wind'"):
        Unlabelled.of(frame, root=photos, given=["wind"])
    with pytest.raises(InputError, match="the table is empty"):
        Unlabelled.of(frame[:0])
    with pytest.raises(InputError, match="two columns 'size'"):
        Unlabelled.of(pd.concat([frame, frame[["size"]]], axis=1))
    with pytest.raises(InputError, match="the feature nan in row 1"):
        Unlabelled.of(pd.DataFrame({"x": [1.0, None]}))
