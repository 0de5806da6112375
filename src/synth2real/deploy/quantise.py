"""Integers of 8 bits in an exported network, with ranges that follow from unlabelled real inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.domains import Unlabelled, evenly
from ..tasks import Classification
from .onnx_model import OnnxModel, load_onnx

CALIBRATED, COMPARED = 200, 1000  # real inputs from which ranges follow, and on which answers are compared


@dataclass(frozen=True)
class Quantised:
    """What int8 changed.

    Args:
        count: real inputs on which the answers were compared.
        changed: share of them that have another class; None for values.
        mean_change: mean absolute change of the answers, in their units.
        before, after: bytes of the file.
    """

    count: int
    changed: float | None
    mean_change: float
    before: int
    after: int

    @property
    def words(self) -> str:
        """In a sentence."""
        said = f"a mean change of {self.mean_change:.4g}"
        if self.changed is not None:
            said = f"{round(self.changed * self.count)} answers changed"
        return (
            f"int8: of {self.count} real inputs, {said}; {self.before / 1e6:.2f} MB before, {self.after / 1e6:.2f} MB "
            "after"
        )


def quantise(file: Path, target: Unlabelled) -> Quantised:
    """Replace an exported `.onnx` by one whose convolutions and products are of int8.

    Resizing stays in float64: its products are exact, and no part of the network.

    Args:
        file: of `export_model`.
        target: unlabelled real inputs as the model takes them.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    before, model = file.stat().st_size, load_onnx(file)
    some = target.subset(evenly(len(target), COMPARED).unique())
    answers = model.predict(some).values
    smaller = file.with_name(f"{file.stem}.int8{file.suffix}")
    try:
        quantize_static(
            file,
            smaller,
            _Reader(model, target.subset(evenly(len(target), CALIBRATED).unique())),
            quant_format=QuantFormat.QDQ,
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=["Conv", "MatMul", "Gemm"],
            nodes_to_exclude=_resizing(file),
        )
        smaller.replace(file)
    finally:
        smaller.unlink(missing_ok=True)
    changed = load_onnx(file).predict(some).values
    share = None
    if isinstance(model.task, Classification):
        share = float((changed.argmax(1) != answers.argmax(1)).double().mean())
    return Quantised(len(some), share, float((changed - answers).abs().double().mean()), before, file.stat().st_size)


class _Reader:
    """Batches for the calibration, as onnxruntime asks for them."""

    def __init__(self, model: OnnxModel, target: Unlabelled) -> None:
        self.batches: Iterator[dict[str, Any]] = model.inputs_of(target)

    def get_next(self) -> dict[str, Any] | None:
        return next(self.batches, None)


def _resizing(file: Path) -> list[str]:
    """Names of the matrix products of float64."""
    import onnx
    from onnx import TensorProto

    graph = onnx.shape_inference.infer_shapes(onnx.load(file)).graph
    doubles = {one.name for one in graph.value_info if one.type.tensor_type.elem_type == TensorProto.DOUBLE}
    return [node.name for node in graph.node if node.op_type == "MatMul" and node.output[0] in doubles]
