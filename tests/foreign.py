"""Tiny folders in the formats of other programs, each written to the documentation that its function names.

Every folder holds two images of 24 by 32 pixels, grey noise in which bright rectangles lie: `ONE` in the first image,
`TWO` in the second. Boxes are left, top, width and height in pixels from the corner of the image.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE = (24, 32)
ONE = {"car": (4, 6, 10, 8)}
TWO = {"person": (2, 3, 6, 12), "car": (16, 8, 12, 10)}
SCENES = (ONE, TWO)
COLOURS = {"car": (255, 53, 0), "person": (0, 53, 255)}
SOLO_TYPE = "type.unity.com/unity.solo."


def image(scene: dict[str, tuple[int, int, int, int]], seed: int = 0) -> NDArray[np.uint8]:
    """(24, 32, 3) uint8."""
    pixels = np.random.default_rng([seed, len(scene)]).integers(60, 100, (*SIZE, 3), dtype=np.uint8)
    for x, y, width, height in scene.values():
        pixels[y : y + height, x : x + width] += 120
    return pixels


def numbers(scene: dict[str, tuple[int, int, int, int]]) -> NDArray[np.uint8]:
    """(24, 32) uint8: the instance of each pixel, from 1; 0 is background."""
    found = np.zeros(SIZE, np.uint8)
    for i, (x, y, width, height) in enumerate(scene.values(), start=1):
        found[y : y + height, x : x + width] = i
    return found


def colours(scene: dict[str, tuple[int, int, int, int]]) -> NDArray[np.uint8]:
    """(24, 32, 4) uint8: the colour of the class of each pixel; background is black."""
    found = np.zeros((*SIZE, 4), np.uint8)
    found[..., 3] = 255
    for name, (x, y, width, height) in scene.items():
        found[y : y + height, x : x + width, :3] = COLOURS[name]
    return found


def save(pixels: NDArray[np.uint8], file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file)


def solo(root: Path, scenes: tuple[Any, ...] = SCENES) -> Path:
    """Unity Perception 1.0, Documentation/Schema/SoloSchema.md; files are named as the package names them."""
    points = [{"label": "top_left", "index": 0}, {"label": "middle", "index": 1}]
    definitions = [
        {"@type": f"{SOLO_TYPE}BoundingBoxAnnotationDefinition", "id": "boxes",
         "spec": [{"label_id": 1, "label_name": "car"}, {"label_id": 2, "label_name": "person"}]},
        {"@type": f"{SOLO_TYPE}KeypointAnnotationDefinition", "id": "points",
         "template": {"templateId": "t", "templateName": "corners", "keypoints": points}},
    ]  # fmt: skip
    root.mkdir(parents=True, exist_ok=True)
    (root / "annotation_definitions.json").write_text(json.dumps({"annotationDefinitions": definitions}))
    (root / "metadata.json").write_text(json.dumps({"perceptionVersion": "1.0.0", "totalFrames": len(scenes)}))
    for i, scene in enumerate(scenes):
        folder = root / f"sequence.{i}"
        save(image(scene), folder / "step0.camera.png")
        save(colours(scene), folder / "step0.camera.instance segmentation.png")
        save(colours(scene), folder / "step0.camera.semantic segmentation.png")
        objects = [
            {"instanceId": k + 5, "labelId": 1 if name == "car" else 2, "labelName": name}
            for k, name in enumerate(scene)
        ]
        annotations = [
            _solo_boxes(scene, objects),
            _solo_masks("Instance", scene, objects),
            _solo_masks("Semantic", scene, objects),
            _solo_points(scene, objects),
        ]
        capture = {"@type": f"{SOLO_TYPE}RGBCamera", "id": "camera", "filename": "step0.camera.png",
                   "imageFormat": "Png", "dimension": [32.0, 24.0], "annotations": annotations}  # fmt: skip
        frame = {"frame": i, "sequence": i, "step": 0, "captures": [capture], "metrics": []}
        (folder / "step0.frame_data.json").write_text(json.dumps(frame))
    return root


def _solo_boxes(scene: dict[str, Any], objects: list[dict[str, Any]]) -> dict[str, Any]:
    values = [one | {"origin": box[:2], "dimension": box[2:]} for one, box in zip(objects, scene.values(), strict=True)]
    return {"@type": f"{SOLO_TYPE}BoundingBox2DAnnotation", "id": "boxes", "sensorId": "camera", "values": values}


def _solo_masks(kind: str, scene: dict[str, Any], objects: list[dict[str, Any]]) -> dict[str, Any]:
    key = "color" if kind == "Instance" else "pixelValue"
    return {
        "@type": f"{SOLO_TYPE}{kind}SegmentationAnnotation",
        "id": kind,
        "filename": f"step0.camera.{kind.lower()} segmentation.png",
        "imageFormat": "Png",
        "dimension": [32.0, 24.0],
        "instances": [one | {key: [*COLOURS[name], 255]} for one, name in zip(objects, scene, strict=True)],
    }


def _solo_points(scene: dict[str, Any], objects: list[dict[str, Any]]) -> dict[str, Any]:
    values = [
        {"instanceId": one["instanceId"], "labelId": one["labelId"], "keypoints": [
            {"index": 0, "location": [float(box[0]), float(box[1])], "state": 1},
            {"index": 1, "location": [0.0, 0.0], "state": 0},
        ]}
        for one, box in zip(objects, scene.values(), strict=True)
    ]  # fmt: skip
    return {"@type": f"{SOLO_TYPE}KeypointAnnotation", "id": "points", "templateId": "t", "values": values}


def replicator(root: Path, scenes: tuple[Any, ...] = SCENES, *, prims: bool = True) -> Path:
    """omni.replicator 1.11, "Annotators information" and BasicWriter: structured arrays, and JSON of the classes."""
    edges = [(name, "<i4") for name in ("x_min", "y_min", "x_max", "y_max")]
    kind = np.dtype([("semanticId", "<u4"), *edges, ("occlusionRatio", "<f4")])
    ids = {"car": 0, "person": 1}
    for i, scene in enumerate(scenes):
        rows = [(ids[n], x, y, x + w - 1, y + h - 1, 0.1) for n, (x, y, w, h) in scene.items()]
        hidden = (0, 2147483647, 2147483647, -2147483648, -2147483648, 1.0)
        save(image(scene), root / f"rgb_{i:04d}.png")
        save(colours(scene), root / f"semantic_segmentation_{i:04d}.png")
        save(colours(scene), root / f"instance_segmentation_{i:04d}.png")
        np.save(root / f"bounding_box_2d_tight_{i:04d}.npy", np.array([*rows, hidden], dtype=kind))
        classes = {str(number): {"class": name} for name, number in ids.items()}
        keys = {name: str((*COLOURS[name], 255)) for name in scene}
        background = {"(0, 0, 0, 0)": {"class": "BACKGROUND"}, "(0, 0, 0, 255)": {"class": "UNLABELLED"}}
        named = background | {keys[name]: {"class": name} for name in scene}
        paths = {name: f"/World/{name}_{i}" for name in scene}
        written: dict[str, Any] = {
            "bounding_box_2d_tight_labels": classes,
            "semantic_segmentation_labels": named,
            "instance_segmentation_semantics_mapping": named,
            "camera_params": {"renderProductResolution": [32, 24]},
        }
        if prims:
            written["bounding_box_2d_tight_prim_paths"] = [*paths.values(), "/World/hidden"]
            written["instance_segmentation_mapping"] = {keys[name]: paths[name] for name in scene}
        for name, content in written.items():
            (root / f"{name}_{i:04d}.json").write_text(json.dumps(content))
    return root


def blenderproc(root: Path, scenes: tuple[Any, ...] = SCENES) -> Path:
    """BlenderProc 2.8, writer/WriterUtility.py: write_hdf5 with segmentation by category_id, instance and name."""
    import h5py

    root.mkdir(parents=True, exist_ok=True)
    ids = {"car": 1, "person": 2}
    for i, scene in enumerate(scenes):
        instances = numbers(scene)
        classes = np.zeros(SIZE, np.uint8)
        for number, name in enumerate(scene, start=1):
            classes[instances == number] = ids[name]
        attributes = [{"idx": 0, "category_id": 0, "name": "world"}]
        attributes += [{"idx": k, "category_id": ids[n], "name": f"{n}.001"} for k, n in enumerate(scene, start=1)]
        with h5py.File(root / f"{i}.hdf5", "w") as file:
            file.create_dataset("colors", data=image(scene), compression="gzip")
            file.create_dataset("depth", data=np.ones(SIZE, np.float32), compression="gzip")
            file.create_dataset("category_id_segmaps", data=classes, compression="gzip")
            file.create_dataset("instance_segmaps", data=instances, compression="gzip")
            file.create_dataset("instance_attribute_maps", data=np.array(np.bytes_(json.dumps(attributes))))
            file.create_dataset("blender_proc_version", data=np.array(np.bytes_("2.8.0")))
    return root


def labelme(root: Path, scenes: tuple[Any, ...] = SCENES) -> Path:
    """labelme 5.5, as its `LabelFile.save` writes: rectangles, and a point in the group of the first object."""
    for i, scene in enumerate(scenes):
        save(image(scene), root / f"{i}.png")
        shapes = [
            _shape(name, [[x, y], [x + w, y + h]], "rectangle", group_id=k)
            for k, (name, (x, y, w, h)) in enumerate(scene.items())
        ]
        x, y, *_ = next(iter(scene.values()))
        shapes.append(_shape("corner", [[x + 0.5, y + 0.5]], "point", group_id=0))
        content = {"version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": f"{i}.png", "imageData": None,
                   "imageHeight": 24, "imageWidth": 32}  # fmt: skip
        (root / f"{i}.json").write_text(json.dumps(content, indent=2))
    return root


def _shape(label: str, points: list[list[float]], kind: str, **more: Any) -> dict[str, Any]:
    return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}, **more}


def yolo(root: Path, scenes: tuple[Any, ...] = SCENES, lines: str | None = None, **description: Any) -> Path:
    """Ultralytics 8, docs/datasets: data.yaml, images/train and labels/train."""
    import yaml

    root.mkdir(parents=True, exist_ok=True)
    content = {
        "path": "C:\\data\\set",
        "train": "images/train",
        "val": "images/train",
        "names": {0: "car", 1: "person"},
    }
    (root / "data.yaml").write_text(yaml.safe_dump(content | description))
    for i, scene in enumerate(scenes):
        save(image(scene), root / "images" / "train" / f"{i}.png")
        text = "".join(
            f"{0 if n == 'car' else 1} {(x + w / 2) / 32} {(y + h / 2) / 24} {w / 32} {h / 24}\n"
            for n, (x, y, w, h) in scene.items()
        )
        (root / "labels" / "train").mkdir(parents=True, exist_ok=True)
        (root / "labels" / "train" / f"{i}.txt").write_text(text if lines is None else lines)
    return root


def voc(root: Path, scenes: tuple[Any, ...] = SCENES) -> Path:
    """Pascal VOC 2012 development kit: Annotations, JPEGImages; pixels count from 1, and the last one is within."""
    (root / "Annotations").mkdir(parents=True, exist_ok=True)
    for i, scene in enumerate(scenes):
        save(image(scene), root / "JPEGImages" / f"2012_{i}.jpg")
        objects = "".join(
            f"<object><name>{n}</name><pose>Left</pose><truncated>0</truncated><difficult>{k}</difficult><bndbox>"
            f"<xmin>{x + 1}</xmin><ymin>{y + 1}</ymin><xmax>{x + w}</xmax><ymax>{y + h}</ymax></bndbox></object>"
            for k, (n, (x, y, w, h)) in enumerate(scene.items())
        )
        (root / "Annotations" / f"2012_{i}.xml").write_text(
            f"<annotation><folder>VOC2012</folder><filename>2012_{i}.jpg</filename>"
            f"<size><width>32</width><height>24</height><depth>3</depth></size>{objects}</annotation>"
        )
    return root


def coco(root: Path, scenes: tuple[Any, ...] = SCENES) -> Path:
    """cocodataset.org/#format-data, with ids that are not in a row."""
    images, annotations = [], []
    for i, scene in enumerate(scenes):
        save(image(scene), root / "images" / f"{i}.png")
        images.append({"id": 10 * i + 3, "file_name": f"{i}.png", "height": 24, "width": 32})
        annotations += [
            {"id": 100 * i + k, "image_id": 10 * i + 3, "category_id": 7 if name == "car" else 44, "bbox": list(box),
             "area": box[2] * box[3], "iscrowd": 0}
            for k, (name, box) in enumerate(scene.items())
        ]  # fmt: skip
    categories = [{"id": 7, "name": "car"}, {"id": 44, "name": "person"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (root / "annotations.json").write_text(json.dumps(content))
    return root


WRITERS = {
    "solo": solo,
    "replicator": replicator,
    "blenderproc": blenderproc,
    "labelme": labelme,
    "yolo": yolo,
    "voc": voc,
    "coco": coco,
}
CLASSES = {"blenderproc": {"car": "1", "person": "2"}}  # it names no categories
