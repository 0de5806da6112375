"""The store of the outputs of frozen feature extractors.

All routes and seeds of a comparison share the outputs. They are kept in float16, on disk if there is a folder, under a
key made from the content of the images, the weights of the extractor, and the randomization of the view.
"""

from __future__ import annotations

import hashlib
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...data.domains import Inputs, to_float
from ...data.reading.images import ImageFiles
from ...data.reading.memory import limit
from ...errors import InputError, WriteError
from ...networks.weights import read_tensors
from ...storage import make_folder, write_tensors
from ..featured import featured_of
from ..given import WithGiven
from ..model import Model, StandIns
from .views import Views

if TYPE_CHECKING:
    from ..loop import Randomize

BATCH = 64  # images; a randomized view depends on its batch, so this number is part of what a view is
SHARE = 0.5  # of the memory that a set of images may take, for its views
SEED = 20_260_101  # of the views, which do not depend on the seed of a training


class FeatureStore:
    """Keeps the outputs of frozen extractors.

    Args:
        folder: of the kept files. None keeps them in memory, as long as the store lives.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._known: dict[str, Tensor] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "_known": {}}

    def plain(self, model: Model, inputs: Inputs) -> Tensor:
        """The outputs (N, F) float16 of the extractor of `model` for images."""
        return self._view(model, inputs, _key(model, inputs), None, 0)

    def views(self, model: Model, inputs: Inputs, randomize: Randomize | None, count: int) -> Views:
        """The outputs for images and for `count` randomized views of each, or fewer if memory is short."""
        key = _key(model, inputs)
        plain = self._view(model, inputs, key, None, 0)
        if randomize is None:
            return Views(plain)
        count = max(1, min(count, int(SHARE * limit() / max(plain.nbytes, 1))))
        return Views(plain, torch.stack([self._view(model, inputs, key, randomize, k) for k in range(count)]))

    def standing_in(self, model: Model, inputs: Inputs) -> Inputs:
        """What stands in for images as inputs of `model`: their kept outputs, with the given values, if any."""
        if isinstance(inputs, WithGiven):
            return WithGiven(self.plain(model, inputs.inputs).float(), inputs.given)
        return self.plain(model, inputs).float()

    def forget_files(self) -> None:
        """Delete the kept files; what is in memory stays."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None

    def _view(self, model: Model, inputs: Inputs, key: str, randomize: Randomize | None, number: int) -> Tensor:
        if randomize is not None:
            key = _hashed(key, repr(randomize), str(number))
        if key not in self._known:
            found = self._read(key, len(inputs))
            self._known[key] = self._computed(model, inputs, key, randomize, number) if found is None else found
        return self._known[key]

    def _read(self, key: str, count: int) -> Tensor | None:
        """The kept outputs; None if there are none, or if the file is damaged."""
        if self.folder is None or not self._file(key).is_file():
            return None
        try:
            found = read_tensors(self._file(key), "").get("features")
        except InputError:
            return None
        return found if found is not None and len(found) == count else None

    def _file(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{key}.safetensors"

    def _computed(self, model: Model, inputs: Inputs, key: str, randomize: Randomize | None, number: int) -> Tensor:
        features = _outputs(model, inputs, randomize, number)
        if self.folder is not None:
            try:
                make_folder(self.folder)
                write_tensors(self._file(key), {"features": features})
            except WriteError as error:  # what is kept saves time and is no result
                warnings.warn(f"features are kept in memory only: {error}", stacklevel=2)
                self.folder = None
        return features


def shared_store(models: Sequence[Model]) -> StandIns | None:
    """The store of an ensemble of these models: theirs, if all have one and the same feature extractor."""
    if any(model.store is None for model in models) or len({_extractor(model) for model in models}) > 1:
        return None
    return models[0].store


@torch.no_grad()
def _outputs(model: Model, inputs: Inputs, randomize: Randomize | None, number: int) -> Tensor:
    """Outputs (N, F) float16 of the extractor for one view of each image, computed in batches."""
    training, device = model.training, next(model.parameters()).device
    model.eval()
    generator = torch.Generator(device)
    found = []
    for start, index in enumerate(torch.arange(len(inputs)).split(BATCH)):
        x = to_float(inputs[index].to(device))
        if randomize is not None:
            x, _ = randomize.draw(x, generator.manual_seed(SEED + 1_000_003 * number + start))
        found.append(featured_of(model.features).extracted(x).half().cpu())
    model.train(training)
    return torch.cat(found)


def _key(model: Model, inputs: Inputs) -> str:
    """Name of the outputs of a model's extractor for images, by the content of both."""
    return _hashed(_extractor(model), str(tuple(model.shape)), content_of(inputs))


def _extractor(model: Model) -> str:
    """A digest of a model's normalisation and feature extractor: of what they are, and of their weights."""
    normalise, backbone, *_ = featured_of(model.features)
    own = hashlib.blake2b(f"{normalise.statistics} {backbone}".encode(), digest_size=16)
    state = {**normalise.state_dict(), **backbone.state_dict()}
    for name, tensor in sorted(state.items()):
        own.update(name.encode())
        own.update(_bytes(tensor))
    return own.hexdigest()


def content_of(inputs: Inputs) -> str:
    """A digest of images: of the pixels; or of the names, sizes and times of change of files, and how they are read."""
    paths = [file for file in inputs.files if isinstance(file, Path)] if isinstance(inputs, ImageFiles) else []
    if isinstance(inputs, ImageFiles) and len(paths) == len(inputs):
        stats = [(str(file.resolve()), file.stat()) for file in paths]
        return _hashed(repr(inputs.how), *(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats))
    own = hashlib.blake2b(repr(tuple(inputs.shape)).encode(), digest_size=16)
    for index in torch.arange(len(inputs)).split(8 * BATCH):
        own.update(_bytes(inputs[index]))
    return own.hexdigest()


def _bytes(tensor: Tensor) -> Any:
    return tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data


def _hashed(*texts: str) -> str:
    return hashlib.blake2b("\n".join(texts).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
