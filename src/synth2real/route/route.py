"""Route: one method for each stage, run in order: calibrate, widen, render, refine, then train while randomizing."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from ..adapt import MAPPINGS, OBJECTIVES, FeatureMapping, Objective, SourceOnly
from ..calibrate import METHODS as CALIBRATE
from ..calibrate import Calibration, Calibrator
from ..data.domains import Inputs, Labelled, Unlabelled, check_kind, evenly, to_float
from ..data.given import scale_of
from ..data.sparse import Sparse
from ..errors import InputError
from ..networks.backbones import load_weights
from ..randomize import METHODS as RANDOMIZE
from ..randomize import WIDEN, Automatic, Policy, Widen
from ..refine import METHODS as REFINE
from ..settings import migrated, name_of, to_dict
from ..simulate import Simulator
from ..tasks import Classification, Gaze, Keypoints, Regression, Task
from ..training.correction import Correction
from ..training.hardware import Hardware
from ..training.loop import Loop, Trainer
from ..training.mapping import Mapping
from ..training.model import Model
from .preconditions import as_domains, check_labels, check_network, check_pair, check_stages
from .recorder import OnReport as OnReport
from .recorder import OnStep as OnStep
from .recorder import Recorder
from .recorder import Rows as Rows
from .source_learner import SourceLearner
from .source_notes import source_notes

OnTrainer = Callable[[Trainer], None]
OnRefiner = Callable[[Mapping], None]

VALUES, LEAST = 2**26, 256  # most values that statistics are of, and least samples


@dataclass(frozen=True)
class Run:
    """Results of one run of a route.

    Args:
        model: ready to predict.
        history: for each stage with steps (such as `refine`, `train`), rows with the step and the mean of each loss.
        seconds: of each stage.
        rendered: the source before refinement; for a simulator, the images rendered with its final ranges.
        refined: the source's inputs after refinement; None without refinement.
        calibration: result of the search of the simulator's ranges; None without calibration.
        refiner: that refined the source, ready to `transform` and `save`; None without refinement.
        simulator: after calibration and widening; None if the route does neither, or the source is labelled data.
        notes: what the user must know about the training, in sentences; see `Learner.notes` and `source_notes`.
        correction: of the model by a few real labels, after the route; None without them.
    """

    model: Model
    history: dict[str, Rows]
    seconds: dict[str, float]
    rendered: Labelled
    refined: Inputs | None
    calibration: Calibration | None
    refiner: Mapping | None = None
    simulator: Simulator | None = None
    notes: list[str] = field(default_factory=list)
    correction: Correction | None = None


@dataclass(frozen=True)
class Budget:
    """Size of a run.

    Args:
        steps: of the training; None for a number that depends on the data, see `default_steps`.
        batch: samples of each domain per step.
        n: images to render, if the source is a simulator.
        seed: of all random numbers.
        hardware: device, precision and memory format.
    """

    steps: int | None = None
    batch: int = 64
    n: int = 8000
    seed: int = 0
    hardware: Hardware = field(default_factory=Hardware.detect)


@dataclass(frozen=True)
class Route:
    """One method for each stage; every stage but `adapt` may be empty.

    Args:
        calibrate: search of the simulator's ranges.
        widen: widens the simulator's ranges, by a factor or as far as a model can learn them.
        randomize: augmentation policy for the images of both domains during training.
        refine: a mapping that makes source images look real.
        adapt: how the model is trained; or a feature mapping that sets how the model on top is trained.
        features: any network from inputs to features (N, F). It replaces a network by name (`adapt.network`). Each run
            trains a copy of it.
    """

    calibrate: Calibrator | None = None
    widen: Widen | Automatic | None = None
    randomize: Policy | None = None
    refine: Mapping | None = None
    adapt: Objective | FeatureMapping = field(default_factory=SourceOnly)
    features: nn.Module | None = None

    def __post_init__(self) -> None:
        check_stages({stage: getattr(self, stage) for stage in STAGES}, STAGES)

    def fit(
        self,
        source: Labelled | Simulator | Any,
        target: Unlabelled | Any,
        *,
        task: Task | None = None,
        steps: int | None = None,
        seed: int = 0,
    ) -> Model:
        """Run the route and return its model.

        Args:
            source: labelled images or features, or a simulator to render them, with the given columns of the target.
                Also `(X, y)`, or a data set with labels, as `Labelled.of` takes them.
            target: unlabelled inputs of the same shape. Also anything that `Unlabelled.of` takes.
            task: what to predict; None to derive it from the labels, see `default_task`.
            steps, seed: see `Budget`.

        Raises:
            InputError, TrainingDiverged: as `run`.

        Warns:
            UserWarning: each of the run's `notes`.
        """
        run = self.run(source, target, task=task, budget=Budget(steps=steps, seed=seed))
        for note in run.notes:
            warnings.warn(note, stacklevel=2)
        return run.model

    def run(
        self,
        source: Labelled | Simulator | Any,
        target: Unlabelled | Any,
        *,
        task: Task | None = None,
        budget: Budget | None = None,
        on_report: OnReport | None = None,
        on_step: OnStep | None = None,
        on_trainer: OnTrainer | None = None,
        on_refiner: OnRefiner | None = None,
        checkpoint: OnTrainer | None = None,
    ) -> Run:
        """Run every stage and return all results.

        Args:
            source, target, task: as in `fit`.
            budget: steps, batch, number of images to render, seed, hardware.
            on_report: called every few steps with the stage, the step, the number of steps and the losses.
            on_step: called after every step with the stage, the step and the number of steps.
            on_trainer: called with the trainer before its first step, for example to restore a checkpoint.
            on_refiner: called with the refiner before its training, to save it if the training diverges.
            checkpoint: called with the trainer every few steps.

        Raises:
            InputError: the domains do not fit each other, the labels not the task, or a stage needs a simulator.
            TrainingDiverged: a loss or gradient was not finite.
        """
        source, target, _ = as_domains(source, target)
        check_kind(task, (Task, type(None)), "the task is", "Make it: tasks.Classification.of(source)")
        check_kind(budget, (Budget, type(None)), "the budget is", "Write Budget(steps=1000)")
        budget, recorder = budget or Budget(), Recorder(on_report, on_step)
        with recorder.stage("calibrate"):
            simulator, calibration = self.simulator(source, target, task, budget)
        with recorder.stage("render"):
            known = target.given_columns
            rendered = source if simulator is None else simulator.labelled(budget.n, budget.seed, given=known)
        assert isinstance(rendered, Labelled)
        check_pair(rendered, target)
        task = task or default_task(rendered)
        steps = budget.steps or default_steps(len(rendered), len(target), task, len(rendered.shape) == 3)
        loop = Loop(steps=steps, batch=budget.batch, seed=budget.seed, hardware=budget.hardware)
        refiner, refined = self._refined(rendered, target, loop, recorder, on_refiner)
        labels = task.to_input(rendered.labels, rendered.sizes, rendered.shape[1:])
        final = replace(rendered, inputs=rendered.inputs if refined is None else refined, labels=labels)
        objective, notes = self._trained(final, target, task, loop, recorder, on_trainer, checkpoint)
        changed = simulator if self.calibrate is not None or self.widen is not None else None
        model, history, seconds = objective.ready(), recorder.history, recorder.seconds
        model.check_outputs(target, steps)
        return Run(model, history, seconds, rendered, refined, calibration, refiner, changed, notes)

    def _refined(
        self, source: Labelled, target: Unlabelled, loop: Loop, recorder: Recorder, on_refiner: OnRefiner | None
    ) -> tuple[Mapping | None, Inputs | None]:
        """The trained refiner and all refined inputs of the source; (None, None) without refinement."""
        refiner = copy.copy(self.refine)
        if refiner is None:
            return None, None
        if on_refiner is not None:
            on_refiner(refiner)
        with recorder.stage("refine", getattr(refiner, "all_steps", loop.steps)) as report:
            refined = refine_all(refiner.fit(source, target, recorder.watched(loop, "refine"), report), source)
        return refiner, refined

    def _trained(
        self,
        source: Labelled,
        target: Unlabelled,
        task: Task,
        loop: Loop,
        recorder: Recorder,
        on_trainer: OnTrainer | None,
        checkpoint: OnTrainer | None,
    ) -> tuple[Objective, list[str]]:
        """The objective after the stages `map` (only with a feature mapping) and `train`, and notes for the user."""
        mapping = copy.copy(self.adapt) if isinstance(self.adapt, FeatureMapping) else None
        if mapping is not None:
            with recorder.stage("map", mapping.steps) as report:
                source, target = mapping.fit_transform(source, target, recorder.watched(loop, "map"), report)
        with recorder.stage("train", loop.steps) as report:
            objective = self._prepare(source, target, task, loop.seed)
            objective.feature_map = None if mapping is None else mapping.feature_map
            objective.solve(source, target)
            if objective.cached:
                model = objective.model.to(loop.hardware.device)
                source = replace(source, inputs=model.embed_alone(source.inputs))
                target = replace(target, inputs=model.embed_alone(target.inputs))
                model.train()
            loop = recorder.watched(loop, "train")
            loop = replace(loop, randomize=None if self.randomize is None else self.randomize.settled(task))
            trainer = Trainer(objective, source, target, loop, task.move, task.mix)
            if on_trainer is not None:
                on_trainer(trainer)
            trainer.run(report, checkpoint)
        return objective, [*objective.notes(), *source_notes(trainer)]

    def check(self, source: Labelled | Simulator, target: Unlabelled, *, task: Task) -> None:
        """Raise the `InputError` that `run` would raise, before anything is trained or written.

        Builds the networks once and discards them.
        """
        if isinstance(source, Labelled):
            self.simulator(source, target)
        else:
            if self.calibrate is not None:
                self.calibrate.check(source, target)
            source = source.labelled(1, 0, given=target.given_columns)
        check_pair(source, target)
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
        """The simulator after calibration and widening, and the calibration; (None, None) for labelled data."""
        if isinstance(source, Labelled):
            for stage in ("calibrate", "widen"):
                if getattr(self, stage) is not None:
                    raise InputError(
                        f"--{stage} ({stage}=) needs a simulator, found {len(source)} labelled samples. "
                        "Give a simulator as source or leave it out"
                    )
            return None, None
        calibration = None if self.calibrate is None else self.calibrate.fit(source, target)
        simulator = source if calibration is None else calibration.simulator
        if self.widen is None:
            return simulator, calibration
        task, budget = task or default_task(simulator.labelled(200, 0)), budget or Budget()
        return self.widen(simulator, SourceLearner(task, seed=budget.seed, hardware=budget.hardware)), calibration

    def _prepare(self, source: Labelled, target: Unlabelled, task: Task, seed: int) -> Objective:
        """The objective with its networks, whose initial weights are sampled with `seed`."""
        objective = (self.adapt.then if isinstance(self.adapt, FeatureMapping) else self.adapt).fresh(source.shape)
        check_labels(objective, () if self.randomize is None else self.randomize.settled(task).mixes)
        check_network(objective, source, self.features, self.randomize)
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
                given_columns=source.given_columns,
                given_scale=None if source.given is None else scale_of(source.given),
            )
            if objective.weights is not None:
                load_weights(model.backbone, objective.weights, str(model.description["network"]))
            sources = 1 if source.domain is None else int(source.domain.max()) + 1
            objective.prepare(model, target, sources)
        return objective

    def describe(self) -> dict[str, Any]:
        """The route as plain data: the method's name and settings for each stage, None for an empty stage."""
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
    """A route from `Route.describe`, with every setting under its present name; any other value unchanged."""
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
    """The task that fits the labels.

    Classes; gaze for the columns `pitch` and `yaw`; points for images and column pairs `_x`, `_y`; otherwise values.
    """
    if source.classes:
        return Classification.of(source)
    if source.columns == Gaze.columns:
        return Gaze.of(source)
    xs, ys = source.columns[::2], source.columns[1::2]
    points = len(source.shape) == 3 and len(xs) > 0 and [x.removesuffix("_x") + "_y" for x in xs] == list(ys)
    return Keypoints.of(source) if points else Regression.of(source)


def default_steps(sources: int, targets: int, task: Task, images: bool = True) -> int:
    """Training steps for this number of samples: passes over the larger domain in batches of 64; 500 to 4,000 steps.

    60 passes for classes and for features: on handwriting, adaptation still improves long after the source is learnt.
    5 passes for values, points and gaze of images: on real eyes, pupils and rotated digits, source training does not
    improve after 600 steps, and adaptation gets worse (iris by DANN: 1.5 px after 600 steps, 2.2 px after 2,000).
    """
    passes = 60 if isinstance(task, Classification) or not images else 5
    return max(500, min(4000, passes * max(sources, targets) // 64))


def statistics(inputs: Inputs, most: int = 4096) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation of each channel (or feature), (C,) float32 each, over at most `most` evenly spaced samples,
    and fewer of large ones.

    Sparse features are counts, or weighted counts, in one unit. Their mean is set to 0, so that zeros stay zeros. Their
    deviation is the root mean square of all non-zero values. If each feature had its own deviation, a word in one of a
    thousand reviews would outweigh all others: on reviews the accuracy was 0.60 instead of 0.72.
    """
    if isinstance(inputs, Sparse):
        width = inputs.shape[1]
        return torch.zeros(width), torch.full((width,), inputs.scale())
    x = to_float(inputs[evenly(len(inputs), min(most, max(LEAST, VALUES // inputs.shape[1:].numel())))])
    axes = [axis for axis in range(x.ndim) if axis != 1]
    return x.mean(axes), x.std(axes).clamp(min=1e-3)
