"""Model: input normalisation, features, head and task; predicts, saves, loads. Ensemble: several models as one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..data.domains import Inputs, Labelled, Unlabelled, to_float
from ..data.loading import Channels, load_unlabelled
from ..data.sparse import Layout
from ..errors import InputError
from ..networks.backbones import Frozen, build_network, width_of
from ..networks.feature_maps import FeatureMap, describe
from ..networks.feature_maps import build as build_map
from ..networks.layers import Features, Norm, Normalise, Statistics, mlp
from ..tasks import TASKS, Classification, Task
from .hardware import Hardware

WEIGHTS, DESCRIPTION = "model.safetensors", "model.yaml"
PREDICTION_BATCH = 512
GIVEN = "given"  # in place of a name, where the user gave a network itself


@dataclass(frozen=True)
class Predictions:
    """What a model says of some inputs.

    Args:
        values: class probabilities (N, C), or values (N, K) in the labels' own units (points: pixels of the image as
            given).
        task: what was predicted.
        names: file names, where inputs came from files.
    """

    values: Tensor
    task: Task
    names: tuple[str, ...] = ()

    @property
    def labels(self) -> list[str]:
        """The most probable class of each sample; classification only."""
        if not isinstance(self.task, Classification):
            raise InputError(f"the task {self.task.kind} predicts values, not labels: use .values")
        return [self.task.classes[i] for i in self.values.argmax(1).tolist()]


class _Featured(nn.Sequential):
    """Normalisation, then the feature extractor; features (N, F) that were made of images before pass as they are."""

    def __init__(self, normalise: Normalise, backbone: nn.Module, *, images: bool) -> None:
        super().__init__(normalise, backbone)
        self.images = images

    def forward(self, x: Tensor) -> Tensor:
        return x if self.images and x.ndim == 2 else super().forward(x)  # type: ignore[no-untyped-call]


class Model(nn.Module):
    """Normalisation, features and head for one task.

    Args:
        task: what is predicted.
        shape: (C, H, W) of an image or (F,) of a feature vector.
        features: any network from inputs to features (N, F); it is taken, not copied. None builds the one of that name.
        network: name of the feature extractor, see `backbones.build_network`; None chooses by shape.
        frozen: use the feature extractor as it is, and train what comes after.
        statistics: input normalisation, `per-image`, `source` or `none`.
        mean, std: of the source, (C,) or (F,) float32; zeros and ones by default.
        head: widths of hidden layers between features and outputs.
        dropout: share of features dropped while training, before the head.
        norm: normalisation between the layers of the library's own networks, `group` or `batch`.

    Raises:
        InputError: a network that there is not, or that does not make (N, F) of such inputs.
    """

    def __init__(
        self,
        task: Task,
        shape: tuple[int, ...],
        *,
        features: nn.Module | None = None,
        network: str | None = None,
        frozen: bool = False,
        statistics: Statistics = "per-image",
        mean: Tensor | None = None,
        std: Tensor | None = None,
        head: tuple[int, ...] = (),
        dropout: float = 0.0,
        norm: Norm = "group",
    ) -> None:
        super().__init__()
        self.task, self.shape = task, tuple(shape)
        if features is None:
            network = network or ("convolutional" if len(shape) == 3 else "perceptron")
            backbone = build_network(network, shape, task.spatial, norm)
        else:
            network, backbone = GIVEN, features
        self.description = {
            "shape": list(shape),
            "network": network,
            "frozen": frozen,
            "statistics": statistics,
            "head": list(head),
            "dropout": dropout,
            "norm": norm,
        }
        name = type(backbone).__name__ if network == GIVEN else network
        self.width = backbone.width if isinstance(backbone, Features) else width_of(backbone, self.shape, name)
        mean = torch.zeros(shape[0]) if mean is None else mean
        std = torch.ones(shape[0]) if std is None else std
        self.features: nn.Sequential = _Featured(
            Normalise(statistics, mean, std), Frozen(backbone) if frozen else backbone, images=len(shape) == 3
        )
        self.head = nn.Sequential(nn.Dropout(dropout), mlp(self.width, head, task.outputs))
        # Laid out as it is when trained, so that a loaded model agrees with the trained one to the bit.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.resize: tuple[int, int] | None = None  # set where images are converted on load
        self.channels: Channels | None = None
        self.layout: Layout | None = None  # set where svmlight files are read
        self.map: FeatureMap | None = None

    def put_behind(self, feature_map: FeatureMap) -> None:
        """Keep a map of features, through which all that is predicted goes first; `forward` takes what comes out."""
        self.map, self.shape = feature_map.to(next(self.parameters()).device), (feature_map.inputs,)

    @property
    def backbone(self) -> nn.Module:
        """The feature extractor itself."""
        inner: nn.Module = self.features[1]
        return inner.network if isinstance(inner, Frozen) else inner

    def forward(self, x: Tensor) -> Tensor:
        """Raw outputs (N, outputs) float32 from inputs as `domains.to_float` gives them, mapped if there is a map."""
        outputs: Tensor = self.head(self.features(x))
        return outputs.float()

    def check(self, inputs: Inputs, what: str) -> None:
        """Raise `InputError` where inputs are not of the shape that the model takes."""
        found = tuple(inputs.shape[1:])
        if found == self.shape:
            return
        if len(found) == len(self.shape) == 3 and found[0] != self.shape[0]:
            raise InputError(
                f"{what} has {found[0]} channels, the model takes {self.shape[0]}. Train with --channels 1 or "
                "--channels 3, which converts every image on load"
            )
        if len(found) == len(self.shape) == 1:
            raise InputError(
                f"{what} has {found[0]} features, the model takes {self.shape[0]}. Write it with the features, in the "
                "order, of the data that was trained on"
            )
        raise InputError(
            f"{what} has inputs of {'x'.join(map(str, found))}, the model takes {'x'.join(map(str, self.shape))}. "
            "Train with --size HxW, which resizes every image on load"
        )

    @torch.no_grad()
    def _batches(self, inputs: Inputs, module: nn.Module) -> Iterator[Tensor]:
        self.eval()
        device = next(self.parameters()).device
        for index in torch.arange(len(inputs)).split(PREDICTION_BATCH):
            x = to_float(inputs[index].to(device))
            yield module(x if self.map is None else self.map(x)).float().cpu()

    def outputs(self, inputs: Inputs) -> Tensor:
        """Raw outputs (N, outputs) float32 on the CPU, a batch at a time."""
        return torch.cat(list(self._batches(inputs, self)))

    def embed(self, inputs: Inputs) -> Tensor:
        """Features (N, F) float32 on the CPU, a batch at a time."""
        return torch.cat(list(self._batches(inputs, self.features)))

    def predict(self, images: str | Path | Unlabelled | Tensor, *, skip_bad: bool = False) -> Predictions:
        """Predictions for a folder or file, a domain, or a tensor.

        Args:
            images: read and converted as the training images were, where it is a path.
            skip_bad: leave out unreadable images.

        Raises:
            InputError: the inputs are not of the shape that the model takes, or cannot be read.
        """
        if isinstance(images, str | Path):
            domain = load_unlabelled(
                images, size=self.resize, channels=self.channels, skip_bad=skip_bad, layout=self.layout
            )
        else:
            domain = Unlabelled(images) if isinstance(images, Tensor) else images
        self.check(domain.inputs, str(images) if isinstance(images, str | Path) else "the data")
        values = self.task.predict(self.outputs(domain.inputs))
        return Predictions(self.task.from_input(values, domain.sizes, self.shape[1:]), self.task, domain.names)

    def evaluate(self, data: Labelled) -> dict[str, Any]:
        """The task's metrics on labelled data, as a dictionary.

        Raises:
            InputError: a class that the model does not know, or inputs of another shape.
        """
        values = self.predict(data.unlabelled()).values
        labels = self.task.align(data) if isinstance(self.task, Classification) else data.labels
        return self.task.metrics(values, labels)

    def save(self, folder: str | Path) -> None:
        """Write `model.safetensors` and `model.yaml` into a folder; it is made where it is missing."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save_file({key: value.contiguous() for key, value in self.state_dict().items()}, folder / WEIGHTS)
        description = {
            **self.description,
            "task": {"kind": self.task.kind, **self.task.settings()},
            "resize": list(self.resize) if self.resize else None,
            "channels": self.channels,
            "map": describe(self.map) if self.map else None,
            "layout": dataclasses.asdict(self.layout) if self.layout else None,
        }
        (folder / DESCRIPTION).write_text(yaml.safe_dump(description, sort_keys=False))


class _SideBySide(nn.Module):
    """The features of several models, (N, F1 + F2 + ...)."""

    def __init__(self, members: Sequence[Model]) -> None:
        super().__init__()
        self.members = nn.ModuleList(member.features for member in members)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([features(x) for features in self.members], 1)


class _Mixture(nn.Module):
    """Raw outputs of one task from the features of several models, each read by its own head."""

    def __init__(self, members: Sequence[Model], weights: Tensor | None) -> None:
        super().__init__()
        self.members = nn.ModuleList(member.head for member in members)
        self.widths, self.task = [member.width for member in members], members[0].task
        self.weights: Tensor | None
        self.register_buffer("weights", weights)

    def forward(self, features: Tensor) -> Tensor:
        parts = features.split(self.widths, 1)
        stacked = torch.stack([head(part).float() for head, part in zip(self.members, parts, strict=True)])
        return mix(stacked, self.task, self.weights)


def mix(outputs: Tensor, task: Task, weights: Tensor | None = None) -> Tensor:
    """Raw outputs (N, O) of an ensemble from those of its members (M, N, O).

    Args:
        task: classification mixes probabilities, everything else raw outputs.
        weights: one a member, of any sign; None for the mean of probabilities, or the median of values, which one
            member that is far off does not move.
    """
    classes = isinstance(task, Classification)
    said = outputs.softmax(2) if classes else outputs
    if weights is not None:
        together = torch.einsum("m,mno->no", weights.to(said), said)
    else:
        together = said.mean(0) if classes else said.median(0).values
    return together.clamp(min=1e-12).log() if classes else together


class Ensemble(Model):
    """Several models of one task as one: it predicts, embeds, evaluates, saves and loads as any model.

    Its features are all members' side by side, and its head mixes what their heads say (`mix`).

    Args:
        members: models of one task and one shape of inputs, converted alike on load.
        weights: one a member, see `mix`; None for the plain ensemble.

    Raises:
        InputError: there is no member, members differ in task, shape or conversion, or do not match the weights.
    """

    def __init__(self, members: Sequence[Model], weights: Tensor | None = None) -> None:
        nn.Module.__init__(self)
        if not members:
            raise InputError("the ensemble has no member, expected one or more models")
        if weights is not None and len(weights) != len(members):
            raise InputError(f"the ensemble has {len(members)} members but {len(weights)} weights, expected one each")
        first = members[0]
        if any(member.map is not None for member in members):
            raise InputError(
                "a member of the ensemble stands behind a map of features, which an ensemble cannot keep, expected "
                "models of the features as they are. Leave such models out"
            )
        for member in members[1:]:
            for what in ("task", "shape", "resize", "channels", "layout"):
                ours, theirs = getattr(first, what), getattr(member, what)
                if ours != theirs:
                    raise InputError(
                        f"members of an ensemble differ in {what}: found {ours} and {theirs}. Train them on one "
                        "source, with one --size and --channels"
                    )
        self.task, self.shape, self.layout = first.task, first.shape, first.layout
        self.resize, self.channels, self.map = first.resize, first.channels, None
        self.features: nn.Sequential = nn.Sequential(_SideBySide(members))
        self.head = nn.Sequential(_Mixture(members, None if weights is None else weights.detach().float().cpu()))
        self.width = sum(member.width for member in members)
        self.description = {
            "shape": list(first.shape),
            "members": [{k: v for k, v in member.description.items() if k != "shape"} for member in members],
            "weighted": weights is not None,
        }


_NAMELESS = (
    "the model was trained with a network that was given itself, not by name, so it cannot be built again from the "
    "folder. Give one like it: load_model(folder, features=...); or train with network='module:Class' (--network)"
)
_NAMED = "the model's network is '{}', which is built by name, but features= was given too. Leave it out"


def _described(task: Task, shape: tuple[int, ...], description: dict[str, Any], features: nn.Module | None) -> Model:
    """A model, or an ensemble of them, as its description says; without its weights."""
    if "members" in description:
        members = [_described(task, shape, dict(member), None) for member in description["members"]]
        return Ensemble(members, torch.zeros(len(members)) if description["weighted"] else None)
    given = description["network"] == GIVEN
    if given == (features is None):
        raise InputError(_NAMELESS if given else _NAMED.format(description["network"]))
    head = tuple(description.pop("head"))
    return Model(task, shape, features=features, head=head, **description)


def load_model(folder: str | Path, features: nn.Module | None = None) -> Model:
    """A model, or an ensemble, as its `save` wrote it.

    Where it was trained with `module:Class`, that class is imported again, so its code runs.

    Args:
        folder: a run folder.
        features: a network like the one that the model was trained with, where that was given itself, not by name. It
            is taken, and the trained weights are put into it.

    Raises:
        InputError: the folder does not hold a model, its network cannot be built again, or `features` is not like it.
    """
    folder = Path(folder)
    for name in (DESCRIPTION, WEIGHTS):
        if not (folder / name).is_file():
            raise InputError(f"{folder}: found no {name}, expected a run folder as `synth2real train --out` writes it")
    try:
        description = yaml.safe_load((folder / DESCRIPTION).read_text())
        task = description.pop("task")
        resize, channels = description.pop("resize"), description.pop("channels")
        layout, kept_map = description.pop("layout", None), description.pop("map", None)
        shape = tuple(description.pop("shape"))
        model = _described(TASKS[task.pop("kind")](**task), shape, description, features)
        if kept_map:
            model.put_behind(build_map(kept_map))
        model.load_state_dict(load_file(folder / WEIGHTS))
    except InputError as error:
        raise InputError(f"{folder}: {error}") from None
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError, SafetensorError, yaml.YAMLError) as error:
        mend = "Train again" if features is None else "Give features= like the network that it was trained with"
        raise InputError(f"{folder}: {DESCRIPTION} or {WEIGHTS} is damaged or does not fit ({error}). {mend}") from None
    model.resize, model.channels = tuple(resize) if resize else None, channels
    model.layout = Layout(**layout) if layout else None
    hardware = Hardware.detect()
    model.to(hardware.device, memory_format=hardware.memory_format)  # type: ignore[call-overload]
    return model.eval()
