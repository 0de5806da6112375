"""What an exported file says about itself: the task and its answers, inputs, versions, licence. Plain data as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from ..training.hardware import versions
from ..training.model import Model
from .graph import Graph

PREFIX = "synth2real."  # of the names of facts among other metadata
UNITS = {  # of the answers, by task
    "classify": "probability",
    "regress": "as the labels of the training",
    "keypoints": "pixels of the image as given, x right, y down; the centre of the top-left pixel is (0, 0)",
    "gaze": "radians",
    "segment": "logits of the classes over the resized image; the class of a pixel is the highest after enlargement",
    "detect": "logits of the classes, then logarithms of the distances to left, top, right and bottom in units of "
    "task.scale pixels of the resized image",
}
SET_UNITS = "of each box logits of the classes, then centre x and y, width and height as shares of the resized image"


def facts_of(graph: Graph, run: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a graph.

    Args:
        graph: to export.
        run: settings of its run, see `read_settings`; empty if they are not known.
    """
    model = graph.model
    task, classes = model.task, model.task.named
    columns: Any = task.settings().get("columns")
    return {
        "task": {"kind": task.kind, **task.settings()},
        "classes": task.settings()["classes"] if classes else None,
        "columns": columns,
        "units": SET_UNITS if model.has_sets else UNITS[task.kind],
        "input": _input(graph),
        "output": graph.output,
        "given": list(model.given_columns),
        "given_scale": [part.tolist() for part in model.given_scale] if model.given_columns else None,
        "shape": list(model.shape),
        "conversion": model.conversion.plain(),
        "layout": dataclasses.asdict(model.layout) if model.layout else None,
        "label": run.get("label"),
        "method": run.get("route") or run.get("adapt") or run.get("members"),
        "network": [one["network"] for one in model.description.get("members", [model.description])],
        "licence": _licences(model),
        "versions": versions(),
    }


def as_texts(facts: Mapping[str, Any]) -> dict[str, str]:
    """Facts as the metadata of an ONNX file: each as JSON, under its name with a prefix."""
    return {f"{PREFIX}{name}": json.dumps(value) for name, value in facts.items()}


def from_texts(texts: Mapping[str, str]) -> dict[str, Any]:
    """Inverse of `as_texts`; other metadata is left out."""
    return {name.removeprefix(PREFIX): json.loads(text) for name, text in texts.items() if name.startswith(PREFIX)}


def _input(graph: Graph) -> dict[str, Any]:
    """What the first input is, for the person who writes the server."""
    model = graph.model
    if not graph.takes_images:
        return {"name": graph.inputs[0], "dtype": "float32", "shape": ["batch", *model.shape]}
    return {
        "name": graph.inputs[0],
        "dtype": "uint8",
        "shape": ["batch", "height", "width", 3],
        "channels": "RGB",
        "resized_to": list(model.shape[1:]),
    }


def _licences(model: Model) -> list[str]:
    """Licences of pretrained weights: those of the model, and what modules of a network say in `licence`."""
    kept: Any = [one.get("licence") for one in model.description.get("members", [model.description])]
    said = {*kept, *(getattr(module, "licence", None) for module in model.modules())}
    return sorted(licence for licence in said if isinstance(licence, str))
