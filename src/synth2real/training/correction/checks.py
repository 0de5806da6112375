"""Whether a few labels fit the model that they are to correct, and the target."""

from __future__ import annotations

from collections.abc import Sequence

from ...data.domains import Unlabelled
from ...data.few_labels import FewLabels
from ...data.reading.class_names import as_classes
from ...errors import InputError
from ...tasks import Classification, Task

SHOWN = 5  # names in a message


def check_few_labels(task: Task, few: FewLabels, target: Unlabelled, target_groups: Sequence[str] | None) -> None:
    """Raise `InputError` if the few labels do not fit the task or the target. A model need not be trained yet.

    Args:
        task: of the model.
        few: the few labels.
        target: whose inputs fit the model.
        target_groups: name of the group of each target sample.
    """
    _check_task(task, few)
    if few.shape != target.shape:
        ours, theirs = ("x".join(map(str, shape)) for shape in (few.shape, target.shape))
        raise InputError(
            f"the few labels have inputs of {ours}, the target of {theirs}: expected the same, images as channels x "
            "height x width. Give real samples like the target's; --size and --channels convert both on load"
        )
    _check_groups(few, len(target), target_groups)


def _check_task(task: Task, few: FewLabels) -> None:
    """Raise `InputError` if the few labels are of another task, or of one without a correction."""
    if task.dense:
        raise InputError(
            f"the task {task.kind} has no correction by a few labels, expected classes or values. Leave the few labels "
            "out, or train with them as a part of the source"
        )
    if isinstance(task, Classification):
        if not few.classes:
            raise InputError(
                f"the few labels are the number columns {_listed(few.columns)}, but the model classifies: expected "
                "class labels. Name their column"
            )
        unknown = [name for name in few.classes if name not in task.classes]
        if unknown:
            raise InputError(
                f"the few labels have the class '{unknown[0]}', which the model does not know, expected only "
                f"{_listed(task.classes)}. Leave these samples out, or train with that class"
            )
        present = few.labels.unique()
        if len(present) == 1:
            one = few.classes[int(present[0])]
            raise InputError(
                f"all {len(few)} few labels are of the class '{one}', expected two classes or more: labels of one "
                "class would only say that everything is of it. Label some of another class"
                if len(few) > 1
                else f"the only few label is of the class '{one}', expected labels of two classes or more"
            )
        return
    if few.classes:
        raise InputError(
            f"the few labels are classes ({_listed(few.classes)}), but the model predicts values ({task.kind}): "
            f"expected the columns {_listed(task.settings()['columns'])}"
        )
    if list(few.columns) != list(task.settings()["columns"]):
        raise InputError(
            f"the few labels have the columns {_listed(few.columns)}, the model predicts "
            f"{_listed(task.settings()['columns'])}: expected the same columns in the same order"
        )
    task.check_labels(few.labels)


def _check_groups(few: FewLabels, count: int, target_groups: Sequence[str] | None) -> None:
    """Raise `InputError` if a group of the few labels is not in the target of `count` samples."""
    if not few.groups:
        return
    if target_groups is None:
        raise InputError(
            f"the few labels have the groups {_listed(few.group_names)}, but the target has none, expected the group "
            "of each target sample. Give the target's groups (target_groups=), or leave those of the few labels out"
        )
    if len(target_groups) != count:
        raise InputError(f"target_groups holds {len(target_groups)} groups, expected {count}, one per sample")
    lacking = [name for name in few.group_names if name not in set(target_groups)]
    if lacking:
        raise InputError(
            f"the few labels have the group '{lacking[0]}', which the target lacks: its groups are "
            f"{_listed(as_classes(target_groups)[1])}. Leave these labels out, or give the few labels without groups"
        )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
