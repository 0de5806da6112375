"""Mapping: what changes inputs of the source so that they look like the target's, and keeps their labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping as Dictionary
from pathlib import Path
from typing import ClassVar, Self

import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..data.domains import Labelled, Unlabelled
from ..errors import InputError
from ..settings import build, to_dict
from .loop import Loop, Report

LEARNT, DESCRIPTION = "refiner.safetensors", "refiner.yaml"
REFINER = "refiner"  # folder within a run, or among refined images


class Mapping(ABC):
    """Learns from both domains, then maps source inputs.

    Image to image it is a refiner, features to features an explicit mapping; both stand in the same place of a route.
    """

    name: ClassVar[str]  # under which the room lists it
    shape: tuple[int, ...]  # of one input, once learnt

    def check(self, source: Labelled) -> None:  # noqa: B027  (most serve all)
        """Raise `InputError` where the mapping does not serve inputs like these."""

    @abstractmethod
    def fit(self, source: Labelled, target: Unlabelled, loop: Loop, report: Report | None = None) -> Self:
        """Learn the mapping.

        Args:
            source: its labels are there for methods that keep classes apart.
            target: the inputs to look like.
            loop: seed, hardware, and the steps for methods that take steps.
            report: called with a step and the means of the losses.
        """

    @abstractmethod
    def transform(self, x: Tensor) -> Tensor:
        """Mapped inputs (N, ...) of the shape, dtype and range of `x`."""

    def learnt(self) -> dict[str, Tensor]:
        """All that `transform` needs beside the settings; nothing by default."""
        return {}

    def take(self, learnt: dict[str, Tensor]) -> None:  # noqa: B027  (nothing by default)
        """Take up what `learnt` gave; `self.shape` is set."""

    def save(self, folder: str | Path) -> None:
        """Write `refiner.safetensors` and `refiner.yaml` into a folder; `load_mapping` reads them."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save_file({key: value.detach().cpu().contiguous() for key, value in self.learnt().items()}, folder / LEARNT)
        description = {"method": self.name, "settings": to_dict(self), "shape": list(self.shape)}
        (folder / DESCRIPTION).write_text(yaml.safe_dump(description, sort_keys=False))


def load_mapping(folder: str | Path, methods: Dictionary[str, type[Mapping]]) -> Mapping:
    """A mapping as `Mapping.save` wrote it, ready to `transform`.

    Args:
        folder: that holds it.
        methods: the room's, by name.

    Raises:
        InputError: the folder does not hold a mapping of these methods, or what it holds is damaged.
    """
    folder = Path(folder)
    for name in (DESCRIPTION, LEARNT):
        if not (folder / name).is_file():
            raise InputError(
                f"{folder}: found no {name}, expected a folder as `synth2real refine --out` writes it, or a run that "
                "was trained with --refine"
            )
    try:
        description = yaml.safe_load((folder / DESCRIPTION).read_text())
        mapping = build(methods, description["method"], description["settings"], stage="refine")
        mapping.shape = tuple(description["shape"])
        mapping.take(load_file(folder / LEARNT))
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError, yaml.YAMLError) as error:
        raise InputError(f"{folder}: {DESCRIPTION} or {LEARNT} is damaged ({error}). Refine again") from None
    return mapping
