"""Boxes that external programs write."""

import json
import textwrap
from pathlib import Path

import pytest
import torch

from synth2real.errors import InputError
from synth2real.simulate import render, simulator

DICE = Path(__file__).parents[2] / "examples" / "dice" / "dice.yaml"
DESCRIPTION = """
command: "{python} program.py {parameters} {out}"
parameters:
  power: {unit: watts, limits: [0, 100], default: [20, 40]}
things: [cup, 3]
"""
HEAD = """
import json, pathlib, sys, yaml
from PIL import Image
out = pathlib.Path(sys.argv[2])
asked = yaml.safe_load(open(sys.argv[1]))
n = asked["n"]
images = [{"id": 7 + i, "file_name": f"{i}.png", "width": 20, "height": 10} for i in range(n)]
categories = [{"id": 5, "name": "cup"}, {"id": 2, "name": "3"}, {"id": 4, "name": "plate"}]
found = [{"id": 1, "image_id": 7, "category_id": 2, "bbox": [2, 4, 6, 3]}]
table = None
"""
TAIL = """
[Image.new("L", (20, 10), 20 * i).save(out / f"{i}.png") for i in range(n)]
content = {"images": images, "categories": categories, "annotations": found}
(out / "annotations.json").write_text(json.dumps(content))
if table is not None:
    (out / "metadata.jsonl").write_text("\\n".join(map(json.dumps, table)))
"""


def described(folder, body="", size=(10, 20), more=""):
    """A simulator whose program changes `found`, `images`, `n` and `table` before it writes them."""
    (folder / "program.py").write_text(HEAD + textwrap.dedent(body) + TAIL)
    (folder / "cups.yaml").write_text(DESCRIPTION + more)
    return simulator(str(folder / "cups.yaml"), size=size)


def test_boxes_are_read_with_their_classes_and_images(tmp_path):
    body = """
    found += [{"id": 2, "image_id": 9, "category_id": 5, "bbox": [0, 0, 1, 1], "iscrowd": 1}]
    found += [{"id": 3, "image_id": 7, "category_id": 5, "bbox": [-3, 8, 5, 9]}]
    """
    seen = described(tmp_path, body).sample(3, 0)
    assert seen.boxes.counts.tolist() == [2, 0, 1]
    assert seen.boxes.corners.tolist() == [[2, 4, 8, 7], [0, 8, 2, 10], [0, 0, 1, 1]]
    assert seen.boxes.classes.tolist() == [1, 0, 0]
    assert seen.boxes.ignored.tolist() == [False, False, True]
    assert seen.images[:, 0, 0, 0].tolist() == [0, 20, 40]
    labelled = described(tmp_path).labelled(2, 0)
    assert labelled.classes == ("cup", "3")
    assert labelled.labels.counts.tolist() == [1, 0]


def test_boxes_are_scaled_with_the_images(tmp_path):
    seen = described(tmp_path, size=(20, 10)).sample(1, 0)
    assert seen.boxes.corners.tolist() == [[1, 8, 4, 14]]


def test_images_may_have_a_table_beside_their_boxes(tmp_path):
    body = "table = [{'file_name': f'{i}.png', 'label': 'lit'} for i in reversed(range(n))]"
    seen = described(tmp_path, body, more="classes:\n  label: [dark, lit]\n").sample(2, 0)
    assert seen.labels["label"].tolist() == [1, 1]
    assert seen.boxes.counts.tolist() == [1, 0]


WRONG = [
    ("(out / 'x.txt').write_text('')\nsys.exit(0)", r"wrote no COCO JSON, expected annotations\.json with `images`"),
    ("found[0]['category_id'] = 4", r"an object of 0\.png is of the class 'plate', expected one of: cup, 3"),
    ("found[0]['category_id'] = 9", r"an object of 0\.png is of the class '9', expected one of: cup, 3"),
    ("del found[0]['bbox']", r"an object of 0\.png has no `bbox`, expected \[left, top, width, height\]"),
    ("found[0]['bbox'] = [2, 4, 0, 3]", r"has the `bbox` \[2, 4, 0, 3\], .* within the image of 20 x 10"),
    ("found[0]['bbox'] = [20, 4, 6, 3]", r"has the `bbox` \[20, 4, 6, 3\], expected"),
    ("found[0]['bbox'] = [2, 4, 'x', 3]", r"annotations\.json: the annotation 1 of the image 7 is not in the format"),
    ("found[0]['image_id'] = 99", r"is of the image 99, which is not listed"),
    ("images[0]['file_name'] = 'z.png'", r"z\.png"),
    ("n = 1; images = images[:1]", r"wrote 1 images with boxes; expected 2"),
]


@pytest.mark.parametrize(("body", "message"), WRONG)
def test_boxes_that_cannot_be_used_are_named(tmp_path, body, message):
    with pytest.raises(InputError, match=message):
        described(tmp_path, body).sample(2, 0)


def test_a_table_of_other_images_than_those_with_boxes_is_refused(tmp_path):
    body = """
    Image.new("L", (20, 10)).save(out / "other.png")
    table = [{'file_name': name, 'label': 'lit'} for name in ('0.png', 'other.png')]
    """
    with pytest.raises(InputError, match="wrote a COCO JSON of other images than its table, expected the same 2"):
        described(tmp_path, body, more="classes:\n  label: [dark, lit]\n").sample(2, 0)


def test_the_example_draws_dice_with_the_number_of_their_pips(tmp_path):
    plain = {"clutter": 0, "cloth": 0, "colour": 0, "noise": 0, "blur": 0, "light": 0, "shadow": 0, "table": 0.5}
    dice = simulator(str(DICE), size=(160, 200), channels=3, ranges=plain | {"dice": 6, "side": 0.12, "gathered": 0})
    seen = dice.sample(4, 3)
    assert dice.things == ("1", "2", "3", "4", "5", "6")
    assert seen.images.shape == (4, 3, 160, 200)
    assert torch.equal(dice.sample(4, 3).images, seen.images)
    corners = seen.boxes.corners
    assert 4 <= len(corners) <= 24
    assert (corners >= 0).all()
    assert (corners <= torch.tensor([200, 160, 200, 160])).all()
    outside = torch.ones(4, 160, 200, dtype=torch.bool)
    for i, (left, top, right, bottom) in zip(seen.boxes.image, corners.int().tolist(), strict=True):
        outside[i, top : bottom + 1, left : right + 1] = False
        inside = seen.images[i, :, top:bottom, left:right].float()
        assert inside.std() > 10
    spread = seen.images.float().std((0, 2, 3))
    for i in range(4):
        assert seen.images[i].movedim(0, -1)[outside[i]].float().std(0).max() < spread.max() / 5


def test_boxes_of_a_program_are_written_as_coco(tmp_path):
    render(described(tmp_path), 2, tmp_path / "out", seed=0)
    written = json.loads((tmp_path / "out" / "annotations.json").read_text())
    assert [one["name"] for one in written["categories"]] == ["cup", "3"]
    assert written["annotations"] == [
        {"id": 1, "image_id": 0, "category_id": 2, "bbox": [2, 4, 6, 3], "area": 18, "iscrowd": 0}
    ]
    rows = [json.loads(line) for line in (tmp_path / "out" / "metadata.jsonl").read_text().splitlines()]
    assert [row["file_name"] for row in rows] == ["000000.png", "000001.png"]
