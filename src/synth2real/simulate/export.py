"""Write the images and labels of a simulator to disk: a folder, tar shards, or one Parquet file.

`folder`: `000000.png` and so on; `metadata.jsonl` with one line per image: `file_name` and the labels;
`parameters.yaml` with the sampling ranges and correlations; and with masks `000000_mask.png`, where a pixel is the
region index, and `classes.yaml` with the names of the regions. `annotations.json` has the objects, as in COCO.
`webdataset`: `shard-000000.tar` and so on, with `000000.png`, `000000.json` and `000000.mask.png` per image, and
`parameters.yaml` beside them.
A part of the images (`--part 3/10`) has the names and rows that they have in the whole; `part.json` says which it is.
While a folder is written, it holds `INCOMPLETE.jsonl`, and `load` refuses it.
`parquet`: one file. The columns `image` (and `mask`) have the fields `bytes` and `path`, which the library `datasets`
displays as images. Each label column is one column. The content of `parameters.yaml` is in the metadata of the file.

Labels are columns. A class is its name, or a number if its name is a whole number. A missing value is null.
"""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from ..data.masks import asked
from ..engines import Engine, Here, spans
from ..errors import InputError
from ..storage import check_writable
from .base import Simulator
from .encoding import Encoded, RenderedPart, encoded_rows
from .parts import Part, check_parts, joined
from .writers import WRITERS, RenderJob

Format = Literal["folder", "webdataset", "parquet"]


def render(
    simulator: Simulator,
    n: int,
    out: str | Path,
    seed: int,
    overwrite: bool = False,
    masks: bool = False,
    format: Format | None = None,
    resume: bool = False,
    engine: Engine | None = None,
    part: Part | None = None,
    join: str | Path | None = None,
) -> None:
    """Write `n` images to `out`, or a part of them.

    Args:
        simulator, n, seed: the images are those of `simulator.sample(n, seed)`.
        out: the folder, which is created if it is missing; or the Parquet file.
        overwrite: replace an earlier output of `render`. Images of an earlier, longer run are deleted.
        masks: also write masks. A simulator whose label is the mask always writes them.
        format: see above; by default `parquet` if `out` ends in `.parquet`, else `folder`.
        resume: go on in a folder that an interrupted call with the same arguments has left. The result has the same
            bits as that of an uninterrupted call.
        engine: renders and encodes the parts; this process alone writes. None: this process does all. The result has
            the same bits with every engine.
        part: which of the `n` images are written, with the names, labels and bits that they have in the whole. None:
            all.
        join: a folder with the folders of all parts, rendered with the same arguments, whose images are written in
            place of rendering any. The result has the bits of a call without parts.

    Raises:
        InputError: `out` exists and `overwrite` is False, or `render` did not write it; `n` is below 1; the simulator
            has no masks; the format is Parquet and pyarrow is not installed; there is nothing to resume, or it was
            begun with other arguments; there are more parts than images or shards; or the parts to
            join are not all there, or of other arguments.
        WriteError: the disk is full, or `out` is read-only or has vanished.
    """
    job = render_job(simulator, n, out, seed, overwrite, masks, format, resume, part, join)
    with WRITERS[job.format].opened(job) as writer:
        for i, one in enumerate(_images(job, writer.done, writer.objects, engine or Here()), start=writer.done):
            writer.add(f"{i:06d}", one)
        writer.finish()


def _images(job: RenderJob, done: int, objects: bool, engine: Engine) -> Iterator[Encoded]:
    """The images of a job from the number `done` on: rendered, or those of the parts that are joined."""
    if job.join is not None:
        return joined(job.join, job.rendered_from(), done, objects)
    chunk = job.simulator.chunk
    first = done - done % chunk  # a piece is rendered whole: so its images keep their bits
    work = RenderedPart(job.simulator, job.n, job.seed, job.masks, objects)
    rendered = itertools.chain.from_iterable(engine.map(work, spans(job.span.end, chunk, first)))
    return itertools.islice(rendered, done - first, job.span.end - first)


def render_job(
    simulator: Simulator,
    n: int,
    out: str | Path,
    seed: int,
    overwrite: bool = False,
    masks: bool = False,
    format: Format | None = None,
    resume: bool = False,
    part: Part | None = None,
    join: str | Path | None = None,
) -> RenderJob:
    """The arguments of `render`, after the checks that need no output."""
    out = Path(out)
    if format is None:
        format = "parquet" if out.suffix == ".parquet" else "folder"
    if format not in WRITERS:
        raise InputError(f"--format '{format}' is unknown, expected one of: {', '.join(WRITERS)}")
    if masks and not simulator.regions:
        raise InputError(f"--masks: simulator {simulator.called()} renders no masks. Remove --masks")
    if join is not None and part is not None:
        raise InputError(f"--part {part} and --join exclude each other: found both, expected one")
    simulator.stream(n, seed)  # refuses a wrong count before anything is written
    masks = masks or asked(simulator.label) is not None
    where = None if join is None else Path(join)
    job = RenderJob(simulator, n, out, seed, overwrite, masks, format, resume, part or Part(), where)
    if job.join is not None:
        check_parts(job.join, job.rendered_from())
    return job


def check_output(job: RenderJob) -> None:
    """Raise what `render` would raise because of its output. Nothing is written."""
    WRITERS[job.format].check(job)
    check_writable(job.out)


def seconds_of(job: RenderJob, few: int = 50) -> float:
    """Seconds to render and encode all images of a job, timed on a few; 0 if they are there."""
    if job.join is not None:
        return 0.0
    began = time.perf_counter()
    count = min(few, job.n)
    for chunk in job.simulator.stream(count, job.seed):
        encoded_rows(chunk, job.simulator, job.masks)
    return (time.perf_counter() - began) * len(job.span) / count
