"""Find simulators by name: built-in, from installed packages, as `module:Class`, or from a YAML file."""

import importlib
import re
import sys
from pathlib import Path
from typing import Any

from ..data.reading.loading import is_hub
from ..errors import InputError
from ..plugins import Registry, shown, subclass_of
from ..settings import to_dict
from .base import Simulator
from .blood.simulator import Blood
from .digits import Digits
from .distributions import plain
from .external_program import external
from .eyes.simulator import Eyes
from .nuclei.simulator import Nuclei

SIMULATORS: dict[str, type[Simulator]] = {"blood": Blood, "digits": Digits, "eyes": Eyes, "nuclei": Nuclei}
EXPECTED = "a subclass of Simulator, or a function with declared parameters (synth2real.simulate.declared)"
# The same with the simulators of installed packages.
NAMED: Registry[type[Simulator]] = Registry("simulators", SIMULATORS, subclass_of(Simulator), EXPECTED)
IN_MODULE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
DESCRIBED = (".yaml", ".yml")


def is_simulator(name: str) -> bool:
    """True if a source of this name is a simulator, not a folder, file or data set of images."""
    if is_hub(name):
        return False
    known = name in SIMULATORS or IN_MODULE.fullmatch(name) is not None or name.endswith(DESCRIBED)
    return known or (name.isidentifier() and name in NAMED)


def simulators() -> dict[str, type[Simulator]]:
    """All named simulators: the built-in ones and those of installed packages that work."""
    return dict(NAMED.working())


def find(name: str) -> type[Simulator]:
    """The simulator class of this name.

    Raises:
        InputError: the name is unknown, cannot be imported, or is not a simulator.
    """
    if name in NAMED:
        return NAMED[name]
    if name.endswith(DESCRIBED):
        return external(name)
    if IN_MODULE.fullmatch(name):
        return _in_module(name)
    known = ", ".join(NAMED)
    raise InputError(
        f"simulator '{name}' is unknown, expected one of: {known}; or module:Class, or the YAML file of a program"
    )


def _in_module(name: str) -> type[Simulator]:
    """Import the simulator at `module:Class`. The current folder is also searched for modules."""
    module, _, attribute = name.partition(":")
    here = str(Path.cwd())
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        found = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise InputError(
            f"simulator '{name}': cannot import '{module}' ({error}), expected module:Class. Install the module, or "
            "run in the folder that contains it"
        ) from None
    except AttributeError:
        raise InputError(
            f"simulator '{name}': the module '{module}' has no '{attribute}', expected the name of a Simulator class, "
            "or of a function with declared parameters, in it"
        ) from None
    finally:
        if added:
            sys.path.remove(here)
    if not NAMED.fits(found):
        raise InputError(f"simulator '{name}': found {shown(found)}, expected {EXPECTED}")
    kind: type[Simulator] = found
    return kind


def described(simulator: Simulator) -> dict[str, Any]:
    """A simulator with its ranges, and its program if it has one, as plain data."""
    program = getattr(simulator, "program", None)
    return {
        "name": simulator.called(),
        "settings": to_dict(simulator),
        "ranges": {name: plain(sampling) for name, sampling in simulator.samplings().items()},
        "correlations": simulator.all_correlations(),
        "program": None if program is None else to_dict(program),
    }
