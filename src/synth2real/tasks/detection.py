"""Detection: boxes of objects, any number in an image."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.domains import Labelled
from ..data.fitting import Fitting
from ..data.labels import VISIBLE, Boxes, areas, joined
from ..data.tiles.boxes import merged_boxes
from ..data.tiles.tiling import Tiling
from ..errors import InputError
from ..networks.dense import DecoupledHead
from ..transforms.mix import Mix, Mosaic
from ..transforms.warp import Warp
from .box_sets import set_losses, set_predicted, set_scores
from .boxes import centre_maps, generalised_iou, highest, suppressed, united, visible
from .classification import aligned_classes
from .dense import DenseTask
from .metrics.boxes import box_metrics

SPREAD = 0.18  # standard deviation of the Gaussian around a centre, as a share of the sides of its box (TTFNet)
NEAR = 0.5  # of that Gaussian: points that learn the sides of the box
RARE = 0.01  # probability of a centre of a class before the training: many points without one shall not dominate it
COMMON = 0.1  # the most of any class
MOST = 100  # boxes in an image
LEAST = 0.01  # score of a box that is predicted
OVERLAP = 0.6  # of two boxes of one class, above which the less certain one is left out
WIDEST = 4.0  # logarithm of the greatest side in units of `scale`
SIDES = 5.0  # weight of the loss of the sides
EPSILON = 1e-6  # least probability that there is no object


@dataclass(frozen=True)
class DenseBoxes:
    """Labels of each point of the maps of B images, without a choice of boxes.

    Args:
        centres: (B, C, h, w) in 0..1, the probability that the centre of an object of each class is there.
        weights: (B, 1, h, w), by how much the box of a point counts; 0 where none is known. Those of an object add up
            to about 1.
        corners: (B, 4, h, w), the box of each point: left, top, right, bottom in pixels.
    """

    centres: Tensor
    weights: Tensor
    corners: Tensor

    def covered(self, by: DenseBoxes, region: Tensor) -> DenseBoxes:
        """The labels `by` in a region (B, 1, h, w) bool, and these elsewhere."""
        pairs = ((getattr(by, name), getattr(self, name)) for name in ("centres", "weights", "corners"))
        return DenseBoxes(*(torch.where(region, one, other) for one, other in pairs))


@dataclass(frozen=True)
class Detection(DenseTask):
    """Boxes of objects of some classes. Ignored boxes are in neither losses nor metrics.

    The head is free of anchors. At each point of the maps it predicts whether the centre of an object is there
    (CenterNet), its class, and the distances to the four sides of the box (FCOS). The loss of the centres is a focal
    loss with a Gaussian around each. Points near a centre, weighed by the same Gaussian (TTFNet), learn the class by
    cross entropy and the sides by 1 minus the generalised IoU. Points in an ignored box that are no centre count
    nowhere.

    An object is told from the background apart from its class (YOLOX). With a focal loss of each class instead, of
    classes that look alike all were predicted: the AP50 of rendered dice after 500 steps was 0.50, and is 0.69.

    Raw outputs are maps (N, C + 4, h, w): the log odds of an object of each class, then the logarithms of the distances
    to left, top, right and bottom in units of `scale`. A network with a head of its own may have sets of boxes
    (N, Q, S (C + 4)) instead; see `box_sets`.

    Args:
        classes: class names, at least one.
        size: height and width in pixels of the images that the model takes.
        scale: typical distance from a centre to a side in pixels.
        visible: share of the area of a box that must remain visible, in 0..1, when its image is warped, cut off or
            covered. The box is dropped if less remains.

    References:
        Zhou, Wang & Krahenbuhl (2019). Objects as Points. arXiv:1904.07850.
        Tian, Shen, Chen & He (2019). FCOS: Fully Convolutional One-Stage Object Detection. ICCV.
        Ge, Liu, Wang, Li & Sun (2021). YOLOX: Exceeding YOLO Series in 2021. arXiv:2107.08430.
        Liu, Zheng, Xu, Yang, Liu, Cai & He (2020). Training-Time-Friendly Network for Real-Time Object Detection. AAAI.
    """

    kind: ClassVar[str] = "detect"
    metric: ClassVar[str] = "ap50"
    scale: float
    visible: float = VISIBLE

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.visible <= 1:
            raise InputError(f"the visible share of a box is {self.visible}, expected a number from 0 to 1")
        if not self.classes:
            raise InputError("boxes without classes, expected one or more class names")

    @classmethod
    def of(cls, source: Labelled) -> Self:
        boxes = source.labels
        if not isinstance(boxes, Boxes):
            raise InputError(
                f"the task {cls.kind} needs boxes, found labels of whole images or pixels. Give a folder with boxes: "
                "COCO, YOLO or Pascal VOC (in Python with label='boxes')"
            )
        if source.fitting is not None:
            boxes = boxes.scaled(*source.fitting.scale_and_shift)
        known = boxes.corners[~boxes.ignored]
        if not len(known):
            raise InputError("the source has no box, expected one or more. Check the annotations")
        sides = (known[:, 2:] - known[:, :2]) / 2
        return cls(source.classes, (source.shape[1], source.shape[2]), float(sides.median()))

    @property
    def metric_name(self) -> str:
        return "AP50"

    @property
    def outputs(self) -> int:
        return len(self.classes) + 4

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "scale": self.scale, "visible": self.visible}

    def head(self, width: int, hidden: Sequence[int], dropout: float) -> nn.Sequential:
        """The layers from maps of features (N, width, h, w) to maps of outputs (N, C + 4, h, w)."""
        classes = len(self.classes)
        return nn.Sequential(nn.Dropout2d(dropout), DecoupledHead(width, classes, min(COMMON, RARE * classes)))

    def losses(self, outputs: Tensor, labels: Boxes | DenseBoxes) -> Tensor:
        """See `Task.losses`. Labels may also be those that a teacher gives to each point, see `point_losses`."""
        if isinstance(labels, DenseBoxes):
            return self.point_losses(outputs, labels)
        if outputs.ndim == 3:
            return set_losses(outputs, labels, self.size, len(self.classes))
        outputs = outputs.float()
        n, height, width = outputs.shape[0], *outputs.shape[2:]
        known = labels.kept(~labels.ignored)
        near = centre_maps(known, (height, width), self._stride(outputs), SPREAD)
        logs = F.logsigmoid(outputs[:, : len(self.classes)])
        present = logs.logsumexp(1)  # of an object of any class
        centres = self._centre_losses(present, known, near, self._outside(labels, outputs))
        box, point, weights = self._near(known, near, n)
        image, weights = known.image[box], weights * known.scores[box]
        entropy = weights * (present.flatten(1)[image, point] - logs.flatten(2)[image, known.classes[box], point])
        kinds = outputs.new_zeros(n).index_add(0, image, entropy) / weights.sum().clamp(min=1)
        sides = self._side_losses(outputs, image, point, known.corners[box], weights)
        # Over the boxes of the batch: an image of many boxes counts for more, and one without boxes has no sides.
        return (centres / known.scores.sum().clamp(min=1) + kinds + SIDES * sides) * n

    def _stride(self, outputs: Tensor) -> tuple[float, float]:
        return self.size[0] / outputs.shape[2], self.size[1] / outputs.shape[3]

    def scores_of(self, outputs: Tensor, boxes: Boxes) -> Tensor:
        """The score (M,) that raw outputs have for the class of each box at its centre, in 0..1."""
        if outputs.ndim == 3:
            return set_scores(outputs, boxes, self.size, len(self.classes))
        height, width = outputs.shape[2:]
        tall, wide = self._stride(outputs)
        x, y = ((boxes.corners[:, axis] + boxes.corners[:, axis + 2]) / 2 for axis in (0, 1))
        row, column = (y / tall).long().clamp(0, height - 1), (x / wide).long().clamp(0, width - 1)
        return outputs[boxes.image, boxes.classes, row, column].float().sigmoid()

    def _outside(self, labels: Boxes, outputs: Tensor) -> Tensor:
        """Points that are in no ignored box, (N, 1, h, w) float32."""
        free = torch.ones(len(outputs), 1, *outputs.shape[2:], device=outputs.device)
        ignored = labels.kept(labels.ignored)
        tall, wide = self._stride(outputs)
        for image, (left, top, right, bottom) in zip(ignored.image.tolist(), ignored.corners.tolist(), strict=True):
            free[image, :, int(top / tall) : math.ceil(bottom / tall), int(left / wide) : math.ceil(right / wide)] = 0
        return free

    def _centre_losses(self, logs: Tensor, boxes: Boxes, near: Tensor, free: Tensor) -> Tensor:
        """Focal loss of the centres, summed over the points of each image, (N,); `logs` are log probabilities."""
        n, _height, width = logs.shape
        soft = highest(near, boxes.image, n)
        p = logs.exp()
        absent = -((1 - soft) ** 4) * p.square() * torch.log1p(-p.clamp(max=1 - EPSILON)) * (soft < 1) * free[:, 0]
        at = near.flatten(1).argmax(1)
        rows = boxes.image, at // width, at % width
        present = -(1 - p[rows]).square() * logs[rows] * boxes.scores
        return absent.sum((1, 2)).index_add(0, boxes.image, present)

    def _near(self, boxes: Boxes, near: Tensor, n: int) -> tuple[Tensor, Tensor, Tensor]:
        """Pairs of a box and a point near its centre that is as near to no other box, and a weight: (P,) each.

        The weights of the points of a box add up to 1: a large box has more points, but counts no more.
        """
        flat = near.flatten(1)
        best = highest(near, boxes.image, n).flatten(1)
        box, point = ((flat >= best[boxes.image]) & (flat > NEAR)).nonzero(as_tuple=True)
        values = flat[box, point]
        return box, point, values / values.new_zeros(len(near)).index_add(0, box, values)[box]

    def _side_losses(self, outputs: Tensor, image: Tensor, point: Tensor, corners: Tensor, weights: Tensor) -> Tensor:
        """1 minus the generalised IoU of the boxes of some points, in each image, (N,); they add up to a mean.

        Args:
            image, point: (P,) int64, of points of the maps; `corners` (P, 4) are their boxes.
        """
        predicted = self._corners(outputs).flatten(2)[image, :, point]
        each = weights * (1 - generalised_iou(predicted, corners))
        return outputs.new_zeros(len(outputs)).index_add(0, image, each) / weights.sum().clamp(min=1)

    def labels_of_points(self, outputs: Tensor, thresholds: Tensor) -> DenseBoxes:
        """The labels that the raw outputs of a teacher are for each point.

        Args:
            outputs: (N, C + 4, h, w).
            thresholds: (C,) probability of each class from which the box of a point counts.
        """
        outputs = outputs.float()
        centres, corners = outputs[:, : len(self.classes)].sigmoid(), self._corners(outputs)
        certain = (centres * (centres >= thresholds[:, None, None])).amax(1, keepdim=True)
        tall, wide = self._stride(outputs)
        points = areas(corners.movedim(1, -1))[:, None] / (tall * wide)
        return DenseBoxes(centres, certain / (2 * math.pi * SPREAD**2 * points).clamp(min=1), corners)

    def points_of(self, boxes: Boxes, like: DenseBoxes) -> DenseBoxes:
        """Boxes as labels of each point, on maps of the size of others, which are of as many images."""
        n, classes, height, width = like.centres.shape
        near = centre_maps(boxes, (height, width), (self.size[0] / height, self.size[1] / width), SPREAD)
        centres = highest(near, boxes.image * classes + boxes.classes, n * classes).view_as(like.centres)
        box, point, shares = self._near(boxes, near, n)
        weights, corners = (torch.zeros_like(one).flatten(2) for one in (like.weights, like.corners))
        weights[boxes.image[box], 0, point] = shares
        corners[boxes.image[box], :, point] = boxes.corners[box]
        return DenseBoxes(centres, weights.view_as(like.weights), corners.view_as(like.corners))

    def point_losses(self, outputs: Tensor, labels: DenseBoxes) -> Tensor:
        """Losses (B,) of raw outputs against labels of each point.

        That of the centres is the quality focal loss: the cross entropy, weighed by the square of the difference. That
        of the sides is 1 minus the generalised IoU.

        References:
            Li, Wang, Wu, Chen, Hu, Li, Tang & Yang (2020). Generalized Focal Loss. NeurIPS. arXiv:2006.04388.
        """
        outputs = outputs.float()
        logits = outputs[:, : len(self.classes)]
        each = F.binary_cross_entropy_with_logits(logits, labels.centres, reduction="none")
        each = each * (logits.sigmoid() - labels.centres).square()
        peaks = labels.centres * (labels.centres == F.max_pool2d(labels.centres, 3, 1, 1)) * (labels.weights > 0)
        centres = each.sum((1, 2, 3)) / peaks.sum().clamp(min=1)
        known = labels.weights.flatten(1)
        image, point = (known > 0).nonzero(as_tuple=True)
        corners = labels.corners.flatten(2)[image, :, point]
        sides = self._side_losses(outputs, image, point, corners, known[image, point])
        return (centres + SIDES * sides) * len(outputs)

    def _corners(self, outputs: Tensor) -> Tensor:
        """The box that each point predicts, (N, 4, h, w): left, top, right, bottom in pixels."""
        tall, wide = self._stride(outputs)
        sides = outputs[:, -4:].clamp(max=WIDEST).exp() * self.scale
        x = ((torch.arange(outputs.shape[3], device=outputs.device) + 0.5) * wide).expand(*outputs.shape[2:])
        y = ((torch.arange(outputs.shape[2], device=outputs.device) + 0.5) * tall)[:, None].expand_as(x)
        centre = torch.stack([x, y])
        return torch.cat([centre - sides[:, :2], centre + sides[:, 2:]], 1)

    def predict(self, outputs: Tensor) -> Boxes:
        """Boxes with their scores, in pixels of the images that the model takes, at most `MOST` in each."""
        if outputs.ndim == 3:
            return set_predicted(outputs, self.size, len(self.classes), MOST, LEAST)
        outputs = outputs.float()
        heat = outputs[:, : len(self.classes)].sigmoid()
        peaks = heat * (heat == F.max_pool2d(heat, 3, 1, 1))
        scores, at = peaks.flatten(1).topk(min(MOST, peaks[0].numel()))
        points = heat.shape[2] * heat.shape[3]
        classes, point = at // points, at % points
        corners = self._corners(outputs).flatten(2).gather(2, point[:, None].expand(-1, 4, -1)).mT
        stays = suppressed(corners, scores.where(scores >= LEAST, 0), classes, OVERLAP)
        offsets = torch.cat([stays.new_zeros(1).long(), stays.sum(1).cumsum(0)])
        found = Boxes(corners[stays], classes[stays], offsets, scores=scores[stays])
        return found.clipped(self.size)

    def metrics(self, predictions: Boxes, labels: Boxes) -> dict[str, Any]:
        """See `metrics.boxes.box_metrics`."""
        return box_metrics(predictions, labels, self.classes)

    def to_input(self, labels: Boxes, fitting: Fitting | None) -> Boxes:
        if fitting is None:
            return labels
        scale, shift = fitting.scale_and_shift
        return labels.scaled(scale, shift).clipped(self.size, self.visible)

    def from_input(self, predictions: Boxes, fitting: Fitting | None) -> Boxes:
        if fitting is None:
            return predictions
        scale, shift = fitting.scale_and_shift
        return predictions.scaled(1 / scale, -shift / scale).clipped(fitting.sizes)  # none in the padding

    def merged(self, outputs: Iterable[Tensor], fitting: Fitting | None, tiling: Tiling) -> Boxes:
        """Boxes of images, see `merged_boxes`; in each tile there are at most `MOST`."""
        return merged_boxes(self.from_input(joined([self.predict(part) for part in outputs]), fitting), tiling)

    def move(self, labels: Any, warp: Warp | None) -> Boxes:
        moved: Boxes = labels if warp is None else labels.warped(warp, self.visible)
        return moved

    def mix(self, labels: Boxes, mix: Mix | Mosaic) -> Boxes:
        return united(*(visible(labels[index], shown, self.visible) for index, shown in mix.parts()))

    def align(self, evaluated: Labelled) -> Boxes:
        """Boxes of another data set with indices of the classes of this task.

        Raises:
            InputError: the data set has no boxes, or a class that is not in this task.
        """
        boxes = evaluated.truth
        if not isinstance(boxes, Boxes):
            raise InputError("expected boxes to evaluate on, found labels of whole images or pixels")
        return boxes.mapped(aligned_classes(evaluated.classes, self.classes))
