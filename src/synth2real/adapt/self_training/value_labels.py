"""Labels of a teacher for values, points and gaze: warped like the image, weighed by the agreement of two views."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...training.averaging import RunningMean
from ...training.collapse import EarlyStop
from ...training.loop import Progress, TargetBatch
from ...training.model import Model
from .pseudo_labels import PseudoLabels

CHECK_EVERY = 10  # steps between two checks whether the teacher is the best so far
SETTLED = 0.2  # share of the training before which the disagreement is not yet informative


class ValueLabels(PseudoLabels):
    """The teacher's values for clean target images, moved by the warp of the student's images.

    The drift of a self-trained regressor is limited in two ways. The loss on the target weighs less, the better the
    student agrees with the teacher (`need`). And the best teacher is kept, that with the least disagreement of its
    predictions for two views of an image; the training ends when the disagreement has clearly risen.

    Args:
        model: the student.
        drift: the training ends when the disagreement exceeds its lowest value by this factor.
    """

    def __init__(self, model: Model, drift: float) -> None:
        super().__init__(model.task)
        self.drift = drift
        self.best = EarlyStop(model)
        self.disagreement, self.lowest = RunningMean(torch.zeros(())), RunningMean(torch.tensor(math.inf))
        self.missed, self.strayed = RunningMean(torch.zeros(())), RunningMean(torch.zeros(()))
        self.networks = {
            "best": self.best,
            "disagreement": self.disagreement,
            "lowest": self.lowest,
            "missed": self.missed,
            "strayed": self.strayed,
        }

    @property
    def finished(self) -> bool:
        """Whether the teacher has drifted."""
        return self.best.stopped

    def need(self, label: Tensor, pseudo: Tensor) -> Tensor:
        """Weight of the loss on the target, a scalar in 0..1.

        It is the square root of the ratio of the student's loss on the target to its loss on the source. If the student
        has already learnt the target, it can learn little more from the teacher. It would then learn the teacher's
        errors, more with every step.
        """
        return (self.strayed.update(pseudo) / self.missed.update(label).clamp(min=1e-12)).clamp(max=1).sqrt()

    def labels(self, teacher: Model, known: Tensor, target: TargetBatch) -> tuple[Tensor, Tensor]:
        """The teacher's values (B, K) for clean images, and sample weights.

        The values are transformed by the warp of the student's images. The weight of a sample is exp(-d / mean d). d is
        the loss of the teacher's own prediction for the randomized image.
        """
        values = self.task.predict(teacher(target.clean))
        warped = self.task.move(values, target.warp)
        again = teacher(target.x)
        apart = self.task.losses(again, warped)
        others = self.task.losses(again, warped.roll(1, 0))  # the scale: the distance between different images
        self.disagreement.update(apart.mean() / others.mean().clamp(min=1e-8))
        return warped, torch.exp(-apart / apart.mean().clamp(min=1e-8))

    def after_step(self, teacher: Model, progress: Progress, started: bool = True) -> None:
        """Keep the best teacher, and stop if the teacher has drifted."""
        if progress.step % CHECK_EVERY:
            return
        if self.disagreement.mean > self.drift * self.lowest.mean:
            self.best.stop(progress)
        if progress.fraction < SETTLED or self.disagreement.mean < self.lowest.mean:
            self.best.keep(teacher, progress)
            if progress.fraction >= SETTLED:
                self.lowest.mean.copy_(self.disagreement.mean)

    def shipped(self, teacher: Model) -> Model:
        """The best teacher."""
        return self.best.sound

    def notes(self) -> list[str]:
        """What the user must know: nothing, or that the training stopped."""
        return self.best.notes("the teacher disagreed with itself more and more on two views of an image")
