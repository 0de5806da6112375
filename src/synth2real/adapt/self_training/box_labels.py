"""Labels of a teacher for boxes: what its maps say at each point, without a choice of boxes."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ...data.labels import Boxes, areas
from ...tasks import Detection
from ...tasks.boxes import united, visible
from ...tasks.detection import DenseBoxes
from ...training.averaging import RunningMean
from ...training.collapse import EarlyStop
from ...training.loop import Progress, SourceBatch, TargetBatch
from ...training.model import Model
from ...transforms.mix import BoxPaste
from .pseudo_labels import PseudoLabels

LEAST_SURE = 0.2  # least score of a certain box: while the source is not learnt, a share of its scores is noise
CHECK_EVERY = 10  # steps between two checks
GROWN = 3.0  # factor of the boxes of an image, from their number when self-training began, that shows a collapse
WIDER = 1.4  # the same of the mean side of the boxes of a class
RECENT = 0.9  # momentum of the mean number and sides over batches
SEEN = 0.2  # boxes of a class in an image from which on their mean side is compared


class BoxLabels(PseudoLabels):
    """The teacher's maps of centres and sides for the target images, as soft labels of each point.

    Teacher and student see an image in the same geometry, the teacher without the change of colours. So no label is
    moved, and no box is chosen: a choice makes an object of every score above a threshold and background of every one
    below it, and the student of few steps then confirms the errors. With boxes as labels, seven runs on real blood
    smears had an AP50 of 0.44 to 0.76 (dev labels); the maps do no harm. The sides are learnt where a centre is
    certain. The threshold of a class is a share of the mean score of its labelled boxes in the source batches, as
    classes differ in their scores. A network of sets has no maps: there the certain boxes are the labels.

    The guard is the number and the size of the certain boxes. If the boxes of an image become three times as many or a
    third of those when self-training began, or if the geometric mean of the sides of a class changes by a factor of
    1.4, the last sound weights are restored, and the rest of the training is on the source alone.

    Args:
        model: the student.
        threshold: share of the mean score of a class in the source, from which a box is certain; at least 0.2.
        paste: share of the images onto which half of the boxes of a source image are pasted, with their labels.

    References:
        Zhou, Ge, Liu, Mao, Li, Yu & Sun (2022). Dense Teacher: Dense Pseudo-Labels for Semi-supervised Object
            Detection. ECCV. arXiv:2207.02541.
        Kay, Haucke, Beery et al. (2024). Align and Distill: Unifying and Improving Domain Adaptive Object Detection.
            arXiv:2403.12029 (burn-in, an averaged teacher, weak and strong views).
    """

    def __init__(self, model: Model, threshold: float, paste: float = 0.0) -> None:
        super().__init__(model.task)
        assert isinstance(model.task, Detection)
        self.task: Detection = model.task
        self.model, self.threshold, self.paste, self.end = model, threshold, paste, EarlyStop(model)
        self.pasted: tuple[Tensor, Boxes] | None = None  # onto the latest batch: the pixels (N, H, W), and the labels
        # Of the certain boxes of an image, by class: their number, and the sum of the logarithms of their sides.
        start = torch.zeros(2, len(self.task.classes))
        self.now, self.first = RunningMean(start, RECENT), RunningMean(start)
        self.scores = RunningMean(torch.ones(len(self.task.classes)))  # of the labelled boxes of each class
        self.networks = {"end": self.end, "now": self.now, "first": self.first, "scores": self.scores}

    def observe(self, known: Tensor, source: SourceBatch, unknown: Tensor, progress: Progress) -> None:
        """Update the mean score of the labelled boxes of each class. A class without boxes keeps its own."""
        boxes = source.y.kept(~source.y.ignored)
        counts = torch.bincount(boxes.classes, minlength=len(self.task.classes))
        sums = self.scores.mean.new_zeros(len(counts)).index_add(0, boxes.classes, self.task.scores_of(known, boxes))
        self.scores.update(torch.where(counts > 0, sums / counts.clamp(min=1), self.scores.mean))

    def student(self, source: SourceBatch, target: TargetBatch) -> Tensor:
        """The target images (B, C, H, W) of the student, with the objects that are pasted onto them."""
        count = min(len(source), len(target))
        if not self.paste or not count:
            return target.x
        boxes = source.y[torch.arange(count)]
        size = source.x.shape[2], source.x.shape[3]
        rectangles = BoxPaste.sample(boxes.corners, boxes.image, count, size, self.paste)
        region = rectangles.region[:, 0]
        self.pasted = region, visible(boxes, region, self.task.visible)
        return torch.cat([rectangles.paste(source.x[:count], target.x[:count]), target.x[count:]])

    def labels(self, teacher: Model, known: Tensor, target: TargetBatch) -> tuple[DenseBoxes | Boxes, Tensor]:
        """The labels of each point of the student's images, or certain boxes for a network of sets; and ones (B,)."""
        said = teacher(target.clean if target.warp is None else target.warp.image(target.clean))
        thresholds = (self.threshold * self.scores.mean).clamp(min=LEAST_SURE)
        found: Boxes = self.task.predict(said)
        certain = found.scores >= thresholds[found.classes]
        self._count(found, certain)
        ones = torch.ones(len(said), device=said.device)
        if said.ndim == 3:
            return self._with_pasted_boxes(found.kept(certain)), ones
        return self._with_pasted_points(self.task.labels_of_points(said, thresholds)), ones

    def _with_pasted_boxes(self, boxes: Boxes) -> Boxes:
        """The boxes of the target that are not covered by what is pasted, and those that are pasted."""
        if self.pasted is None:
            return boxes
        region, ours = self.pasted
        every = torch.arange(len(boxes), device=region.device)
        under = visible(boxes[every[: len(ours)]], ~region, self.task.visible)
        return united(under, ours).joined(boxes[every[len(ours) :]])

    def _with_pasted_points(self, labels: DenseBoxes) -> DenseBoxes:
        """The labels of the target, and in the regions that are pasted those of the source."""
        if self.pasted is None:
            return labels
        region, ours = self.pasted
        count = len(labels.centres)
        padded = F.pad(region[:, None].float(), (0, 0, 0, 0, 0, 0, 0, count - len(ours)))
        shown = F.interpolate(padded, labels.centres.shape[2:], mode="area") >= 0.5
        every = torch.arange(count, device=region.device).clamp(max=len(ours) - 1)
        return labels.covered(self.task.points_of(ours[every], labels), shown)

    def _count(self, boxes: Boxes, certain: Tensor) -> None:
        """Update the number and the sides of the certain boxes (M,) of each class."""
        sides = areas(boxes.corners[certain]).clamp(min=1e-6).log() / 2
        both = torch.stack([torch.ones_like(sides), sides])
        sums = torch.zeros_like(self.now.mean).index_add(1, boxes.classes[certain], both)
        self.now.update(sums / max(1, len(boxes)))

    def need(self, label: Tensor, pseudo: Tensor) -> float:
        """0 after the guard has ended the self-training, else 1."""
        return 0.0 if self.end.stopped else 1.0

    def after_step(self, teacher: Model, progress: Progress, started: bool = True) -> None:
        """Keep the teacher while the number and the size of its boxes are sound. Else restore the last sound one."""
        if progress.step % CHECK_EVERY or self.end.stopped:
            return
        if not started:
            self.first.mean.copy_(self.now.mean)
        elif not self._sound():
            for one in (teacher, self.model):
                one.load_state_dict(self.end.sound.state_dict())
            self.end.stop(progress)
            return
        self.end.keep(teacher, progress)

    def _sound(self) -> bool:
        """Whether number and size of the boxes are about those when self-training began."""
        (counts, logs), (first, first_logs) = self.now.mean, self.first.mean
        boxes, before = float(counts.sum()), float(first.sum())
        if before and not before / GROWN <= boxes <= before * GROWN:
            return False
        seen = (counts >= SEEN) & (first >= SEEN)
        grown = logs[seen] / counts[seen] - first_logs[seen] / first[seen]
        return bool((grown.abs() <= math.log(WIDER)).all())

    def notes(self) -> list[str]:
        """What the user must know: nothing, or that self-training ended."""
        if not self.end.stopped:
            return []
        stop, steps, kept = self.end.steps.tolist()
        return [
            f"self-training ended at step {stop} of {steps}: the boxes that the teacher is sure of had become 3 times "
            f"as many or few, or 1.4 times as large or small. The weights of step {kept} were restored, and the rest "
            "of the training was on the source alone"
        ]
