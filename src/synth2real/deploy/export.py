"""Export of a trained model as one file that runs without synth2real: `.onnx` for any server, `.pt2` for torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch.export import Dim, ExportedProgram

from ..data.domains import Unlabelled
from ..errors import InputError
from ..storage import make_folder, whole
from ..training.corrected_head import correction_of
from ..training.model import Model
from .check import Checked, check
from .exporters import EXPORTERS, exporter_of, run_exporter
from .facts import as_texts, facts_of
from .graph import Graph
from .onnx_model import SUFFIX as ONNX
from .packages import WRITING, need, quiet, session_of
from .quantise import Quantised, quantise

TORCH = ".pt2"
FACTS = "synth2real.json"  # extra file in a `.pt2`
SHOWN = 300  # characters of an error of torch


@dataclass(frozen=True)
class Exported:
    """What an export made.

    Args:
        path: of the file.
        checked: how close its answers are to those of the model; before int8, if it was asked for. None for a file of
            an exporter of an installed package, which is not checked.
        quantised: what int8 changed; None without it.
        notes: what the user must know, one sentence each.
    """

    path: Path
    checked: Checked | None
    quantised: Quantised | None = None
    notes: tuple[str, ...] = ()


def export_model(
    model: Model,
    path: str | Path,
    *,
    images: str | Path | None = None,
    calibrate: Unlabelled | None = None,
    run: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Exported:
    """Write a model as one file that takes images as they are and gives final answers; see `Graph.forward`.

    The number of images in a call and their size are free; all images of one call have one size. Before the file is
    written, its answers are compared with those of the model.

    Args:
        model: any model or ensemble.
        path: an `.onnx`, for onnxruntime; a `.pt2`, for `torch.export.load`; or a suffix that an installed package
            writes (entry points `synth2real.exporters`).
        images: folder or file of real inputs to check the export with; random ones by default.
        calibrate: unlabelled real inputs as the model takes them. The network then computes with integers of 8 bits,
            whose ranges follow from these inputs; `.onnx` only.
        run: settings of its run, see `read_settings`; what is kept of them stands in the file.
        overwrite: replace a file.

    Raises:
        InputError: the path is of no such kind or exists, a package is missing, the network cannot be exported, or the
            exported one gives other answers.
        WriteError: the file cannot be written.
    """
    path = Path(path)
    check_path(path, overwrite=overwrite, int8=calibrate is not None)
    if calibrate is not None and model.task.dense:
        raise InputError(
            f"--int8 serves classes, values, points and gaze, found {model.task.kind}. Leave --int8 and --calibrate out"
        )
    graph = Graph(model)  # first: nobody installs a package for a model that is refused
    if path.suffix.lower() == ONNX:
        need(WRITING, f"{path}: an export to {ONNX}")
    facts = facts_of(graph, run or {})
    make_folder(path.parent)
    if (name := exporter_of(path)) is not None:
        with whole(path) as partial:
            run_exporter(name, model, partial, facts)
        return Exported(path, None, notes=_notes(graph.model))
    return _written(graph, facts, path, None if images is None else Path(images), calibrate)


def _written(
    graph: Graph, facts: dict[str, Any], path: Path, images: Path | None, calibrate: Unlabelled | None
) -> Exported:
    """Write `.onnx` or `.pt2`, and compare its answers with those of the model."""
    with whole(path) as partial, quiet():
        program = _traced(graph)
        write, load = (_write_onnx, _run_onnx) if path.suffix.lower() == ONNX else (_write_torch, _run_torch)
        write(program, graph, facts, partial)
        checked = check(graph, load(graph, partial), images)
        quantised = None if calibrate is None else quantise(partial, calibrate)
    return Exported(path, checked, quantised, _notes(graph.model))


def check_path(path: Path, *, overwrite: bool, int8: bool) -> None:
    """Raise `InputError` if nothing can be exported to this path."""
    if path.suffix.lower() not in (ONNX, TORCH) and exporter_of(path) is None:
        others = "".join(f", or .{name} (of an installed package)" for name in EXPORTERS)
        raise InputError(
            f"{path}: found the suffix '{path.suffix}', expected {ONNX} (for onnxruntime) or {TORCH} (for "
            f"torch.export){others}"
        )
    if path.is_dir():
        raise InputError(f"{path}: found a folder, expected the name of a new file")
    if path.exists() and not overwrite:
        raise InputError(f"{path}: the file exists, expected a new file. Choose another name, or pass --overwrite")
    if int8 and path.suffix.lower() != ONNX:
        raise InputError(f"{path}: int8 needs {ONNX}, found {path.suffix}. Write an {ONNX}, or leave --int8 out")


def _notes(model: Model) -> tuple[str, ...]:
    corrected = correction_of(model)
    if corrected is None or not corrected.groups:
        return ()
    return (
        f"the model has a correction for each of {len(corrected.groups)} groups; the exported one has the common "
        "correction for all",
    )


def _traced(graph: Graph) -> ExportedProgram:
    """The graph as torch traces it, with any number of samples and any size of the images.

    The second way to trace is slower, and knows that `len(x)` of a batch is free.
    """
    free = dict.fromkeys((0, 1, 2) if graph.takes_images else (0,), Dim.DYNAMIC)
    shapes = (free, *([{0: Dim.DYNAMIC}] if graph.model.given_columns else []))
    why = None
    for strict in (False, True):
        try:
            with torch.no_grad():
                return _anonymous(torch.export.export(graph, graph.example(), dynamic_shapes=shapes, strict=strict))
        except Exception as error:  # the network may be the user's own, and fail in any way
            why = why or error
    assert why is not None
    raise _refused(why)


def _anonymous(program: ExportedProgram) -> ExportedProgram:
    """The program without the names of files of this machine."""
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)
    return program


def _refused(error: Exception) -> InputError:
    said = " ".join(str(error).split())[:SHOWN]
    return InputError(
        f"the network cannot be exported ({type(error).__name__}: {said}), expected operations of torch whose shapes "
        "do not depend on values, and Python code that does not depend on the number of samples"
    )


def _write_onnx(program: ExportedProgram, graph: Graph, facts: dict[str, Any], file: Path) -> None:
    try:
        made = torch.onnx.export(
            program, dynamo=True, verbose=False, input_names=graph.inputs, output_names=[graph.output]
        )
    except Exception as error:  # an operation without a counterpart, and faults of the converter
        raise _refused(error.__cause__ if isinstance(error.__cause__, Exception) else error) from None
    assert made is not None
    for node in made.model.graph.all_nodes():
        node.metadata_props.clear()  # names files of this machine
    made.model.metadata_props.update(as_texts(facts))
    made.save(file)


def _write_torch(program: ExportedProgram, graph: Graph, facts: dict[str, Any], file: Path) -> None:
    with file.open("wb") as opened:  # a path would name a folder in the archive
        torch.export.save(program, opened, extra_files={FACTS: json.dumps(facts)})


def _run_onnx(graph: Graph, file: Path) -> Callable[[dict[str, NDArray[Any]]], NDArray[Any]]:
    session = session_of(file)
    return lambda batch: session.run(None, batch)[0]


def _run_torch(graph: Graph, file: Path) -> Callable[[dict[str, NDArray[Any]]], NDArray[Any]]:
    network = torch.export.load(file).module()

    def run(batch: dict[str, NDArray[Any]]) -> NDArray[Any]:
        with torch.no_grad():
            answers: NDArray[Any] = network(*(torch.from_numpy(values.copy()) for values in batch.values())).numpy()
        return answers

    return run
