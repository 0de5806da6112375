"""Teacher: self-training, in which a slowly following teacher labels the target images for the student."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ...data.domains import Unlabelled
from ...settings import settings
from ...tasks import Classification
from ...training.averaging import follow, frozen, half_cosine
from ...training.loop import Progress, SourceBatch, TargetBatch, Update
from ...training.model import Model
from ..base import Objective
from ..shared.alignment import Alignment, Level, Prior, ToPrior

CHECK_EVERY = 10  # steps between two looks at whether a regressor's teacher is the best so far
SETTLED = 0.2  # share of the training before which disagreement says little


@settings
class Teacher(Objective):
    """Self-training with an exponential moving average of the student as its teacher.

    The teacher sees the clean target image and says what it is; the student sees it randomized and must say the same.
    Classification: only labels of which the teacher is certain count, after its predictions have been aligned with
    the prior of the target's classes. Values, points and gaze: what the teacher says is moved by the warp that moved
    the image, each sample weighs by how well two views of it agree, and all of them by how much is left to teach, since
    a self-trained regressor drifts (a teacher of full weight put real irises higher by 1 px in 1,000 steps). The
    teacher whose views agreed best is kept; when agreement has fallen for good, the training ends.

    It harms where the target's class balance is far from `target_prior`; `none` then is the safer choice.

    References:
        Tarvainen & Valpola (2017). Mean teachers are better role models.
        Berthelot, Roelofs, Sohn, Carlini & Kurakin (2022). AdaMatch (distribution alignment, relative threshold).

    Args:
        threshold: least confidence of a label that counts, as a share of the mean confidence on the source batch.
        target_prior: class shares of the target that labels are aligned with: `source` (its own balance), `none`, one
            share a class, or what is estimated on the way, `estimated` (BBSE) or `mlls` (see `priors`). The estimate is
            no default: from MNIST to USPS it was no nearer the truth than the source's balance (0.20 and 0.19 in sum of
            differences), and the accuracy the same.
        alignment: `soft` moves doubtful labels towards that prior and forgives one that is a little wrong; `exact`
            enforces it, for a target whose shares are known.
        decay: of the teacher, a step.
        weight: of the target's loss at full strength; it rises over the first half of the training.
        drift: how many times worse than its best the disagreement may grow before a regressor's training ends.
    """

    threshold: float = Field(default=0.9, gt=0, le=1)
    target_prior: Prior = "source"
    alignment: Alignment = "soft"
    decay: float = Field(default=0.998, gt=0, lt=1)
    weight: float = Field(default=1.0, ge=0)
    drift: float = Field(default=1.5, gt=1)
    rate: float = Field(default=3e-3, gt=0)
    default_randomization: ClassVar[str | None] = "full"
    soft_labels: ClassVar[bool] = True

    def build(self, target: Unlabelled) -> None:
        self.teacher = frozen(self.model)
        self.networks["teacher"] = self.teacher
        if isinstance(self.task, Classification):
            self.to_prior = ToPrior(self.task, self.target_prior, self.alignment)
            self.networks["to_prior"] = self.to_prior
        else:
            self.best = frozen(self.model)
            self.disagreement, self.lowest = Level(torch.zeros(())), Level(torch.tensor(math.inf))
            self.networks |= {"best": self.best, "disagreement": self.disagreement, "lowest": self.lowest}
            self.missed, self.strayed = Level(torch.zeros(())), Level(torch.zeros(()))
            self.networks |= {"missed": self.missed, "strayed": self.strayed}

    def shipped(self) -> Model:
        return self.teacher if isinstance(self.task, Classification) else self.best

    @property
    def finished(self) -> bool:
        if isinstance(self.task, Classification):
            return False
        return bool(self.disagreement.mean > self.drift * self.lowest.mean)

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        known, unknown = self.outputs(source, target)
        label = self.task.loss(known, source.y)
        with torch.no_grad():
            if isinstance(self.task, Classification):
                self.to_prior.observe(known, source.y, unknown, progress)
                labels, certainty = self.pseudo_labels(known, target)
            else:
                labels, certainty = self.pseudo_values(target)
        pseudo = (certainty * self.task.losses(unknown, labels)).mean()
        if not isinstance(self.task, Classification):
            pseudo = self.need(label, pseudo) * pseudo
        yield Update(of=(self.model,), label=(1.0, label), pseudo=(self.weight * half_cosine(progress), pseudo))
        self.follow(progress)

    def need(self, label: Tensor, pseudo: Tensor) -> Tensor:
        """How much of its say a regressor's teacher has, a scalar in 0..1.

        The root of the student's loss on the target over that on the source. Where the target is learnt already, little
        is left to teach, and what the teacher errs by would be learnt instead: more with every step.
        """
        return (self.strayed.update(pseudo) / self.missed.update(label).clamp(min=1e-12)).clamp(max=1).sqrt()

    def outputs(self, source: SourceBatch, target: TargetBatch) -> tuple[Tensor, Tensor]:
        """The student's raw outputs for what it sees of each domain."""
        known, unknown = self.model(torch.cat([source.x, target.x])).split([len(source), len(target)])
        return known, unknown

    def pseudo_labels(self, known: Tensor, target: TargetBatch) -> tuple[Tensor, Tensor]:
        """The teacher's classes (B,) int64 for clean target images, and 1.0 where it is certain, else 0.0."""
        confidence, labels = self.to_prior(self.teacher(target.clean).log_softmax(1)).max(1)
        least = self.threshold * known.softmax(1).amax(1).mean()
        return labels, (confidence >= least).float()

    def pseudo_values(self, target: TargetBatch) -> tuple[Tensor, Tensor]:
        """The teacher's values (B, K) for clean images, moved as the student's were; and how far two views agree.

        A sample weighs exp(-d / mean d), d the loss of the teacher's own answer on the randomized image.
        """
        values = self.task.predict(self.teacher(target.clean))
        moved = self.task.move(values, target.warp)
        again = self.teacher(target.x)
        apart = self.task.losses(again, moved)
        others = self.task.losses(again, moved.roll(1, 0))  # the scale: how far apart it puts different images
        self.disagreement.update(apart.mean() / others.mean().clamp(min=1e-8))
        return moved, torch.exp(-apart / apart.mean().clamp(min=1e-8))

    @torch.no_grad()
    def follow(self, progress: Progress) -> None:
        """The teacher moves towards the student; a regressor's best teacher is kept."""
        follow(self.teacher, self.model, self.decay, progress)
        if isinstance(self.task, Classification) or progress.step % CHECK_EVERY:
            return
        if progress.fraction < SETTLED or self.disagreement.mean < self.lowest.mean:
            self.best.load_state_dict(self.teacher.state_dict())
            if progress.fraction >= SETTLED:
                self.lowest.mean.copy_(self.disagreement.mean)
