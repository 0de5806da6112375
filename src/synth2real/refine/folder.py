"""Writes a folder of refined images. It keeps the file names and labels of the source and can be used for training.

the images                      at the same paths, with the same names (an `.npz`: one file, with its other arrays)
displacement.csv                how far the label of each image has moved, and whether the image was left out for it
their masks, classes.yaml       as in the source
metadata.csv, metadata.jsonl    as in the source, and so are the labels of COCO and YOLO
shards                          of the names of the source, with all else that they hold
refinement.yaml                 how the images were made
refiner/                        the refiner, to apply to more images
"""

from __future__ import annotations

import hashlib
import shutil
import warnings
from collections.abc import Callable
from collections.abc import Mapping as Dictionary
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from ..data.domains import Unlabelled
from ..data.formats import format_of
from ..data.formats.coco import COCO
from ..data.formats.yolo import YOLO
from ..data.reading.discovery import metadata_tables
from ..data.reading.loading import load_unlabelled
from ..data.reading.pixels import Conversion
from ..data.reading.places import is_packed
from ..data.shards import shard_files
from ..engines import Engine, Here
from ..errors import InputError, RefinementWarning, TrainingDiverged
from ..networks.named_code import named_in
from ..settings import to_dict
from ..simulate import render
from ..simulate.base import Simulator
from ..simulate.parts import TABLE
from ..simulate.registry import described
from ..storage import INCOMPLETE, Building, building, is_free, write_text
from ..training.distributed import processes
from ..training.hardware import Hardware, versions
from ..training.loop import Loop, Report
from ..training.mapping import REFINER, Mapping
from ..training.model import Model
from . import load_refiner
from .displacement import Displacement, check_judge
from .files import (
    SCORES,
    copy_annotations,
    copy_masks,
    copy_tables,
    write_arrays,
    write_images,
    write_scores,
    write_shards,
)

DESCRIPTION, RENDERED = "refinement.yaml", ".rendered"
BATCH = 64


@dataclass(frozen=True)
class RefineJob:
    """A refinement job: which images to refine, by which method, and where to write them.

    Args:
        source: a folder of images, labelled or not; an `.npz` with `images`; shards; or a simulator.
        named: the user's name for the source, written to the description.
        out: the folder to write.
        target: unlabelled images to learn from; None if `refiner` is already trained.
        target_named: the user's name for the target, written to the description.
        refiner: the method, or a loaded refiner.
        n: number of images to render, if the source is a simulator.
        conversion: of the images on load. Refined images are resized to their original size, so that points in the
            tables stay correct. With `skip_bad`, the rows of unreadable images are left out of the tables, too.
        seed: seed of all randomness.
        batch: images of each domain in one step.
        overwrite: replace the contents of `out` if it is a refined folder.
        resume: go on in the folder that an interrupted job with the same settings has left. The result has the same
            bits as that of an uninterrupted job.
        hardware: device, precision and memory format.
        judge: a model trained on the source, which measures how far labels move; None compares edges. See `displaced`.
        judge_named: the user's name for the judge, written to the description.
        engine: renders and refines the parts of the images. Its workers write to `out` and read the source, so on a
            cluster both are on storage that all machines share. The result has the same bits with every engine.
    """

    source: Path | Simulator
    named: str
    out: Path
    refiner: Mapping
    target: Unlabelled | None = None
    target_named: str = ""
    n: int = 8000
    conversion: Conversion = field(default_factory=Conversion)
    seed: int = 0
    batch: int = BATCH
    overwrite: bool = False
    resume: bool = False
    hardware: Hardware | None = None
    judge: Model | None = None
    judge_named: str = ""
    engine: Engine = field(default_factory=Here)


@dataclass(frozen=True)
class RefinedFolder:
    """What was written.

    Args:
        images: number of images in the folder.
        displacement: how far the label of each image has moved, also of those that were left out.
    """

    images: int
    displacement: Displacement


def refine_folder(
    job: RefineJob, report: Report | None = None, on_step: Callable[[int, int], None] | None = None
) -> RefinedFolder:
    """Train the refiner if the job has a target, refine every image, and write the folder.

    The folder says that it is incomplete until its end; see `storage.building`.

    Args:
        job: what to refine.
        report: as in `Mapping.fit`.
        on_step: as in `Loop`.

    Warns:
        RefinementWarning: of the training; and which images were left out, if the refiner is to `reject` some.

    Raises:
        InputError: the source contains no images or is cropped on load, `out` must not be replaced, there is nothing to
            resume, or the judge cannot judge images.
        WriteError: the disk is full, or `out` is read-only or has vanished.
        TrainingDiverged: `out` then contains the last good weights in `refiner/`, and no image.
    """
    if job.conversion.size is not None and job.conversion.resize == "crop":
        raise InputError(
            "--resize crop cuts off margins, but refined images are written in their original size, so that labels "
            "stay correct. Take --resize stretch or letterbox"
        )
    if job.judge is not None:
        check_judge(job.judge)
    if isinstance(job.source, Path):
        check_format(job.source)
    diverged: TrainingDiverged
    with building(job.out, "refine", made_from(job), resume=job.resume, replaces=check_out(job)) as made:
        try:
            return write(job, made, report, on_step)
        except TrainingDiverged as error:
            made.discard()
            job.refiner.save(job.out / REFINER)
            error.add_note(f"No image was refined. {job.out / REFINER} holds the last good weights: --apply {job.out}")
            diverged = error
    raise diverged


def check_format(source: Path) -> None:
    """Check that a refined folder would have the labels of the source.

    Raises:
        InputError: the source is in a format of another program whose images are no files of their own.

    Warns:
        RefinementWarning: its labels are in files that are not copied.
    """
    kind = None if is_packed(source) else format_of(source, native=metadata_tables)
    if kind is None or kind in (COCO, YOLO):
        return
    mend = f"synth2real convert {source} FOLDER --to imagefolder"
    if not kind.pictures:
        raise InputError(
            f"{source}: is {kind.about}, whose labels a refined folder would not have. Convert it first, and refine "
            f"that: {mend}"
        )
    text = f"{source}: is {kind.about}, whose labels are not copied, but images keep their paths. For both: {mend}"
    warnings.warn(RefinementWarning(text), stacklevel=3)


def write(
    job: RefineJob, made: Building, report: Report | None, on_step: Callable[[int, int], None] | None
) -> RefinedFolder:
    """Write the folder, or what is missing in it."""
    out = job.out
    root = rendered(job.source, job) if isinstance(job.source, Simulator) else job.source
    images = load_unlabelled(root, **asdict(job.conversion), masks=False)
    check_same(made, images, root)
    refiner, messages = trained(job, made, images, report, on_step)
    if is_packed(root):
        found = write_shards(refiner, images, shard_files(root, lambda missing: None), made, job.judge)
    elif root.is_dir():
        files = [root / name for name in images.names]
        found = write_images(refiner, images, files, root, made, job.judge, job.engine)
        kept = [files[i] for i in found.kept.tolist()]
        copy_tables(root, out, kept if job.conversion.skip_bad or len(kept) < len(files) else None)
        copy_annotations(root, out, kept)
        copy_masks(root, out, kept)
    else:
        found = write_arrays(refiner, images, root, out / root.name, job.judge)
    write_scores(out / SCORES, images.names, found)
    for note in found.notes():
        warnings.warn(note, RefinementWarning, stacklevel=3)
    shutil.rmtree(out / RENDERED, ignore_errors=True)
    description = yaml.safe_dump(describe(job, images, messages, found), sort_keys=False, allow_unicode=True)
    write_text(out / DESCRIPTION, description)
    return RefinedFolder(len(found.kept), found)


def rendered(simulator: Simulator, job: RefineJob) -> Path:
    """The folder with the images of the simulator; rendered, or what is missing in it, if it is not complete."""
    place = job.out / RENDERED
    begun = (place / INCOMPLETE).is_file()
    if begun or not (place / TABLE).is_file():
        render(simulator, job.n, place, job.seed, resume=begun, engine=job.engine)
    return place


def check_same(made: Building, images: Unlabelled, root: Path) -> None:
    """Note which images are refined. Raise `InputError` if a resumed job was begun with others."""
    files = [root]
    if is_packed(root):
        files = shard_files(root, lambda missing: None)
    elif root.is_dir():
        files = [root / name for name in images.names]
    found = hashlib.sha256(repr([(file.name, file.stat().st_size) for file in files]).encode()).hexdigest()
    before = next((row["images"] for row in made.rows if "images" in row), None)
    if before is None:
        made.add({"images": found})
    elif before != found:
        raise InputError(
            f"{made.out}: was begun with other images than those that are in {root} now. Begin anew with --overwrite"
        )


def trained(
    job: RefineJob,
    made: Building,
    images: Unlabelled,
    report: Report | None,
    on_step: Callable[[int, int], None] | None,
) -> tuple[Mapping, list[str]]:
    """The refiner, and the warnings of its training. A resumed job takes the one that it has trained."""
    done = next((row["warnings"] for row in made.rows if "warnings" in row), None)
    together = processes()
    if together is not None:
        together.told(done is None and job.target is not None)
    if done is not None:
        for message in done:
            warnings.warn(message, RefinementWarning, stacklevel=3)
        return load_refiner(made.out, trust=tuple(named_in(to_dict(job.refiner))), hardware=job.hardware), done
    messages = [] if job.target is None else learn(job, images, job.target, report, on_step)
    job.refiner.save(made.out / REFINER)
    made.add({"warnings": messages})
    return job.refiner, messages


def take_part(job: RefineJob) -> None:
    """What all processes but the first do: they wait until it has the images, and train with it. It writes."""
    together = processes()
    assert together is not None
    if together.told(None):
        assert job.target is not None
        root = job.out / RENDERED if isinstance(job.source, Simulator) else job.source
        learn(job, load_unlabelled(root, **asdict(job.conversion), masks=False), job.target, None, None)


def learn(
    job: RefineJob,
    images: Unlabelled,
    target: Unlabelled,
    report: Report | None,
    on_step: Callable[[int, int], None] | None,
) -> list[str]:
    """Train the refiner on both domains. Repeat its warnings, and return their texts."""
    # No refiner uses labels, and the folder may have none. These are placeholders.
    source = images.labelled(torch.zeros(len(images), dtype=torch.int64), ("unread",))
    hardware = job.hardware or Hardware.detect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loop = Loop(steps=1, batch=job.batch, seed=job.seed, hardware=hardware, on_step=on_step)
        job.refiner.fit(source, target, loop, report)
    for warning in caught:
        warnings.warn(warning.message, stacklevel=3)
    return [str(warning.message) for warning in caught if issubclass(warning.category, UserWarning)]


def made_from(job: RefineJob) -> dict[str, Any]:
    """All that determines the folder, as plain data."""
    simulates = isinstance(job.source, Simulator)
    return {
        "source": described(job.source) if isinstance(job.source, Simulator) else job.named,
        "n": job.n if simulates else None,
        "target": None if job.target is None else [job.target_named, *job.target.inputs.shape],
        "method": job.refiner.name,
        "settings": to_dict(job.refiner),
        "refiner": None if job.target is not None else digest(job.refiner.learnt()),
        "judge": None if job.judge is None else [job.judge_named, digest(job.judge.state_dict())],
        **job.conversion.plain(),
        "seed": job.seed,
        "batch": job.batch,
        "skip_bad": job.conversion.skip_bad,
    }


def digest(learnt: Dictionary[str, Tensor]) -> str:
    """Fingerprint of all that a refiner or a judge has learnt."""
    found = hashlib.sha256()
    for name, values in sorted(learnt.items()):
        found.update(name.encode() + values.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def check_out(job: RefineJob) -> list[str]:
    """Names in the folder that belong to an earlier output. Raise `InputError` if the folder must not be written."""
    out = job.out
    if isinstance(job.source, Path):
        source, resolved = job.source.resolve(), out.resolve()
        packed = is_packed(job.source)
        if not job.source.is_dir() and job.source.suffix.lower() != ".npz" and not packed:
            raise InputError(f"{job.source}: expected a folder of images, an .npz, shards, or the name of a simulator")
        if packed:
            check_shard_names(job.source)
        if source == resolved or source in resolved.parents or resolved in source.parents:
            raise InputError(
                f"{out}: --out and the source {job.source} contain one another, expected separate folders. "
                "Choose another --out"
            )
    if job.resume or is_free(out, overwrite=job.overwrite):
        return []
    if not (out / DESCRIPTION).is_file() and not (out / REFINER).is_dir():
        raise InputError(
            f"{out}: --overwrite found no {DESCRIPTION} there, expected a folder of refined images. "
            "Delete the folder yourself"
        )
    return [path.name for path in out.iterdir()]


def check_shard_names(source: Path) -> None:
    """Raise `InputError` if two shards would be written to one file."""
    files = shard_files(source, lambda missing: None)
    known: dict[str, Path] = {}
    for file in files:
        if known.setdefault(file.name, file) != file:
            raise InputError(
                f"{source}: found {known[file.name]} and {file}, which would be written to one file, expected shards "
                "of different names. Refine each folder on its own"
            )


def describe(job: RefineJob, images: Unlabelled, messages: list[str], found: Displacement) -> dict[str, Any]:
    """How the folder was made, as plain data."""
    refiner, hardware = job.refiner, job.hardware or Hardware.detect()
    source = {"given": job.named, "images": len(images), "shape": list(images.shape)}
    if isinstance(job.source, Simulator):
        source["simulator"] = to_dict(job.source)
    target = None
    if job.target is not None:
        target = {"given": job.target_named, "images": len(job.target), "shape": list(job.target.shape)}
    return {
        "method": refiner.name,
        "settings": to_dict(refiner),
        "learnt": job.target is not None,
        "seed": job.seed,
        "batch": job.batch,
        "source": source,
        "target": target,
        "displacement": {"judge": job.judge_named or None, **found.summary(), "notes": found.notes()},
        **job.conversion.plain(),
        "hardware": hardware.settings(),
        "warnings": messages,
        "versions": versions(),
    }
