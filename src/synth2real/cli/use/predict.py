"""`synth2real predict`: predictions for images as CSV."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...data.domains import Unlabelled, evenly
from ...data.labels import Boxes, joined
from ...data.reading.discovery import counted
from ...data.tiles.cutting import count_of
from ...data.tiles.tiling import Tiling
from ...deploy import OnnxModel
from ...engines import Engine, Span, spans
from ...engines import engine as engine_of
from ...engines.portable import Portable
from ...errors import InputError
from ...storage import check_writable, make_folder
from ...tasks import Classification, Detection, Keypoints, Segmentation, Task
from ...training.corrected_head import correction_of
from ...training.correction import Correction, correct
from ...training.hardware import Hardware
from ...training.model import Model, Predictions, batch_of
from .. import dry_run
from ..arguments import PredictArguments
from ..console import Result, console
from ..few_labels import groups_of, read_for_model
from ..inputs import images_for, load_run
from ..outputs import check_new_file, one_class
from ..provenance import recorded
from .cells import harmless, write_table
from .predicted_boxes import files_of, write_boxes
from .predicted_masks import check_folder, write_masks

FEW = 200  # images that a dry run predicts
SHOWN = 20  # classes in a line
BATCHES = 4  # of the model in a part
PART = 4096  # rows that are text at once
CLASSIFIED = ("label", "confidence")


def predict(args: PredictArguments) -> Result:
    """Write one row per image to a CSV file, and say how many there are of each class; or masks, or boxes."""
    model, out = load_run(args.run, trust=args.trust, device=args.device), args.out
    if isinstance(model.task, Segmentation):
        return masks(args, model)
    if isinstance(model.task, Detection):
        return boxes(args, model)
    if out.is_dir():
        raise InputError(f"{out}: found a folder, expected the name of a CSV file, such as {out / 'predictions.csv'}")
    check_new_file(out, "a CSV", (), args.overwrite)
    if args.probabilities and not isinstance(model.task, Classification):
        raise InputError(
            f"--probabilities: the run predicts values ({model.task.kind}), expected a run that classifies"
        )
    images = images_for(model, args.images, args)
    model.inputs_of(images, str(args.images))
    model, groups, correction = corrected(args, model, images)
    if args.dry_run:
        return dry_plan(args, model, images)
    predictions = on_engine(args, model, images, groups)
    for line in one_class(model, predictions):
        console.warn(line)
    make_folder(out.parent)
    with recorded("predict", args, out):
        write_table(out, rows(predictions, args.probabilities))
    what = "images" if len(model.shape) == 3 else "samples"
    found = summary(predictions)
    left_out = counted(console.left_out)
    for line in (
        f"predicted {len(predictions.values)} {what}{described(found)}",
        correction.words if correction is not None else "",
        f"left out: {left_out}" if left_out else "",
        f"predictions: {out}",
    ):
        if line:
            console.print(line, soft_wrap=True)
    few = {} if correction is None else {"few_labels": correction.plain()}
    return {"count": len(predictions.values), **found, **few, "out": out}


def masks(args: PredictArguments, model: Model | OnnxModel) -> Result:
    """Write a folder of masks."""
    check_folder(args)
    images = images_for(model, args.images, args)
    model.inputs_of(images, str(args.images))
    if args.dry_run:
        return dry_plan(args, model, images)
    return write_masks(args, chosen_engine(args), model, images)


def boxes(args: PredictArguments, model: Model | OnnxModel) -> Result:
    """Write a CSV file of boxes, and COCO's result JSON."""
    files_of(args)
    images = images_for(model, args.images, args)
    model.inputs_of(images, str(args.images))
    return dry_plan(args, model, images) if args.dry_run else write_boxes(args, on_engine(args, model, images, None))


def on_engine(
    args: PredictArguments, model: Model | OnnxModel, images: Unlabelled, groups: Sequence[str] | None
) -> Predictions:
    """The predictions, computed by the engine that the options name."""
    with chosen_engine(args) as runs:
        return predicted(runs, model, images, groups)


def chosen_engine(args: PredictArguments) -> Engine:
    """The engine that the options name, with as many threads as this process: the last bits depend on their number."""
    return engine_of(args.engine, args.jobs, Hardware.detect(args.device).own_gpus, torch.get_num_threads())


def predicted(
    engine: Engine, model: Model | OnnxModel, images: Unlabelled, groups: Sequence[str] | None
) -> Predictions:
    """The predictions, in parts on the engine. Each part is a number of whole batches, so that every bit is as in one.

    Samples of one group are predicted together, as `Model.predict` does.
    """
    if images.tiling is not None:
        return of_tiles(engine, model, images, images.tiling)
    shape = model.inputs_of(images).shape[1:] if isinstance(model, Model) else model.shape
    size = BATCHES * batch_of(shape, model.task.dense)
    order, ends = torch.arange(len(images)), [len(images)]
    if groups is not None and isinstance(model, Model) and (corrected := correction_of(model)) is not None:
        number = torch.tensor([corrected.number_of(name) for name in groups])
        order, ends = number.argsort(stable=True), number.bincount().cumsum(0).tolist()
    parts = [span for first, end in itertools.pairwise([0, *ends]) for span in spans(end, size, first)]
    values = joined(list(engine.map(PredictedPart(Portable(model), images, groups, order), parts)))
    return Predictions(values[order.argsort()], model.task, images.names)


def of_tiles(engine: Engine, model: Model | OnnxModel, images: Unlabelled, tiling: Tiling) -> Predictions:
    """The predictions for images that are cut into tiles, in parts of whole images on the engine."""
    size = BATCHES * batch_of(model.shape, model.task.dense)
    order = torch.arange(len(images))
    parts = [Span(int(tiles[0]), int(tiles[-1]) + 1) for tiles in tiling.parts(size)]
    values = joined(list(engine.map(PredictedPart(Portable(model), images, None, order), parts)))
    return Predictions(values, model.task, tiling.names)


@dataclass(frozen=True)
class PredictedPart:
    """Predicts a part of the images, in any process.

    Args:
        model: that predicts.
        images: all images.
        groups: of all images, or None.
        order: (N,) int64, the images in the order in which they are cut into parts.
    """

    model: Portable[Model | OnnxModel]
    images: Unlabelled
    groups: Sequence[str] | None
    order: Tensor

    def __call__(self, part: Span) -> Tensor | Boxes:
        """The values of the predictions."""
        index = self.order[part.first : part.end]
        groups = None if self.groups is None else [self.groups[i] for i in index.tolist()]
        return self.model.held.predict(self.images.subset(index), groups=groups).values


def dry_plan(args: PredictArguments, model: Model | OnnxModel, images: Unlabelled) -> Result:
    """Check the output, time the predictions of a few images, and say the plan."""
    check_writable(args.out)
    few = images.subset(evenly(len(images), FEW))
    began = time.perf_counter()
    model.predict(few)
    seconds = (time.perf_counter() - began) * len(images) / len(few)
    return dry_run.plan([f"{count_of(images)} images of {args.images} by {args.run}"], seconds, args.out)


def corrected(
    args: PredictArguments, model: Model | OnnxModel, images: Unlabelled
) -> tuple[Model | OnnxModel, Sequence[str] | None, Correction | None]:
    """The model, corrected by --few-labels if they are given, the groups of the images, and the correction."""
    if args.few_labels is None:
        return model, groups_of(args.run, model, args.group, (args.images, images)), None
    if isinstance(model, OnnxModel):
        raise InputError(
            f"--few-labels: found the exported {args.run}, whose weights are fixed, expected a run folder. Correct the "
            "run (adapt or train with --few-labels), and export that"
        )
    few, groups = read_for_model(model, args, (args.images, images))
    assert few is not None
    if correction_of(model) is not None:
        console.warn(
            f"{args.run} was corrected by few labels before. If some of these are among them, the errors below are too "
            "small"
        )
    correction = correct(model, few, images, target_groups=groups, curve=False)
    return correction.model, groups, correction


def summary(predictions: Predictions) -> Result:
    """Number of samples of each class; or the range of each column of values. For points nothing."""
    task, values = predictions.task, predictions.values
    if isinstance(task, Classification):
        counts = values.argmax(1).bincount(minlength=task.outputs).tolist()
        return {"classes": dict(zip(task.classes, counts, strict=True))}
    if isinstance(task, Keypoints):
        return {}
    ends = zip(values.amin(0).tolist(), values.amax(0).tolist(), strict=True)
    columns: tuple[str, ...] = task.columns  # type: ignore[attr-defined]
    return {"columns": {name: {"least": low, "most": high} for name, (low, high) in zip(columns, ends, strict=True)}}


def described(found: Result) -> str:
    """The summary in words, the most frequent class first."""
    if "classes" in found:
        counts = sorted(found["classes"].items(), key=lambda one: -one[1])
        shown = [f"{name}: {count}" for name, count in counts if count]
        more = [f"{len(shown) - SHOWN} more classes"] if len(shown) > SHOWN else []
        return f" ({', '.join(shown[:SHOWN] + more)})"
    columns = [f"{name} {c['least']:.4g} to {c['most']:.4g}" for name, c in found.get("columns", {}).items()]
    return f" ({', '.join(columns)})" if columns else ""


def rows(predictions: Predictions, probabilities: bool) -> Iterator[list[str]]:
    """The table, header first: file name, then label and confidence (and probabilities), or the label columns."""
    task = predictions.task
    if isinstance(task, Classification):
        columns = (*CLASSIFIED, *(f"p_{name}" for name in task.classes if probabilities))
    else:
        columns = task.columns  # type: ignore[attr-defined]
    yield [harmless(cell) for cell in ("file_name", *columns)]
    cells = (row for part in predictions.values.split(PART) for row in _cells(part, task, probabilities))
    for name, row in zip(predictions.names, cells, strict=True):
        yield [harmless(cell) for cell in (name, *row)]


def _cells(values: Tensor, task: Task, probabilities: bool) -> Iterator[list[str]]:
    """The cells of some rows, without the file names."""
    if not isinstance(task, Classification):
        yield from (list(map(str, row)) for row in values.numpy())  # the shortest text that reads back the same
        return
    for best, row in zip(values.argmax(1).tolist(), values.tolist(), strict=True):
        yield [task.classes[best], f"{max(row):.6f}", *(f"{p:.6f}" for p in row if probabilities)]
