"""The run folder in a process that writes nothing, as the first of several processes does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import TrainingDiverged
from ..training.correction import Correction
from ..training.loop import Trainer
from ..training.mapping import Mapping
from ..training.model import Model
from .run import Run
from .run_folder import RunFolder


class SilentFolder(RunFolder):
    """A run folder that is only read. The state of a checkpoint comes from the first process, see `Trainer.run`."""

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self.path, self.settings = path, settings

    def log(self, line: str) -> None:
        pass

    def report(self, stage: str, step: int, _: int, terms: dict[str, float]) -> None:
        pass

    def checkpoint(self, trainer: Trainer) -> None:
        pass

    def restore(self, trainer: Trainer) -> None:
        pass

    def keep(self, run: Run) -> None:
        pass

    def keep_refiner(self, refiner: Mapping) -> None:
        pass

    def corrected(self, correction: Correction) -> None:
        pass

    def finish(self, model: Model) -> None:
        pass

    def diverged(self, error: TrainingDiverged) -> None:
        pass
