"""Checks of settings that exclude each other, before a network is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from ..adapt import OBJECTIVES, STAGE, Objective
from ..data.domains import Labelled, Unlabelled, check_domains, check_kind
from ..data.fitting import TILES
from ..data.given import check_both
from ..data.objects import as_labelled, as_unlabelled, check_columns, is_table
from ..data.tiles.cutting import as_samples, refused
from ..data.unpadded import check_unpadded
from ..errors import InputError
from ..settings import name_of
from ..simulate import Simulator
from ..tasks import Task


def check_data(source: object, target: object, test: object = None) -> None:
    """Raise `InputError` if a domain is of a wrong type, or the target does not look like what a simulator renders."""
    check_kind(source, (Labelled, Simulator), "the source is")
    check_kind(target, Unlabelled, "the target is")
    if isinstance(source, Simulator) and isinstance(target, Unlabelled):
        check_unpadded(target, "the simulator")
    check_kind(test, (Labelled, type(None)), "the test data is")


def as_domains(
    source: object, target: object, test: object = None
) -> tuple[Labelled | Simulator, Unlabelled, Labelled | None]:
    """What a user gave for source, target and test data as domains, see `Labelled.of` and `Unlabelled.of`.

    Tiles of source and target are images of their own, to train and to score without labels. The test data is scored
    by its whole images.

    Raises:
        InputError: one of them holds no such data.
    """
    ours: Labelled | Simulator = as_labelled(source, "the source is", allowed=(Simulator,))
    theirs: Unlabelled = as_unlabelled(target, "the target is")
    tested: Labelled | None = None if test is None else as_labelled(test, "the test data is", allowed=(type(None),))
    table = source[0] if isinstance(source, tuple) else source
    if is_table(table) and is_table(target) and len(theirs.shape) == 1:
        check_columns(table, target)
    check_data(ours, theirs, tested)
    return ours if isinstance(ours, Simulator) else as_samples(ours), as_samples(theirs), tested


def check_tiles(task: Task, target: Unlabelled) -> None:
    """Raise `InputError` if the target is cut into tiles, and the labels of the task do not lie in the image."""
    if target.resize == TILES and not task.dense:
        raise refused(f"the task {task.kind} is of whole images")


def check_pair(source: Labelled, target: Unlabelled) -> None:
    """Raise `InputError` if the domains differ in their inputs or in their given columns, see `given.check_both`."""
    check_domains(source, target)
    check_both(source, target)


def check_stages(stages: Mapping[str, object], methods: Mapping[str, Mapping[str, type[Any]]]) -> None:
    """Raise `InputError` if a stage of a route has the name or the class of a method.

    Args:
        stages: the method of each stage, or None.
        methods: the known methods of each stage, by name.
    """
    for stage, method in stages.items():
        if not isinstance(method, str | type):
            continue
        found, kind = (
            (f"the class {method.__name__}", method)
            if isinstance(method, type)
            else (f"the name '{method}'", methods[stage].get(method))
        )
        made = f"such as {kind.__name__}()" if kind is not None else f"one of: {', '.join(methods[stage])}"
        raise InputError(f"{stage}= is {found}, expected an object of a method, {made}")


def check_labels(objective: Objective, mixes: Sequence[str]) -> None:
    """Raise `InputError` if randomization mixes labels and the method cannot train on mixed labels.

    Args:
        objective: how the model is trained.
        mixes: names of the settings of `randomize` that mix labels.
    """
    if not mixes or objective.soft_labels:
        return
    serve = ", ".join(name for name, method in OBJECTIVES.items() if method.soft_labels)
    raise InputError(
        f"randomize.{mixes[0]} mixes labels, which adapt {name_of(STAGE, objective)} cannot train on, "
        f"expected one of: {serve}. Set randomize.{mixes[0]} to 0, or choose one of them"
    )


def check_maps(objective: Objective, task: Task) -> None:
    """Raise `InputError` if the task has maps of features, and a setting is for vectors."""
    if task.dense and objective.bottleneck:
        raise InputError(
            f"adapt.bottleneck is {objective.bottleneck}, but the task {task.kind} has maps of features, and a pyramid "
            "is trained behind the network. Leave adapt.bottleneck out"
        )


def check_network(objective: Objective, features: nn.Module | None) -> None:
    """Raise `InputError` if settings of the network exclude each other."""
    if features is not None and objective.network is not None:
        raise InputError(
            f"found features= and adapt.network '{objective.network}', expected one of them: a network or its name"
        )
