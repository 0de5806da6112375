"""Mapping: transforms source inputs so that they look like target inputs. The labels stay the same."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from collections.abc import Mapping as Dictionary
from pathlib import Path
from typing import ClassVar, Self

import yaml
from torch import Tensor

from ..data.batch_sampler import Runs
from ..data.domains import Inputs, Labelled, Unlabelled
from ..data.fitting import Fitting
from ..errors import InputError
from ..networks.named_code import check_code, named_in
from ..networks.weights import read_tensors
from ..plugins import provider
from ..settings import build, read_yaml, to_dict
from ..storage import make_folder, write_tensors, write_text
from .hardware import Hardware
from .loop import Loop, Report

LEARNT, DESCRIPTION = "refiner.safetensors", "refiner.yaml"
REFINER = "refiner"  # subfolder of a run, or of a folder of refined images


class Mapping(ABC):
    """A transform of source inputs that is learnt from both domains.

    For images it is a refiner, for features an explicit mapping. Both are the `refine` stage of a route.
    """

    name: ClassVar[str]  # key in the list of methods of the stage
    shape: tuple[int, ...]  # shape of one input, set by `fit`
    hardware: Hardware | None = None  # of the training; None if the mapping was loaded: detected when it is needed
    reject: float = 0.0  # share of the refined inputs to leave out, those whose label has moved farthest

    def check(self, source: Labelled) -> None:  # noqa: B027  (most mappings take all inputs)
        """Raise `InputError` if the mapping cannot be used for inputs like these."""

    @abstractmethod
    def fit(self, source: Labelled, target: Unlabelled, loop: Loop, report: Report | None = None) -> Self:
        """Learn the mapping.

        Args:
            source: source inputs, with labels for methods that use the classes.
            target: target inputs, which the mapped source inputs imitate.
            loop: seed, hardware, and the number of steps for iterative methods.
            report: called with a step and the means of the losses.
        """

    @abstractmethod
    def transform(self, x: Tensor) -> Tensor:
        """Mapped inputs (N, ...), with the same shape, dtype and range as `x`."""

    def transformed(self, x: Tensor, fitting: Fitting | None) -> Tensor:
        """Mapped inputs that were fitted to one size on load, or not. The padding of images stays as it is."""
        mapped = self.transform(x)
        return mapped if fitting is None else fitting.keep_padding(mapped, x)

    def samples(self, source: Labelled | Unlabelled, index: Tensor) -> Tensor:
        """The mapped inputs of a source at `index` (B,) int64, see `transformed`."""
        fitting = None if source.fitting is None else source.fitting.subset(index)
        return self.transformed(source.inputs[index], fitting)

    def learnt(self) -> dict[str, Tensor]:
        """All learnt tensors that `transform` needs, in addition to the settings. Empty by default."""
        return {}

    def take(self, learnt: dict[str, Tensor]) -> None:  # noqa: B027  (does nothing by default)
        """Restore the tensors from `learnt`. `self.shape` is set before this call."""

    def save(self, folder: str | Path) -> None:
        """Write `refiner.safetensors` and `refiner.yaml` into a folder; `load_mapping` reads them."""
        folder = Path(folder)
        make_folder(folder)
        write_tensors(folder / LEARNT, self.learnt())
        package = provider(type(self))
        description = {
            "method": self.name,
            **({"package": package} if package else {}),
            "settings": to_dict(self),
            "shape": list(self.shape),
        }
        write_text(folder / DESCRIPTION, yaml.safe_dump(description, sort_keys=False))


class Mapped:
    """Inputs that are mapped when they are indexed.

    Args:
        mapping: that has been fitted.
        source: what it maps.
    """

    def __init__(self, mapping: Mapping, source: Labelled) -> None:
        self.mapping, self.source, self.shape = mapping, source, source.inputs.shape
        self.decodes: bool = getattr(source.inputs, "decodes", False)
        self.runs: Runs | None = getattr(source.inputs, "runs", None)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: Tensor, /) -> Tensor:
        return self.mapping.samples(self.source, index)

    def subset(self, index: Tensor) -> Inputs:
        """The inputs at `index` (B,) int64."""
        return Mapped(self.mapping, self.source.subset(index))


def load_mapping(
    folder: str | Path,
    methods: Dictionary[str, type[Mapping]],
    trust: bool | Collection[str] = False,
    hardware: Hardware | None = None,
) -> Mapping:
    """A mapping as `Mapping.save` wrote it, ready to `transform`.

    Args:
        folder: the folder of the mapping.
        methods: the methods of the stage, by name.
        trust: True imports every class that the folder names, also if it is not of an installed package; or the names
            to import.
        hardware: the device on which it transforms; by default `Hardware.detect()`.

    Raises:
        InputError: the folder does not contain a mapping of these methods, or its files are damaged.
    """
    folder = Path(folder)
    for name in (DESCRIPTION, LEARNT):
        if not (folder / name).is_file():
            raise InputError(
                f"{folder}: found no {name}, expected a folder from `synth2real refine --out`, or a run that was "
                "trained with --refine"
            )
    description = read_yaml(folder / DESCRIPTION, "the description of a refiner. Run refine again")
    tensors = read_tensors(folder / LEARNT, "what a refiner has learnt. Run refine again")
    try:
        check_code(named_in(description), trust)
        mapping = build(
            methods,
            description["method"],
            description["settings"],
            stage="refine",
            package=description.get("package"),
        )
        mapping.shape, mapping.hardware = tuple(description["shape"]), hardware
        mapping.take(tensors)
    except InputError as error:
        raise InputError(f"{folder / DESCRIPTION}: {error}. Run refine again") from None
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{folder}: {DESCRIPTION} or {LEARNT} is damaged ({error}). Run refine again") from None
    return mapping
