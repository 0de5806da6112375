"""Route: one choice from each room, run in order: calibrate, widen, render, refine, then train while randomizing."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from ..adapt import MAPPINGS, OBJECTIVES, FeatureMapping, Objective, SourceOnly
from ..calibrate import METHODS as CALIBRATE
from ..calibrate import Calibration, Calibrator
from ..data.domains import Inputs, Labelled, Unlabelled, check_domains, to_float
from ..data.sparse import Sparse
from ..errors import InputError
from ..networks.backbones import load_weights
from ..randomize import METHODS as RANDOMIZE
from ..randomize import WIDEN, Automatic, Policy, Widen
from ..refine import METHODS as REFINE
from ..settings import migrated, name_of, to_dict
from ..simulate import Simulator
from ..tasks import Classification, Gaze, Keypoints, Regression, Task
from ..training.hardware import Hardware
from ..training.loop import Loop, Report, Trainer
from ..training.mapping import Mapping
from ..training.model import Model
from .source_learner import SourceLearner

Rows = list[dict[str, float]]
OnReport = Callable[[str, int, int, dict[str, float]], None]
OnTrainer = Callable[[Trainer], None]
OnRefiner = Callable[[Mapping], None]


@dataclass(frozen=True)
class Run:
    """What one run of a route has made.

    Args:
        model: ready to predict.
        history: for each stage that takes steps (`refine`, `train`), rows of the step and the mean of each loss.
        seconds: of each stage.
        rendered: the source before refinement (a simulator's: rendered with its final ranges).
        refined: the source's inputs after refinement; None without.
        calibration: what the search found; None without.
        refiner: that refined the source, ready to `transform` and `save`; None without.
        simulator: that rendered, as calibrated and widened; None where it was neither, or there is none.
    """

    model: Model
    history: dict[str, Rows]
    seconds: dict[str, float]
    rendered: Labelled
    refined: Inputs | None
    calibration: Calibration | None
    refiner: Mapping | None = None
    simulator: Simulator | None = None


@dataclass(frozen=True)
class Budget:
    """How much a run may do.

    Args:
        steps: of the training; None for as many as the data asks for, see `default_steps`.
        batch: samples of each domain a step.
        n: images to render, where the source is a simulator.
        seed: of everything random.
        hardware: device, precision and memory format.
    """

    steps: int | None = None
    batch: int = 64
    n: int = 8000
    seed: int = 0
    hardware: Hardware = field(default_factory=Hardware.detect)


class _Recorder:
    """Keeps the seconds of each stage and the losses that it reported."""

    def __init__(self, on_report: OnReport | None) -> None:
        self.on_report = on_report
        self.seconds: dict[str, float] = {}
        self.history: dict[str, Rows] = {}

    @contextmanager
    def stage(self, name: str, steps: int = 0) -> Iterator[Report]:
        rows: Rows = []

        def report(step: int, terms: dict[str, float]) -> None:
            rows.append({"step": step, **terms})
            if self.on_report is not None:
                self.on_report(name, step, steps, terms)

        start = time.perf_counter()
        yield report
        self.seconds[name] = time.perf_counter() - start
        if rows:
            self.history[name] = rows


@dataclass(frozen=True)
class Route:
    """One choice from each room; any may be empty.

    Args:
        calibrate: search of the simulator's ranges.
        widen: wider ranges of the simulator, by one factor or as far as a model follows.
        randomize: policy over both domains' images while training.
        refine: a mapping that makes source images look real.
        adapt: how the model is trained; or a mapping of features, which says how the model on top is.
        features: any network from inputs to features (N, F), in place of one by name (`adapt.network`); each run
            trains a copy of it.
    """

    calibrate: Calibrator | None = None
    widen: Widen | Automatic | None = None
    randomize: Policy | None = None
    refine: Mapping | None = None
    adapt: Objective | FeatureMapping = field(default_factory=SourceOnly)
    features: nn.Module | None = None

    def fit(
        self,
        source: Labelled | Simulator,
        target: Unlabelled,
        *,
        task: Task | None = None,
        steps: int | None = None,
        seed: int = 0,
    ) -> Model:
        """Run the route and return its model.

        Args:
            source: labelled images or features, or a simulator to render them.
            target: unlabelled inputs of the same shape.
            task: what to predict; by default what the labels speak of, see `default_task`.
            steps, seed: see `Budget`.

        Raises:
            InputError, TrainingDiverged: as `run`.
        """
        return self.run(source, target, task=task, budget=Budget(steps=steps, seed=seed)).model

    def run(
        self,
        source: Labelled | Simulator,
        target: Unlabelled,
        *,
        task: Task | None = None,
        budget: Budget | None = None,
        on_report: OnReport | None = None,
        on_trainer: OnTrainer | None = None,
        on_refiner: OnRefiner | None = None,
        checkpoint: OnTrainer | None = None,
    ) -> Run:
        """Run every stage and keep what each has made.

        Args:
            source, target, task: as in `fit`.
            budget: steps, batch, number of images to render, seed, hardware.
            on_report: called every few steps with the stage, the step, the number of steps and the losses.
            on_trainer: called with the trainer before its first step (to restore one).
            on_refiner: called with the refiner before it learns (to keep what it has learnt where it diverges).
            checkpoint: called with the trainer every few steps.

        Raises:
            InputError: domains of differing shapes, labels that do not fit the task, a room that needs a simulator.
            TrainingDiverged: a loss or gradient was not finite.
        """
        budget, recorder = budget or Budget(), _Recorder(on_report)
        with recorder.stage("calibrate"):
            simulator, calibration = self.simulator(source, target, task, budget)
        with recorder.stage("render"):
            rendered = source if simulator is None else simulator.labelled(budget.n, budget.seed)
        assert isinstance(rendered, Labelled)
        check_domains(rendered, target)
        task = task or default_task(rendered)
        steps = budget.steps or default_steps(len(rendered), len(target), task, len(rendered.shape) == 3)
        loop = Loop(steps=steps, batch=budget.batch, seed=budget.seed, hardware=budget.hardware)
        refiner, refined = copy.copy(self.refine), None
        if refiner is not None:
            if on_refiner is not None:
                on_refiner(refiner)
            with recorder.stage("refine", getattr(refiner, "all_steps", steps)) as report:
                refined = refine_all(refiner.fit(rendered, target, loop, report), rendered)
        labels = task.to_input(rendered.labels, rendered.sizes, rendered.shape[1:])
        final = replace(rendered, inputs=rendered.inputs if refined is None else refined, labels=labels)
        mapping = copy.copy(self.adapt) if isinstance(self.adapt, FeatureMapping) else None
        if mapping is not None:
            with recorder.stage("map", mapping.steps) as report:
                final, target = mapping.fit_transform(final, target, loop, report)
        with recorder.stage("train", steps) as report:
            objective = self._prepare(final, target, task, budget.seed)
            objective.feature_map = None if mapping is None else mapping.feature_map
            objective.solve(final, target)
            if objective.cached:
                model = objective.model.to(loop.hardware.device)
                final, target = replace(final, inputs=model.embed(final.inputs)), Unlabelled(model.embed(target.inputs))
                model.train()
            loop = replace(loop, randomize=None if self.randomize is None else self.randomize.settled(task))
            trainer = Trainer(objective, final, target, loop, task.move, task.mix)
            if on_trainer is not None:
                on_trainer(trainer)
            trainer.run(report, checkpoint)
        model = objective.ready()
        changed = simulator if self.calibrate is not None or self.widen is not None else None
        return Run(model, recorder.history, recorder.seconds, rendered, refined, calibration, refiner, changed)

    def check(self, source: Labelled | Simulator, target: Unlabelled, *, task: Task) -> None:
        """Raise the `InputError` that `run` would raise, before anything is trained or written.

        Builds the networks once and drops them.
        """
        if isinstance(source, Labelled):
            self.simulator(source, target)
        else:
            if self.calibrate is not None:
                self.calibrate.check(source, target)
            source = source.labelled(1, 0)
        check_domains(source, target)
        if self.refine is not None:
            self.refine.check(source)
        if isinstance(self.adapt, FeatureMapping):
            self.adapt.check(source, target)
        self._prepare(source, target, task, 0)

    def simulator(
        self,
        source: Labelled | Simulator,
        target: Unlabelled,
        task: Task | None = None,
        budget: Budget | None = None,
    ) -> tuple[Simulator | None, Calibration | None]:
        """The simulator after calibration and widening, and what the search found; (None, None) for labelled data."""
        if isinstance(source, Labelled):
            for stage in ("calibrate", "widen"):
                if getattr(self, stage) is not None:
                    raise InputError(
                        f"{stage} changes a simulator's ranges, but the source is {len(source)} labelled samples. "
                        "Give the name of a simulator as source, or leave it out"
                    )
            return None, None
        calibration = None if self.calibrate is None else self.calibrate.fit(source, target)
        simulator = source if calibration is None else calibration.simulator
        if self.widen is None:
            return simulator, calibration
        task, budget = task or default_task(simulator.labelled(200, 0)), budget or Budget()
        return self.widen(simulator, SourceLearner(task, seed=budget.seed, hardware=budget.hardware)), calibration

    def _prepare(self, source: Labelled, target: Unlabelled, task: Task, seed: int) -> Objective:
        """The objective with its networks built, their first weights drawn from `seed`."""
        objective = (self.adapt.then if isinstance(self.adapt, FeatureMapping) else self.adapt).fresh(source.shape)
        mixes = () if self.randomize is None else self.randomize.settled(task).mixes
        if mixes and not objective.soft_labels:
            serve = ", ".join(name for name, method in OBJECTIVES.items() if method.soft_labels)
            raise InputError(
                f"randomize.{mixes[0]} mixes labels, which adapt {name_of(OBJECTIVES, objective)} cannot train on, "
                f"expected one of: {serve}. Set randomize.{mixes[0]} to 0, or choose one of them"
            )
        self._check_network(objective, source)
        mean, std = statistics(source.inputs)
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            model = Model(
                task,
                source.shape,
                features=copy.deepcopy(self.features),
                network=objective.network,
                frozen=objective.frozen,
                statistics=objective.statistics,
                mean=mean,
                std=std,
                head=objective.head,
                dropout=objective.dropped(task),
                norm=objective.norm,
            )
            if objective.weights is not None:
                load_weights(model.backbone, objective.weights, str(model.description["network"]))
            sources = 1 if source.domain is None else int(source.domain.max()) + 1
            objective.prepare(model, target, sources)
        return objective

    def _check_network(self, objective: Objective, source: Labelled) -> None:
        """Raise `InputError` where settings of the network exclude each other."""
        if self.features is not None and objective.network is not None:
            raise InputError(
                f"found features= and adapt.network '{objective.network}', expected one of them: a network or its name"
            )
        if objective.frozen and objective.adapts_extractor:
            raise InputError(
                f"adapt.frozen keeps the feature extractor as it is, but {type(objective).__name__} adapts just that. "
                "Set adapt.frozen=false, or choose a method that trains a head, such as source-only or teacher"
            )
        if not objective.cached:
            return
        if not objective.frozen:
            raise InputError(
                "adapt.cached keeps the features of a frozen network, but adapt.frozen is false: a network that learns "
                "makes other features at every step. Set adapt.frozen=true, or leave cached out"
            )
        if self.randomize is not None:
            raise InputError(
                "adapt.cached computes the features once, but each step randomizes the images anew, so they would be "
                "those of other images. Leave randomization out (--randomize none), or cached"
            )
        if len(source.shape) != 3:
            raise InputError(
                "adapt.cached is for images, found features as inputs. Leave it out: there is little to save"
            )

    def describe(self) -> dict[str, Any]:
        """The route as plain data: for each room the method's name and settings, None where the room is empty."""
        stages: dict[str, Any] = {}
        for stage, methods in STAGES.items():
            method = getattr(self, stage)
            stages[stage] = None if method is None else {"method": name_of(methods, method), **to_dict(method)}
        return stages


STAGES: dict[str, dict[str, Any]] = {
    "calibrate": dict(CALIBRATE),
    "widen": dict(WIDEN),
    "randomize": dict(RANDOMIZE),
    "refine": dict(REFINE),
    "adapt": {**OBJECTIVES, **MAPPINGS},
}


def migrated_route(plain: Any) -> Any:
    """A route as `Route.describe` gave it, with every setting under its present name; anything else as it is."""
    if not isinstance(plain, dict):
        return plain
    route = {stage: migrated(stage, one) if isinstance(one, dict) else one for stage, one in plain.items()}
    adapt = route.get("adapt")
    if isinstance(adapt, dict) and isinstance(adapt.get("then"), dict):
        adapt["then"] = migrated("adapt", adapt["then"])
    return route


def refine_all(refiner: Mapping, source: Labelled) -> Inputs:
    """All inputs of the source, refined."""
    return torch.cat([refiner.transform(source.inputs[part]) for part in torch.arange(len(source)).split(512)])


def default_task(source: Labelled) -> Task:
    """What the labels speak of: classes; gaze, by `pitch` and `yaw`; points, by columns in pairs `_x`, `_y`; values."""
    if source.classes:
        return Classification.of(source)
    if source.columns == Gaze.columns:
        return Gaze.of(source)
    xs, ys = source.columns[::2], source.columns[1::2]
    points = len(source.shape) == 3 and len(xs) > 0 and [x.removesuffix("_x") + "_y" for x in xs] == list(ys)
    return Keypoints.of(source) if points else Regression.of(source)


def default_steps(sources: int, targets: int, task: Task, images: bool = True) -> int:
    """Steps of training for this many samples: passes over the larger domain in batches of 64, 500 to 4,000 steps.

    60 passes for classes and for features: on handwriting adaptation goes on gaining well after the source is learnt.
    5 for values, points and gaze of images: after 600 steps training on the source gains nothing on real eyes, pupils
    and turned digits, and what adapts loses (the iris by DANN: 1.5 px after 600 steps, 2.2 after 2,000).
    """
    passes = 60 if isinstance(task, Classification) or not images else 5
    return max(500, min(4000, passes * max(sources, targets) // 64))


def statistics(inputs: Inputs, most: int = 4096) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation of each channel (or feature), (C,) float32 each, over at most `most` evenly spaced samples.

    Sparse features are counts, or weights of them, in one unit: none is shifted, so that zeros stay zeros, and all are
    divided by the root mean square of those that are not zero. By its own deviation a word that one review in a
    thousand holds would outweigh all others: on reviews the accuracy was 0.60 in place of 0.72.
    """
    if isinstance(inputs, Sparse):
        width = inputs.shape[1]
        return torch.zeros(width), torch.full((width,), inputs.scale())
    index = torch.linspace(0, len(inputs) - 1, min(len(inputs), most)).long()
    x = to_float(inputs[index])
    axes = [axis for axis in range(x.ndim) if axis != 1]
    return x.mean(axes), x.std(axes).clamp(min=1e-3)
