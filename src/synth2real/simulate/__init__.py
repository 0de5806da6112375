"""Simulators: parameters in, images and labels out."""

from typing import Any

from ..errors import InputError
from ..settings import build
from .base import Distribution, Drawn, Parameter, Range, Rendered, Simulator, load_parameters, save_parameters
from .declared import declared
from .digits import Digits
from .export import render
from .external import External, external
from .eyes.simulator import Eyes
from .registry import SIMULATORS, find, is_simulator, simulators

__all__ = [
    "SIMULATORS",
    "Digits",
    "Distribution",
    "Drawn",
    "External",
    "Eyes",
    "Parameter",
    "Range",
    "Rendered",
    "Simulator",
    "declared",
    "external",
    "find",
    "is_simulator",
    "load_parameters",
    "render",
    "save_parameters",
    "simulator",
    "simulators",
]


def simulator(name: str, **settings: Any) -> Simulator:
    """The simulator called `name` with these settings.

    Args:
        name: of one that is built in or that an installed package brings (entry points `synth2real.simulators`), or
            `module:Class`, or the YAML file of an external program.

    Raises:
        InputError: name or settings do not fit.
    """
    kind = find(name)
    if "preset" in settings and not hasattr(kind, "preset"):
        raise InputError(f"simulator '{name}' has no presets, found '{settings['preset']}'. Leave the preset out")
    return build({name: kind}, name, settings, stage="simulator")
