"""An exported `.onnx` read back as something that predicts, as the model did that it was made from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.domains import Labelled, Unlabelled, check_kind
from ..data.labels import joined
from ..data.reading.loading import load_unlabelled
from ..data.reading.pixels import Conversion
from ..data.sparse import Layout
from ..errors import InputError
from ..tasks import TASKS
from ..training.given import check_shape, checked_given
from ..training.model import Predictions, batch_of
from .facts import from_texts
from .packages import READING, need, session_of

SUFFIX = ".onnx"
UNFIT = (AttributeError, KeyError, TypeError, ValueError)  # errors of metadata that somebody has changed


class OnnxModel:
    """An exported model. onnxruntime computes its answers on the CPU.

    It reads folders and files, and predicts and evaluates, like `Model`.

    Args:
        session: of onnxruntime.
        facts: of the file, see `facts_of`.
        file: the file, which another process reads again.
    """

    def __init__(self, session: Any, facts: dict[str, Any], file: Path) -> None:
        task, layout = dict(facts["task"]), facts["layout"]
        self.session, self.facts, self.file = session, facts, file
        self.task = TASKS[task.pop("kind")](**task)
        self.shape: tuple[int, ...] = tuple(facts["shape"])
        self.conversion = Conversion.of(dict(facts["conversion"]))
        self.layout = None if layout is None else Layout(**layout)
        self.given_columns: tuple[str, ...] = tuple(facts["given"])
        scale = facts["given_scale"]
        self.given_scale = None if scale is None else (torch.tensor(scale[0]), torch.tensor(scale[1]))

    def __reduce__(self) -> tuple[Any, ...]:
        return load_onnx, (self.file.absolute(),)

    def inputs_of(self, domain: Labelled | Unlabelled, what: str = "the data") -> Iterator[dict[str, NDArray[Any]]]:
        """Batches of a domain as the graph takes them: an array for the name of each input.

        Raises:
            InputError: the domain does not fit the model, see `Model.inputs_of`; or its images are floats.
        """
        check_shape(domain.inputs, self.shape, what)
        given = checked_given(domain, self.given_columns, self.given_scale, what)
        first = domain.inputs[torch.arange(1)]
        if len(self.shape) == 3 and first.dtype != torch.uint8:
            raise InputError(
                f"{what}: found images of {first.dtype}, expected uint8 in 0..255, which an exported model takes. "
                "Convert them: (255 * x).round(), or use the run folder"
            )
        return self._batches(domain, given)

    def _batches(self, domain: Labelled | Unlabelled, given: Tensor | None) -> Iterator[dict[str, NDArray[Any]]]:
        for index in torch.arange(len(domain)).split(batch_of(self.shape, self.task.dense)):
            x = domain.inputs[index]
            if x.ndim == 4:
                x = x.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).contiguous()
            else:
                x = x.float()
            more = {} if given is None else {"given": given[index].numpy()}
            yield {self.facts["input"]["name"]: x.numpy(), **more}

    def predict(
        self, images: str | Path | Labelled | Unlabelled, *, skip_bad: bool = False, groups: Sequence[str] | None = None
    ) -> Predictions:
        """Predictions for a folder or file, or a domain; as `Model.predict`.

        Args:
            images: a path is read and converted in the same way as the training images.
            skip_bad: skip unreadable images.
            groups: are refused: an exported model has one correction for all.

        Raises:
            InputError: the inputs cannot be read or do not fit the model; or groups are given.
        """
        if groups is not None:
            raise InputError("groups were given, but an exported model has no correction by group. Leave them out")
        domain: Labelled | Unlabelled
        if isinstance(images, str | Path):
            how = dataclasses.replace(self.conversion, skip_bad=skip_bad)
            domain = load_unlabelled(images, **dataclasses.asdict(how), layout=self.layout, given=self.given_columns)
        else:
            check_kind(images, (Unlabelled, Labelled), "the data to predict is")
            domain = images
        answers = self._answers(domain, str(images) if isinstance(images, str | Path) else "the data")
        values = joined([self.task.predict(one) if self.task.dense else one for one in answers])
        return Predictions(self.task.from_input(values, domain.fitting), self.task, domain.names)

    def maps(self, domain: Labelled | Unlabelled) -> Tensor:
        """Raw outputs (N, C, h, w) of a segmenter or detector; as `Model.outputs`."""
        return torch.cat(list(self._answers(domain, "the data")))

    def _answers(self, domain: Labelled | Unlabelled, what: str) -> Iterator[Tensor]:
        return (torch.from_numpy(self.run(batch)) for batch in self.inputs_of(domain, what))

    def run(self, batch: dict[str, NDArray[Any]]) -> NDArray[Any]:
        """Answers to one batch, for points in pixels of the images in it; see `Graph.forward`."""
        answers: NDArray[Any] = self.session.run(None, batch)[0]
        return answers

    def evaluate(self, data: Labelled) -> dict[str, Any]:
        """Metrics of the task on labelled data; as `Model.evaluate`."""
        check_kind(data, Labelled, "the data to evaluate on is")
        labels = self.task.align(data)
        return self.task.metrics(self.predict(data).values, labels)


def load_onnx(file: str | Path) -> OnnxModel:
    """Load an `.onnx` that `export_model` wrote. It holds no code.

    Raises:
        InputError: the file is missing, damaged or from another program, or onnxruntime is not installed.
    """
    file = Path(file)
    need(READING, f"{file}:")
    if not file.is_file():
        raise InputError(f"{file}: no such file, expected a model of `synth2real export`")
    try:
        session = session_of(file)
    except Exception as error:  # onnxruntime raises errors of its own for each kind of damage
        raise InputError(
            f"{file}: is no ONNX model that onnxruntime can read ({' '.join(str(error).split())}). Export it again"
        ) from None
    texts = session.get_modelmeta().custom_metadata_map
    try:
        return OnnxModel(session, from_texts(texts), file)
    except UNFIT as error:
        raise InputError(
            f"{file}: its metadata is not that of `synth2real export` ({' '.join(str(error).split())}), so its task "
            "and classes are not known. Export the run folder"
        ) from None
