"""Routes by name: the default set of a comparison, and routes read from YAML."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..adapt import FeatureMapping, SourceOnly
from ..adapt.mappings.closed_form import ClosedForm
from ..data.domains import Labelled, Unlabelled
from ..data.sparse import Sparse
from ..errors import InputError
from ..measure.backgrounds import lacks_backgrounds
from ..route.route import STAGES, Route
from ..settings import build, read_yaml
from ..simulate import Simulator
from ..tasks import Classification, Regression, Task
from .candidates import BASELINE, SOURCE_ONLY

# name -> stage -> method, for images. If the budget has no time for all routes, the last ones are left out. The
# refiners used here take no training steps.
SET: dict[str, dict[str, Any]] = {
    "teacher": {"randomize": "full", "adapt": "teacher"},
    "randomized": {"randomize": "full"},
    "calibrated + teacher": {
        "calibrate": "posterior",
        "widen": {"method": "widen", "factor": 1.5},
        "randomize": "full",
        "adapt": "teacher",
    },
    "dann": {"randomize": "full", "adapt": "dann"},
    "refined + teacher": {"refine": "fourier", "randomize": "full", "adapt": "teacher"},
    "calibrated": {"calibrate": "posterior", "widen": {"method": "widen", "factor": 1.5}},
    "refined": {"refine": "fourier"},
}
# For masks and boxes. Where context tells objects apart, a student that sees a part of an image learns to use it (dev
# images of blood smears, two seeds of 600 steps: AP50 0.848, randomized 0.826).
DENSE: dict[str, dict[str, Any]] = {"mic": {"randomize": "full", "adapt": "mic"}, **SET}
# For classes by a frozen network, which sees each image once: a training then takes seconds. From photographs to
# photographs, randomized views mislead a network that knows photographs; from renders, they are what helps.
FROZEN: dict[str, dict[str, Any]] = {
    "spl": {"adapt": "spl"},
    "randomized + spl": {"randomize": "full", "adapt": "spl"},
    "randomized": {"randomize": "full"},
    "teacher": {"randomize": "full", "adapt": "teacher"},
    "dann": {"randomize": "full", "adapt": "dann"},
    "mcc": {"randomize": "full", "adapt": "mcc"},
}
# Objects on a uniform background, which the target does not have: backgrounds are painted, and what hides the object
# besides is left out. On four drawn gaps, the same 340 steps gave accuracies of 0.53, 0.32 and 0.62 for 0.43, 0.26 and
# 0.48, and an error of 7.5 for 11.9 pixels.
PAINTED = {"background": 1.0, "clutter": 0.0, "cutout": 0.0}
# Settings of the network that is trained.
NETWORK = (
    "network",
    "weights",
    "tune",
    "bottleneck",
    "centred",
    "views",
    "backbone_rate",
    "pretrained_norm",
    "statistics",
    "norm",
    "head",
)
FEATURES = ("teacher", "dann")  # `adapt` methods of the default routes for features
TEXTS, LARGEST = 20_000, 10**8  # mSDA is included up to this number of texts, and of texts times words


def default_routes(
    task: Task, source: Labelled | Simulator, target: Unlabelled, *, frozen: bool = False
) -> dict[str, Route]:
    """The default routes: single methods and combinations. Source only is not listed; every comparison includes it.

    Features are not randomized or refined; sparse features are assumed to be words. Ranges are calibrated only if the
    source is a simulator. If labelled images show their objects on a uniform background and the target does not, the
    randomization paints backgrounds.

    Args:
        task: what is predicted. Images for regression are not warped or mirrored, because the meaning of the values is
            unknown.
        source, target: as in `compare`.
        frozen: whether a frozen network is trained behind, see `FROZEN`.
    """
    named: dict[str, Mapping[str, Any]] = {}
    if len(target.shape) == 3:
        painted = PAINTED if isinstance(source, Labelled) and lacks_backgrounds(source, target) else {}
        named = {
            name: _for_data(stages, task, painted)
            for name, stages in _set_for(task, frozen).items()
            if not isinstance(source, Labelled) or "calibrate" not in stages
        }
    else:
        texts = isinstance(target.inputs, Sparse) and isinstance(task, Classification)
        methods = ("msda", *FEATURES) if texts and _solvable(source, target) else FEATURES
        named = {method: {"adapt": method} for method in methods}
    return {name: route_of(stages, name) for name, stages in named.items()}


def with_baselines(routes: Mapping[str, Route]) -> tuple[dict[str, Route], str]:
    """The routes with source only as the first and the baseline as the second one, and the name of the baseline.

    The baseline trains on the source alone, with the randomization and the network of the first route that randomizes.
    Without such a route it is source only. So a comparison shows what adaptation adds, not what randomization adds.
    """
    named = {SOURCE_ONLY: routes.get(SOURCE_ONLY, Route()), **routes}
    randomizing = [route for route in routes.values() if route.randomize is not None]
    if not randomizing:
        return named, SOURCE_ONLY
    first = next((route for route in randomizing if not isinstance(route.learner, ClosedForm)), randomizing[0])
    network = {name: getattr(first.learner, name) for name in NETWORK}
    baseline = Route(randomize=first.randomize, adapt=SourceOnly(**network), features=first.features)
    same = next((name for name, route in named.items() if route.describe() == baseline.describe()), None)
    if same is None:
        same = next(name for name in (BASELINE, f"{SOURCE_ONLY}, {BASELINE}") if name not in named)
        named[same] = baseline
    rest = {name: route for name, route in named.items() if name not in (SOURCE_ONLY, same)}
    return {SOURCE_ONLY: named[SOURCE_ONLY], same: named[same], **rest}, same


def with_network(routes: Mapping[str, Route], settings: Mapping[str, Any]) -> dict[str, Route]:
    """The routes, and source only as the first one, with these settings of the network that is trained.

    Routes on mapped features stay as they are: their model takes no images.
    """
    named = {SOURCE_ONLY: routes.get(SOURCE_ONLY, Route()), **routes}
    return {
        name: route
        if isinstance(route.adapt, FeatureMapping)
        else route.with_learner(dataclasses.replace(route.learner, **settings))
        for name, route in named.items()
    }


def _solvable(source: Labelled | Simulator, target: Unlabelled) -> bool:
    """Whether a closed-form solution takes little time and memory (at most about 2.5 GB)."""
    total = len(target) + (len(source) if isinstance(source, Labelled) else 0)
    return total <= TEXTS and total * target.shape[0] <= LARGEST


def paints_backgrounds(routes: Mapping[str, Route]) -> bool:
    """Whether these are default routes that paint backgrounds, see `default_routes`."""
    policies = [route.randomize for route in routes.values() if route.randomize is not None]
    return any(all(getattr(one, key, None) == value for key, value in PAINTED.items()) for one in policies)


def _set_for(task: Task, frozen: bool) -> dict[str, dict[str, Any]]:
    if task.dense:
        return DENSE
    return FROZEN if frozen and isinstance(task, Classification) else SET


def _for_data(stages: Mapping[str, Any], task: Task, painted: Mapping[str, Any]) -> dict[str, Any]:
    if "randomize" not in stages:
        return dict(stages)
    policy = "photometric" if isinstance(task, Regression) else stages["randomize"]
    return {**stages, "randomize": {"method": policy, **painted}}


def chosen_routes(
    wanted: str | None, task: Task, source: Labelled | Simulator, target: Unlabelled, *, frozen: bool = False
) -> dict[str, Route]:
    """The routes of a comparison.

    Args:
        wanted: a YAML file, or comma-separated names of default routes; None for all default routes.
        task, source, target, frozen: as in `default_routes`.

    Raises:
        InputError: a name is not in the default set, or a file is not `name -> stage -> method and settings`.
    """
    known = default_routes(task, source, target, frozen=frozen)
    if wanted is None:
        return known
    if is_file(wanted):
        return read_routes(Path(wanted))
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    unknown = next((name for name in names if name not in (SOURCE_ONLY, *known)), None)
    if unknown is not None or not names:
        raise InputError(
            f"--routes '{unknown or wanted}' is not a route for this data, expected comma-separated names from: "
            f"{', '.join([SOURCE_ONLY, *known])}; or a YAML file of routes"
        )
    return {name: known[name] for name in names if name != SOURCE_ONLY}


def is_file(wanted: str) -> bool:
    """Whether the routes of a comparison are those of a YAML file, and not names."""
    return Path(wanted).suffix.lower() in (".yaml", ".yml")


def read_routes(path: Path) -> dict[str, Route]:
    """Routes from YAML: `name: {stage: {method: NAME, FIELD: VALUE}}`, or `stage: NAME`.

    Raises:
        InputError: the file cannot be read, is not such a mapping, or has an unknown stage, method or setting.
    """
    expected = "routes such as 'mine: {adapt: teacher}'"
    found = read_yaml(path, expected)
    if not found:
        raise InputError(f"{path}: contains no route, expected {expected}")
    routes = {}
    for name, stages in found.items():
        try:
            routes[str(name)] = route_of(stages, str(name))
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
    return routes


def route_of(stages: Any, name: str) -> Route:
    """One route from plain data, in the form that `Route.describe` returns."""
    if not isinstance(stages, dict):
        raise InputError(f"route '{name}' is {stages!r}, expected stages, such as {{adapt: {{method: teacher}}}}")
    methods: dict[str, Any] = {}
    for stage, given in stages.items():
        if stage not in STAGES:
            raise InputError(f"route '{name}' has the unknown stage '{stage}', expected one of: {', '.join(STAGES)}")
        if given is None or given == "none":
            continue
        plain = {"method": given} if isinstance(given, str) else given
        if not isinstance(plain, dict) or not isinstance(plain.get("method"), str):
            raise InputError(
                f"route '{name}': the stage '{stage}' is {given!r}, expected {{method: NAME, settings: {{...}}}} with "
                f"one of: {', '.join(STAGES[stage])}"
            )
        settings = {key: value for key, value in plain.items() if key not in ("method", "package", "settings")}
        nested = plain.get("settings") or {}
        if not isinstance(nested, dict):
            raise InputError(f"route '{name}': {stage}.settings is {nested!r}, expected field: value")
        methods[stage] = build(
            STAGES[stage], plain["method"], {**settings, **nested}, stage=stage, package=plain.get("package")
        )
    return Route(**methods)
