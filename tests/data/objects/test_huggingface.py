"""Data sets of Hugging Face: as objects, by name, and from folders. Nothing is fetched."""

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import picture, save
from skips import optional
from synth2real import InputError, Labelled, Unlabelled, load, load_unlabelled
from synth2real.data.groups import read_group_names
from synth2real.data.reading.images import ImageFiles
from synth2real.simulate import is_simulator

datasets = optional("datasets", "datasets")

PIXELS = [picture(i, (8, 10), 3) for i in range(4)]
INPUTS = torch.from_numpy(np.stack(PIXELS)).permute(0, 3, 1, 2)
KINDS = datasets.ClassLabel(names=["nut", "bolt"])


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """No test writes into the user's cache or asks the hub."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def parts(**more):
    """Four images of two classes with a value, a column of texts and further columns."""
    columns = {
        "photo": [Image.fromarray(x) for x in PIXELS],
        "kind": [0, 1, 1, 0],
        "size": [0.5, 1.5, 2.5, 3.5],
        "who": ["ann", "bo", "ann", "bo"],
        **more,
    }
    features = datasets.Features(
        {
            "photo": datasets.Image(),
            "kind": KINDS,
            "size": datasets.Value("float32"),
            "who": datasets.Value("string"),
            **{name: datasets.Value("int64") for name in more},
        }
    )
    return datasets.Dataset.from_dict(columns, features=features)


def test_images_and_named_classes_are_found_by_their_features():
    found = Labelled.of(parts())
    assert torch.equal(found.inputs, INPUTS)
    assert (found.labels.tolist(), found.classes) == ([0, 1, 1, 0], ("nut", "bolt"))


def test_labels_may_be_named():
    assert Labelled.of(parts(), "who").classes == ("ann", "bo")
    values = Labelled.of(parts(), ["size"], given=["kind"])
    assert (values.columns, values.labels[:, 0].tolist()) == (("size",), [0.5, 1.5, 2.5, 3.5])
    assert (values.given_columns, values.given[:, 0].tolist()) == (("kind",), [0, 1, 1, 0])
    assert Labelled.of(parts(), [3, 3, 4, 4]).classes == ("3", "4")
    assert Labelled.of(parts(age=[30, 41, 52, 63]), "age", columns=["age"]).labels[1].tolist() == [41.0]


def test_a_target_never_reads_a_label(monkeypatch):
    whole = parts()
    read = []
    kept = datasets.Dataset.__getitem__
    monkeypatch.setattr(
        datasets.Dataset, "__getitem__", lambda self, i: read.append(self.column_names) or kept(self, i)
    )
    assert torch.equal(Unlabelled.of(whole).inputs, INPUTS)
    assert set(map(tuple, read)) == {("photo",)}


def test_a_large_data_set_is_decoded_on_access():
    found = Unlabelled.of(parts(), memory=10)
    assert isinstance(found.inputs, ImageFiles)
    assert torch.equal(found.inputs[torch.tensor([3, 0])], INPUTS[[3, 0]])


def test_images_are_read_as_files_are(tmp_path):
    turned = Image.fromarray(PIXELS[0])
    turned.getexif()[0x0112] = 6
    turned.save(tmp_path / "a.png", exif=turned.getexif())
    paths = datasets.Dataset.from_dict({"image": [str(tmp_path / "a.png")]}).cast_column("image", datasets.Image())
    assert torch.equal(Unlabelled.of(paths).inputs, load_unlabelled(tmp_path / "a.png").inputs)
    assert Unlabelled.of(paths, size=(4, 4)).sizes.tolist() == [[10, 8]]


def test_formats_and_transforms_are_not_applied():
    assert torch.equal(Unlabelled.of(parts().with_format("torch")).inputs, INPUTS)
    assert Labelled.of(parts().with_transform(lambda rows: {"photo": []})).labels.tolist() == [0, 1, 1, 0]


def test_a_data_set_without_images_is_a_table(tmp_path):
    table = parts(age=[30, 41, 52, 63]).remove_columns(["photo", "who"])
    found = Labelled.of(table)
    assert (found.shape, found.classes) == ((2,), ("nut", "bolt"))
    assert Unlabelled.of(table).shape == (2,)
    assert Labelled.of(table, ["size"]).shape == (2,)
    names = [save(tmp_path / f"{i}.png", x).name for i, x in enumerate(PIXELS)]
    paths = datasets.Dataset.from_dict({"file_name": names, "label": ["a", "b"] * 2})
    assert Labelled.of(paths, root=tmp_path).names == tuple(names)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: datasets.DatasetDict(train=parts()),
            r"the splits 'train', expected one of them: dataset\['train'\]",
        ),
        (lambda: parts().to_iterable_dataset(), "found a stream.* without streaming=True"),
        (lambda: parts().select([]), "the data set is empty"),
        (
            lambda: (
                parts().add_column("other", [{"bytes": b"", "path": None}] * 4).cast_column("other", datasets.Image())
            ),
            "the columns 'photo', 'other' are all images. Name one: image='photo'",
        ),
        (lambda: parts().remove_columns("kind"), "found the columns 'photo', 'size', 'who', of which none is called"),
        (
            lambda: parts().map(lambda row, i: {"kind": -(i == 0)}, with_indices=True).select([0, 1]),
            r"'kind' is -1 in row 0, expected a class.* not in \(None, -1\)",
        ),
    ],
)
def test_other_data_sets_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        Labelled.of(make())


def test_columns_that_do_not_exist_or_fit_are_refused():
    for wrong in ({"image": "picture"}, {"given": ["heat"]}):
        with pytest.raises(InputError, match=r"the data set has no .*column '(picture|heat)'"):
            Unlabelled.of(parts(), **wrong)
    with pytest.raises(InputError, match="no label column 'colour'"):
        Labelled.of(parts(), "colour")
    with pytest.raises(InputError, match=r"the columns 'who' hold no numbers"):
        Unlabelled.of(parts(), given=["who"])


def test_a_row_without_an_image_is_named():
    empty = datasets.Dataset.from_dict({"image": [None]}, features=datasets.Features({"image": datasets.Image()}))
    with pytest.raises(InputError, match=r"row 0: unreadable image \(found None, expected an image or its path\)"):
        Unlabelled.of(empty)


def test_a_saved_folder_is_loaded_by_its_name(tmp_path):
    parts().save_to_disk(tmp_path / "saved")
    found = load(f"hf:{tmp_path}/saved", given=["size"])
    assert (found.classes, found.names, found.given_columns) == (("nut", "bolt"), ("0", "1", "2", "3"), ("size",))
    assert load(f"hf:{tmp_path}/saved", ["size"]).columns == ("size",)
    target = load_unlabelled(f"hf:{tmp_path}/saved", size=(4, 4))
    assert (target.shape, target.sizes.tolist()) == ((3, 4, 4), [[8, 10]] * 4)
    assert read_group_names(f"hf:{tmp_path}/saved", "who", target) == ("ann", "bo", "ann", "bo")
    assert read_group_names(f"hf:{tmp_path}/saved", "nobody", target) is None
    with pytest.raises(InputError, match=r"has no splits, but found split 'train'. Leave it out"):
        load(f"hf:{tmp_path}/saved@train")


def test_a_split_is_named_where_there_are_several(tmp_path):
    datasets.DatasetDict(train=parts(), test=parts().select([0, 1])).save_to_disk(tmp_path / "saved")
    assert len(load(f"hf:{tmp_path}/saved@test")) == 2
    assert len(load(f"hf:{tmp_path}/saved", split="train")) == 4
    for wrong, message in (("", "found several splits"), ("@dev", "has no split 'dev'")):
        with pytest.raises(InputError, match=rf"saved{wrong}: {message}, expected one of 'train', 'test'. .*@train"):
            load_unlabelled(f"hf:{tmp_path}/saved{wrong}")


def test_folders_of_images_and_parquet_are_loaded(tmp_path):
    for i, pixels in enumerate(PIXELS):
        save(tmp_path / "images" / ("nut" if i % 2 else "bolt") / f"{i}.png", pixels)
    assert load(f"hf:{tmp_path}/images").classes == ("bolt", "nut")
    (tmp_path / "rows").mkdir()
    parts().to_parquet(tmp_path / "rows" / "train.parquet")
    assert torch.equal(load_unlabelled(f"hf:{tmp_path}/rows").inputs, INPUTS)


def test_a_data_set_that_cannot_be_loaded_is_refused_with_its_name(tmp_path):
    with pytest.raises(InputError, match=r"hf:nobody/nothing: cannot be loaded by the package datasets .*Check"):
        load("hf:nobody/nothing")
    with pytest.raises(InputError, match=r"has no splits, but found split 'train'"):
        load(tmp_path, split="train")


def test_an_absent_package_is_said_with_its_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(InputError, match=r"the package datasets. Install it: pip install 'synth2real\[datasets\]'"):
        load("hf:parts")


def test_a_data_set_is_no_simulator():
    assert not is_simulator("hf:digits")
