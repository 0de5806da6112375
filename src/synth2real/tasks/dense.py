"""Base class of the tasks whose labels lie in the image: masks and boxes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from ..data.domains import Labelled, Unlabelled
from ..data.fitting import Fitting
from ..data.labels import Boxes, Masks
from ..data.tiles.tiling import Tiling
from ..transforms.warp import Warp
from .base import Task


@dataclass(frozen=True)
class DenseTask(Task):
    """A task with maps of features, for labels that move with the image.

    Args:
        classes: class names.
        size: height and width in pixels of the images that the model takes.
    """

    higher_is_better: ClassVar[bool] = True
    spatial: ClassVar[bool] = True
    named: ClassVar[bool] = True
    dense: ClassVar[bool] = True
    classes: tuple[str, ...]
    size: tuple[int, int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(self.classes))
        object.__setattr__(self, "size", tuple(self.size))

    def settings(self) -> dict[str, Any]:
        return {"classes": list(self.classes), "size": list(self.size)}

    def predicted(self, outputs: Iterable[Tensor], domain: Labelled | Unlabelled) -> Any:
        if domain.tiling is None:
            return super().predicted(outputs, domain)
        return self.merged(outputs, domain.fitting, domain.tiling)

    @abstractmethod
    def merged(self, outputs: Iterable[Tensor], fitting: Fitting | None, tiling: Tiling) -> Any:
        """Predictions for images, put together from batches of raw outputs of their tiles, in order.

        Args:
            outputs: (B, C, h, w) each, of N tiles in all.
            fitting: of the tiles.
            tiling: of the images.
        """

    def move(self, labels: Masks | Boxes, warp: Warp | None) -> Masks | Boxes:
        return labels if warp is None else labels.warped(warp)
