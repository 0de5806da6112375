"""The files of a refined folder: images at the paths of the source, with their tables, masks and displacements."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..data.boxes.arrays import rows_of
from ..data.domains import Unlabelled
from ..data.fitting import Resize, restored
from ..data.formats import coco, yolo
from ..data.masks import LEGEND, masks_of_images
from ..data.reading.discovery import files_below, is_image
from ..data.reading.npz import arrays_of
from ..data.reading.tables import TABLES, table_rows
from ..data.shards import by_shard, only, rewrite
from ..engines import Engine, Span, spans
from ..engines.portable import Portable
from ..storage import Building, copied, make_folder, whole, write_text
from ..training.mapping import Mapping
from ..training.model import Model
from .displacement import Displacement, displaced, measure_of

CHUNK, PIXELS = 256, 2**24  # images, and their pixels, that are decoded, refined and written at once: limits the memory
SCORES = "displacement.csv"
KEPT = (*TABLES, "parameters.yaml", LEGEND)  # copied with the images
QUALITY: dict[str, dict[str, Any]] = {
    ".jpg": {"quality": 95, "subsampling": 0},
    ".jpeg": {"quality": 95, "subsampling": 0},
    ".webp": {"lossless": True},
    ".png": {"compress_level": 1},
}


def chunks(images: Unlabelled, start: int = 0, stop: int | None = None) -> list[Span]:
    """The images that are in memory at once. They depend on the images only: so do the last bits."""
    stop = len(images) if stop is None else stop
    return spans(stop, max(1, min(CHUNK, PIXELS // images.inputs.shape[2:].numel())), start)


@dataclass(frozen=True)
class RefinedPart:
    """Refines a part of the images and writes those that are missing, in any process.

    Args:
        refiner, judge: see `write_images`.
        images: all images.
        paths: for each image the file to write.
    """

    refiner: Portable[Mapping]
    images: Unlabelled
    paths: Sequence[Path]
    judge: Portable[Model] | None

    def missing(self, part: Span) -> list[int]:
        """The images of the part that are not on disk."""
        return [at for at in range(part.first, part.end) if not self.paths[at].is_file()]

    def __call__(self, part: Span) -> list[float]:
        """Write the missing images. Returns the displacements of all images of the part."""
        images, index = self.images, torch.arange(part.first, part.end)
        # The whole part in any case: in a smaller batch the last bits may differ.
        before, fitting = images.inputs[index], None if images.fitting is None else images.fitting.subset(index)
        refined = self.refiner.held.transformed(before, fitting)
        sizes: Sequence[Any] = [None] * len(part) if images.sizes is None else images.sizes[index].tolist()
        for folder in {self.paths[at].parent for at in index.tolist()}:
            make_folder(folder)

        def save(at: int) -> None:
            _save_file(refined[at - part.first], self.paths[at], sizes[at - part.first], images.resize)

        judge = None if self.judge is None else self.judge.held
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            list(pool.map(save, self.missing(part)))
        moved: list[float] = displaced(before, refined, judge, fitting).tolist()
        return moved


def write_images(
    refiner: Mapping,
    images: Unlabelled,
    files: Sequence[Path],
    root: Path,
    made: Building,
    judge: Model | None,
    engine: Engine,
) -> Displacement:
    """Refine all images in chunks, and write those that are missing at their relative paths in the source.

    The workers of the engine write images; this process alone keeps the journal, with the displacements of each chunk.
    Then the images that are to be left out are deleted.
    """
    paths = [made.out / file.relative_to(root) for file in files]
    scores: dict[int, list[float]] = {row["first"]: row["displaced"] for row in made.rows if "displaced" in row}
    work = RefinedPart(Portable(refiner), images, paths, None if judge is None else Portable(judge))
    left = [part for part in chunks(images) if part.first not in scores or work.missing(part)]
    for number, moved in engine.completed(work, left):
        first = left[number].first
        if first not in scores:
            scores[first] = moved
            made.add({"first": first, "displaced": moved})
    every = torch.tensor([one for _, part in sorted(scores.items()) for one in part], dtype=torch.float64)
    found = Displacement(every, measure_of(judge), refiner.reject)
    for at in found.rejected.tolist():
        paths[at].unlink(missing_ok=True)
    return found


def write_arrays(refiner: Mapping, images: Unlabelled, file: Path, path: Path, judge: Model | None) -> Displacement:
    """Refine the `images` of an `.npz`, and write those that are kept with their rows of its other arrays.

    Size and axes do not change.
    """
    with arrays_of(file) as arrays:
        kept: dict[str, Any] = dict(arrays)
    refined = torch.cat([refiner.samples(images, torch.arange(part.first, part.end)) for part in chunks(images)])
    scores = displaced(images.inputs, refined, judge, images.fitting)
    found = Displacement(scores, measure_of(judge), refiner.reject)
    refined = restored(refined, kept["images"].shape[1:3], images.resize).permute(0, 2, 3, 1)
    kept["images"] = (refined.squeeze(3) if kept["images"].ndim == 3 else refined).numpy()
    if len(found.rejected):
        kept = rows_of(kept, found.kept.numpy(), len(images))
    with whole(path) as partial:
        np.savez_compressed(partial, **kept)
    return found


def write_shards(
    refiner: Mapping, images: Unlabelled, files: Sequence[Path], made: Building, judge: Model | None
) -> Displacement:
    """Refine the images of shards in chunks, and write the shards that are missing, with all else that they hold.

    Which images are to be left out is known when all are refined: then the shards with such images are written again
    without them, which decodes nothing. The journal keeps the displacements of each shard.

    Args:
        refiner: its setting `reject` is the share to leave out.
        images: of the shards.
        files: the shards.
        made: the folder to write.
        judge: as in `displaced`.
    """
    paths = {file.name: file for file in files}
    done: dict[str, list[float]] = {row["shard"]: row["displaced"] for row in made.rows if "shard" in row}
    every, pieces = [], list(by_shard(images.names))
    for name, start, stop in pieces:
        if name not in done or not (made.out / name).is_file():
            scores: list[float] = []
            rewrite(paths[name], made.out / name, _refined(refiner, images, (start, stop), judge, scores))
            made.add({"shard": name, "displaced": scores})
            done[name] = scores
        every.append(torch.tensor(done[name], dtype=torch.float64))
    found = Displacement(torch.cat(every), measure_of(judge), refiner.reject)
    stays = torch.ones(len(images), dtype=torch.bool).index_fill_(0, found.rejected, False)
    for name, start, stop in pieces:
        kept = stays[start:stop].tolist()
        if not all(kept):
            only(made.out / name, kept)
    return found


def _refined(
    refiner: Mapping, images: Unlabelled, span: tuple[int, int], judge: Model | None, scores: list[float]
) -> Iterator[tuple[str, bytes]]:
    """The refined images of a span by their names in the shard; their displacements are added to `scores`."""
    for chunk in chunks(images, *span):
        part = torch.arange(chunk.first, chunk.end)
        before, fitting = images.inputs[part], None if images.fitting is None else images.fitting.subset(part)
        refined = refiner.transformed(before, fitting)
        scores += displaced(before, refined, judge, fitting).tolist()
        for image, at in zip(refined, part.tolist(), strict=True):
            name = images.names[at].partition("/")[2]
            packed = BytesIO()
            size = None if images.sizes is None else images.sizes[at].tolist()
            _save(image, packed, size, images.resize, Path(name).suffix.lower() or ".png")
            yield name, packed.getvalue()


def write_scores(path: Path, names: Sequence[str], found: Displacement) -> None:
    """Write the table of the displacement of every image, and whether it was left out.

    It is no `metadata.csv`, so that no loader takes the column for a label, and class subfolders stay class subfolders.
    """
    left = set(found.rejected.tolist())
    with whole(path) as partial, partial.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(("file_name", "displacement", "rejected"))
        rows.writerows(
            (name, f"{score:.6g}", int(i in left))
            for i, (name, score) in enumerate(zip(names, found.scores.tolist(), strict=True))
        )


def _save(image: Tensor, to: Path | BytesIO, size: Sequence[int] | None, resize: Resize, suffix: str) -> None:
    """Write an image in its original size, in the format of a suffix."""
    if size is not None:
        image = restored(image[None], (size[0], size[1]), resize)[0]
    pixels = image.permute(1, 2, 0).squeeze(-1).numpy()
    kind = Image.registered_extensions()[suffix]
    Image.fromarray(pixels).save(to, kind, **QUALITY.get(suffix, {}))


def _save_file(image: Tensor, path: Path, size: Sequence[int] | None, resize: Resize) -> None:
    with whole(path) as partial:
        _save(image, partial, size, resize, path.suffix.lower())


def copy_tables(root: Path, place: Path, kept: Sequence[Path] | None) -> None:
    """Copy the tables. If `kept` is given, copy only the rows of these images."""
    for table in sorted(file for name in KEPT for file in root.rglob(name)):
        path = place / table.relative_to(root)
        make_folder(path.parent)
        if kept is None or table.name not in TABLES:
            copied(table, path)
        else:
            _copy_rows(table, path, {file.relative_to(table.parent).as_posix() for file in kept if _below(file, table)})


def copy_annotations(root: Path, place: Path, files: Sequence[Path]) -> None:
    """Copy what COCO and YOLO say of these images. It stays valid, as masks do."""
    kept = set(files)
    for file in coco.descriptions(root):
        path = place / file.relative_to(root)
        make_folder(path.parent)
        write_text(path, json.dumps(coco.of_images(root, file, kept)))
    if yolo.found(root):
        texts = [text for image in files if (text := yolo.labels_of(image)) is not None]
        for file in (one.absolute() for one in (*yolo.descriptions(root), *texts)):
            if file.is_relative_to(root.absolute()):  # those of a part of a set lie above it
                path = place / file.relative_to(root.absolute())
                make_folder(path.parent)
                copied(file, path)


def copy_masks(root: Path, place: Path, files: Sequence[Path]) -> None:
    """Copy the masks of these images. They stay valid, because refinement moves no edges."""
    kept, pictures = set(files), [file for file in files_below(root) if is_image(file)]
    for mask, image in masks_of_images(root, pictures):
        if image in kept:
            path = place / mask.relative_to(root)
            make_folder(path.parent)
            copied(mask, path)


def _below(file: Path, table: Path) -> bool:
    return table.parent in file.parents


def _copy_rows(table: Path, path: Path, names: set[str]) -> None:
    def stays(name: Any) -> bool:
        return Path(str(name)).as_posix() in names

    table_rows(table)  # refuses what is no table
    with (
        table.open(encoding="utf-8-sig", newline="") as lines,
        whole(path) as partial,
        partial.open("w", encoding="utf-8", newline="") as out,
    ):
        if table.suffix == ".jsonl":
            out.writelines(line for line in lines if line.strip() and stays(json.loads(line).get("file_name")))
            return
        rows = csv.DictReader(lines)
        writer = csv.DictWriter(out, rows.fieldnames or (), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for row in rows if stays(row.get("file_name")))
