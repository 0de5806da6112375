"""`--few-labels`: labelled real samples that correct a model, and the groups of what it predicts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..adapt import FeatureMapping
from ..data.domains import Labelled, Unlabelled
from ..data.few_labels import FewLabels, load_few_labels
from ..data.given import check_units
from ..data.groups import read_group_names
from ..data.reading.loading import metadata_tables
from ..data.reading.npz import arrays_of
from ..data.reading.places import has_columns, is_packed
from ..data.reading.tables import listed, table_rows
from ..data.shards import has_groups
from ..data.sparse import Layout
from ..deploy import OnnxModel
from ..errors import InputError
from ..route.route import Route
from ..route.run_folder import RunFolder, read_settings
from ..simulate import Simulator
from ..tasks import Classification, Task
from ..training.corrected_head import correction_of
from ..training.correction import Correction, check_enough, check_few_labels, correct
from ..training.model import Model
from .arguments import AdaptArguments, CompareArguments, PredictArguments, TrainArguments
from .console import console
from .inputs import format_for, reading, reading_of, shown
from .outputs import say

Grouped = tuple[FewLabels | None, tuple[str, ...] | None]  # few labels, and the group of each target sample


def read_for_training(
    args: TrainArguments | CompareArguments,
    group: str | None,
    task: Task,
    source: Labelled | Simulator,
    target: Unlabelled,
    layout: Layout | None,
) -> Grouped:
    """The few labels of a command that trains, and the groups of the target. Their given columns fit the source."""
    _check_corrected(args.few_labels, task)
    kind = None if args.few_labels is None else format_for(args.few_labels, args)
    how = {**reading(args), "layout": layout, "given": args.given, "format": kind}
    few, groups = read_few_labels(args.few_labels, group, task, args.label, how, (args.target, target))
    if few is not None and args.given:
        check_units(shown(source, args), few.unlabelled(), f"--few-labels {args.few_labels}")
    return few, groups


def read_for_model(model: Model, args: AdaptArguments | PredictArguments, images: tuple[Path, Unlabelled]) -> Grouped:
    """The few labels of a command that has a trained model, which can take them, and the groups of its images."""
    label = read_settings(args.run).get("label") or ()
    _check_corrected(args.few_labels, model.task)
    few, groups = read_few_labels(args.few_labels, args.group, model.task, label, reading_of(model), images)
    if few is not None:
        model.inputs_of(few.unlabelled(), f"--few-labels {args.few_labels}")
    return few, groups


def _check_corrected(path: Path | None, task: Task) -> None:
    """Raise `InputError` where few labels were given for a task that they do not correct."""
    if path is not None and task.dense:
        raise InputError(
            f"--few-labels {path}: the task {task.kind} has no correction by a few labels. Leave them out, or train "
            "with them as a part of the source"
        )


def read_few_labels(
    path: Path | None,
    group: str | None,
    task: Task,
    label: Sequence[str],
    how: dict[str, Any],
    target: tuple[Path, Unlabelled],
) -> Grouped:
    """The few labels of a command, checked against the task and the target, and the group of each target sample.

    Args:
        path: of --few-labels.
        group: column of --group.
        task: of the model.
        label: column of the classes, if there is one; values have those of the task.
        how: images are read, as keyword arguments of `load`.
        target: the samples to predict, with their path.

    Raises:
        InputError: the few labels cannot be read, or do not fit; or --group without --few-labels.
    """
    if path is None:
        if group is not None:
            raise InputError(
                f"--group '{group}' names the groups of --few-labels, found none. Add them or leave it out"
            )
        return None, None
    columns: Any = task.settings().get("columns")
    named = (label[0] if label else None) if isinstance(task, Classification) else columns
    if isinstance(named, str) and not has_columns(path):
        named = None  # classes as folders have no column
    if path.is_dir() and not is_packed(path) and not isinstance(task, Classification):
        lacking = [column for column in columns if not has_column(path, column)]
        if lacking:
            raise InputError(
                f"--few-labels {path}: has no column {listed(lacking)} in a metadata table, expected the labels of the "
                f"task {task.kind}. Give samples with these labels, or leave --few-labels out"
            )
    few = load_few_labels(path, named, group=group, **how)
    groups = None if group is None else read_group_names(target[0], group, target[1])
    if group is not None and groups is None:
        raise InputError(
            f"--group '{group}': {target[0]} has no such column in a metadata table, .npz or shard, expected the group "
            "of each sample, as in the few labels. Add it, or leave --group out"
        )
    try:
        check_few_labels(task, few, target[1], groups)
    except InputError as error:
        raise InputError(f"--few-labels {path}: {error}") from None
    return few, groups


def check_fine_tune(steps: int, few: FewLabels | None, route: Route) -> None:
    """Raise `InputError` if --fine-tune has no few labels, too few of them, or a route that it does not serve."""
    if not steps:
        return
    if few is None:
        raise InputError(f"--fine-tune {steps}: found no --few-labels to train on with. Add them or leave it out")
    check_enough(few)
    if isinstance(route.adapt, FeatureMapping) or getattr(route.adapt, "cached", False):
        raise InputError(
            f"--fine-tune {steps}: the route maps or caches features, so the network is not trained on images, "
            "expected another --adapt. Leave it out: the few labels correct the model"
        )


def keep_correction(
    folder: RunFolder, model: Model, grouped: Grouped, target: Unlabelled
) -> tuple[Model, Correction | None]:
    """The model, corrected by the few labels if there are any; the folder and the user are told what they bought."""
    if grouped[0] is None:
        return model, None
    correction = correct(model, grouped[0], target, target_groups=grouped[1])
    folder.corrected(correction)
    say(folder, correction.words)
    return correction.model, correction


def has_column(path: Path, group: str) -> bool:
    """Whether the few labels have this column, in a metadata table, the `.npz` or the shards."""
    if is_packed(path):
        return has_groups(path, group)
    if path.suffix.lower() == ".npz" and path.is_file():
        with arrays_of(path) as arrays:
            return group in arrays
    return path.is_dir() and any(group in row for table in metadata_tables(path) for row in table_rows(table))


def plain_few_labels(path: Path | None, group: str | None) -> dict[str, Any] | None:
    """The few labels as plain data for `settings.yaml`."""
    return None if path is None else {"path": str(path), "group": group}


def groups_of(
    run: Path, model: Model | OnnxModel, group: str | None, images: tuple[Path, Labelled | Unlabelled]
) -> Any:
    """Group of each image, for a run with corrections by group; None if it has none, or the images have no groups.

    Args:
        run: the run folder, whose few labels had a group column.
        model: of the run.
        group: column of --group; by default that of the run.
        images: to predict, with their path.

    Raises:
        InputError: --group for a run without corrections by group, or a column that the images lack.
    """
    corrected = None if isinstance(model, OnnxModel) else correction_of(model)
    if corrected is None or not corrected.groups:
        if group is not None:
            raise InputError(
                f"--group '{group}': the run has no correction by group. Leave it out, or correct the run with "
                "--few-labels"
            )
        return None
    column = group or (read_settings(run).get("few_labels") or {}).get("group")
    names = None if column is None else read_group_names(images[0], str(column), images[1])
    if names is None and group is not None:
        raise InputError(f"--group '{group}': {images[0]} has no such column in a metadata table, .npz or shard")
    if names is None:
        console.warn(
            f"{images[0]} has no column '{column}', so every image gets the common correction, not that of its group"
        )
    return names


def warn_of_test(few: FewLabels | None, test: Labelled | None) -> None:
    """Warn of few labels that are also test data: then the test is not honest."""
    both = [] if few is None or test is None else few.also_in(test)
    if few is not None and both:
        console.warn(
            f"{len(both)} of {len(few)} few labels are also in --test, for example {both[0]}: the test of the "
            "corrected model is not honest. Remove them from one of the two"
        )
