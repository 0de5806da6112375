"""Data sets of Hugging Face on disk, written by the package `datasets` itself."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from foreign import ONE, TWO, image
from skips import optional
from synth2real import load
from synth2real.data.formats import format_of
from synth2real.data.formats.hub import HUGGING_FACE
from synth2real.data.formats.record import image_bytes
from synth2real.errors import InputError

datasets: Any = optional("datasets", "datasets")


def saved(folder: Path) -> Path:
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=["cat", "dog"]),
            "pitch": datasets.Value("float32"),
            "objects": {
                "bbox": datasets.Sequence(datasets.Sequence(datasets.Value("float32"), length=4)),
                "category": datasets.Sequence(datasets.ClassLabel(names=["car", "person"])),
            },
        }
    )
    rows = [
        {
            "image": Image.fromarray(image(scene)),
            "label": 1,
            "pitch": 0.5,
            "objects": {
                "bbox": [list(box) for box in scene.values()],
                "category": [0 if name == "car" else 1 for name in scene],
            },
        }
        for scene in (ONE, TWO)
    ]
    datasets.Dataset.from_list(rows, features=features).save_to_disk(str(folder))
    return folder


def test_a_saved_set_is_found_and_read_as_by_its_name(tmp_path: Path) -> None:
    folder = saved(tmp_path / "set")
    assert format_of(folder) is HUGGING_FACE
    data = load(folder)
    assert data.classes == load(f"hf:{folder}").classes == ("cat", "dog")
    assert data.labels.tolist() == [1, 1]
    assert load(folder, ["pitch"]).labels[:, 0].tolist() == [0.5, 0.5]


def test_records_hold_classes_values_and_boxes(tmp_path: Path) -> None:
    first, second = HUGGING_FACE.read(saved(tmp_path / "set"))
    assert first.values == {"label": "dog", "pitch": 0.5}
    assert [(one.category, one.box) for one in first.instances] == [("car", (3.5, 5.5, 13.5, 13.5))]
    assert len(second.instances) == 2
    assert image_bytes(first.image)[1] == ".png"
    assert first.sides == (24, 32)


def test_several_splits_are_listed(tmp_path: Path) -> None:
    one = datasets.load_from_disk(str(saved(tmp_path / "one")))
    datasets.DatasetDict({"train": one, "test": one}).save_to_disk(str(tmp_path / "set"))
    with pytest.raises(InputError, match="found several splits, expected one of 'train', 'test'"):
        load(tmp_path / "set")
    assert len(load(tmp_path / "set", split="test")) == 2
