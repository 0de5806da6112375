"""Loading a saved model: the checks of a run folder, and the network, which is built by its name."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..data.reading.pixels import Conversion
from ..data.sparse import Layout
from ..errors import InputError
from ..networks.backbones import check_installed
from ..networks.feature_maps import build as build_map
from ..networks.named_code import check_code, named_in
from ..networks.weights import read_tensors
from ..settings import read_yaml
from ..tasks import TASKS, Task
from .corrected_head import CORRECTIONS, put_on
from .ensemble import Ensemble
from .hardware import Hardware
from .model import DESCRIPTION, GIVEN, WEIGHTS, Model

SETTINGS = "settings.yaml"  # of a run
DIVERGED = "diverged.txt"  # is in the folder of a training that diverged
COMPARISON = "comparison.json"  # is in the folder of a comparison, which is no run folder

# Errors of a description or of weights that somebody has changed.
UNFIT = (
    AssertionError,
    AttributeError,
    IndexError,
    KeyError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
)

_NAMELESS = (
    "the model was trained with a network object, not with a network name, so the folder is not enough to build it. "
    "Pass a network of the same kind: load_model(folder, features=...). Or train with a name: --network module:Class"
)
_NAMED = "the model's network is '{}', which is built by name, but features= was given too. Remove features="


def _described(task: Task, shape: tuple[int, ...], description: dict[str, Any], features: nn.Module | None) -> Model:
    """Build a model or an ensemble from its description, without the weights."""
    if "members" in description:
        members = [_described(task, shape, dict(member), None) for member in description["members"]]
        return Ensemble(members, torch.zeros(len(members)) if description["weighted"] else None)
    if "frozen" in description:  # of a model before `tune`
        description["tune"] = "frozen" if description.pop("frozen") else "whole"
    given = description["network"] == GIVEN
    if given == (features is None):
        raise InputError(_NAMELESS if given else _NAMED.format(description["network"]))
    check_installed(description["network"], description.pop("package", None))
    head = tuple(description.pop("head"))
    return Model(task, shape, features=features, head=head, **description)


def load_model(
    folder: str | Path,
    features: nn.Module | None = None,
    *,
    trust: bool | Collection[str] = False,
    hardware: Hardware | None = None,
) -> Model:
    """Load a model or an ensemble that `save` wrote.

    A model of `module:Class` needs this class again, and its code runs. Only installed packages are trusted by default.

    Args:
        folder: a run folder.
        features: needed if the model was trained with a network object instead of a network name. Pass a network of the
            same kind. It is used directly, and receives the trained weights.
        trust: True imports every class that the folder names; or the names to import.
        hardware: the device on which the model predicts; by default `Hardware.detect()`.

    Raises:
        InputError: the folder does not contain a finished model, its network is not trusted or cannot be built again,
            or `features` does not fit.
    """
    folder = _finished(Path(folder))
    description = read_yaml(folder / DESCRIPTION, "the description of a model. Train again with --overwrite")
    weights = read_tensors(folder / WEIGHTS, "the weights of a model. Train again with --overwrite")
    read = DESCRIPTION  # the file that an error comes from
    try:
        check_code(named_in({key: value for key, value in description.items() if key != "task"}), trust)
        task, conversion = description.pop("task"), Conversion.of(description)
        layout, kept_map = (description.pop(name, None) for name in ("layout", "map"))
        corrections = description.pop(CORRECTIONS, [])
        shape = tuple(description.pop("shape"))
        model = _described(TASKS[task.pop("kind")](**task), shape, description, features)
        if kept_map:
            model.put_behind(build_map(kept_map))
        for correction in corrections:
            put_on(model, correction)
        read = WEIGHTS
        model.load_state_dict(weights)
        read = DESCRIPTION
        model.conversion, model.layout = conversion, Layout(**layout) if layout is not None else None
    except InputError as error:
        raise InputError(f"{folder}: {error}") from None
    except UNFIT as error:
        mend = (
            "Train again with --overwrite" if features is None else "Pass features= with a network like the trained one"
        )
        why = " ".join(str(error).split())
        raise InputError(f"{folder / read}: is damaged or does not fit the model ({why}). {mend}") from None
    return _ready(model, hardware or Hardware.detect())


def _ready(model: Model, hardware: Hardware) -> Model:
    """The model on its device, to predict."""
    model.to(hardware.device, memory_format=hardware.memory_format)  # type: ignore[call-overload]
    return model.eval()


def _finished(folder: Path) -> Path:
    """The folder. Raise `InputError` if it has no model of a finished training."""
    if (folder / DIVERGED).is_file():
        why = " ".join((folder / DIVERGED).read_text(encoding="utf-8", errors="replace").split()).rstrip(".")
        raise InputError(
            f"{folder}: its training diverged, so it has no finished model ({why}). Train again with --overwrite. To "
            f"use what it has nevertheless, delete {folder / DIVERGED}"
        )
    missing = next((name for name in (DESCRIPTION, WEIGHTS) if not (folder / name).is_file()), None)
    if missing is None:
        return folder
    if (folder / COMPARISON).is_file():
        raise InputError(
            f"{folder}: this is the folder of a comparison, expected a run folder. Use {folder / 'chosen'}"
        )
    if missing == DESCRIPTION and (folder / SETTINGS).is_file():
        raise InputError(
            f"{folder}: found no {missing}: this run has not finished. Repeat its command with --resume, and wait for "
            "its end"
        )
    raise InputError(f"{folder}: found no {missing}, expected a run folder from `synth2real train --out`")
