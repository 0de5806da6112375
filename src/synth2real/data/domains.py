"""Domains: labelled source data and unlabelled target data.

`Labelled` and `Unlabelled` are different types. Training takes `Unlabelled` for the target. This type has no field for
labels, so target labels cannot leak into training.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..errors import InputError
from .described import line, some
from .fitting import Fitting, Resize
from .given import check_given
from .label_checks import named
from .labels import Boxes, Masks
from .subsets import chosen, chosen_names
from .tiles.tiling import Tiling

MOST = torch.finfo(torch.float32).max  # larger numbers would be infinite in a network
FACTS = ("names", "sizes", "depth", "given", "given_columns", "resize", "tiling")  # that domains have in common
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


class Inputs(Protocol):
    """The inputs of a domain: a tensor in memory, a `Sparse` matrix, or an object that decodes a batch on access.

    `inputs[index]` takes a (B,) int64 tensor. It returns (B, C, H, W) images, uint8 in 0..255 or float32 in 0..1, or
    (B, F) float32 features. The returned features are dense, even if the matrix is sparse. Inputs with a true `decodes`
    decode on access, and may be indexed by another thread: training reads their batches ahead. Inputs with `runs` say
    how they lie on disk, see `sampler_of`.
    """

    @property
    def shape(self) -> torch.Size: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: Tensor, /) -> Tensor: ...


def check_kind(value: object, expected: type[Any] | tuple[type[Any], ...], what: str, mend: str = "") -> None:
    """Raise `InputError` if a value is of no expected type. The message says how to make one.

    Args:
        value: what the user gave.
        expected: a type, or several.
        what: begins the message, such as `the source is`.
        mend: how to make such a value; not needed for domains and tensors.
    """
    if isinstance(value, expected):
        return
    kinds = expected if isinstance(expected, tuple) else (expected,)
    names = " or ".join("None" if kind is type(None) else kind.__name__ for kind in kinds)
    raise InputError(f"{what} {called(value)}, expected {names}. {mend or _mend(value, kinds)}")


def called(value: object) -> str:
    """A value in a message, such as one of a wrong type."""
    if isinstance(value, str | Path):
        return f"the text '{value}'"
    if isinstance(value, np.ndarray):
        return f"a numpy array {value.shape}"
    if isinstance(value, Tensor):
        return f"a tensor {tuple(value.shape)}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, Dataset | DataLoader):
        return f"{type(value).__name__}, a data set of torch"
    return (
        "None" if value is None else f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
    )


def _mend(value: object, kinds: tuple[type[Any], ...]) -> str:
    """How to make a value of one of these types out of a wrong one."""
    labelled = Labelled in kinds and Unlabelled not in kinds
    if Tensor in kinds and Unlabelled not in kinds:
        return "For labels of any kind write Labelled.of(X, y)"
    if isinstance(value, str | Path):
        return "Load it: load(path, label=...)" if labelled else "Load it: load_unlabelled(path)"
    if isinstance(value, Labelled):
        return "Leave its labels out: data.unlabelled()"
    return f"Write {'Labelled.of(X, y)' if labelled else 'Unlabelled.of(X)'}"


def _check_inputs(inputs: Inputs) -> None:
    if isinstance(inputs, np.ndarray) or not all(hasattr(inputs, name) for name in ("shape", "__getitem__")):
        raise InputError(
            f"inputs are {called(inputs)}, expected a tensor of images (N, C, H, W) or features (N, F). "
            f"{_mend(inputs, (Unlabelled,))}"
        )
    if isinstance(inputs, Tensor) and inputs.ndim == 4 and inputs.dtype not in (torch.uint8, *FLOATS):
        raise InputError(
            f"images of {inputs.dtype}, expected uint8 in 0..255 or float32 in 0..1. Convert them: x.to(torch.uint8)"
        )
    if len(inputs.shape) not in (2, 4):
        raise InputError(
            f"inputs of shape {tuple(inputs.shape)}: expected images (N, C, H, W) or features (N, F). "
            "For images with the channel last, move it: x.permute(0, 3, 1, 2)"
        )
    if len(inputs) == 0:
        raise InputError("inputs are empty, expected at least one sample")


@dataclass(frozen=True)
class Unlabelled:
    """Inputs without labels, for example real images.

    Args:
        inputs: images (N, C, H, W) uint8 or float32 in 0..1, or features (N, F) float32, dense or `Sparse`.
        names: N file names relative to the loaded folder; empty if the inputs do not come from files. A tuple, or
            `Names`.
        sizes: (N, 2) int64, original height and width of each image, before it was resized on load; None if the
            inputs were not resized.
        depth: bits per pixel of image files of more than 8 bits; None for other inputs.
        given: (N, G) float32, finite: what is known of each sample and is no label, such as the angles of the head.
            None if nothing is given.
        given_columns: names of the G columns.
        resize: how the images were brought to one size on load, see `fitting.place`.
        tiling: where the samples lie in larger images, if they are tiles of them, see `tiles.tiling`. A model then
            predicts the images. A subset of which images cannot be put together has none.

    Raises:
        InputError: the shape is neither (N, C, H, W) nor (N, F), there is no sample, or `given` fits neither the inputs
            nor its columns.
    """

    inputs: Inputs
    names: Sequence[str] = ()
    sizes: Tensor | None = None
    depth: int | None = None
    given: Tensor | None = None
    given_columns: tuple[str, ...] = ()
    resize: Resize = "stretch"
    tiling: Tiling | None = None

    def __post_init__(self) -> None:
        _check_inputs(self.inputs)
        check_given(self.given, self.given_columns, len(self.inputs))

    @classmethod
    def of(cls, X: Any, **how: Any) -> "Unlabelled":
        """Data of another library without labels, which are not even looked at where they stand in a column.

        Args:
            X: images (N, H, W, C), (N, C, H, W) or (N, H, W), uint8 or floats in 0..1, or features (N, F), as an array
                or tensor; a sparse matrix of scipy; a list of images of Pillow, of paths, or of arrays of one shape; a
                table of pandas with a column of image paths, or with columns of features; a data set of torch, of
                images or pairs (image, label); or a `Dataset` of Hugging Face. Large data sets and files stay where
                they are.
            how: it is read, see `objects.Ask.of`: `size=(224, 224)` resizes images of different sizes.

        Raises:
            InputError: X is none of these, images differ in size without `size`, pixels are out of range or normalised,
                or as `Unlabelled`.
        """
        from .objects import Ask, unlabelled_of

        return unlabelled_of(X, Ask.of(labelled=False, **how))

    def __repr__(self) -> str:
        return line("Unlabelled", self.inputs, some(self.given_columns, "given"))

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample: (C, H, W) or (F,)."""
        return tuple(self.inputs.shape[1:])

    @property
    def fitting(self) -> Fitting | None:
        """How the images were brought to one size on load; None if they were not resized."""
        return _fitting(self)

    def subset(self, index: Tensor) -> "Unlabelled":
        """The samples at `index` (B,) int64, in that order."""
        sizes, given = (None if kept is None else kept[index] for kept in (self.sizes, self.given))
        return replace(
            self,
            inputs=chosen(self.inputs, index),
            names=chosen_names(self.names, index),
            sizes=sizes,
            given=given,
            tiling=None if self.tiling is None else self.tiling.subset(index),
        )

    def labelled(self, labels: Tensor, classes: tuple[str, ...]) -> "Labelled":
        """The same samples with class labels (N,) int64, for example predicted ones."""
        more = {name: getattr(self, name) for name in FACTS if name != "tiling"}
        return Labelled(self.inputs, labels, classes, **more)


@dataclass(frozen=True)
class Labelled:
    """Inputs with labels, for example synthetic images.

    Args:
        inputs: as in `Unlabelled`.
        labels: `labels.Labels`: a tensor of (N,) int64 class indices, or of (N, K) float32 or float64 values; `Masks`
            of the size of `inputs`, or `Boxes`. An unknown value is nan. Points and boxes are in pixels of the original
            image: x right, y down, and the centre of the top-left pixel is (0, 0) for points, (0.5, 0.5) for boxes.
        classes: names of the classes, in natural order, if labels are class indices, masks or boxes.
        columns: names of the K columns, if labels are values.
        names, sizes, depth, given, given_columns, resize, tiling: as in `Unlabelled`. A given column is no label
            column. Masks and boxes of tiles are in pixels of what the tile shows.
        domain: (N,) int64, index of the source of each sample, counted from 0 (see `multi_source.join`); None for one
            source.
        whole: labels of the images that the samples are tiles of, `Boxes` or `tiles.masks.WholeMasks`; None without a
            `tiling`.

    Raises:
        InputError: inputs and labels differ in length, labels fit neither `classes` nor `columns`, `domain` is not
            an int64 tensor (N,) of indices from 0, or as `Unlabelled`.
    """

    inputs: Inputs
    labels: Any
    classes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    names: Sequence[str] = ()
    sizes: Tensor | None = None
    domain: Tensor | None = None
    depth: int | None = None
    given: Tensor | None = None
    given_columns: tuple[str, ...] = ()
    resize: Resize = "stretch"
    tiling: Tiling | None = None
    whole: Any = None

    def __post_init__(self) -> None:
        _check_inputs(self.inputs)
        check_given(self.given, self.given_columns, len(self.inputs), self.columns)
        check_kind(self.labels, (Tensor, Masks, Boxes), "labels are")
        _check_domain(self.domain, len(self.inputs))
        if len(self.inputs) != len(self.labels):
            raise InputError(
                f"{len(self.inputs)} inputs but {len(self.labels)} labels, expected the same number of each"
            )
        classes, columns = named(self.labels, self.classes, self.columns, self.shape)
        object.__setattr__(self, "classes", classes)
        object.__setattr__(self, "columns", columns)

    @classmethod
    def of(
        cls, X: Any, y: Any = None, *, classes: Sequence[str] = (), columns: Sequence[str] = (), **how: Any
    ) -> "Labelled":
        """Data of another library with its labels.

        Args:
            X, how: as in `Unlabelled.of`.
            y: integers, texts or truth values (N,), which are classes; floats (N,) or (N, K), which are values, nan if
                unknown; integers (N, H, W), or a list of N arrays (H, W), which are masks of the images; `Boxes`; of a
                table or data set also the name of the column of classes, or a list of columns of values. None for the
                labels of a data set, or the column `label`, `labels` or `class`.
            classes: names of the classes that integers are indices of. By default integers and texts are the names
                themselves, in natural order; a Categorical and a data set keep their own.
            columns: names of the K values; with them integers are values, too.

        Raises:
            InputError: there are no labels, one is missing or infinite, or their number is not that of X; or as
                `Unlabelled.of`.

        Warns:
            UserWarning: integers look like values, or floats like classes.
        """
        from .objects import Ask, labelled_of

        return labelled_of(X, Ask.of(labelled=True, label=y, **how), classes, columns)

    def __repr__(self) -> str:
        named = some(self.classes, "classes") or some(self.columns, "values")
        return line("Labelled", self.inputs, named, some(self.given_columns, "given"))

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample: (C, H, W) or (F,)."""
        return tuple(self.inputs.shape[1:])

    @property
    def fitting(self) -> Fitting | None:
        """How the images were brought to one size on load; None if they were not resized."""
        return _fitting(self)

    def subset(self, index: Tensor) -> "Labelled":
        """The samples at `index` (B,) int64, in that order."""
        sizes, domain, given = (None if kept is None else kept[index] for kept in (self.sizes, self.domain, self.given))
        tiling = None if self.tiling is None else self.tiling.subset(index)
        whole = None
        if self.tiling is not None and tiling is not None:
            images = self.tiling.image[index].unique_consecutive()
            whole = self.whole[images] if isinstance(self.whole, Boxes) else self.whole.subset(images)
        return replace(
            self,
            inputs=chosen(self.inputs, index),
            labels=self.labels.subset(index) if isinstance(self.labels, Masks) else self.labels[index],
            names=chosen_names(self.names, index),
            sizes=sizes,
            domain=domain,
            given=given,
            tiling=tiling,
            whole=whole,
        )

    @property
    def truth(self) -> Any:
        """The labels in the form of predictions: of images, also where the samples are tiles of them."""
        return self.labels if self.tiling is None else self.whole

    def unlabelled(self) -> Unlabelled:
        """The same inputs without the labels."""
        return Unlabelled(self.inputs, **{name: getattr(self, name) for name in FACTS})


def _fitting(domain: Unlabelled | Labelled) -> Fitting | None:
    if domain.sizes is None or len(domain.shape) != 3:
        return None
    return Fitting(domain.sizes, (domain.shape[1], domain.shape[2]), domain.resize)


def name_of(domain: Labelled | Unlabelled, index: int) -> str:
    """File name of a sample, or its number if there are no files."""
    if domain.names:
        return domain.names[index]
    return f"{'image' if len(domain.shape) == 3 else 'sample'} {index}"


def _check_domain(domain: Tensor | None, count: int) -> None:
    if domain is None:
        return
    if domain.dtype != torch.int64 or domain.shape != (count,) or int(domain.min()) < 0:
        raise InputError(
            f"domain of {domain.dtype} {tuple(domain.shape)} from {domain.min().item()}, "
            f"expected int64 ({count},) from 0: the index of the source of each sample"
        )


def check_domains(source: Labelled | Unlabelled, target: Labelled | Unlabelled) -> None:
    """Raise `InputError` if the inputs of the two domains differ in kind, channels or size."""
    if source.shape == target.shape:
        return
    found = f"the source has inputs of {_shape(source.shape)}, the target of {_shape(target.shape)}"
    if len(source.shape) != 3 or len(target.shape) != 3:
        raise InputError(f"{found}: expected images in both, or features of the same width in both")
    size = "x".join(map(str, target.shape[1:]))
    if source.shape[0] != target.shape[0] and source.shape[1:] != target.shape[1:]:
        raise InputError(f"{found} (channels x height x width): convert both with --channels 1 --size {size}")
    if source.shape[0] != target.shape[0]:
        raise InputError(f"{found} (channels x height x width): convert both with --channels 1 or --channels 3")
    raise InputError(f"{found} (channels x height x width): resize both with --size {size}")


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def evenly(count: int, most: int) -> Tensor:
    """Indices (int64) of at most `most` of `count` samples, evenly spaced."""
    return torch.linspace(0, count - 1, min(count, most)).long()


def is_count(value: object) -> bool:
    """Whether a value is a positive whole number."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def to_float(x: Tensor) -> Tensor:
    """Convert uint8 images to float32 in 0..1, and other inputs to float32 unscaled. Images become channels last."""
    x = x.float().div_(255) if x.dtype == torch.uint8 else x.float()
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


def as_fetched(inputs: Inputs) -> Inputs:
    """Convert images in memory to channels last once, instead of once per batch. Other inputs do not change."""
    if isinstance(inputs, Tensor) and inputs.ndim == 4:
        return inputs.contiguous(memory_format=torch.channels_last)
    return inputs
