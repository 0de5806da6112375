"""`Learner` holds the optimiser settings of all methods; `Objective` trains a new model on source and target."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import Field
from torch import Tensor, nn

from ..data.domains import Labelled, Unlabelled
from ..errors import InputError
from ..networks.feature_maps import FeatureMap
from ..networks.layers import Norm, Statistics
from ..networks.tuning import PretrainedNorm, Tune, tuned_parts
from ..settings import settings
from ..tasks import Classification, Task
from ..training.averaging import follow, frozen, unfrozen
from ..training.collapse import CollapseWatch
from ..training.loop import RATE_SHARE, Algorithm, Progress
from ..training.model import Model

DENSE_RATE = 4e-3  # highest learning rate for masks and boxes, if the user sets none
SET_RATE = 1e-3  # the same of a network with a head of its own, whose decoder is a transformer


@settings
class Learner(Algorithm):
    """Optimiser settings that all methods share, and the life cycle: prepare, train, return the final model.

    Args:
        optimize: `adam` (decoupled weight decay), or `sgd` with momentum 0.9.
        rate: highest learning rate. None: the method's default (1e-3 of most), and 4e-3 for masks and boxes, where each
            point of the maps is a sample (IoU of nuclei in rendered test images after 300 steps: 0.847 at 1e-3, 0.857
            at 6e-3 and 0.859 at 12e-3; in real ones 0.822, 0.836 and 0.840; dev labels, one seed). 1e-3 of a network
            with a head of its own for boxes.
        schedule: schedule of the learning rate. `cosine` falls to zero after a warm-up over the first 2 percent; `dann`
            is the paper's division by (1 + 10 p) ** 0.75; `constant` keeps the rate.
        weight_decay: weight decay of the optimiser.
        clip: greatest norm of an update's gradient; None for no limit.
        backbone_rate: learning rate of pretrained weights, as a share of the learning rate of all others.
    """

    serves_maps: ClassVar[bool] = False  # whether the features may be maps (N, F, h, w)
    default_rate: ClassVar[float] = 1e-3  # for one vector of features an image, if the user sets none

    optimize: Literal["adam", "sgd"] = "adam"
    rate: float | None = Field(default=None, gt=0)
    schedule: Literal["cosine", "dann", "constant"] = "cosine"
    weight_decay: float = Field(default=0.01, ge=0)
    clip: float | None = Field(default=None, gt=0)
    backbone_rate: float = Field(default=0.1, gt=0)

    def fresh(self, shape: tuple[int, ...] | None = None) -> Self:
        """The same settings without any state of an earlier training, adjusted to inputs of `shape`."""
        return dataclasses.replace(self)

    def prepare(self, model: Model, target: Unlabelled, sources: int = 1) -> None:
        """Take the model to train and build the other networks.

        Call it once, before the training. If the model is trained on mapped features, the caller sets `feature_map`
        afterwards. `target` serves label-free checks during the training. `sources` is the number of domains in the
        labelled data.
        """
        self.model, self.task, self.sources = model, model.task, sources
        self.networks, self.given_columns = {"model": model}, model.given_columns
        self.feature_map: FeatureMap | None = None
        self.weight_notes: list[str] = []  # which initial weights were left out
        self.watch: CollapseWatch | None = None  # `build` sets it if the method learns from its own predictions
        self.refuse_maps()
        self.refuse()
        self.build(target)

    def refuse(self) -> None:
        """Raise `InputError` if the method does not support the task."""

    def refuse_maps(self) -> None:
        """Raise `InputError` if the features are maps, as for masks, and the method takes vectors only."""
        if self.task.dense and not self.serves_maps:
            raise InputError(
                f"adapt: {type(self).__name__} takes a vector of features of each image; the task {self.task.kind} has "
                "maps of features. Choose a method that serves it: source-only, dann, adabn, dsbn, teacher or mic; "
                "for masks also cdan or entropy"
            )

    def build(self, target: Unlabelled) -> None:
        """Build the method's networks other than the model, and add them to `self.networks`."""

    def solve(self, source: Labelled, target: Unlabelled) -> None:
        """Fit the parts that have a closed form, before the first step. Does nothing by default."""

    def shipped(self) -> Model:
        """The model to keep after the training."""
        return self.model

    def ready(self) -> Model:
        """The final model, ready to predict. It includes the feature map that it was trained with."""
        model = unfrozen(self.shipped())
        if self.feature_map is not None:
            model.put_behind(self.feature_map)
        return model.eval()

    def observe_target(self, probabilities: Tensor) -> None:
        """Show the watch the class probabilities (B, C) of a target batch."""
        assert self.watch is not None
        self.watch.observe(probabilities)

    def after_step(self, progress: Progress) -> None:
        if self.watch is not None:
            self.watch.check(self.model, progress)

    @property
    def finished(self) -> bool:
        return self.watch is not None and self.watch.collapsed

    def notes(self) -> list[str]:
        """What the user must know about the training, in sentences."""
        return self.weight_notes + ([] if self.watch is None else self.watch.notes())

    @property
    def highest_rate(self) -> float:
        """`rate`, or the default for the task."""
        if self.rate is not None:
            return self.rate
        if self.task.dense:
            return SET_RATE if self.model.has_sets else DENSE_RATE
        return self.default_rate

    def learning_rate(self, progress: Progress) -> float:
        p = progress.fraction
        if self.schedule == "dann":
            return float(self.highest_rate / (1 + 10 * p) ** 0.75)
        if self.schedule == "constant":
            return self.highest_rate
        warm = min(1.0, (progress.step + 1) / (0.02 * progress.steps))
        return self.highest_rate * warm * 0.5 * (1 + math.cos(math.pi * p))

    def optimizer(self, network: nn.Module) -> torch.optim.Optimizer:
        known = {id(p) for part in tuned_parts(network) if part.pretrained for p in part.parameters()}
        trained = [p for p in network.parameters() if p.requires_grad]
        groups: list[dict[str, Any]] = [
            {"params": [p for p in trained if (id(p) in known) == pretrained], RATE_SHARE: share}
            for pretrained, share in ((False, 1.0), (True, self.backbone_rate))
        ]
        groups = [group for group in groups if group["params"]]
        if self.optimize == "sgd":
            return torch.optim.SGD(groups, lr=self.highest_rate, momentum=0.9, weight_decay=self.weight_decay)
        return torch.optim.AdamW(groups, lr=self.highest_rate, weight_decay=self.weight_decay)


@settings
class Objective(Learner):
    """A method that trains a new model on both domains. Each method adds its settings, its networks and its `updates`.

    Args:
        network: feature extractor by name (`backbones.build_network`); None chooses it by the shape of the input.
        weights: initial weights of the feature extractor: `pretrained`, `none` for new ones, or a `.safetensors` file,
            of which the weights are taken that fit. None: `pretrained` if the network has such weights.
        tune: how much of the feature extractor is trained: nothing (`frozen`), the `last` quarter of its layers, or the
            `whole`. None chooses it by the number of images and the machine, see `tuning.default_tune`.
        bottleneck: width of a trained layer behind the feature extractor. The features of the method are its outputs. 0
            for none. None: 256 if the feature extractor is frozen, and none otherwise.
        centred: centre the outputs of a frozen feature extractor by the mean of each domain, see `featured.Centred`.
            None: yes for classes of images.
        views: randomized views of each image that pass a frozen feature extractor; the training draws from them. None:
            8, and fewer in a comparison that has no time for them.
        pretrained_norm: `kept` keeps the statistics of a pretrained batch normalisation, `trained` adopts those of the
            training.
        statistics: input normalisation: `per-image`, `source`, `pretrained` or `none`. None: `pretrained` if the
            weights are, and `per-image` otherwise.
        norm: normalisation between the layers, over groups of maps (`group`) or over the batch (`batch`).
        head: widths of the hidden layers between features and outputs.
        dropout: share of the features dropped during the training, in 0..1. None: the method's default for classes, and
            0 for other tasks.
        decay: decay per step of the moving average of the weights and batch statistics, which is the final model (see
            `averaging.follow`). 0: no average, the final model has the weights of the last step.
        optimize, rate, schedule, weight_decay, clip, backbone_rate: as in `Learner`.
    """

    default_randomization: ClassVar[str | None] = None  # policy if the user names none
    assumes_source_balance: ClassVar[bool] = True  # whether it assumes the source's class balance for the target
    adapts_features: ClassVar[bool] = False  # which must then have something that is trained
    default_dropout: ClassVar[float] = 0.0  # for classes, if the user sets none
    soft_labels: ClassVar[bool] = False  # whether labels may be class shares, as for mixed images

    network: str | None = None
    weights: str | None = None
    tune: Tune | None = None
    bottleneck: int | None = Field(default=None, ge=0)
    centred: bool | None = None
    views: int | None = Field(default=None, gt=0)
    pretrained_norm: PretrainedNorm = "kept"
    statistics: Statistics | None = None
    norm: Norm = "group"
    head: tuple[int, ...] = ()
    dropout: float | None = Field(default=None, ge=0, lt=1)
    decay: float = Field(default=0.998, ge=0, lt=1)

    def prepare(self, model: Model, target: Unlabelled, sources: int = 1) -> None:
        super().prepare(model, target, sources)
        if self.decay:
            self.average = frozen(self.latest())
            self.networks["average"] = self.average

    def latest(self) -> Model:
        """The network that becomes the final model, with the weights of the last step."""
        return self.model

    def source_model(self) -> Model:
        """The network that predicts the source."""
        return self.model

    def shipped(self) -> Model:
        """The model to keep after the training: the average of `latest`, or `latest` itself if `decay` is 0."""
        return self.average if self.decay else self.latest()

    def after_step(self, progress: Progress) -> None:
        """Update the average of the weights, and check whether it collapses."""
        if self.decay:
            follow(self.average, self.latest(), self.decay, progress)
        if self.watch is not None:
            self.watch.check(self.average if self.decay else self.latest(), progress, self.learns_from_itself)

    @property
    def learns_from_itself(self) -> bool:
        """Whether the training uses the model's own predictions by now. Only then can they collapse."""
        return True

    def dropped(self, task: Task) -> float:
        """Share of the features to drop. The default is 0 except for classes: a position depends on all features."""
        if self.dropout is not None:
            return self.dropout
        return self.default_dropout if isinstance(task, Classification) else 0.0

    def unit(self, label: Tensor) -> float | Tensor:
        """Factor that scales a second loss term to the label loss (a scalar tensor).

        For classes it is 1, because their loss is about 1, as the papers assume. For values, points and gaze it is the
        label loss itself. The loss of a well predicted point is about 0.01, and a term in the papers' units would
        dominate it.
        """
        return 1.0 if isinstance(self.task, Classification) else label.detach()
