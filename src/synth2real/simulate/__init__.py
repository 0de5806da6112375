"""Simulators: they render images and labels from parameters."""

from typing import Any

from ..errors import InputError
from ..settings import build
from .base import Drawn, Rendered, Simulator
from .blood.simulator import Blood
from .digits import Digits
from .distributions import Empirical, Normal, Range, Sampling
from .export import render
from .external_program import External, external
from .eyes.simulator import Eyes
from .function_simulator import declared
from .nuclei.simulator import Nuclei
from .parameter import Distribution, Parameter, load_parameters, save_parameters
from .registry import SIMULATORS, find, is_simulator, simulators

__all__ = [
    "SIMULATORS",
    "Blood",
    "Digits",
    "Distribution",
    "Drawn",
    "Empirical",
    "External",
    "Eyes",
    "Normal",
    "Nuclei",
    "Parameter",
    "Range",
    "Rendered",
    "Sampling",
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
    """Build the simulator `name` with these settings.

    Args:
        name: a built-in simulator, a simulator of an installed package (entry points `synth2real.simulators`),
            `module:Class`, or the YAML file of an external program.
        settings: settings of the simulator.

    Raises:
        InputError: the name is unknown or a setting is invalid.
    """
    kind = find(name)
    if "preset" in settings and not hasattr(kind, "preset"):
        raise InputError(f"--preset {settings['preset']}: simulator {name} has no presets. Remove --preset")
    return build({name: kind}, name, settings, stage="simulator")
