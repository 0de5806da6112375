"""Small pictures and folders that the tests are made of."""

import json
import re
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

RESIZED = ("stretch", "crop", "letterbox")  # ways to bring a whole image to a size


def picture(seed: int, size: tuple[int, int] = (16, 16), channels: int = 1, level: int = 128) -> np.ndarray:
    """(H, W) or (H, W, 3) uint8, noise about `level`."""
    shape = size if channels == 1 else (*size, channels)
    noise = np.random.default_rng(seed).integers(-60, 60, shape)
    return (level + noise).clip(0, 255).astype(np.uint8)


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def truncate(path: Path, share: float = 0.5) -> Path:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    return path


def dot(x: float, y: float, size: tuple[int, int]) -> np.ndarray:
    """(H, W) uint8, a bright dot at x, y on black."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    return (255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8)).round().astype(np.uint8)


def dots(folder: Path, count: int = 40, size: tuple[int, int] = (16, 16)) -> Path:
    """A folder of dots with a metadata.jsonl of their places `x` and `y`."""
    places = np.random.default_rng(0).uniform(2, min(size) - 3, (count, 2)).round(2).tolist()
    rows = [{"file_name": f"{i}.png", "x": x, "y": y} for i, (x, y) in enumerate(places)]
    for row in rows:
        save(folder / row["file_name"], dot(row["x"], row["y"], size))
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def same(found: torch.Tensor, expected: torch.Tensor, within: float = 0.01) -> None:
    """That two tensors hold the same bits; where there is a GPU, on which one of them was computed, nearly the same."""
    torch.testing.assert_close(
        found.cpu(), expected.cpu(), atol=within if torch.cuda.is_available() else 0, rtol=0, equal_nan=True
    )


def below(folder: Path) -> list[str]:
    """Every file below a folder, by name."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def refused(result, *parts):
    """That the command ended with one clear message that holds every part, and no traceback."""
    code, out, err = result
    assert code == 2, err
    assert out == ""
    assert "Traceback" not in err
    assert re.search(r"^error: ", err, re.IGNORECASE | re.MULTILINE), err
    for part in parts:
        assert str(part) in err
    return err


class Killed(BaseException):
    """A kill, after which a folder stays as it is."""


@contextmanager
def killed_at(monkeypatch, method, after, *, forever=False):
    """Expect a kill at a call of this method of `Path`, after `after` others; `forever`: at later ones, too."""
    call, left = getattr(Path, method), [after]

    def stop(self, target):
        left[0] -= 1
        if left[0] == -1 or (forever and left[0] < 0):
            raise Killed
        return call(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, method, stop)
        with pytest.raises(Killed):
            yield


def contents(folder):
    """The bytes of each file below a folder, by name."""
    return {name: (folder / name).read_bytes() for name in below(folder)}
