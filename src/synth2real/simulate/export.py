"""Write the images and labels of a simulator to disk: a folder, tar shards, or one Parquet file.

`folder`: `000000.png` and so on; `metadata.jsonl` with one line per image: `file_name` and the labels;
`parameters.yaml` with the sampling ranges and correlations; and with masks `000000_mask.png`. A mask pixel is the
region index.
`webdataset`: `shard-000000.tar` and so on, with `000000.png`, `000000.json` and `000000.mask.png` per image, and
`parameters.yaml` beside them.
While a folder is written, it holds `INCOMPLETE.jsonl`, and `load` refuses it.
`parquet`: one file. The columns `image` (and `mask`) have the fields `bytes` and `path`, which the library `datasets`
displays as images. Each label column is one column. The content of `parameters.yaml` is in the metadata of the file.

Labels are columns. A class is its name, or a number if its name is a whole number. A missing value is null.
"""

import io
import itertools
import json
import os
import tarfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from ..engines import Engine, Here, spans
from ..errors import InputError
from ..settings import to_dict
from ..storage import Building, building, check_writable, is_free, make_folder, whole, write_text
from .base import Simulator
from .distributions import plain
from .encoding import RenderedPart, Row, encoded_rows
from .parameter import parameters_yaml

Format = Literal["folder", "webdataset", "parquet"]
PARAMETERS, TABLE = "parameters.yaml", "metadata.jsonl"
SHARD = 1000  # images in a tar file


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
) -> None:
    """Write `n` images to `out`.

    Args:
        simulator, n, seed: the images are those of `simulator.sample(n, seed)`.
        out: the folder, which is created if it is missing; or the Parquet file.
        overwrite: replace an earlier output of `render`. Images of an earlier, longer run are deleted.
        masks: also write masks.
        format: see above; by default `parquet` if `out` ends in `.parquet`, else `folder`.
        resume: go on in a folder that an interrupted call with the same arguments has left. The result has the same
            bits as that of an uninterrupted call.
        engine: renders and encodes the parts; this process alone writes. None: this process does all. The result has
            the same bits with every engine.

    Raises:
        InputError: `out` exists and `overwrite` is False, or `render` did not write it; `n` is below 1; the simulator
            has no masks; the format is Parquet and pyarrow is not installed; or there is nothing to resume, or it was
            begun with other arguments.
        WriteError: the disk is full, or `out` is read-only or has vanished.
    """
    job = render_job(simulator, n, out, seed, overwrite, masks, format, resume)
    with WRITERS[job.format].opened(job) as writer:
        first = writer.done - writer.done % simulator.chunk  # a part is rendered whole: so its images keep their bits
        parts = spans(n, simulator.chunk, first)
        rendered = (engine or Here()).map(RenderedPart(simulator, n, seed, masks), parts)
        for i, (image, mask, row) in enumerate(itertools.chain.from_iterable(rendered), start=first):
            if i >= writer.done:
                writer.add(f"{i:06d}", image, mask, row)
        writer.finish()


def render_job(
    simulator: Simulator,
    n: int,
    out: str | Path,
    seed: int,
    overwrite: bool = False,
    masks: bool = False,
    format: Format | None = None,
    resume: bool = False,
) -> "RenderJob":
    """The arguments of `render`, after the checks that need no output."""
    out = Path(out)
    if format is None:
        format = "parquet" if out.suffix == ".parquet" else "folder"
    if format not in WRITERS:
        raise InputError(f"--format '{format}' is unknown, expected one of: {', '.join(WRITERS)}")
    if masks and not simulator.regions:
        raise InputError(f"--masks: simulator {simulator.called()} renders no masks. Remove --masks")
    simulator.stream(n, seed)  # refuses a wrong count before anything is written
    return RenderJob(simulator, n, out, seed, overwrite, masks, format, resume)


def check_output(job: "RenderJob") -> None:
    """Raise what `render` would raise because of its output. Nothing is written."""
    WRITERS[job.format].check(job)
    check_writable(job.out)


def seconds_of(job: "RenderJob", few: int = 50) -> float:
    """Seconds to render and encode all images, timed on a few."""
    began = time.perf_counter()
    count = min(few, job.n)
    for chunk in job.simulator.stream(count, job.seed):
        encoded_rows(chunk, job.simulator, job.masks)
    return (time.perf_counter() - began) * job.n / count


@dataclass(frozen=True)
class RenderJob:
    """The arguments of `render`."""

    simulator: Simulator
    n: int
    out: Path
    seed: int
    overwrite: bool
    masks: bool
    format: str
    resume: bool

    @property
    def parameters(self) -> str:
        """The content of `parameters.yaml`."""
        return parameters_yaml(self.simulator.samplings(), self.simulator.all_correlations())

    def made_from(self) -> dict[str, Any]:
        """All that determines the images, as plain data."""
        return {
            "simulator": described(self.simulator),
            "n": self.n,
            "seed": self.seed,
            "masks": self.masks,
            "format": self.format,
        }


def described(simulator: Simulator) -> dict[str, Any]:
    """A simulator with its ranges, and its program if it has one, as plain data."""
    program = getattr(simulator, "program", None)
    return {
        "name": simulator.called(),
        "settings": to_dict(simulator),
        "ranges": {name: plain(sampling) for name, sampling in simulator.samplings().items()},
        "correlations": simulator.all_correlations(),
        "program": None if program is None else to_dict(program),
    }


class _Writer(ABC):
    """Writes images one by one, encoded as PNG. Images before the number `done` are there already."""

    done = 0

    @classmethod
    @abstractmethod
    def check(cls, job: RenderJob) -> None:
        """Raise `InputError` if the output must not be written."""

    @classmethod
    @abstractmethod
    def opened(cls, job: RenderJob) -> AbstractContextManager[Self]:
        """A writer; its output is incomplete until the context ends without an error."""

    @abstractmethod
    def add(self, name: str, image: bytes, mask: bytes | None, row: Row) -> None: ...

    @abstractmethod
    def finish(self) -> None: ...


class _InFolder(_Writer):
    """Writes a folder that says that it is incomplete."""

    def __init__(self, building: Building, job: RenderJob) -> None:
        self.out, self.building, self.parameters = job.out, building, job.parameters

    @classmethod
    def check(cls, job: RenderJob) -> None:
        _replaceable(job)

    @classmethod
    @contextmanager
    def opened(cls, job: RenderJob) -> Iterator[Self]:
        replaces = _replaceable(job)
        with building(job.out, "render", job.made_from(), resume=job.resume, replaces=replaces) as made:
            yield cls(made, job)


class _Folder(_InFolder):
    """The journal of the folder has the rows of the table."""

    def __init__(self, building: Building, job: RenderJob) -> None:
        super().__init__(building, job)
        rows, files = building.rows, set(os.listdir(job.out))
        needed = ({row["file_name"], *({f"{i:06d}_mask.png"} if job.masks else ())} for i, row in enumerate(rows))
        self.done = next((i for i, names in enumerate(needed) if not names <= files), len(rows))
        if self.done < len(rows):
            building.keep(self.done)

    def add(self, name: str, image: bytes, mask: bytes | None, row: Row) -> None:
        for file, content in ((f"{name}.png", image), (f"{name}_mask.png", mask)):
            if content is not None:
                with whole(self.out / file) as partial:
                    partial.write_bytes(content)
        self.building.add({"file_name": f"{name}.png"} | row)

    def finish(self) -> None:
        write_text(self.out / PARAMETERS, self.parameters)
        write_text(self.out / TABLE, "".join(json.dumps(row) + "\n" for row in self.building.rows))


class _Shards(_InFolder):
    """A shard is written when all its images are rendered. The journal has a row for each shard."""

    def __init__(self, building: Building, job: RenderJob) -> None:
        super().__init__(building, job)
        self.shard: list[tuple[str, bytes]] = []  # members of the shard in the making: names and contents
        self.count = 0  # its images
        rows = building.rows
        index = next((i for i, row in enumerate(rows) if not (job.out / row["shard"]).is_file()), len(rows))
        self.done = index * SHARD
        if index < len(rows):
            building.keep(index)

    def add(self, name: str, image: bytes, mask: bytes | None, row: Row) -> None:
        parts = {"png": image, "json": json.dumps(row).encode()} | ({} if mask is None else {"mask.png": mask})
        self.shard += [(f"{name}.{kind}", content) for kind, content in parts.items()]
        self.count += 1
        if self.count == SHARD:
            self._flush()

    def _flush(self) -> None:
        name = f"shard-{len(self.building.rows):06d}.tar"
        with whole(self.out / name) as partial, tarfile.TarFile(partial, "w") as tar:
            for member_name, content in self.shard:
                member = tarfile.TarInfo(member_name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        self.building.add({"shard": name})
        self.shard, self.count = [], 0

    def finish(self) -> None:
        if self.shard:
            self._flush()
        write_text(self.out / PARAMETERS, self.parameters)


class _Parquet(_Writer):
    """The file is hidden until it is complete."""

    def __init__(self, partial: Path, arrow: Any, parameters: str) -> None:
        self.partial, self.arrow, self.parameters = partial, arrow, parameters
        self.rows: list[Row] = []
        self.writer: Any = None

    @classmethod
    def check(cls, job: RenderJob) -> None:
        out, overwrite = job.out, job.overwrite
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError:
            raise InputError(
                f"{out}: writing Parquet needs pyarrow, which is not installed. "
                "Install it with: pip install 'synth2real[parquet]'"
            ) from None
        if job.resume:
            raise InputError(
                f"{out}: --resume is for folders and shards, because a Parquet file appears when it is complete. Leave "
                "--resume out"
            )
        if out.is_dir() or (out.exists() and not overwrite):
            raise InputError(
                f"{out}: exists already, expected a new file. Choose another --out, or pass --overwrite for a file"
            )
        if out.exists() and not cls._is_ours(pyarrow, out):
            raise InputError(
                f"{out}: found a file that `render` did not write as Parquet, but --overwrite replaces only an earlier "
                "output of `render`. Choose another --out"
            )

    @classmethod
    @contextmanager
    def opened(cls, job: RenderJob) -> Iterator[Self]:
        cls.check(job)
        import pyarrow
        import pyarrow.parquet

        make_folder(job.out.parent)
        with whole(job.out) as partial:
            writer = cls(partial, pyarrow, job.parameters)
            try:
                yield writer
            finally:
                writer.close()

    @staticmethod
    def _is_ours(arrow: Any, path: Path) -> bool:
        try:
            return b"parameters" in (arrow.parquet.read_schema(path).metadata or {})
        except (arrow.ArrowException, OSError):
            return False

    def add(self, name: str, image: bytes, mask: bytes | None, row: Row) -> None:
        images = {"image": {"bytes": image, "path": f"{name}.png"}}
        if mask is not None:
            images["mask"] = {"bytes": mask, "path": f"{name}_mask.png"}
        self.rows.append(images | row)
        if len(self.rows) == SHARD:
            self._flush()

    def _flush(self) -> None:
        first = self.rows[0]
        kinds = {
            name: self.arrow.int64() if isinstance(value, int) else self.arrow.string()
            for name, value in first.items()
            if isinstance(value, int | str)
        }
        picture = self.arrow.struct([("bytes", self.arrow.binary()), ("path", self.arrow.string())])
        kinds |= {name: picture for name in ("image", "mask") if name in first}
        schema = self.arrow.schema(
            [(name, kinds.get(name, self.arrow.float32())) for name in first],
            metadata={"parameters": self.parameters},
        )
        if self.writer is None:
            self.writer = self.arrow.parquet.ParquetWriter(self.partial, schema)
        self.writer.write_table(self.arrow.Table.from_pylist(self.rows, schema))
        self.rows.clear()

    def finish(self) -> None:
        if self.rows:
            self._flush()

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()


WRITERS: dict[str, type[_Writer]] = {"folder": _Folder, "webdataset": _Shards, "parquet": _Parquet}


def _replaceable(job: RenderJob) -> list[str]:
    """Names in the folder that belong to an earlier output.

    Raises:
        InputError: the folder must not be written.
    """
    out = job.out
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file, expected a folder to write images to")
    if job.resume or is_free(out, overwrite=job.overwrite):
        return []
    if not _is_ours(out):
        raise InputError(
            f"{out}: the folder holds files that `render` did not write, but --overwrite replaces only an earlier "
            f"output of `render`: {PARAMETERS} and {TABLE}, or {PARAMETERS} and shards. Choose another --out"
        )
    return [path.name for path in out.iterdir() if _is_written(path)]


def _is_written(path: Path) -> bool:
    """Whether the name shows that `render` wrote the file."""
    if path.name in (TABLE, PARAMETERS):
        return True
    stem = path.stem.removesuffix("_mask").removeprefix("shard-")
    return path.suffix in (".png", ".tar") and stem.isdecimal() and len(stem) >= 6


def _is_ours(folder: Path) -> bool:
    """Whether `render` wrote this folder. Its table is empty if `render` was stopped early."""
    if not (folder / PARAMETERS).is_file():
        return False
    if (folder / f"shard-{0:06d}.tar").is_file():
        return True
    if not (folder / TABLE).is_file():
        return False
    with (folder / TABLE).open("rb") as table:
        first = table.readline()
    return not first or first.startswith(b'{"file_name": "000000.png"')
