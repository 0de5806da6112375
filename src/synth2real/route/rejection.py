"""Refined images whose label has moved farthest, which a route leaves out of its training."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..data.domains import Inputs, Labelled, Unlabelled
from ..data.labels import IGNORED, Boxes, Masks
from ..errors import InputError
from ..refine.displacement import Displacement, displaced, measure_of
from ..storage import write_text
from ..training.mapping import Mapping

if TYPE_CHECKING:
    from .run import Run

DISPLACEMENT = "displacement.json"
BATCH = 256  # masks that are looked at together
JUDGE_STEPS = 500  # most steps of the judge, which needs an opinion of its own training images, and nothing more

Judged = Callable[[Labelled, Unlabelled], "Run"]


def displacement_of(
    refiner: Mapping, source: Labelled, refined: Inputs, target: Unlabelled, judged: Judged
) -> Displacement | None:
    """How far refinement has moved the labels; None if no image is to be left out for it.

    Args:
        refiner: its setting `reject` is the share to leave out.
        source, refined: the source, and its inputs after refinement.
        target: without labels.
        judged: runs a route whose model judges: of the source alone, before refinement.
    """
    if not refiner.reject:
        return None
    alone = replace(source, given=None, given_columns=())
    judge = judged(alone, replace(target, given=None, given_columns=())).model
    return Displacement(displaced(source.inputs, refined, judge, source.fitting), measure_of(judge), refiner.reject)


def final_source(rendered: Labelled, refined: Inputs | None, displacement: Displacement | None) -> Labelled:
    """The source that a model is trained on: refined if the route refines, without the images that are left out."""
    whole = rendered if refined is None else replace(rendered, inputs=refined)
    return whole if displacement is None else whole.subset(displacement.kept)


def notes_of(displacement: Displacement | None, source: Labelled) -> list[str]:
    """What the user must know: what was left out, and the classes of which no image is left."""
    if displacement is None:
        return []
    notes = displacement.notes()
    if source.classes:
        left = _classes_of(source.subset(displacement.kept))
        lost = [source.classes[i] for i in sorted(_classes_of(source) - left)]
        if lost:
            notes.append(
                f"no refined image of the class(es) {', '.join(lost)} is left, so the model does not learn them. Lower "
                "refine.reject, or choose another refiner"
            )
    return notes


def _classes_of(source: Labelled) -> set[int]:
    """Indices of the classes that occur in labels, class indices, masks or boxes."""
    if isinstance(source.labels, Boxes):
        return set(source.labels.classes.unique().tolist())
    if not isinstance(source.labels, Masks):
        return set(source.labels.unique().tolist())
    parts = torch.arange(len(source)).split(BATCH)
    return {i for part in parts for i in source.labels[part].tensor.unique().tolist()} - {IGNORED}


def keep_displacement(folder: Path, found: Displacement) -> None:
    """Write `displacement.json` in a run folder: the summary, and the score of each image."""
    write_text(folder / DISPLACEMENT, json.dumps(found.summary() | found.plain()) + "\n")


def read_displacement(folder: Path) -> Displacement | None:
    """How far the refiner of a run moved the labels; None if it left no image out for it.

    Raises:
        InputError: the file is damaged.
    """
    file = folder / DISPLACEMENT
    try:
        return Displacement.of(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{file}: is damaged ({error}). Train again with --overwrite") from None
