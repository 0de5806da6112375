"""Teacher: self-training in which a teacher, the moving average of the student, labels the target images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ...data.domains import Labelled, Unlabelled
from ...data.labels import Masks
from ...errors import InputError
from ...networks.layers import reverse_gradient
from ...settings import settings
from ...tasks import Classification, Detection, Segmentation
from ...training.loop import Progress, SourceBatch, TargetBatch, Terms, Update
from ...training.model import Model
from ..shared.distribution_alignment import Alignment, Prior
from ..shared.reversal import critic_of, domain_loss, rise
from .base import SelfTrained
from .box_labels import BoxLabels
from .class_labels import ClassLabels
from .mask_labels import MaskLabels, by_rare_classes
from .pseudo_labels import PseudoLabels
from .value_labels import ValueLabels

CRITIC = (100,)  # widths of the critic's hidden layers, as in DANN
BOX_SHARE = 0.8  # of the threshold: scores of centres are lower where a network has never seen the domain
CAREFUL = 1 / 3  # share of the learning rate until self-training starts; see `Teacher`


@settings
class Teacher(SelfTrained):
    """Mean teacher: a moving average of the student labels the target images on which the student learns.

    Supports all tasks. The teacher predicts the clean target image. The student receives the randomized image and must
    make the same prediction. The teacher is the average of the student's weights (`decay`), and is the final model.
    Self-training starts when the source is learnt (`BurnIn`). Until then the rate is a third, except for masks and
    boxes: at the full rate of 3e-3, small sets of hard images are not learnt in 300 steps (accuracy 0.26 instead of
    0.61 on six classes).

    Classification (`ClassLabels`): the teacher's predictions are aligned with the prior of the target's classes. Then
    only labels with high confidence count. If the teacher begins to predict one class for all images, the training
    stops, and the last sound teacher is the final model (`CollapseWatch`).

    Values, points and gaze (`ValueLabels`): the teacher's prediction is transformed by the same warp as the image. Each
    sample is weighed by the agreement of the predictions for two views of it. The whole loss on the target is weighed
    by the square root of (target loss / source loss) of the student, at most 1. This limits the drift of a self-trained
    regressor: with a teacher of full weight, the predicted position of real irises rose by 1 px in 1,000 steps. The
    final model is the teacher with the best agreement. Training ends when the agreement has clearly fallen (`drift`).

    Masks (`MaskLabels`): the teacher's probabilities of each pixel, moved by the warp of the image, are soft labels. An
    image weighs as much as the share of its pixels that are certain (`threshold`). Regions of source images may be
    pasted onto those of the target (`paste`), and source images with rare classes may be drawn more often (`rare`).
    The collapse watch sees each point as a sample.

    Boxes (`BoxLabels`): the teacher's maps of centres and sides are soft labels of each point. Teacher and student see
    one geometry. Self-training starts after half of the steps, and ends if the boxes become many, few, large or small.

    A teacher passes an offset of its predictions on to its student, and self-training confirms it: no shift of an image
    contradicts an offset of the gaze. If the simulator is known to be off by a constant, add a critic (`adversary`).

    It reduces accuracy if the target's class balance is far from `target_prior`. In this case `none` is the safer
    choice.

    References:
        Ganin, Ustinova, Ajakan et al. (2016). Domain-Adversarial Training of Neural Networks (the critic).
        Tarvainen & Valpola (2017). Mean teachers are better role models.
        Hoyer, Dai & Van Gool (2022). DAFormer. CVPR. arXiv:2111.14887 (masks).
        Berthelot, Roelofs, Sohn, Carlini & Kurakin (2022). AdaMatch (distribution alignment, relative threshold).

    Args:
        threshold: lowest confidence of a label that counts, as a share of the mean confidence on the source batch; of
            masks, the probability from which a pixel is certain.
        target_prior: class shares of the target that labels are aligned with: `source` (the source's balance), `none`,
            one share per class, or an estimate made during the training: `estimated` (BBSE) or `mlls` (see `priors`).
            The estimate is not the default. From MNIST to USPS it was no better than the source's balance (sum of
            differences to the true shares: 0.20 for the estimate, 0.19 for the source's balance), and the accuracy was
            the same.
        alignment: `soft` changes labels of low confidence towards that prior and tolerates a prior that is wrong.
            `exact` enforces the prior. Choose it if the shares are known: on balanced handwriting, accuracy after 160
            steps was 0.85 instead of 0.69, and after 500 steps 0.95 instead of 0.91. It costs much if they are wrong:
            from balanced MNIST to USPS with shares of nine to one, accuracy after 1,000 steps was 0.71 instead of 0.98
            (dev labels, one or two seeds).
        decay: decay per step of the average of the weights that is the teacher.
        weight: weight of the target loss at full strength. It rises after the burn-in, over half of the rest.
        paste: for masks and boxes: share of the target images onto which half of the classes of a source image, or
            half of its boxes, are pasted.
        rare: for masks: temperature with which source images of rare classes are drawn more often (0.01 in DAFormer
            for 19 classes; the lower, the more often). None draws all alike.
        drift: a regressor's training ends when the disagreement exceeds its lowest value by this factor.
        adversary: factor of the reversed gradient of a domain critic at full strength, as `weight` of `DANN`; 0 for no
            critic. Real gaze, from rendered eyes whose pitch was 6 degrees off: mean error 8.0 degrees by source only,
            5.7 by DANN, 10.4 by the teacher and 5.5 with a critic of 1. From rendered eyes without an offset the critic
            does harm: 5.1 by source only, 6.8 by DANN, 5.6 by the teacher and 7.9 with a critic of 1 (dev labels, one
            seed, 300 steps of 32 images; see docs/methods.md).
    """

    threshold: float = Field(default=0.9, gt=0, le=1)
    target_prior: Prior = "source"
    alignment: Alignment = "soft"
    decay: float = Field(default=0.998, gt=0, lt=1)
    weight: float = Field(default=1.0, ge=0)
    paste: float = Field(default=0.0, ge=0, le=1)
    rare: float | None = Field(default=None, gt=0)
    drift: float = Field(default=1.5, gt=1)
    adversary: float = Field(default=0.0, ge=0)
    serves_maps: ClassVar[bool] = True
    default_rate: ClassVar[float] = 3e-3
    default_randomization: ClassVar[str | None] = "full"
    soft_labels: ClassVar[bool] = True

    def refuse(self) -> None:
        """Raise `InputError` if source images shall be pasted or chosen by labels that they do not have."""
        masks, boxes = (isinstance(self.task, kind) for kind in (Segmentation, Detection))
        for name, asked, served in (("paste", self.paste, masks or boxes), ("rare", self.rare, masks)):
            if asked and not served:
                what = "masks and boxes" if name == "paste" else "masks"
                raise InputError(f"adapt.{name} is for {what}, found the task {self.task.kind}. Leave it out")

    def build(self, target: Unlabelled) -> None:
        super().build(target)
        self.pseudo = self.pseudo_labels()
        self.watch = self.pseudo.watch
        self.networks |= self.pseudo.networks
        if self.adversary:
            self.networks["critic"] = critic_of(self.task, self.model.width, CRITIC)

    def source_weights(self, source: Labelled) -> Tensor | None:
        if self.rare is None or not isinstance(source.labels, Masks):
            return None
        return by_rare_classes(source.labels, self.task.outputs, self.rare)

    def pseudo_labels(self) -> PseudoLabels:
        """How the teacher labels the target, by the task."""
        if isinstance(self.task, Classification):
            return ClassLabels(self.model, self.target_prior, self.alignment, self.threshold)
        if isinstance(self.task, Segmentation):
            return MaskLabels(self.model, self.threshold, self.paste)
        if isinstance(self.task, Detection):
            return BoxLabels(self.model, BOX_SHARE * self.threshold, self.paste)
        return ValueLabels(self.model, self.drift)

    def shipped(self) -> Model:
        return self.pseudo.shipped(super().shipped())

    @property
    def finished(self) -> bool:
        return super().finished or self.pseudo.finished

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        features = self.features(source, target)
        known, unknown = self.model.head(features).float().split([len(source), len(target)])
        self.observe_source(known, source.y, progress)
        label = self.task.loss(known, source.y)
        pseudo = self.pseudo.loss(self.average, source, known, target, unknown, progress)
        pseudo = self.pseudo.need(label, pseudo) * pseudo
        terms: dict[str, Terms] = {
            "label": (1.0, label),
            "pseudo": (self.weight * self.burn_in.weight(progress), pseudo),
        }
        if not self.adversary:
            yield Update(of=(self.model,), **terms)
            return
        critic = self.networks["critic"]
        reversed_features = reverse_gradient(features, self.adversary * rise(progress) * self.unit(label))
        terms["domain"] = (1.0, domain_loss(critic(reversed_features), len(source)))
        yield Update(of=(self.model, critic), **terms)

    def features(self, source: SourceBatch, target: TargetBatch) -> Tensor:
        """The student's features (2 B, F) for its inputs from each domain: first the source, then the target."""
        features: Tensor = self.model.features(torch.cat([source.x, self.pseudo.student(source, target)]))
        return features

    def learning_rate(self, progress: Progress) -> float:
        full = self.burn_in.over or self.task.dense
        return super().learning_rate(progress) * (1.0 if full else CAREFUL)

    def after_step(self, progress: Progress) -> None:
        """Update the teacher towards the student."""
        super().after_step(progress)
        self.pseudo.after_step(self.average, progress, self.burn_in.over)

    def notes(self) -> list[str]:
        return [*super().notes(), *self.pseudo.notes()]
