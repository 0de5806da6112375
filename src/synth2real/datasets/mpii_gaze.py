"""MPIIGaze: eye images of 15 people at their laptops over several months, with the gaze direction."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.domains import Labelled
from ..errors import InputError
from ..storage import cache_folder
from ..tasks.directions import to_angles
from .download import OnProgress, fetch, unpack

URL = "http://datasets.d2.mpi-inf.mpg.de/MPIIGaze/MPIIGaze.tar.gz"
PAGE = "https://www.perceptualui.org/research/datasets/MPIIGaze/"
NORMALIZED = Path("Data", "Normalized")
LISTS = Path("Evaluation Subset", "sample list for eye image")
MATRIX, COMPRESSED = 14, 15  # kinds of variables in a MAT file
SIDES = ("left", "right")
COLUMNS = ("pitch", "yaw", "head_pitch", "head_yaw")


@dataclass(frozen=True)
class People:
    """Labelled eye images, with the person of each image.

    Args:
        data: N images with their labels. A name is like `p00/day01/0001.jpg left`.
        person: (N,) int64, index into `names`.
        names: names of the people, such as `p00`.
    """

    data: Labelled
    person: Tensor
    names: tuple[str, ...]


@dataclass(frozen=True)
class Split:
    """Images of one person (`left_out`), and images of all other people (`others`)."""

    name: str
    others: Labelled
    left_out: Labelled


def leave_one_person_out(people: People) -> Iterator[Split]:
    """For each person, a split with their images for evaluation and the images of all others for training."""
    if len(people.names) < 2:
        raise InputError(f"found only one person ({', '.join(people.names)}), expected two or more to leave one out")
    for index, name in enumerate(people.names):
        mine = people.person == index
        yield Split(name, people.data.subset((~mine).nonzero()[:, 0]), people.data.subset(mine.nonzero()[:, 0]))


def mpiigaze(
    folder: str | Path | None = None,
    *,
    subset: Literal["evaluation", "all"] = "evaluation",
    people: Sequence[str] | None = None,
    mirror_right: bool = True,
    head_pose: bool = False,
    download: bool = False,
    sha256: str | None = None,
    on_progress: OnProgress | None = None,
) -> People:
    """Load the normalised eye images of MPIIGaze: 36 by 60 pixels, grey, histogram-equalised.

    Illumination and head pose are those of everyday use. The data is only for non-commercial science (CC BY-NC-SA 4.0).

    Args:
        folder: the unpacked archive with `Data/Normalized/p00/day01.mat` and so on. By default it is `MPIIGaze` in the
            cache folder (see `download`).
        subset: `evaluation`, the authors' list, with the same number of eyes per person, half of them right eyes; or
            `all`.
        people: some of `p00` to `p14`; None for all people in the folder.
        mirror_right: mirror right eyes and their labels, so that they look like left eyes, as is usual in the
            literature.
        head_pose: add the columns `head_pitch` and `head_yaw`, the direction of the face.
        download: if the folder does not exist, download the archive (2.1 GB) and unpack the required files.
        sha256: hash of the archive. The authors do not publish one. Without it, only the length that the server reports
            and the checksum inside the archive are verified.
        on_progress: as in `fetch`.

    Returns:
        Images (N, 1, 36, 60) uint8 with the columns `pitch` and `yaw` in radians (see `directions`), and the person of
        each image.

    Raises:
        InputError: the data is missing or damaged, or does not contain a person.

    References:
        Zhang, Sugano, Fritz & Bulling (2015). Appearance-based gaze estimation in the wild. CVPR.
    """
    root = _root(folder, download, sha256, on_progress)
    names = _people(root, people)
    parts = [_person(root, name, subset == "all", mirror_right) for name in names]
    images, gaze, head = (
        torch.from_numpy(np.concatenate(some)) for some in zip(*(p.arrays for p in parts), strict=True)
    )
    labels = torch.cat([to_angles(direction.float()) for direction in (gaze, head)], 1)
    shown = len(COLUMNS) if head_pose else 2
    person = torch.cat([torch.full((len(part.names),), i) for i, part in enumerate(parts)])
    every = tuple(name for part in parts for name in part.names)
    return People(Labelled(images[:, None], labels[:, :shown], columns=COLUMNS[:shown], names=every), person, names)


def _people(root: Path, people: Sequence[str] | None) -> tuple[str, ...]:
    known = sorted(path.name for path in (root / NORMALIZED).glob("p[0-9][0-9]") if path.is_dir())
    names = tuple(known if people is None else people)
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise InputError(
            f"{root / NORMALIZED}: found the people {', '.join(known) or 'none'}, "
            f"expected {', '.join(unknown) or 'folders such as p00'}. Unpack the whole archive there"
        )
    return names


def _root(folder: str | Path | None, download: bool, sha256: str | None, on_progress: OnProgress | None) -> Path:
    root = cache_folder() / "MPIIGaze" if folder is None else Path(folder)
    if (root / NORMALIZED).is_dir():
        return root
    if not download:
        raise InputError(
            f"{root}: found no {NORMALIZED.as_posix()} in it, expected the unpacked MPIIGaze archive. Download {URL} "
            f"(2.1 GB, see {PAGE}; for non-commercial science, CC BY-NC-SA 4.0) and unpack it, or pass download=True"
        )
    if root.exists():
        raise InputError(f"{root}: exists but contains no {NORMALIZED.as_posix()}. Remove it before the download")
    archive = fetch(URL, sha256=sha256, on_progress=on_progress)
    # The archive has one top folder. Its original photographs, which are most of its size, are not needed.
    kept = tuple(f"MPIIGaze/{part.as_posix()}/" for part in (NORMALIZED, LISTS))
    unpacked = unpack(archive, root.with_name(f"{root.name}.unpacked"), only=lambda name: name.startswith(kept))
    (unpacked / "MPIIGaze").replace(root)
    unpacked.rmdir()
    return root


@dataclass(frozen=True)
class _Eyes:
    """`arrays`: images (N, 36, 60) uint8, gaze and head directions (N, 3) float64; and `names`."""

    arrays: tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
    names: tuple[str, ...]

    def mirrored(self) -> _Eyes:
        images, gaze, head = self.arrays
        flip = np.array([-1.0, 1.0, 1.0])
        return replace(self, arrays=(images[:, :, ::-1], gaze * flip, head * flip))

    def pick(self, index: list[int]) -> _Eyes:
        images, gaze, head = (array[index] for array in self.arrays)
        return _Eyes((images, gaze, head), tuple(self.names[i] for i in index))


def _person(root: Path, name: str, everything: bool, mirror_right: bool) -> _Eyes:
    days = sorted((root / NORMALIZED / name).glob("*.mat"))
    if not days:
        raise InputError(f"{root / NORMALIZED / name}: found no .mat file, expected one per day, such as day01.mat")
    found = [eyes for day in days for eyes in _day(day, name, mirror_right)]
    images, gaze, head = (np.concatenate(some) for some in zip(*(eyes.arrays for eyes in found), strict=True))
    eyes = _Eyes((images, gaze, head), tuple(one for part in found for one in part.names))
    return eyes if everything else eyes.pick(_listed(root / LISTS / f"{name}.txt", name, eyes.names))


def _day(path: Path, person: str, mirror_right: bool) -> Iterator[_Eyes]:
    """The left eyes of one recording day, then the right ones."""
    from scipy.io import loadmat
    from scipy.spatial.transform import Rotation

    try:
        check_mat(path.read_bytes())
        content = loadmat(path, struct_as_record=False, squeeze_me=True)
        files = [str(file).strip() for file in np.atleast_1d(content["filenames"])]
        if not files:
            raise ValueError("no file")
        for side in SIDES:
            eyes = getattr(content["data"], side)
            images = np.asarray(eyes.image, np.uint8).reshape(
                len(files), 36, 60
            )  # an array of one image has no first axis
            gaze, pose = (np.asarray(x, np.float64).reshape(len(files), 3) for x in (eyes.gaze, eyes.pose))
            # The pose is a rotation vector. The third axis of its matrix points out of the back of the head.
            head = -Rotation.from_rotvec(pose).as_matrix()[:, :, 2]
            found = _Eyes((images, gaze, head), tuple(f"{person}/{path.stem}/{file} {side}" for file in files))
            if not np.isfinite([gaze, pose]).all():
                raise ValueError("a direction that is not finite")
            yield found.mirrored() if mirror_right and side == "right" else found
    except Exception as error:  # scipy raises errors of any kind for damaged files
        raise InputError(
            f"{path}: is not a day of MPIIGaze ({type(error).__name__}: {error}), expected filenames and data.left, "
            "data.right with image (n, 36, 60), gaze (n, 3) and pose (n, 3). Unpack the archive again"
        ) from None


def check_mat(data: bytes) -> None:
    """Raise `ValueError` if a MAT file is damaged: scipy may end the process when it reads one.

    Args:
        data: a file of version 5. MATLAB compresses each variable, which gives it a checksum.
    """
    if not data.startswith(b"MATLAB") or data[124:128] != b"\0\1IM":
        raise ValueError("no MAT file of version 5")
    at, kinds = 128, set()
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        content = data[at + 8 : at + 8 + length]
        kinds.add(kind)
        if kind == COMPRESSED:
            unpacker = zlib.decompressobj()
            unpacker.decompress(content, 100 * length + 2**20)  # eyes compress less than this
        if len(content) < length or (kind == COMPRESSED and not unpacker.eof):
            raise ValueError("a variable is incomplete")
        at += 8 + length
    if kinds not in ({MATRIX}, {COMPRESSED}):
        raise ValueError(f"variables of the kinds {kinds}")


def _listed(path: Path, person: str, names: tuple[str, ...]) -> list[int]:
    """Indices of the eyes in a list of the authors. A line is like `day01/0001.jpg left`."""
    if not path.is_file():
        raise InputError(
            f"{path}: the list of samples does not exist. Unpack the whole archive, or load with subset='all'"
        )
    where = {name: i for i, name in enumerate(names)}
    index = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if not re.fullmatch(r"\S+/\S+ (left|right)", line.strip()):
            raise InputError(f"{path}: line {number} is {line!r}, expected a line like 'day01/0001.jpg left'")
        name = f"{person}/{line.strip()}"
        if name not in where:
            raise InputError(f"{path}: line {number} lists {line.strip()!r}, but {person} has no such image")
        index.append(where[name])
    if not index:
        raise InputError(f"{path}: lists no image, expected lines like 'day01/0001.jpg left'")
    return index
