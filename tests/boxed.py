"""Small sets of images with boxes, in the layouts of several programs."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from helpers import picture, save

SIZE = (20, 30)  # height and width
OBJECTS: dict[str, list[tuple[str, tuple[float, float, float, float]]]] = {
    "a": [("dog", (12, 4, 20, 16)), ("car", (2, 3, 10, 9))],
    "b": [("car", (5, 5, 15, 15))],
    "c": [],
}  # class, and left, top, right and bottom edge


def images(folder: Path, size: tuple[int, int] = SIZE) -> None:
    for i, name in enumerate(OBJECTS):
        save(folder / f"{name}.png", picture(i, size))


def annotations(**changes: Any) -> dict[str, Any]:
    """The content of a COCO JSON, whose ids have gaps; `changes` are of the first annotation."""
    ids = {"dog": 7, "car": 90}
    rows = [(10 * i, kind, box) for i, objects in enumerate(OBJECTS.values()) for kind, box in objects]
    found = [
        {"id": i, "image_id": image, "category_id": ids[kind], "bbox": [x, y, right - x, bottom - y], "iscrowd": 0}
        for i, (image, kind, (x, y, right, bottom)) in enumerate(rows)
    ]
    found[0] |= changes
    listed = [
        {"id": 10 * i, "file_name": f"{name}.png", "height": SIZE[0], "width": SIZE[1]}
        for i, name in enumerate(OBJECTS)
    ]
    categories = [{"id": number, "name": name} for name, number in ids.items()]
    return {"images": listed, "annotations": found, "categories": categories}


def coco(folder: Path, **changes: Any) -> Path:
    images(folder / "images")
    (folder / "annotations.json").write_text(json.dumps(annotations(**changes)))
    return folder


def yolo(folder: Path, names: Any = ("car", "dog"), first: str = "", part: str = "train") -> Path:
    """`first` is a line before the others of the image `a`."""
    images(folder / f"images/{part}")
    (folder / f"labels/{part}").mkdir(parents=True)
    (folder / "data.yaml").write_text(f"train: images/{part}\nval: images/{part}\nnames: {json.dumps(names)}\n")
    for name, objects in OBJECTS.items():
        if objects:
            lines = [_line(*one) for one in objects]
            text = "\n".join([first, *lines] if name == "a" else lines)
            (folder / f"labels/{part}/{name}.txt").write_text(text)
    return folder


def _line(kind: str, box: tuple[float, float, float, float]) -> str:
    x, y, right, bottom = box
    values = (x + right) / 60, (y + bottom) / 40, (right - x) / 30, (bottom - y) / 20
    return " ".join(map(str, (("car", "dog").index(kind), *values)))


def voc(folder: Path, difficult: int = 0) -> Path:
    images(folder / "JPEGImages")
    (folder / "Annotations").mkdir()
    for name, objects in OBJECTS.items():
        found = "".join(
            f"<object><name>{kind}</name><difficult>{difficult}</difficult><bndbox><xmin>{x + 1}</xmin><ymin>{y + 1}"
            f"</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
            for kind, (x, y, right, bottom) in objects
        )
        (folder / f"Annotations/{name}.xml").write_text(
            f"<annotation><filename>{name}.png</filename><size><width>30</width><height>20</height></size>{found}"
            "</annotation>"
        )
    return folder


def labelme(folder: Path) -> Path:
    images(folder)
    for name, objects in OBJECTS.items():
        shapes = [{"label": kind, "points": [box[:2], box[2:]], "shape_type": "rectangle"} for kind, box in objects]
        content = {"version": "5", "flags": {}, "shapes": shapes, "imagePath": f"{name}.png"}
        (folder / f"{name}.json").write_text(json.dumps(content | {"imageHeight": SIZE[0], "imageWidth": SIZE[1]}))
    return folder


def table(folder: Path) -> Path:
    images(folder)
    rows = [
        {
            "file_name": f"{name}.png",
            "objects": {
                "bbox": [[x, y, right - x, bottom - y] for _, (x, y, right, bottom) in objects],
                "category": [kind for kind, _ in objects],
            },
        }
        for name, objects in OBJECTS.items()
    ]
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def arrays(folder: Path, **changes: Any) -> Path:
    rows = [(i, kind, box) for i, objects in enumerate(OBJECTS.values()) for kind, box in objects]
    content = {
        "images": np.stack([picture(i, SIZE) for i in range(len(OBJECTS))]),
        "boxes": np.array([box for *_, box in rows], np.float32)[::-1],
        "box_class": np.array([("car", "dog").index(kind) for _, kind, _ in rows])[::-1],
        "box_image": np.array([image for image, *_ in rows])[::-1],
        "classes": np.array(["car", "dog"]),
    }
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "set.npz", **(content | changes))
    return folder / "set.npz"
