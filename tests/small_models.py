"""Small models of every kind, and networks of a user's, some of which cannot be exported."""

import torch
from torch import Tensor, nn

from synth2real.networks.feature_maps import Kernel
from synth2real.tasks import Classification, Gaze, Keypoints, Regression
from synth2real.training.corrected_head import put_on
from synth2real.training.ensemble import Ensemble
from synth2real.training.model import Model

CLASSES = Classification(("dark", "light", "odd"))
TIME = Regression(("time", "height"), (1.7e9, 3.0), (40.0, 0.5))


class Own(nn.Module):
    """A network of the user's, with weights under a licence."""

    licence = "CC-BY-4.0"

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Hardswish(), nn.AdaptiveAvgPool2d(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).reshape(len(x), -1)


class Varies(Own):
    """A network whose code depends on values."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if x.mean().item() > 0 else -x)


class Noisy(Own):
    """A network that answers otherwise each time."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + torch.rand_like(x[:, :, 0, 0]).repeat(1, 36)


def scrambled(model: Model) -> Model:
    """The model with other numbers in all its buffers and weights, so that each of them matters."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for values in (*model.parameters(), *model.buffers()):
            if values.is_floating_point():
                values += 0.1 * torch.rand(values.shape, generator=generator)
    return model.eval()


def corrected() -> Model:
    model = Model(Keypoints(("x", "y"), (36, 60)), (1, 36, 60), given_columns=("head_pitch", "exposure"))
    put_on(model, {"groups": ["ann"], "pixels": 8})
    return model


def mapped() -> Model:
    model = Model(CLASSES, (6,))
    model.put_behind(Kernel(5, 4, 6, 0.1))
    return model


def median() -> Model:
    return Ensemble([Model(TIME, (1, 20, 16)) for _ in range(3)])


MODELS = {
    "colour": lambda: Model(CLASSES, (3, 16, 16), statistics="source", norm="batch", licence="Apache-2.0"),
    "points with given columns, corrected by few labels": corrected,
    "gaze": lambda: Model(Gaze(), (1, 36, 60)),
    "the median of three regressions": median,
    "weighted classifiers": lambda: Ensemble(
        [Model(CLASSES, (3, 16, 16)), Model(CLASSES, (3, 16, 16), network="dann-mnist")], torch.tensor([1.2, -0.3])
    ),
    "features": lambda: Model(CLASSES, (7,), given_columns=("exposure",)),
    "mapped features": mapped,
    "the user's own": lambda: Model(CLASSES, (1, 16, 16), features=Own()),
}
