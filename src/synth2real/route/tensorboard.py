"""TensorBoard log: losses during training, and images of each stage. The package is imported only on demand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from ..data.domains import Inputs, to_float
from ..errors import InputError, WriteError
from ..storage import writing
from .run import Run

SHOWN = 32  # most images of each stage


class TensorBoardLog:
    """Writes losses and images in the format of TensorBoard.

    Args:
        path: folder of the log.

    Raises:
        InputError: the package is not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise InputError(
                "--tensorboard: the package tensorboard was not found, expected it to be installed: "
                "pip install 'synth2real[tensorboard]'"
            ) from None
        self.path, self._open = path, SummaryWriter

    @cached_property
    def writer(self) -> Any:
        """Opened at the first write, because the run's folder must be empty until then."""
        threading.excepthook = _without_system_errors
        return self._open(str(self.path))

    def report(self, stage: str, step: int, _: int, terms: dict[str, float]) -> None:
        """An `on_report` for `Route.run`: adds each term to the curve `stage/term`."""
        with self._writing():
            for name, value in terms.items():
                self.writer.add_scalar(f"{stage}/{name}", value, step)

    def pictures(self, run: Run, target: Inputs) -> None:
        """Log images before and after refinement, and target images."""
        stages = {"synthetic": run.rendered.inputs, "refined": run.refined, "real": target}
        for name, inputs in stages.items():
            if inputs is not None and len(inputs.shape) == 4:
                images = to_float(inputs[torch.arange(min(SHOWN, len(inputs)))])
                with self._writing():
                    self.writer.add_images(name, images[:, : 3 if images.shape[1] >= 3 else 1], 0)

    def close(self) -> None:
        """Write the remaining data; until then the log keeps its last minutes in memory."""
        try:
            if "writer" in vars(self):
                with self._writing():
                    self.writer.close()
        finally:
            threading.excepthook = threading.__excepthook__

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """As `storage.writing`; a file that got no byte is removed."""
        try:
            with writing(self.path):
                yield
        except WriteError:
            for file in self.path.glob("events.*"):
                if file.stat().st_size == 0:
                    file.unlink()
            raise


def _without_system_errors(error: threading.ExceptHookArgs) -> None:
    """Says nothing of a full disk in the thread that writes the log: the next call raises the same error."""
    if not issubclass(error.exc_type, OSError):
        threading.__excepthook__(error)
