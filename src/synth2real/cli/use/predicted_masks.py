"""Predictions of a segmenter: a folder of masks at the paths of the images, with the names of the classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ...data.domains import Unlabelled
from ...data.labels import IGNORED
from ...data.masks import LEGEND, legend_text
from ...data.masks.writing import mask_names, write_mask
from ...data.reading.discovery import counted, files_below
from ...data.tiles.cutting import names_of
from ...deploy import OnnxModel
from ...engines import Engine, Span, spans
from ...engines.portable import Portable
from ...errors import InputError
from ...storage import PROVENANCE, keep_record, make_folder, whole_folder, write_text
from ...tasks.original_size import original_masks
from ...training.model import Model
from ..arguments import PredictArguments
from ..console import Result, console
from ..provenance import record_of

CHUNK = 64  # images of a part, whose masks are computed and written at once
FIRST = "# masks of `synth2real predict`"  # line of the legend, by which an earlier output is known
SHOWN = 8  # classes in a line


def check_folder(args: PredictArguments) -> None:
    """Raise `InputError` where masks cannot be written to --out, or an option is for other tasks."""
    if args.probabilities:
        raise InputError("--probabilities: the run predicts masks (segment), expected a run that classifies")
    if args.few_labels is not None or args.group is not None:
        raise InputError("--few-labels and --group: the run predicts masks, which few labels do not correct")
    out = args.out
    if out.is_file() or (out.suffix and not out.exists()):
        raise InputError(f"--out {out}: the run predicts masks, expected the name of a folder, such as {out.stem}")
    if not out.exists() or not any(out.iterdir()):
        return
    if not args.overwrite:
        raise InputError(f"{out}: the folder is not empty, expected a new one. Choose another --out, or --overwrite")
    others = [
        file for file in files_below(out) if file.suffix != ".png" and file not in (out / LEGEND, out / PROVENANCE)
    ]
    ours = (out / LEGEND).is_file() and (out / LEGEND).read_text(encoding="utf-8", errors="replace").startswith(FIRST)
    if others or not ours:
        what = others[0] if others else out
        raise InputError(
            f"{what}: is not of `synth2real predict`, and --overwrite replaces only an earlier output of it. Choose "
            "another --out"
        )


def write_masks(args: PredictArguments, engine: Engine, model: Model | OnnxModel, images: Unlabelled) -> Result:
    """Write a mask for each image, in pixels of the image as given, and say how much of each class there is.

    The masks are written where they are computed, part by part, so that those of one part are in memory.
    """
    names = mask_names(names_of(images))
    pixels = np.zeros(IGNORED + 1, np.int64)
    with whole_folder(args.out) as partial, engine:  # no worker may write to a folder that is deleted
        write = WrittenPart(Portable(model), images, partial.resolve(), names)
        for counts in engine.map(write, parts(images)):
            pixels += counts
        write_text(partial / LEGEND, f"{FIRST}\n{legend_text(model.task.settings()['classes'])}")
        keep_record(partial, record_of("predict", args, args.out))
    classes: list[str] = model.task.settings()["classes"]
    shares = {name: float(pixels[i] / pixels.sum()) for i, name in enumerate(classes)}
    say(args.out, len(names), shares, float(pixels[IGNORED] / pixels.sum()))
    return {"count": len(names), "shares": shares, "out": args.out}


def say(out: Path, count: int, shares: dict[str, float], cut_off: float) -> None:
    """Say what was predicted."""
    first = sorted(shares.items(), key=lambda one: -one[1])[:SHOWN]
    shown = ", ".join(f"{name} {share:.1%}" for name, share in first)
    console.print(f"predicted {count} masks ({shown} of the pixels)", soft_wrap=True)
    if cut_off:
        console.warn(
            f"{cut_off:.1%} of the pixels were cut off when the images were cropped on load, and are {IGNORED} in the "
            "masks. A run with --resize stretch or letterbox sees whole images"
        )
    left_out = counted(console.left_out)
    if left_out:
        console.print(f"left out: {left_out}", soft_wrap=True)
    console.print(f"masks: {out}", soft_wrap=True)


def parts(images: Unlabelled) -> Iterator[WrittenSpan]:
    """The images in parts; of tiles, those of whole images."""
    if images.tiling is None:
        yield from (WrittenSpan(part, part.first) for part in spans(len(images), CHUNK))
        return
    first = 0
    for tiles in images.tiling.parts(CHUNK):
        yield WrittenSpan(Span(int(tiles[0]), int(tiles[-1]) + 1), first)
        first += len(images.tiling.image[tiles].unique())


@dataclass(frozen=True)
class WrittenSpan:
    """Samples of whole images, and the index of the first of these images."""

    samples: Span
    image: int


@dataclass(frozen=True)
class WrittenPart:
    """Predicts and writes the masks of a part of the images, in any process.

    Args:
        model: that predicts.
        images: all images.
        folder: to write to.
        names: of the masks of all images, below the folder.
    """

    model: Portable[Model | OnnxModel]
    images: Unlabelled
    folder: Path
    names: Sequence[str]

    def __call__(self, part: WrittenSpan) -> NDArray[np.int64]:
        """How many pixels there are of each value, (256,)."""
        samples = torch.arange(part.samples.first, part.samples.end)
        masks = predicted(self.model.held, self.images.subset(samples))
        files = [self.folder / name for name in self.names[part.image : part.image + len(masks)]]
        for folder in {file.parent for file in files}:
            make_folder(folder)
        with ThreadPoolExecutor() as pool:
            list(pool.map(write_mask, files, masks))
        counts: NDArray[np.int64] = np.sum([np.bincount(one.ravel(), minlength=IGNORED + 1) for one in masks], 0)
        return counts


def predicted(model: Model | OnnxModel, images: Unlabelled) -> list[NDArray[np.uint8]]:
    """The masks (H, W) of images in their own size."""
    if images.tiling is not None or images.fitting is None:
        found = list(model.predict(images).values)
    else:
        maps = model.maps(images) if isinstance(model, OnnxModel) else model.outputs(model.inputs_of(images))
        found = original_masks(maps, images.fitting)
    return [mask.numpy() for mask in found]
