"""The network that is exported: from images as given to answers, with everything that happens between them."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ..data.fitting import TILES, Fitting
from ..errors import InputError
from ..training.given import append
from ..training.model import Model
from .resampling import count, grey, resampled

ANSWERS = {
    "classify": "probabilities",
    "regress": "values",
    "keypoints": "points",
    "gaze": "angles",
    "segment": "maps",
    "detect": "maps",
}  # by task
SETS = "sets"  # of a detector with a head of its own
IMAGES, FEATURES, GIVEN = "images", "features", "given"  # names of inputs


class Graph(nn.Module):
    """A model with what is done to its inputs on load and to its outputs afterwards.

    Images are resized as on load, converted to grey if the model takes grey, and scaled to 0..1; the normalisation is
    the model's own. The answers are those of `Model.predict`; of a segmenter or detector they are its maps, from which
    masks and boxes follow by `Task.predict`. A correction by groups is the common one.

    Args:
        model: stays as it is; a copy on the CPU is taken.

    Raises:
        InputError: the model takes images of neither 1 nor 3 channels, or cuts them into tiles.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        if len(model.shape) == 3 and model.shape[0] not in (1, 3):
            raise InputError(
                f"the model takes images of {model.shape[0]} channels, expected 1 (grey) or 3 (colour) for an export"
            )
        if model.conversion.resize == TILES:
            raise InputError(
                "the model cuts images into tiles (--resize tiles), expected one that takes whole images for an "
                "export: a graph neither cuts nor puts together. Predict with the run folder"
            )
        self.model = copy.deepcopy(model).cpu().eval()
        self.takes_images = len(model.shape) == 3
        self.inputs = (IMAGES if self.takes_images else FEATURES, *([GIVEN] if model.given_columns else []))
        self.output = SETS if model.has_sets else ANSWERS[model.task.kind]

    def example(self) -> tuple[Tensor, ...]:
        """Inputs of two samples, of no size that a model has, by which the graph is traced."""
        values = (
            torch.zeros(2, 50, 70, 3, dtype=torch.uint8) if self.takes_images else torch.zeros(2, *self.model.shape)
        )
        return (values, *([torch.zeros(2, len(self.model.given_columns))] if self.model.given_columns else []))

    def forward(self, inputs: Tensor, given: Tensor | None = None) -> Tensor:
        """Answers (N, K) or (N, K, h, w) for a batch.

        Args:
            inputs: images (N, H, W, 3) uint8, RGB, of any one size; or features (N, F) float32.
            given: given columns (N, G) float32, if the model has any.

        Returns:
            Probabilities (N, C) float32, values (N, K) float64 in the units of the labels, points (N, 2 K) float32 in
            pixels of the images as given, or pitch and yaw (N, 2) float32 in radians. Of a segmenter
            the raw outputs (N, C, h, w) and of a detector (N, C + 4, h, w), or sets (N, Q, C + 4), float32, over the
            images as the model takes them.
        """
        model = self.model
        x = self._loaded(inputs) if self.takes_images else inputs
        if model.map is not None:
            x = model.map(x)
        if model.task.dense:
            raw: Tensor = model(append(x, given))
            return raw
        answers: Tensor = model.task.predict(model(append(x, given)))
        if not self.takes_images:
            return answers
        sides, (_, height, width) = torch.stack([count(side) for side in inputs.shape[1:3]])[None], model.shape
        restored: Tensor = model.task.from_input(answers, Fitting(sides, (height, width), model.conversion.resize))
        return restored

    def _loaded(self, images: Tensor) -> Tensor:
        """Images (N, H, W, 3) uint8 as the model takes them, (N, C, *size) float32 in 0..1."""
        x = images.permute(0, 3, 1, 2).double()
        if self.model.shape[0] == 1:
            x = grey(x)
        return resampled(x, self.model.shape[1:], self.model.conversion.resize).float() / 255
