"""Model: input normalisation, features, head and task."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
import yaml
from torch import Tensor, nn

from ..data.domains import Inputs, Labelled, Unlabelled, to_float
from ..data.objects import as_labelled, as_unlabelled
from ..data.reading.loading import load_unlabelled
from ..data.reading.pixels import Conversion
from ..data.sparse import Layout
from ..data.tiles.cutting import names_of
from ..errors import InputError, TrainingDiverged
from ..networks.backbones import Pooled, build_network, channels_of, width_of
from ..networks.dense import MAPS, PYRAMID, HiddenMaps, Pyramid, SetDetector, mapped
from ..networks.detectors import WholeDetector
from ..networks.feature_maps import FeatureMap, describe
from ..networks.layers import Features, Norm, Normalise, Statistics
from ..networks.tuning import PretrainedNorm, Tune, Tuned
from ..plugins import provider
from ..storage import make_folder, write_tensors, write_text
from ..tasks import Task
from .corrected_head import outputs_by_group
from .featured import Featured, ProjectedPixels, featured_of, head_of
from .given import WithGiven, append, check_shape, checked_given, given_of, kind_of, split
from .predictions import Predictions as Predictions
from .predictions import answers

WEIGHTS, DESCRIPTION = "model.safetensors", "model.yaml"
PREDICTION_BATCH, PREDICTION_VALUES = 512, 2**23  # samples in a batch, and pixel values or features, at most
CHECKED = 64  # inputs on which a trained model is checked
GIVEN = "given"  # replaces the network name if the user passed a network object


class StandIns(Protocol):
    """Knows the outputs of frozen feature extractors, see `kept.FeatureStore`."""

    def standing_in(self, model: Model, inputs: Inputs, /) -> Inputs: ...


class Model(nn.Module):
    """Normalisation, feature extractor, bottleneck and head for one task.

    Args:
        task: the task to predict.
        shape: (C, H, W) of an image or (F,) of a feature vector.
        features: any network from inputs to features (N, F). It is used directly, not copied. None builds the network
            with the name `network`.
        network: name of the feature extractor, see `backbones.build_network`. None selects it by `shape`.
        tune: how much of the feature extractor is trained, see `tuning.Tuned`.
        bottleneck: width of a trained layer behind the feature extractor, whose outputs are then the features; 0 for
            none.
        centred: centre the outputs of the feature extractor before that, see `featured.Centred`.
        pretrained: the feature extractor is for pretrained weights, which are loaded afterwards.
        pretrained_norm: whether its batch normalisation keeps its statistics, see `tuning.Tuned`.
        licence: of the pretrained weights.
        config: configuration of a network of transformers, which is then not read by its name.
        statistics: input normalisation, see `layers.Normalise`.
        mean, std: of the source or of the pretraining, (C,) or (F,) float32; zeros and ones by default.
        head: widths of the hidden layers between features and outputs.
        dropout: share of features dropped before the head, during training.
        norm: normalisation between the layers of the library's own networks, `group` or `batch`.
        given_columns: names of G given columns (see `domains.Labelled`) that the head takes beside the features, like
            the angles of the head in Zhang et al. (2015), Appearance-based gaze estimation in the wild, CVPR.
        given_scale: mean and deviation of these columns in the source, (G,) float32 each; zeros and ones by default.

    Raises:
        InputError: the network does not exist, or its output for such inputs is not (N, F).
    """

    conversion = Conversion()  # of images on load
    layout: Layout | None = None  # set if svmlight files are read
    has_sets = False  # whether raw outputs are sets of boxes instead of maps, see `dense.SetDetector`
    store: StandIns | None = None  # of outputs of a frozen feature extractor, while routes are compared

    def __init__(
        self,
        task: Task,
        shape: tuple[int, ...],
        *,
        features: nn.Module | None = None,
        network: str | None = None,
        tune: Tune = "whole",
        bottleneck: int = 0,
        centred: bool = False,
        pretrained: bool = False,
        pretrained_norm: PretrainedNorm = "kept",
        licence: str | None = None,
        config: dict[str, Any] | None = None,
        statistics: Statistics = "per-image",
        mean: Tensor | None = None,
        std: Tensor | None = None,
        head: tuple[int, ...] = (),
        dropout: float = 0.0,
        norm: Norm = "group",
        given_columns: Sequence[str] = (),
        given_scale: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.task, self.shape, self.given_columns = task, tuple(shape), tuple(given_columns)
        network = GIVEN if features is not None else network or default_network(shape, task)
        taken = (channels_of(network, shape[0], pretrained), *shape[1:])
        if features is None:
            features = build_network(network, taken, task.spatial, norm, pretrained, config, task.dense)
        self.description: dict[str, Any] = {
            "shape": list(shape),
            "network": network,
            "tune": tune,
            "bottleneck": bottleneck,
            "centred": centred,
            "pretrained": pretrained,
            "pretrained_norm": pretrained_norm,
            "licence": licence,
            "config": features.config if isinstance(features, Pooled | HiddenMaps | WholeDetector) else None,
            "statistics": statistics,
            "head": list(head),
            "dropout": dropout,
            "norm": norm,
            "given_columns": list(given_columns),
        }
        self.features: nn.Sequential = self._featured_by(features, taken, mean, std, given_scale)
        self.width = featured_of(self.features).outputs
        self.head = head_of(features, task, self.width, self.description)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # as in training: for the same bits
        self.map: FeatureMap | None = None

    def _featured_by(
        self,
        backbone: nn.Module,
        taken: tuple[int, ...],
        mean: Tensor | None,
        std: Tensor | None,
        given_scale: tuple[Tensor, Tensor] | None,
    ) -> Featured:
        """The features by the description of the model; `taken` is the shape of the inputs of the backbone."""
        known, self.has_sets = self.description, isinstance(backbone, SetDetector)
        if known["network"] != GIVEN and (package := provider(type(backbone))):
            known["package"] = package
        name = type(backbone).__name__ if known["network"] == GIVEN else known["network"]
        backbone = self._tuned(backbone, taken)
        width = backbone.width if isinstance(backbone, Features) else width_of(backbone, taken, name, self.task.dense)
        values = (taken if known["statistics"] == "pretrained" else self.shape)[0]
        normalise = Normalise(
            known["statistics"],
            torch.zeros(values) if mean is None else mean,
            torch.ones(values) if std is None else std,
            None if taken == self.shape else taken[0],
        )
        given = self.given_columns, given_scale
        behind = known["bottleneck"], known["norm"], known["centred"]
        return Featured(normalise, backbone, self.shape, width, *given, *behind)

    def _tuned(self, network: nn.Module, taken: tuple[int, ...]) -> nn.Module:
        """The feature extractor, of which a part may not be trained; for a dense task with maps, see `dense.mapped`."""
        known = self.description

        def tuned(part: nn.Module) -> nn.Module:
            if known["tune"] == "whole" and not known["pretrained"]:
                return part
            return Tuned(part, known["tune"], known["pretrained"], known["pretrained_norm"])

        return mapped(network, taken, known["norm"], tuned) if self.task.dense else tuned(network)

    def __repr__(self) -> str:
        members = self.description.get("members")
        network = f"{len(members)} members" if isinstance(members, list) else f"network {self.description['network']}"
        count = sum(part.numel() for part in self.parameters())
        of = f"{kind_of(self.shape)}; {network}; {count:,} parameters"
        return f"{type(self).__name__}({self.task.kind}; {answers(self.task)}; {of})"

    def facts(self) -> dict[str, Any]:
        """What two models must have in common to be one ensemble."""
        own = {"task": self.task, "shape": self.shape, "given columns": self.given_columns, "layout": self.layout}
        return {**own, **self.conversion.plain()}

    @property
    def pixels(self) -> ProjectedPixels | None:
        """The projection of pixels that is appended to the features; None without one."""
        first = self.features
        return first.pixels if isinstance(first, Featured) else None

    @property
    def may_append_pixels(self) -> bool:
        """Whether `append_pixels` is possible: the model takes images, is no ensemble, and has no such projection."""
        return isinstance(self.features, Featured) and len(self.shape) == 3 and self.pixels is None

    def normalised(self, inputs: Inputs) -> Tensor:
        """The images (N, C, H, W) of inputs of `inputs_of`, normalised, float32 on the CPU."""
        normalise = self.features[0]
        return torch.cat(list(self._batches(inputs, lambda x: normalise(x[:, : self.shape[0]]))))

    @property
    def normalised_shape(self) -> tuple[int, ...]:
        """Shape of one of the images that `normalised` returns."""
        first = featured_of(self.features)[0]
        assert isinstance(first, Normalise)
        return self.shape if first.channels is None else (first.channels, *self.shape[1:])

    def append_pixels(self, pixels: ProjectedPixels) -> None:
        """Append a projection of the pixels to the features. The head must then take wider features."""
        featured = featured_of(self.features)
        featured.pixels = pixels.to(next(self.parameters()).device)
        self.width += pixels.count

    def put_behind(self, feature_map: FeatureMap) -> None:
        """Set a feature map. Predictions apply it to the inputs first, but `forward` expects mapped inputs."""
        self.map, self.shape = feature_map.to(next(self.parameters()).device), (feature_map.inputs,)

    @property
    def backbone(self) -> nn.Module:
        """The feature extractor, without normalisation."""
        inner: nn.Module = self.features[1]
        if isinstance(inner, Pyramid) and isinstance(inner.encoder, nn.Module):
            inner = inner.encoder
        return inner.network if isinstance(inner, Tuned) else inner

    def forward(self, x: Tensor) -> Tensor:
        """Raw outputs (N, outputs) float32 for a batch of `domains.to_float`. Apply the feature map first, if any.

        With given columns it is a batch of `inputs_of`.
        """
        outputs: Tensor = self.head(self.features(x))
        return outputs.float()

    def check(self, inputs: Inputs, what: str) -> None:
        """Raise `InputError` if the inputs do not have the input shape of the model. The message calls them `what`."""
        check_shape(inputs, self.shape, what)

    def inputs_of(self, domain: Labelled | Unlabelled, what: str = "the data") -> Inputs:
        """The inputs of a domain as the model takes them, with its given columns.

        Raises:
            InputError: they do not have the input shape of the model; or a given column is missing, or is far from all
                values of the training. The message calls the domain `what`.
        """
        self.check(domain.inputs, what)
        scale = self.given_scale if self.given_columns else None
        given = checked_given(domain, self.given_columns, scale, what)
        return domain.inputs if given is None else WithGiven(domain.inputs, given)

    @property
    def given_scale(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation (G,) of the given columns in the source of the training."""
        first = featured_of(self.features)
        return first.given_mean.cpu(), first.given_std.cpu()

    @torch.no_grad()
    def of_given(self, domain: Labelled | Unlabelled) -> Tensor | None:
        """What the features of a domain have beside those of its inputs, (N, width) on the CPU; None without columns.

        Raises:
            InputError: a given column is missing.
        """
        given = given_of(domain, self.given_columns, "the data")
        return (
            None
            if given is None
            else featured_of(self.features).of_given(given.to(next(self.parameters()).device)).cpu()
        )

    @torch.no_grad()
    def _batches(self, inputs: Inputs, module: Callable[[Tensor], Tensor]) -> Iterator[Tensor]:
        self.eval()
        device = next(self.parameters()).device
        for index in torch.arange(len(inputs)).split(batch_of(inputs.shape[1:], self.task.dense)):
            x = to_float(inputs[index].to(device))
            if self.map is not None:
                x, given = split(x, len(self.given_columns))
                x = append(self.map(x), given)
            yield module(x).float().cpu()

    def outputs(self, inputs: Inputs) -> Tensor:
        """Raw outputs (N, outputs) float32 on the CPU, computed in batches of inputs, see `inputs_of`."""
        return torch.cat(list(self._batches(self._known(inputs), self)))

    def embed(self, inputs: Inputs) -> Tensor:
        """Features (N, F) float32 on the CPU, in batches of inputs, see `inputs_of`; of maps the mean over points."""
        features = (lambda x: self.features(x).mean((2, 3))) if self.task.dense else self.features
        return torch.cat(list(self._batches(self._known(inputs), features)))

    def _known(self, inputs: Inputs) -> Inputs:
        """What stands in for images in a store; else the inputs themselves."""
        known = self.store is not None and self.map is None and self.pixels is None and len(inputs.shape) == 4
        return self.store.standing_in(self, inputs) if known and self.store is not None else inputs

    def extract(self, inputs: Inputs) -> Tensor:
        """Outputs (N, F) float32 on the CPU of the feature extractor, before a bottleneck, in batches of inputs.

        Given values of the inputs are left out. If the feature extractor is frozen, `features` takes these outputs in
        place of images, see `Featured`.
        """
        extracted = featured_of(self.features).extracted
        return torch.cat(list(self._batches(inputs, lambda x: extracted(x[:, : self.shape[0]]))))

    def embed_alone(self, inputs: Inputs) -> Tensor:
        """Features (N, F) of inputs without their given values, which are no features that a network could align."""
        if self.given_columns:
            inputs = WithGiven(inputs, self.given_scale[0].expand(len(inputs), -1))
        added = featured_of(self.features).added + (0 if self.pixels is None else self.pixels.count)
        features = self.embed(inputs)
        return features[:, : features.shape[1] - added]

    def predict(
        self, images: str | Path | Unlabelled | Any, *, skip_bad: bool = False, groups: Sequence[str] | None = None
    ) -> Predictions:
        """Predictions for a folder or file, a domain, or anything that `Unlabelled.of` takes.

        Args:
            images: a path is read and converted in the same way as the training images, with the given columns of the
                model: from the metadata table beside the images, or arrays of the `.npz`. So is an array, table, list
                of images or data set; one with given columns is a domain, a table or a data set of Hugging Face.
            skip_bad: skip unreadable images.
            groups: name of the group of each sample, for a model with corrections by group (`correct`).

        Raises:
            InputError: the inputs do not have the input shape of the model, lack a given column, or cannot be read; or
                groups do not fit.
        """
        if isinstance(images, str | Path):
            how = dataclasses.replace(self.conversion, skip_bad=skip_bad)
            domain = load_unlabelled(images, **dataclasses.asdict(how), layout=self.layout, given=self.given_columns)
        else:
            how = dataclasses.replace(self.conversion, skip_bad=skip_bad)
            domain = as_unlabelled(images, "the data to predict is", how, self.given_columns, (Labelled,))
        inputs = self.inputs_of(domain, str(images) if isinstance(images, str | Path) else "the data")
        outputs = (
            self._batches(self._known(inputs), self) if groups is None else [outputs_by_group(self, inputs, groups)]
        )
        return Predictions(self.task.predicted(outputs, domain), self.task, names_of(domain))

    def evaluate(self, data: Labelled | Any) -> dict[str, Any]:
        """Metrics of the task on labelled data: `Labelled`, `(X, y)`, or a data set as `Labelled.of` takes it.

        Raises:
            InputError: the data has a class that the model does not have, classes instead of values, or inputs of
                another shape.
        """
        data = as_labelled(data, "the data to evaluate on is", self.conversion, self.given_columns)
        if data.classes and not self.task.named:
            raise InputError(
                f"the model predicts values ({self.task.kind}), found the classes {', '.join(data.classes[:5])}, "
                "expected values (N, K). Give floats: y.astype(float)"
            )
        labels = self.task.align(data)
        return self.task.metrics(self.predict(data.unlabelled()).values, labels)

    def check_outputs(self, domain: Unlabelled, step: int) -> None:
        """Raise `TrainingDiverged` if the outputs for the first inputs are not finite.

        Args:
            domain: as in training.
            step: the last step, for the message.
        """
        outputs = self.outputs(self.inputs_of(domain)[torch.arange(min(CHECKED, len(domain)))])
        wrong = outputs[~outputs.isfinite()]
        if len(wrong):
            raise TrainingDiverged(step, "output", float(wrong[0]), taken=True)

    def save(self, folder: str | Path) -> None:
        """Write `model.safetensors` and `model.yaml` into a folder. The folder is created if it does not exist."""
        folder = Path(folder)
        make_folder(folder)
        write_tensors(folder / WEIGHTS, self.state_dict())
        description = {
            **self.description,
            "task": {"kind": self.task.kind, **self.task.settings()},
            **self.conversion.plain(),
            "map": describe(self.map) if self.map else None,
            "layout": dataclasses.asdict(self.layout) if self.layout else None,
        }
        write_text(folder / DESCRIPTION, yaml.safe_dump(description, sort_keys=False))


def default_network(shape: Sequence[int], task: Task) -> str:
    """Name of the feature extractor for inputs of a shape, if nobody names one."""
    if task.dense:
        return PYRAMID
    return "convolutional" if len(shape) == 3 else "perceptron"


def batch_of(shape: Sequence[int], dense: bool = False) -> int:
    """How many samples of a shape are predicted at once; fewer for a dense task, whose features are as large."""
    if dense:
        return max(1, min(PREDICTION_BATCH, PREDICTION_VALUES // (MAPS * math.prod(shape[1:]))))
    return max(16, min(PREDICTION_BATCH, PREDICTION_VALUES // math.prod(shape)))
