"""The check before an export is written: the graph answers to raw images as the model does to the same files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..data.domains import Inputs, Unlabelled, evenly
from ..data.formats import format_of
from ..data.reading.discovery import files_below, is_image, metadata_tables
from ..data.reading.images import decode
from ..data.reading.loading import load_unlabelled
from ..data.reading.pixels import Conversion, Held
from ..data.reading.places import is_packed
from ..data.reading.progress import told
from ..data.shards import indexed
from ..data.shards.labels import Wanted
from ..errors import InputError
from ..tasks import Keypoints, Regression
from ..training.model import Model
from .graph import Graph

CLOSE = 1e-4  # of probabilities, radians, standardised values, and of half a side for points
LOGIT = 20.0  # a difference of so much in logits, which reach far, counts as 1
MOST = 8  # inputs that are checked
PIXELS = 2**24  # after so many pixels of real images no further one is read: the graph takes all of one size at once
RANDOM = ((48, 64), (61, 35))  # height and width of random images
Run = Callable[[dict[str, NDArray[Any]]], NDArray[Any]]  # answers to a batch, see `OnnxModel.run`


@dataclass(frozen=True)
class Checked:
    """What a check found.

    Args:
        count: inputs on which it was made.
        largest: difference between two answers, in units of the answers.
        real: whether they are real inputs, not random ones.
    """

    count: int
    largest: float
    real: bool


@dataclass(frozen=True)
class Batch:
    """Raw inputs, all of one size, with what the model answers to them."""

    inputs: dict[str, NDArray[Any]]
    answers: NDArray[Any]
    names: Sequence[str]


def check(graph: Graph, run: Run, images: Path | None) -> Checked:
    """Compare the answers of an exported graph with those of its model, for several inputs at once and for one.

    Args:
        graph: of the model.
        run: computes the exported graph.
        images: folder or file of real inputs, of which some are taken; None takes random ones.

    Raises:
        InputError: two answers differ by more than `CLOSE`, or none of the images can be read.
    """
    with TemporaryDirectory() as folder, torch.no_grad(), told(lambda *_: None):  # of files that nobody knows
        batches = list(_of_images(graph, images, Path(folder)) if graph.takes_images else _of_features(graph, images))
    largest = 0.0
    for batch in batches:
        for part in (slice(None), slice(1)):
            found = run({name: values[part] for name, values in batch.inputs.items()})
            largest = max(largest, _difference(graph, batch, found, part))
    return Checked(sum(len(batch.names) for batch in batches), largest, images is not None)


def _difference(graph: Graph, batch: Batch, found: NDArray[Any], part: slice) -> float:
    """The largest difference; raises `InputError` if it is too large."""
    apart = np.abs(found - batch.answers[part])
    beyond = apart / _unit(graph.model, batch, part)
    if not (beyond <= CLOSE).all():  # also if one is NaN
        at = int(np.nan_to_num(beyond, nan=np.inf).argmax())
        row, column, *point = (int(one) for one in np.unravel_index(at, beyond.shape))
        shape = "x".join(map(str, batch.inputs[graph.inputs[0]][part].shape))
        raise InputError(
            f"the exported graph answers {found[row, column, *point]:.6g} to {batch.names[row]} in a batch of {shape}, "
            f"where the model answers {batch.answers[row, column, *point]:.6g} (column {column}), expected the same "
            f"within {CLOSE:g}. Nothing was written. The network has an operation that cannot be exported, such as "
            "randomness or Python code that depends on values"
        )
    return float(apart.max())


def _unit(model: Model, batch: Batch, part: slice) -> Any:
    """What a difference of 1 in the raw outputs is in the answers."""
    if isinstance(model.task, Regression):
        return np.asarray(model.task.std)
    if model.task.dense:
        return LOGIT
    if isinstance(model.task, Keypoints):
        height, width = next(iter(batch.inputs.values())).shape[1:3]
        half = np.tile([width / 2, height / 2], len(model.task.columns) // 2)
        return np.maximum(half, np.abs(batch.answers[part]))  # points far outside the image have fewer digits there
    return 1.0


def _of_features(graph: Graph, path: Path | None) -> Iterator[Batch]:
    """Rows of a file, or random ones with the mean and deviation of the source."""
    model = graph.model
    if path is None:
        rows = torch.rand(MOST, *model.shape)
    else:
        inputs: Inputs = load_unlabelled(path, layout=model.layout).inputs
        rows = inputs[evenly(len(inputs), MOST).unique()].float()
        model.check(rows, str(path))
    yield _answered(graph, rows.numpy(), Unlabelled(rows), [f"row {i}" for i in range(len(rows))])


def _of_images(graph: Graph, path: Path | None, folder: Path) -> Iterator[Batch]:
    """Raw images by their size, and one of them at another size. The model reads them as files in `folder`."""
    raw = _random() if path is None else _raw(graph.model, path)
    name, one = next(iter(raw.items()))
    height, width = one.shape[:2]
    smaller = Image.fromarray(one).resize((max(4, 2 * width // 3), max(4, 3 * height // 4)))
    raw[f"{name}, made smaller,"] = np.asarray(smaller)
    model = graph.model
    channels, height, width = model.shape
    how = replace(model.conversion, size=(height, width), channels=1 if channels == 1 else 3, skip_bad=False)
    for size in {image.shape for image in raw.values()}:
        names = [name for name, image in raw.items() if image.shape == size]
        files = [folder / f"{size[0]}x{size[1]}-{i}.png" for i in range(len(names))]
        for file, name in zip(files, names, strict=True):
            Image.fromarray(raw[name]).save(file)
        read = decode(files, how)
        domain = Unlabelled(read.images, **read.facts)
        yield _answered(graph, np.stack([raw[name] for name in names]), domain, names)


def _answered(graph: Graph, raw: NDArray[Any], domain: Unlabelled, names: Sequence[str]) -> Batch:
    """A batch of raw inputs with the model's answers; given columns are drawn as in the source of the training."""
    model, inputs = graph.model, {graph.inputs[0]: raw}
    if model.given_columns:
        given = _given(model, len(names))
        domain = replace(domain, given=given, given_columns=model.given_columns)
        inputs[graph.inputs[1]] = given.numpy()
    answers = model.outputs(model.inputs_of(domain)) if model.task.dense else model.predict(domain).values
    return Batch(inputs, answers.numpy(), names)


def _given(model: Model, count: int) -> Tensor:
    mean, deviation = model.given_scale
    return mean + deviation * torch.linspace(-1, 1, count)[:, None]


def _random() -> dict[str, NDArray[np.uint8]]:
    """Images (H, W, 3) of noise by name, of two sizes."""
    generator = np.random.default_rng(0)
    made = [generator.integers(0, 256, (*RANDOM[i % len(RANDOM)], 3), dtype=np.uint8) for i in range(MOST)]
    return {f"random image {i}": image for i, image in enumerate(made)}


def _raw(model: Model, path: Path) -> dict[str, NDArray[np.uint8]]:
    """Some images (H, W, 3) of a folder or file by name, upright, opaque, of 8 bits. Unreadable ones are left out."""
    if path.suffix.lower() == ".npz":
        how = {"size": model.shape[1:], "channels": 3}
        inputs = load_unlabelled(path, **how).inputs  # type: ignore[arg-type]
        some = inputs[evenly(len(inputs), MOST).unique()]
        some = some if some.dtype == torch.uint8 else (255 * some).round().to(torch.uint8)
        return {f"{path}, image {i}": image.permute(1, 2, 0).numpy() for i, image in enumerate(some)}
    files = _pictures(path)
    whole = Conversion(None, 3, depth=model.conversion.depth, background=model.conversion.background)
    found: dict[str, NDArray[np.uint8]] = {}
    why = "it has none"
    for i in evenly(len(files), MOST).unique().tolist() if files else []:
        try:
            pixels = decode(files[i : i + 1], whole).images[torch.arange(1)]
            found[str(files[i])] = pixels[0].permute(1, 2, 0).contiguous().numpy()
        except InputError as error:
            why = str(error)
        if sum(image.size for image in found.values()) >= PIXELS:
            break
    if not found:
        raise InputError(f"{path}: found no image to check the export with ({why}), expected some readable ones")
    return found


def _pictures(path: Path) -> Sequence[Path | Held]:
    """The image files of a folder; or what takes their place in shards and in the formats of other programs."""
    if is_packed(path):
        return indexed(path, Wanted(False, None, ()), skip_bad=True)
    kind = format_of(path, native=metadata_tables)
    if kind is not None and not kind.pictures:
        return [one.image for one in kind.records(path)]
    return [file for file in files_below(path) if is_image(file)] if path.is_dir() else [path]
