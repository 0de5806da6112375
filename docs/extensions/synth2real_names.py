"""The public names: which packages the reference shows, and where each name has its page."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

# The packages and modules of the reference, in its order, each with its heading.
PACKAGES = {
    "synth2real": "The front door",
    "synth2real.data": "Data and labels",
    "synth2real.data.formats": "Formats of other programs",
    "synth2real.datasets": "Public data sets",
    "synth2real.tasks": "Tasks",
    "synth2real.simulate": "Simulators",
    "synth2real.calibrate": "Calibration",
    "synth2real.randomize": "Randomization",
    "synth2real.refine": "Refiners",
    "synth2real.adapt": "Adaptation of the model",
    "synth2real.route": "Routes and runs",
    "synth2real.comparison": "Comparisons",
    "synth2real.select": "Choosing without labels",
    "synth2real.select.validators": "Validators",
    "synth2real.select.estimates": "Estimates",
    "synth2real.select.aggregate": "Aggregates",
    "synth2real.measure": "Distances and checks",
    "synth2real.route.realism": "Realism",
    "synth2real.training": "Training and models",
    "synth2real.training.correction": "Corrections by a few labels",
    "synth2real.networks": "Networks",
    "synth2real.transforms": "Image transforms",
    "synth2real.deploy": "Deployment",
    "synth2real.deploy.sklearn": "scikit-learn estimators",
    "synth2real.engines": "Engines",
    "synth2real.report": "Report",
    "synth2real.plugins": "Plugins",
    "synth2real.settings": "Settings as code",
    "synth2real.errors": "Errors",
}


@dataclass(frozen=True)
class Name:
    """A public name and what it stands for."""

    package: str
    name: str
    value: Any

    @property
    def path(self) -> str:
        return f"{self.package}.{self.name}"


def names_of(package: str) -> list[Name]:
    """The public names of a package: those that it lists, else those that it defines; modules left out."""
    module = import_module(package)
    listed = getattr(module, "__all__", None) or [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == package
    ]
    found = [Name(package, name, getattr(module, name)) for name in listed]
    return [one for one in found if not isinstance(one.value, ModuleType)]


def homes() -> dict[str, list[Name]]:
    """For each package the names whose page it holds. A name of several packages has its page in the first of them."""
    seen: set[int] = set()
    found: dict[str, list[Name]] = {}
    for package in PACKAGES:
        own = [one for one in names_of(package) if id(one.value) not in seen]
        seen |= {id(one.value) for one in own}
        found[package] = own
    return found


def kind_of(value: Any) -> str:
    """What autodoc documents it as: `class`, `exception`, `function` or `data`."""
    if inspect.isclass(value):
        return "exception" if issubclass(value, Exception) else "class"
    return "function" if inspect.isroutine(value) else "data"
