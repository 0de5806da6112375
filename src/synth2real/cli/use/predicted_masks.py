"""Predictions of a segmenter: a folder of masks at the paths of the images, with the names of the classes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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
from ...data.tiles.tiling import Tiling
from ...deploy import OnnxModel
from ...errors import InputError
from ...storage import PROVENANCE, keep_record, make_folder, whole_folder, write_text
from ...tasks.original_size import original_masks
from ...training.model import Model
from ..arguments import PredictArguments
from ..console import Result, console
from ..provenance import record_of

CHUNK = 64  # images whose masks are computed and written at once
FIRST = "# masks of `synth2real predict`"  # line of the legend, by which an earlier output is known
SHOWN = 8  # classes in a line


def check_folder(args: PredictArguments) -> None:
    """Raise `InputError` where masks cannot be written to --out, or an option is for other tasks."""
    if args.probabilities:
        raise InputError("--probabilities: the run predicts masks (segment), expected a run that classifies")
    if args.few_labels is not None or args.group is not None:
        raise InputError("--few-labels and --group: the run predicts masks, which few labels do not correct")
    if args.jobs > 1 or args.engine is not None:
        raise InputError("--jobs and --engine: masks are predicted in one process. Leave them out")
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


def write_masks(args: PredictArguments, model: Model | OnnxModel, images: Unlabelled) -> Result:
    """Write a mask for each image, in pixels of the image as given, and say how much of each class there is."""
    names = mask_names(names_of(images))
    pixels = np.zeros(IGNORED + 1, np.int64)
    with whole_folder(args.out) as partial, ThreadPoolExecutor() as pool:
        for first, masks in predicted(model, images):
            files = [partial / name for name in names[first : first + len(masks)]]
            for folder in {file.parent for file in files}:
                make_folder(folder)
            list(pool.map(write_mask, files, masks))
            pixels += sum(np.bincount(mask.ravel(), minlength=IGNORED + 1) for mask in masks)
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


def predicted(model: Model | OnnxModel, images: Unlabelled) -> Iterator[tuple[int, list[NDArray[np.uint8]]]]:
    """The index of the first image of a chunk, and the masks (H, W) of its images in their own size."""
    if images.tiling is not None:
        yield from _of_tiles(model, images, images.tiling)
        return
    for index in torch.arange(len(images)).split(CHUNK):
        part = images.subset(index)
        if part.fitting is None:
            found = list(model.predict(part).values)
        else:
            maps = model.maps(part) if isinstance(model, OnnxModel) else model.outputs(model.inputs_of(part))
            found = original_masks(maps, part.fitting)
        yield int(index[0]), [mask.numpy() for mask in found]


def _of_tiles(
    model: Model | OnnxModel, images: Unlabelled, tiling: Tiling
) -> Iterator[tuple[int, list[NDArray[np.uint8]]]]:
    """As `predicted`, for images that are cut into tiles."""
    first = 0
    for index in tiling.parts(CHUNK):
        found = [mask.numpy() for mask in model.predict(images.subset(index)).values]
        yield first, found
        first += len(found)
