"""Find simulators by name: built-in, from installed packages, as `module:Class`, or from a YAML file."""

import importlib
import re
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from ..data.reading.loading import is_hub
from ..errors import InputError
from ..settings import to_dict
from .base import Simulator
from .digits import Digits
from .distributions import plain
from .external_program import external
from .eyes.simulator import Eyes
from .nuclei.simulator import Nuclei

SIMULATORS: dict[str, type[Simulator]] = {"digits": Digits, "eyes": Eyes, "nuclei": Nuclei}
GROUP = "synth2real.simulators"  # entry point group in which packages register their simulators
IN_MODULE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
DESCRIBED = (".yaml", ".yml")


def is_simulator(name: str) -> bool:
    """True if a source of this name is a simulator, not a folder, file or data set of images."""
    if is_hub(name):
        return False
    known = name in SIMULATORS or IN_MODULE.fullmatch(name) is not None or name.endswith(DESCRIBED)
    return known or (name.isidentifier() and name in entry_points(group=GROUP).names)


def simulators() -> dict[str, type[Simulator]]:
    """All named simulators: the built-in ones and those of installed packages."""
    return SIMULATORS | {name: find(name) for name in entry_points(group=GROUP).names}


def find(name: str) -> type[Simulator]:
    """The simulator class of this name.

    Raises:
        InputError: the name is unknown, cannot be imported, or is not a simulator.
    """
    if name in SIMULATORS:
        return SIMULATORS[name]
    if name.endswith(DESCRIBED):
        return external(name)
    registered = entry_points(group=GROUP)
    if name in registered.names:
        return _checked(name, _imported(name, registered[name].value))
    if IN_MODULE.fullmatch(name):
        return _checked(name, _imported(name, name))
    known = ", ".join([*SIMULATORS, *registered.names])
    raise InputError(
        f"simulator '{name}' is unknown, expected one of: {known}; or module:Class, or the YAML file of a program"
    )


def _imported(name: str, place: str) -> object:
    """Import the object at `module:name`. The current folder is also searched for modules."""
    module, _, attribute = place.partition(":")
    here = str(Path.cwd())
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        return getattr(importlib.import_module(module), attribute)
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


def _checked(name: str, found: object) -> type[Simulator]:
    if not (isinstance(found, type) and issubclass(found, Simulator)):
        raise InputError(
            f"simulator '{name}': found {_shown(found)}, expected a subclass of Simulator, "
            "or a function with declared parameters (synth2real.simulate.declared)"
        )
    return found


def _shown(found: object) -> str:
    """A value in a message. The repr of a module, class or function contains its address or path."""
    if isinstance(found, type):
        return f"the class '{found.__name__}'"
    called = getattr(found, "__name__", None)
    return repr(found) if called is None else f"the {type(found).__name__} '{called}'"


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
