"""Base of all simulators: named parameters with a joint distribution, and seeded sampling of images with labels.

A simulator consists of settings: the image size and channels, and for each parameter a range or a distribution, with
correlations between them. Calibration shifts and narrows the ranges. Randomization widens them. Both are functions
`Simulator -> Simulator`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor

from ..data.boxes import BOXES as BOXES
from ..data.boxes import only as only_boxes
from ..data.described import some
from ..data.domains import Labelled
from ..data.given import check_given_names
from ..data.labels import Boxes, Masks, joined
from ..data.masks.regions import MASK, asked
from ..data.masks.regions import only as only_regions
from ..errors import InputError
from ..settings import settings
from .correlations import Copula, read_correlations
from .distributions import Empirical, Normal, Sampling
from .distributions import Range as Range
from .parameter import Parameter as Parameter

CHUNK = 200  # images rendered at once: limits memory, fits in the CPU cache, and is a multiple of the 10 digits


@dataclass(frozen=True)
class Drawn:
    """Output of `Simulator.render`.

    Args:
        images: (N, C, H, W), uint8 or float32 in 0..1.
        labels: for each label its values, (N,) int64 classes or (N, K) float32. A missing value is nan.
        masks: for each region (N, H, W) bool, True where it is visible; empty if the simulator has no regions.
        instances: (N, H, W) int32, which object of its image is visible in a pixel: 0 none, else 1 + its index. None
            if the simulator has no objects, or only their boxes. `objects.instances_of` makes instances and boxes.
        boxes: of the visible objects in the order of the indices: box j of an image is of the instance j + 1, around
            its visible pixels, or all of it where it shows through others. None if the simulator has no objects.
    """

    images: Tensor
    labels: dict[str, Tensor]
    masks: dict[str, Tensor] = field(default_factory=dict)
    instances: Tensor | None = None
    boxes: Boxes | None = None

    def region_index(self) -> Tensor:
        """(N, H, W) uint8, index of the region of each pixel. Where regions overlap, the first one counts."""
        index = torch.zeros_like(next(iter(self.masks.values())), dtype=torch.uint8)
        for i, mask in reversed(list(enumerate(self.masks.values()))):
            index.masked_fill_(mask, i)
        return index


@dataclass(frozen=True)
class Rendered(Drawn):
    """Sampled images (uint8) with all their labels, masks, objects and parameter values.

    Args:
        images, labels, masks, instances, boxes: as in `Drawn`.
        parameters: for each parameter the sampled values, (N,) float32.
    """

    parameters: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)


@settings
class Simulator(ABC):
    """Renders images and labels from parameters.

    Args:
        size: height and width of the images, pixels.
        channels: 1 for grey, 3 for RGB.
        ranges: for each parameter without its default range, a sampling range `(low, high)`, a fixed number, or a
            distribution: `Normal` or `Empirical`, or the mapping `{mean: ..., std: ...}` or `{quantiles: [...]}`.
        correlations: for each pair of parameters `a ~ b` without its default, the correlation of a Gaussian copula,
            above -1 and below 1. It leaves the distribution of each parameter as it is. For two normal distributions
            it is their correlation; for two uniform ones theirs is up to 0.02 nearer to 0.
        label: default of the argument `label` of `labelled`.

    Raises:
        InputError: a parameter is unknown, or its range is reversed, outside the limits, or not a range; or the
            correlations are no numbers above -1 and below 1, or contradict each other.
    """

    parameters: ClassVar[tuple[Parameter, ...]]
    classes: ClassVar[
        dict[str, tuple[str, ...]]
    ]  # for each class label, the class names; the first label is the default
    columns: ClassVar[dict[str, tuple[str, ...]]] = {}  # for each value label, the names of its columns
    regions: ClassVar[tuple[str, ...]] = ()  # the masks that it renders; together they cover the image
    things: ClassVar[tuple[str, ...]] = ()  # class names of its objects, which have boxes and instances
    differentiable: ClassVar[tuple[str, ...]] = ()  # parameters for which the images have gradients
    default_correlations: ClassVar[dict[str, float]] = {}  # for pairs `a ~ b` of parameters

    size: tuple[int, int] = (28, 28)
    channels: Literal[1, 3] = 1
    ranges: Mapping[str, float | Range | Normal | Empirical] = field(default_factory=dict)
    correlations: Mapping[str, float] = field(default_factory=dict)
    label: str | tuple[str, ...] | None = None

    def __new__(cls, *_: Any, ranges: Any = None, correlations: Any = None, **__: Any) -> Self:
        # Not in __post_init__, because there pydantic would replace the InputError by its own error.
        known, where = {parameter.name: parameter for parameter in cls.parameters}, f"simulator {cls.called()}:"
        if isinstance(ranges, Mapping):
            for name, found in ranges.items():
                if name not in known:
                    raise _no_parameter(cls, name)
                known[name].check(found, where)
        default, own = (
            read_correlations(where, x or {}, tuple(known)) for x in (cls.default_correlations, correlations)
        )
        Copula(default | own).check(where)
        return super().__new__(cls)

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        if "__repr__" not in vars(cls):
            cls.__repr__ = Simulator.__repr__  # type: ignore[method-assign]  # dataclasses keep a method of the class

    def __repr__(self) -> str:
        height, width = self.size
        labels, names = (
            [*self.classes, *self.columns, *self._pictured()],
            [parameter.name for parameter in self.parameters],
        )
        changed = some([name for name in names if name in self.ranges], "with other ranges")
        shape = f"images of {self.channels}x{height}x{width}"
        said = filter(None, (shape, some(labels, "labels"), some(names, "parameters"), changed))
        return f"{type(self).__name__}({'; '.join(said)})"

    @classmethod
    def called(cls) -> str:
        """The name of the simulator in messages: the class name, in lower case if the simulator is built in."""
        return cls.__name__.lower() if cls.__module__.startswith(f"{__package__}.") else cls.__name__

    def sampling(self, name: str) -> Sampling:
        """What the values of parameter `name` are sampled from: a range (low, high), `Normal` or `Empirical`.

        Raises:
            InputError: there is no such parameter.
        """
        default = self.defaults()
        if name not in default:
            raise _no_parameter(type(self), name)
        found = self.ranges.get(name, default[name])
        return (found, found) if isinstance(found, float | int) else found

    def range(self, name: str) -> Range:
        """The range (low, high) of parameter `name`. Raise `InputError` if there is no such parameter.

        For a normal distribution this is its mean plus and minus two standard deviations, within the limits; for an
        empirical one, its first and last quantile.
        """
        sampling = self.sampling(name)
        return next(parameter.range(sampling) for parameter in self.parameters if parameter.name == name)

    def defaults(self) -> dict[str, Sampling]:
        """For each parameter what its values are sampled from if `ranges` has nothing."""
        return {parameter.name: parameter.default for parameter in self.parameters}

    def samplings(self) -> dict[str, Sampling]:
        """For each parameter what its values are sampled from, see `sampling`."""
        return {parameter.name: self.sampling(parameter.name) for parameter in self.parameters}

    def all_correlations(self) -> dict[str, float]:
        """For each correlated pair `a ~ b` of parameters its correlation: the defaults, and those of the settings."""
        merged = self._pairs(self.default_correlations) | self._pairs(self.correlations)
        return {pair: value for pair, value in merged.items() if value}

    def with_ranges(self, **ranges: float | Sampling) -> Self:
        """The same simulator with these ranges or distributions replaced. Others do not change."""
        return replace(self, ranges={**self.ranges, **ranges})

    def with_correlations(self, correlations: Mapping[str, float]) -> Self:
        """The same simulator with the correlations of these pairs `a ~ b` replaced. Others do not change."""
        return replace(self, correlations=self._pairs(self.correlations) | self._pairs(correlations))

    def _pairs(self, correlations: Mapping[str, float]) -> dict[str, float]:
        names = [parameter.name for parameter in self.parameters]
        return read_correlations(f"simulator {self.called()}:", correlations, names)

    def widened(self, factor: float) -> Self:
        """The same simulator with each range scaled by `factor` about its centre, then clipped to the limits.

        A factor below 1 narrows the ranges. A fixed value stays fixed, because its range has width 0. A normal
        distribution keeps its mean, and its standard deviation is scaled; an empirical one is scaled about its mean.
        Correlations do not change.

        Raises:
            InputError: `factor` is negative or not finite.
        """
        if not 0 <= factor < float("inf"):
            raise InputError(f"factor of widened() is {factor}, expected a finite number of 0 or more")
        return self.with_ranges(**{p.name: p.widened(self.sampling(p.name), factor) for p in self.parameters})

    def sample(self, n: int, seed: int) -> Rendered:
        """Sample `n` images with all labels and parameter values.

        The same seed gives bit-identical images. For m < n, `sample(m, seed)` is the first part of `sample(n, seed)`.

        Raises:
            InputError: `n` is below 1.
        """
        chunks = list(self.stream(n, seed))
        labels, masks, parameters = (
            {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
            for parts in zip(*((chunk.labels, chunk.masks, chunk.parameters) for chunk in chunks), strict=True)
        )
        instances = [chunk.instances for chunk in chunks if chunk.instances is not None]
        boxes = [chunk.boxes for chunk in chunks if chunk.boxes is not None]
        return Rendered(
            torch.cat([chunk.images for chunk in chunks]),
            labels,
            masks,
            torch.cat(instances) if instances else None,
            joined(boxes) if boxes else None,
            parameters,
        )

    def stream(self, n: int, seed: int, first: int = 0) -> Iterator[Rendered]:
        """The result of `sample(n, seed)` in parts of at most `chunk` images, from the part `first` on."""
        if n < 1:
            raise InputError(f"cannot render {n} images, expected 1 or more")
        size = self.chunk
        return (self._chunk(min(size, n - i * size), seed * 1_000_003 + i) for i in range(first, -(-n // size)))

    def labelled(
        self, n: int, seed: int, label: str | Sequence[str] | None = None, given: Sequence[str] = ()
    ) -> Labelled:
        """Sample `n` images with some of the labels, for training.

        Args:
            n, seed: as in `sample`.
            label: the name of one label or column, or of several columns. The name of a label means all its columns.
                `mask` means the regions as `Masks`, `mask:NAME`, or several of these, some of the regions (see
                `regions.only`), and `boxes` the objects as `Boxes`, if the simulator has any; so `boxes:NAME`.
                None means the setting `label` of the simulator, or the first label if that is also None.
            given: names of columns that are given, as in `Labelled`. Each is a label column or else a parameter, in its
                own unit: `head_pitch` of `eyes` is the label column in radians, not the parameter in degrees.

        Raises:
            InputError: the simulator has no such label, column or parameter; or a given column is also a label, or is
                not known of an image.
        """
        label = self.label if label is None else label
        label = [*self.classes, *self.columns, *self._pictured()][0] if label is None else label
        names = [label] if isinstance(label, str) else list(label)
        pick, classes, columns = self._labels_of(names)
        given = check_given_names(given, columns or names)
        chunks = [(chunk.images, pick(chunk), self._given(chunk, given)) for chunk in self.stream(n, seed)]
        images, parts, known = zip(*chunks, strict=True)
        labels = joined(parts)
        return Labelled(
            torch.cat(images),
            Masks(labels) if asked(names) is not None and not columns else labels,
            classes,
            columns,
            given=torch.cat(known) if given else None,
            given_columns=given,
        )

    def _labels_of(
        self, names: Sequence[str]
    ) -> tuple[Callable[[Rendered], Tensor | Boxes | None], tuple[str, ...], tuple[str, ...]]:
        """How the labels of these names are taken from a part of a sample, their class names, and their columns."""
        only = names[0] if len(names) == 1 else ""
        if only in self.classes:
            return lambda chunk: chunk.labels[only], self.classes[only], ()
        regions = asked(names)
        if regions is not None and self.regions:
            kept, table = only_regions(self.regions, regions, f"simulator {self.called()}")
            return lambda chunk: table[chunk.region_index().int()], kept, ()
        things = asked(names, BOXES)
        if things is not None and self.things:
            kinds, new = only_boxes(self.things, things, f"simulator {self.called()}")
            return lambda chunk: None if chunk.boxes is None else chunk.boxes.mapped(new), kinds, ()
        picks, columns = self._picks(names)
        return lambda chunk: torch.stack([chunk.labels[of][:, i] for of, i in picks], 1), (), columns

    def _pictured(self) -> list[str]:
        """The labels that lie in the image: of its regions, and of its things."""
        return [label for label, of in ((MASK, self.regions), (BOXES, self.things)) if of]

    def _given(self, chunk: Rendered, names: Sequence[str]) -> Tensor:
        """The given columns (N, G) float32 of a part of a sample."""
        where = self._where()
        found = []
        for name in names:
            if name in where:
                label, i = where[name]
                found.append(chunk.labels[label][:, i])
            elif name in chunk.parameters:
                found.append(chunk.parameters[name])
            else:
                known = ", ".join(dict.fromkeys([*where, *chunk.parameters]))
                raise InputError(
                    f"simulator {self.called()} has no column or parameter '{name}' to give, expected some of: {known}"
                )
            if not found[-1].isfinite().all():
                raise InputError(
                    f"simulator {self.called()}: '{name}' is not known of every image, so that it cannot be given. "
                    "Remove it from --given (given= in Python)"
                )
        return torch.stack(found, 1).float() if found else torch.zeros(len(chunk), 0)

    def _where(self) -> dict[str, tuple[str, int]]:
        """For each column of the labels, its label and its index in the label."""
        return {column: (label, i) for label, columns in self.columns.items() for i, column in enumerate(columns)}

    def _picks(self, names: Sequence[str]) -> tuple[list[tuple[str, int]], tuple[str, ...]]:
        """For each column of these names, its label and its index in the label; and the column names."""
        where = self._where()
        columns = tuple(column for name in names for column in self.columns.get(name, (name,)))
        for name in columns:
            if name not in where:
                alone = [*self.classes, *self._pictured()]
                if name in alone and len(names) > 1:
                    raise InputError(f"simulator {self.called()}: label '{name}' is among others, expected it alone")
                known = ", ".join(dict.fromkeys([*self.classes, *self.columns, *self._pictured(), *where]))
                raise InputError(f"simulator {self.called()} has no label '{name}', expected one of: {known}")
        if not columns:
            raise InputError(f"simulator {self.called()}: found an empty list of labels, expected one or more names")
        return [where[name] for name in columns], columns

    @abstractmethod
    def render(self, values: dict[str, Tensor], generator: torch.Generator) -> Drawn:
        """Render one image for each of the N values.

        Args:
            values: (N,) float32 for every parameter.
            generator: generator of everything random that is not a parameter: the class, the noise.
        """

    @property
    def chunk(self) -> int:
        """Number of images rendered at once."""
        return CHUNK

    def generator(self, seed: int) -> torch.Generator:
        """Generator of all random values of a chunk. Rendering runs on its device."""
        return torch.Generator().manual_seed(seed)

    def _chunk(self, keep: int, seed: int) -> Rendered:
        # A whole chunk is always sampled, so that a shorter sample is the first part of a longer one.
        generator = self.generator(seed)
        values = self._values(generator, keep)
        drawn = self.render(values, generator)
        images = drawn.images
        if images.is_floating_point():
            images = (images * 255).round_().to(torch.uint8)
        labels, masks, values = (
            {name: x[:keep].cpu() for name, x in named.items()} for named in (drawn.labels, drawn.masks, values)
        )
        instances = None if drawn.instances is None else drawn.instances[:keep].cpu()
        boxes = None if drawn.boxes is None else drawn.boxes[torch.arange(keep)].to("cpu")
        return Rendered(images[:keep].cpu(), labels, masks, instances, boxes, values)

    def _values(self, generator: torch.Generator, keep: int) -> dict[str, Tensor]:
        """Parameter values of a chunk. Only the first `keep` images of the chunk are kept."""
        units = self.units(generator)
        return {p.name: p.at(units[p.name], self.sampling(p.name)) for p in self.parameters}

    def units(self, generator: torch.Generator) -> dict[str, Tensor]:
        """For each parameter the probabilities of its values in a chunk, (chunk,) float32 in 0..1, correlated."""
        # Drawn for each parameter on its own, so that correlations change nothing of the parameters without any.
        independent = {
            parameter.name: torch.rand(self.chunk, generator=generator, device=generator.device)
            for parameter in self.parameters
        }
        return Copula(self.all_correlations())(independent)


def _no_parameter(kind: type[Simulator], name: str) -> InputError:
    known = ", ".join(parameter.name for parameter in kind.parameters)
    return InputError(f"simulator {kind.called()} has no parameter '{name}', expected one of: {known}")
