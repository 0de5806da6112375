"""Simulators: parameters in, images and labels out."""

from typing import Any

from ..errors import InputError
from ..settings import build
from .base import Drawn, Parameter, Range, Rendered, Simulator, load_parameters, save_parameters
from .digits import Digits
from .export import render
from .eyes import Eyes

SIMULATORS: dict[str, type[Simulator]] = {"digits": Digits, "eyes": Eyes}

__all__ = [
    "SIMULATORS",
    "Digits",
    "Drawn",
    "Eyes",
    "Parameter",
    "Range",
    "Rendered",
    "Simulator",
    "load_parameters",
    "render",
    "save_parameters",
    "simulator",
]


def simulator(name: str, **settings: Any) -> Simulator:
    """The simulator called `name` with these settings; `InputError` where name or settings do not fit."""
    if "preset" in settings and name in SIMULATORS and "preset" not in SIMULATORS[name].__annotations__:
        raise InputError(f"simulator '{name}' has no presets, found '{settings['preset']}'. Leave the preset out")
    return build(SIMULATORS, name, settings, room="simulator")
