"""The packages of the extra `onnx`: imported where they are used, and quiet."""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import InputError

WRITING = ("onnx", "onnxscript", "onnxruntime")  # an export is checked before it is written
READING = ("onnxruntime",)
ERRORS = 3  # severity from which onnxruntime speaks


def need(packages: Sequence[str], what: str) -> None:
    """Raise `InputError` if one of the packages that `what` needs cannot be imported."""
    for package in packages:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise InputError(
                f"{what} needs the package {package}, which cannot be imported ({error}). Install it: "
                "pip install 'synth2real[onnx]'"
            ) from None


def session_of(file: Path) -> Any:
    """An inference session of onnxruntime on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps what torch and onnxruntime say about their own code from the user, who can do nothing about it."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
