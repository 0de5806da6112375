"""Model: input normalisation, features, head and task; predicts, saves, loads."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from .domains import Inputs, Labelled, Unlabelled, to_float
from .errors import InputError
from .feature_maps import FeatureMap, describe
from .feature_maps import build as build_map
from .hardware import Hardware
from .loading import Channels, load_unlabelled
from .networks import FOR_FEATURES, NETWORKS, Normalise, Statistics, mlp
from .sparse import Layout
from .tasks import TASKS, Classification, Task

WEIGHTS, DESCRIPTION = "model.safetensors", "model.yaml"
PREDICTION_BATCH = 512


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


class Model(nn.Module):
    """Normalisation, features and head for one task.

    Args:
        task: what is predicted.
        shape: (C, H, W) of an image or (F,) of a feature vector.
        network: name of the feature extractor, see `networks.NETWORKS`; None chooses by shape.
        statistics: input normalisation, `per-image`, `source` or `none`.
        mean, std: of the source, (C,) or (F,) float32; zeros and ones by default.
        head: widths of hidden layers between features and outputs.
        dropout: share of features dropped while training, before the head.
    """

    def __init__(
        self,
        task: Task,
        shape: tuple[int, ...],
        *,
        network: str | None = None,
        statistics: Statistics = "per-image",
        mean: Tensor | None = None,
        std: Tensor | None = None,
        head: tuple[int, ...] = (),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        network = network or ("convolutional" if len(shape) == 3 else "perceptron")
        if network not in NETWORKS:
            raise InputError(f"network '{network}' is unknown, expected one of: {', '.join(NETWORKS)}")
        if (len(shape) == 3) == (network in FOR_FEATURES):
            raise InputError(f"network '{network}' does not take inputs of shape {shape}")
        self.task, self.shape = task, tuple(shape)
        self.description = {
            "shape": list(shape),
            "network": network,
            "statistics": statistics,
            "head": list(head),
            "dropout": dropout,
        }
        backbone = NETWORKS[network](shape, spatial=task.spatial)
        mean = torch.zeros(shape[0]) if mean is None else mean
        std = torch.ones(shape[0]) if std is None else std
        self.features = nn.Sequential(Normalise(statistics, mean, std), backbone)
        self.head = nn.Sequential(nn.Dropout(dropout), mlp(backbone.width, head, task.outputs))
        # Laid out as it is when trained, so that a loaded model agrees with the trained one to the bit.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.width = backbone.width
        self.resize: tuple[int, int] | None = None  # set where images are converted on load
        self.channels: Channels | None = None
        self.layout: Layout | None = None  # set where svmlight files are read
        self.map: FeatureMap | None = None

    def put_behind(self, feature_map: FeatureMap) -> None:
        """Keep a map of features, through which all that is predicted goes first; `forward` takes what comes out."""
        self.map, self.shape = feature_map.to(next(self.parameters()).device), (feature_map.inputs,)

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

    def save(self, folder: Path) -> None:
        """Write `model.safetensors` and `model.yaml` into a folder that exists."""
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


def load_model(folder: str | Path) -> Model:
    """A model as `Model.save` wrote it.

    Raises:
        InputError: the folder does not hold a model.
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
        head = tuple(description.pop("head"))
        model = Model(TASKS[task.pop("kind")](**task), shape, head=head, **description)
        if kept_map:
            model.put_behind(build_map(kept_map))
        model.load_state_dict(load_file(folder / WEIGHTS))
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError, SafetensorError, yaml.YAMLError) as error:
        raise InputError(f"{folder}: {DESCRIPTION} or {WEIGHTS} is damaged ({error}). Train again") from None
    model.resize, model.channels = tuple(resize) if resize else None, channels
    model.layout = Layout(**layout) if layout else None
    hardware = Hardware.detect()
    model.to(hardware.device, memory_format=hardware.memory_format)  # type: ignore[call-overload]
    return model.eval()
