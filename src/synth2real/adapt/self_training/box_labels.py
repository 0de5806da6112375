"""Labels of a teacher for boxes: those it is sure of teach, and those it is not sure of are ignored."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from ...data.labels import Boxes, areas
from ...tasks import Detection
from ...tasks.boxes import united, visible
from ...training.averaging import RunningMean
from ...training.collapse import EarlyStop
from ...training.loop import Progress, SourceBatch, TargetBatch
from ...training.model import Model
from ...transforms.mix import BoxPaste
from .pseudo_labels import PseudoLabels

SHARE_OF_DOUBT = 0.25  # boxes of a score from this share of the threshold are ignored; lower ones are background
LEAST_SURE = 0.2  # least score of a certain box: while the source is not learnt, a share of its scores is noise
CHECK_EVERY = 10  # steps between two checks
GROWN = 3.0  # factor of the boxes of an image, from their number when self-training began, that shows a collapse
WIDER = 1.4  # the same of the mean side of the boxes of a class
SEEN = 0.2  # boxes of a class in an image from which on their mean side is compared


class BoxLabels(PseudoLabels):
    """The teacher's boxes of clean target images, moved by the warp of the student's images.

    A box whose score reaches the threshold is a label that counts as much as its score. One that is less certain is
    ignored: it is neither an object nor background. What no box covers is background. The threshold of a class is a
    share of the mean score of its labelled boxes in the source batches. With one threshold for all, a class whose
    scores are low becomes background: platelets in real blood smears had an AP50 of 0.01, and 0.11 to 0.55 in three
    runs of about 400 steps with thresholds by class (dev labels).

    The guard is the number and the size of the boxes. A teacher that confirms itself comes to see objects nowhere, or
    everywhere, or its boxes grow without end. The training stops with the last sound teacher if the certain boxes of an
    image become three times as many or a third of those when self-training began, or if the geometric mean of the
    sides of a class changes by a factor of 1.4.

    Args:
        model: the student.
        threshold: share of the mean score of a class in the source, from which a box is certain; at least 0.2.
        paste: share of the images onto which half of the boxes of a source image are pasted, with their labels.

    References:
        Kay, Haucke, Beery et al. (2024). Align and Distill: Unifying and Improving Domain Adaptive Object Detection.
            arXiv:2403.12029 (burn-in, an averaged teacher, weak and strong views).
    """

    def __init__(self, model: Model, threshold: float, paste: float = 0.0) -> None:
        super().__init__(model.task)
        assert isinstance(model.task, Detection)
        self.task: Detection = model.task
        self.threshold, self.paste, self.end = threshold, paste, EarlyStop(model)
        self.pasted: tuple[Tensor, Boxes] | None = None  # onto the latest batch: the pixels (N, H, W), and the labels
        # Of the certain boxes of an image, by class: their number, and the sum of the logarithms of their sides.
        start = torch.zeros(2, len(self.task.classes))
        self.now, self.first = RunningMean(start), RunningMean(start)
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

    def losses(self, unknown: Tensor, labels: Boxes) -> Tensor:
        """Losses (B,) of the student on the target: of the centres alone."""
        return self.task.losses(unknown, labels, sides=0.0)

    def labels(self, teacher: Model, known: Tensor, target: TargetBatch) -> tuple[Boxes, Tensor]:
        """The teacher's boxes for the student's images, of which doubtful ones are ignored; and ones (B,)."""
        boxes: Boxes = self.task.predict(teacher(target.clean))
        thresholds = (self.threshold * self.scores.mean).clamp(min=LEAST_SURE)[boxes.classes]
        certain = boxes.scores >= thresholds
        sides = areas(boxes.corners[certain]).clamp(min=1e-6).log() / 2
        both = torch.stack([torch.ones_like(sides), sides])
        sums = torch.zeros_like(self.now.mean).index_add(1, boxes.classes[certain], both)
        self.now.update(sums / max(1, len(boxes)))
        kept = replace(boxes, ignored=~certain).kept(boxes.scores >= SHARE_OF_DOUBT * thresholds)
        moved, ones = self.task.move(kept, target.warp), torch.ones(len(boxes), device=known.device)
        if self.pasted is None:
            return moved, ones
        region, ours = self.pasted
        every = torch.arange(len(moved))
        under = visible(moved[every[: len(ours)]], ~region, self.task.visible)
        return united(under, ours).joined(moved[every[len(ours) :]]), ones

    @property
    def finished(self) -> bool:
        """Whether the number or the size of the boxes shows a collapse."""
        return self.end.stopped

    def after_step(self, teacher: Model, progress: Progress, started: bool = True) -> None:
        """Keep the teacher while the number and the size of its boxes are sound, and else stop."""
        if progress.step % CHECK_EVERY:
            return
        if not started:
            self.first.mean.copy_(self.now.mean)
        elif not self._sound():
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

    def shipped(self, teacher: Model) -> Model:
        """The teacher, or the last sound one."""
        return self.end.sound if self.end.stopped else teacher

    def notes(self) -> list[str]:
        """What the user must know: nothing, or that the training stopped."""
        return self.end.notes(
            "the boxes that the teacher is sure of had become 3 times as many or few, or 1.4 times as large or small"
        )
