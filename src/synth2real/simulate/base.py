"""What every simulator shares: named parameters with ranges, and seeded sampling of images with their labels.

A simulator is settings: a frame and, for each parameter, the range it is drawn from. Calibration moves and narrows
these ranges and randomization widens them, so both are `Simulator -> Simulator`.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
import yaml
from torch import Tensor

from ..data.domains import Labelled
from ..errors import InputError
from ..settings import settings

Range = tuple[float, float]
Distribution = Literal["uniform", "log-uniform", "normal", "integer"]
CHUNK = 200  # images rendered at once: bounds memory, stays in the cache, and holds each digit equally often


@dataclass(frozen=True)
class Parameter:
    """One named quantity of a simulator.

    Args:
        name, unit, description: for people and reports; `name` is also the key in `ranges`.
        limits: lowest and highest value that makes sense.
        default: the range drawn from where none is given; low equals high for a value that stays fixed.
        distribution: how values are drawn from a range: `uniform`; `log-uniform`, of a positive quantity; `normal`, its
            middle and, at two standard deviations, its ends, where it is cut off; `integer`, whole numbers alike.

    Raises:
        InputError: the default is not within the limits, or a limit of a logarithm is not positive.
    """

    name: str
    unit: str
    description: str
    limits: Range
    default: Range
    distribution: Distribution = "uniform"

    def __post_init__(self) -> None:
        if self.distribution == "log-uniform" and self.limits[0] <= 0:
            raise InputError(
                f"parameter '{self.name}' is log-uniform with the lower limit {self.limits[0]:g}, expected above 0"
            )
        _check_range(self, self.default)

    def draw(self, unit: Tensor, low: float | Tensor, high: float | Tensor) -> Tensor:
        """Values between low and high for evenly spread `unit` in 0..1; gradients flow to low and high."""
        if self.distribution == "log-uniform":
            return low * (torch.as_tensor(high) / low) ** unit
        if self.distribution == "normal":
            edge = 0.5 * math.erfc(2 / math.sqrt(2))
            unit = torch.special.ndtri(edge + (1 - 2 * edge) * unit) / 4 + 0.5
        elif self.distribution == "integer":
            first = math.ceil(low)
            return first + (unit * (math.floor(high) - first + 1)).floor().clamp(max=max(0, math.floor(high) - first))
        return low + (high - low) * unit


@dataclass(frozen=True)
class Drawn:
    """What a simulator makes of parameters.

    Args:
        images: (N, C, H, W), uint8 or float32 in 0..1.
        labels: for each label its values, (N,) int64 classes or (N, K) float32, nan where there is none.
        masks: for each region (N, H, W) bool, where it is seen; empty where the simulator has no regions.
    """

    images: Tensor
    labels: dict[str, Tensor]
    masks: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Rendered(Drawn):
    """Images, uint8, with everything the simulator knows about them.

    Args:
        images, labels, masks: as in `Drawn`.
        parameters: for each parameter the values drawn, (N,) float32.
    """

    parameters: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)


@settings
class Simulator(ABC):
    """Parameters in, images and labels out.

    Args:
        size: height and width of the images, pixels.
        channels: 1 for grey, 3 for RGB.
        ranges: for each parameter that departs from its default, a `(low, high)` to draw from uniformly, or a number
            that it stays at.
        label: what `labelled` gives where nothing else is asked of it, as there.

    Raises:
        InputError: a parameter is unknown, or its range is reversed, outside the limits or no range at all.
    """

    parameters: ClassVar[tuple[Parameter, ...]]
    classes: ClassVar[dict[str, tuple[str, ...]]]  # for each label of classes, their names; the first label leads
    columns: ClassVar[dict[str, tuple[str, ...]]] = {}  # for each label of values, the names of its columns
    regions: ClassVar[tuple[str, ...]] = ()  # the masks that it draws; together they cover the image
    differentiable: ClassVar[tuple[str, ...]] = ()  # parameters through which gradients of the images flow

    size: tuple[int, int] = (28, 28)
    channels: Literal[1, 3] = 1
    ranges: dict[str, float | Range] = field(default_factory=dict)
    label: str | tuple[str, ...] | None = None

    def __new__(cls, *_: Any, ranges: Any = None, **__: Any) -> Self:
        # Here and not in __post_init__, where pydantic would turn the InputError into one of its own.
        if isinstance(ranges, Mapping):
            known = {parameter.name: parameter for parameter in cls.parameters}
            for name, found in ranges.items():
                if name not in known:
                    raise InputError(f"{cls.__name__} has no parameter '{name}', expected one of: {', '.join(known)}")
                _check_range(known[name], found)
        return super().__new__(cls)

    def range(self, name: str) -> Range:
        """Low and high of the range that parameter `name` is drawn from; `InputError` where there is none so named."""
        default = self.defaults()
        if name not in default:
            raise InputError(f"{type(self).__name__} has no parameter '{name}', expected one of: {', '.join(default)}")
        return _pair(self.ranges.get(name, default[name]))

    def defaults(self) -> dict[str, Range]:
        """For each parameter the range drawn from where `ranges` has none."""
        return {parameter.name: parameter.default for parameter in self.parameters}

    def with_ranges(self, **ranges: float | Range) -> Self:
        """The same simulator with these ranges in place of its own; the others stay."""
        return replace(self, ranges={**self.ranges, **ranges})

    def widened(self, factor: float) -> Self:
        """Each range grown about its centre `factor` times (below 1: narrowed), then clipped to the limits.

        A fixed value stays fixed: it has no width to multiply, and whoever fixed it meant it.

        Raises:
            InputError: `factor` is negative or not finite.
        """
        if not 0 <= factor < float("inf"):
            raise InputError(f"factor of widened() is {factor}, expected a finite number of 0 or more")
        return self.with_ranges(**{p.name: _widen(self.range(p.name), p.limits, factor) for p in self.parameters})

    def sample(self, n: int, seed: int) -> Rendered:
        """`n` images with all labels and the parameter values drawn.

        The same seed gives the same bits, and `sample(m, seed)` is the beginning of `sample(n, seed)` for m < n.

        Raises:
            InputError: `n` is below 1.
        """
        chunks = list(self.stream(n, seed))
        labels, masks, parameters = (
            {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
            for parts in zip(*((chunk.labels, chunk.masks, chunk.parameters) for chunk in chunks), strict=True)
        )
        return Rendered(torch.cat([chunk.images for chunk in chunks]), labels, masks, parameters)

    def stream(self, n: int, seed: int) -> Iterator[Rendered]:
        """What `sample(n, seed)` holds, at most `chunk` images at a time."""
        if n < 1:
            raise InputError(f"asked to render {n} images, expected 1 or more")
        size = self.chunk
        return (self._chunk(min(size, n - i * size), seed * 1_000_003 + i) for i in range(-(-n // size)))

    def labelled(self, n: int, seed: int, label: str | Sequence[str] | None = None) -> Labelled:
        """`n` images with some of the labels, ready for training.

        Args:
            n, seed: as in `sample`.
            label: the name of one label or column, or of several columns (a label's name stands for all its columns);
                the simulator's own `label` where None, and the first one where that is None, too.

        Raises:
            InputError: the simulator has no such label or column.
        """
        label = self.label if label is None else label
        label = [*self.classes, *self.columns][0] if label is None else label
        names = [label] if isinstance(label, str) else list(label)
        if len(names) == 1 and names[0] in self.classes:
            of, columns = names[0], tuple[str, ...]()
            chunks = [(chunk.images, chunk.labels[of]) for chunk in self.stream(n, seed)]
        else:
            picks, columns = self._picks(names)
            chunks = [
                (chunk.images, torch.stack([chunk.labels[of][:, i] for of, i in picks], 1))
                for chunk in self.stream(n, seed)
            ]
        images, values = (torch.cat(parts) for parts in zip(*chunks, strict=True))
        return Labelled(images, values, self.classes.get(names[0], ()), columns)

    def _picks(self, names: Sequence[str]) -> tuple[list[tuple[str, int]], tuple[str, ...]]:
        """For each column of these names its label and its place in it; and the columns' names."""
        where = {column: (label, i) for label, columns in self.columns.items() for i, column in enumerate(columns)}
        columns = tuple(column for name in names for column in self.columns.get(name, (name,)))
        for name in columns:
            if name not in where:
                known = ", ".join([*self.classes, *self.columns, *where])
                raise InputError(f"{type(self).__name__} has no label '{name}', expected one of: {known}")
        if not columns:
            raise InputError(f"{type(self).__name__} was asked for no label, expected one or more names")
        return [where[name] for name in columns], columns

    @abstractmethod
    def render(self, values: dict[str, Tensor], generator: torch.Generator) -> Drawn:
        """Draw one image for each row of `values`.

        Args:
            values: (N,) float32 for every parameter.
            generator: for what is no parameter: the class, the noise.
        """

    @property
    def chunk(self) -> int:
        """How many images are rendered at once."""
        return CHUNK

    def generator(self, seed: int) -> torch.Generator:
        """Of everything random in a chunk; on its device all is computed."""
        return torch.Generator().manual_seed(seed)

    def _chunk(self, keep: int, seed: int) -> Rendered:
        # A whole chunk is drawn however few are kept, so that a shorter sample is the beginning of a longer one.
        generator = self.generator(seed)
        values = self._values(generator, keep)
        drawn = self.render(values, generator)
        images = drawn.images
        if images.is_floating_point():
            images = (images * 255).round_().to(torch.uint8)
        labels, masks, values = (
            {name: x[:keep].cpu() for name, x in named.items()} for named in (drawn.labels, drawn.masks, values)
        )
        return Rendered(images[:keep].cpu(), labels, masks, values)

    def _values(self, generator: torch.Generator, keep: int) -> dict[str, Tensor]:
        """What the parameters are in a chunk of which `keep` images are kept."""
        values = {}
        for parameter in self.parameters:
            unit = torch.rand(self.chunk, generator=generator, device=generator.device)
            values[parameter.name] = parameter.draw(unit, *self.range(parameter.name))
        return values


def load_parameters(path: str | Path) -> dict[str, float | Range]:
    """Ranges from a YAML file of lines `parameter: value` or `parameter: [low, high]`.

    Raises:
        InputError: the file is missing, is no YAML mapping, or holds something else than numbers and pairs of them.
    """
    try:
        found = yaml.safe_load(Path(path).read_text())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}), expected a YAML file of parameters") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is no YAML ({error}), expected lines such as 'height: [0.5, 0.9]'") from None
    if not isinstance(found, dict):
        raise InputError(f"{path}: holds {type(found).__name__}, expected lines such as 'height: [0.5, 0.9]'")
    ranges: dict[str, float | Range] = {}
    for name, value in found.items():
        if not _is_range(value):
            raise InputError(f"{path}: parameter '{name}' is {value!r}, expected a number or [low, high]")
        ranges[str(name)] = (float(value[0]), float(value[1])) if isinstance(value, list) else float(value)
    return ranges


def save_parameters(ranges: Mapping[str, float | Range], path: str | Path) -> None:
    """Write ranges as YAML that `load_parameters` reads back."""
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in ranges.items()}
    Path(path).write_text(yaml.safe_dump(plain, sort_keys=False, default_flow_style=None))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_range(value: object) -> bool:
    pair = isinstance(value, list | tuple) and len(value) == 2 and all(map(_is_number, value))
    return pair or _is_number(value)


def _pair(value: float | Range) -> Range:
    return value if isinstance(value, tuple) else (value, value)


def _check_range(parameter: Parameter, found: Any) -> None:
    least, most = parameter.limits
    low, high = (found if isinstance(found, list | tuple) else (found, found)) if _is_range(found) else (1.0, 0.0)
    if not least <= low <= high <= most:
        raise InputError(
            f"parameter '{parameter.name}' is {found!r}, expected a number or (low, high) with "
            f"{least:g} <= low <= high <= {most:g} ({parameter.unit})"
        )


def _widen(now: Range, limits: Range, factor: float) -> float | Range:
    centre, half = sum(now) / 2, (now[1] - now[0]) / 2 * factor
    return (max(limits[0], centre - half), min(limits[1], centre + half)) if now[0] < now[1] else now[0]
