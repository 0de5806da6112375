"""Route: one method for each stage, run in order: calibrate, widen, render, refine, then train while randomizing."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from collections.abc import Mapping as Methods
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import nn

from ..adapt import STAGE as ADAPT
from ..adapt import FeatureMapping, Objective, SourceOnly
from ..calibrate import METHODS as CALIBRATE
from ..calibrate import Calibration, Calibrator
from ..data.domains import Inputs, Labelled, Unlabelled
from ..data.labels import Boxes, Masks
from ..errors import InputError
from ..randomize import METHODS as RANDOMIZE
from ..randomize import WIDEN, Automatic, Policy, Widen
from ..refine import STAGE as REFINE
from ..refine.displacement import Displacement
from ..settings import described
from ..simulate import Simulator
from ..tasks import Classification, Detection, Gaze, Keypoints, Regression, Segmentation, Task
from ..training.hardware import Hardware
from ..training.kept import FeatureStore
from ..training.loop import Loop, Speed, Trainer
from ..training.mapping import Mapped, Mapping
from ..training.model import Model
from .learner import keeps, prepared, settled, with_kept
from .preconditions import (
    as_domains,
    check_data,
    check_labels,
    check_maps,
    check_network,
    check_pair,
    check_stages,
    check_tiles,
)
from .recorder import OnReport as OnReport
from .recorder import OnStep as OnStep
from .recorder import Recorder
from .recorder import Rows as Rows
from .rejection import JUDGE_STEPS, displacement_of, final_source, notes_of
from .run import Budget, Run, loop_of, settled_budget
from .source_learner import SourceLearner
from .source_notes import source_notes

OnTrainer = Callable[[Trainer], None]
OnRefiner = Callable[[Mapping], None]


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
        store: FeatureStore | None = None,
    ) -> Run:
        """Run every stage and return all results.

        Args:
            source, target, task: as in `fit`.
            budget: steps, batch, number of images to render, seed, hardware.
            on_report: called every few steps with the stage, the step, the number of steps and the losses.
            on_step: called after every step with the stage, the step and the number of steps.
            on_trainer, checkpoint: called with the trainer before its first step, to restore it; and every few steps.
            on_refiner: called with the refiner before its training, to save it if the training diverges.
            store: keeps the outputs of frozen feature extractors, for several runs; None for one of this run alone.

        Raises:
            InputError: the domains do not fit each other, the labels not the task, or a stage needs a simulator.
            TrainingDiverged: a loss or gradient was not finite.
        """
        source, target, _ = as_domains(source, target)
        budget, recorder = settled_budget(task, budget), Recorder(on_report, on_step)
        with recorder.stage("calibrate"):
            simulator, calibration = self.simulator(source, target, task, budget)
        with recorder.stage("render"):
            rendered = rendered_by(simulator, source, target, budget)
        check_pair(rendered, target)
        task = task or default_task(rendered)
        loop = loop_of(budget, rendered, target, task)
        refiner, refined, moved = self._refined(rendered, target, task, loop, recorder, on_refiner)
        final = final_source(rendered, refined, moved)
        final = replace(final, labels=task.to_input(final.labels, final.fitting))
        objective, notes, speed = self._trained(final, target, task, loop, recorder, on_trainer, checkpoint, store)
        model = objective.ready()
        model.check_outputs(target, loop.steps)
        notes[:0] = notes_of(moved, rendered)
        if self.calibrate is None and self.widen is None:
            simulator = None  # unchanged
        known = recorder.history, recorder.seconds, rendered, refined, calibration, refiner, simulator
        return Run(model, *known, notes=notes, displacement=moved, speed=speed)

    def _refined(
        self, source: Labelled, target: Unlabelled, task: Task, loop: Loop, record: Recorder, began: OnRefiner | None
    ) -> tuple[Mapping | None, Inputs | None, Displacement | None]:
        """The trained refiner, all refined inputs of the source, and their displacement; see `Run`."""
        refiner = copy.copy(self.refine)
        if refiner is None:
            return None, None, None
        if began is not None:
            began(refiner)
        with record.stage("refine", getattr(refiner, "all_steps", loop.steps)) as report:
            refined = refine_all(refiner.fit(source, target, record.watched(loop, "refine"), report), source)
            steps, parts = min(loop.steps, JUDGE_STEPS), loop.accumulate
            budget = Budget(steps, loop.batch, seed=loop.seed, hardware=loop.hardware, accumulate=parts)
            judge = partial(Route().run, task=task, budget=budget)
            return refiner, refined, displacement_of(refiner, source, refined, target, judge)

    def _trained(
        self,
        source: Labelled,
        target: Unlabelled,
        task: Task,
        loop: Loop,
        recorder: Recorder,
        on_trainer: OnTrainer | None,
        checkpoint: OnTrainer | None,
        store: FeatureStore | None,
    ) -> tuple[Objective, list[str], Speed | None]:
        """The objective after the stages `map` (only with a feature mapping) and `train`, notes for the user, speed."""
        mapping = copy.copy(self.adapt) if isinstance(self.adapt, FeatureMapping) else None
        if mapping is not None:
            with recorder.stage("map", mapping.steps) as report:
                source, target = mapping.fit_transform(source, target, recorder.watched(loop, "map"), report)
        with recorder.stage("train", loop.steps) as report:
            objective = self.prepare(source, target, task, loop.seed, loop.hardware)
            objective.feature_map = None if mapping is None else mapping.feature_map
            loop = recorder.watched(loop, "train")
            loop = replace(loop, randomize=None if self.randomize is None else self.randomize.settled(task))
            if keeps(objective, source, task):
                source, target = with_kept(objective, source, target, loop, store or FeatureStore())
            objective.solve(source, target)
            trainer = Trainer(objective, source, target, loop, task.move, task.mix)
            if on_trainer is not None:
                on_trainer(trainer)
            trainer.run(report, checkpoint)
        return objective, [*objective.notes(), *source_notes(trainer)], trainer.speed if trainer.step else None

    def check(self, source: Labelled | Simulator, target: Unlabelled, *, task: Task) -> None:
        """Raise the `InputError` that `run` would raise, before anything is trained or written.

        Builds the networks once and discards them.
        """
        check_data(source, target)
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
        self.prepare(source, target, task, 0)

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
        budget, calibration = budget or Budget(), None
        if self.calibrate is not None:
            calibration = self.calibrate.fit(source, target, hardware=budget.hardware)
        simulator = source if calibration is None else calibration.simulator
        if self.widen is None:
            return simulator, calibration
        task = task or default_task(simulator.labelled(200, 0))
        size = budget.size_of_batch(task)
        learner = SourceLearner(task, batch=size, seed=budget.seed, hardware=budget.hardware)
        return self.widen(simulator, learner), calibration

    def prepare(
        self, source: Labelled, target: Unlabelled, task: Task, seed: int, hardware: Hardware | None = None
    ) -> Objective:
        """The objective with its networks, whose initial weights are sampled with `seed`."""
        hardware = hardware or Hardware.detect()
        objective = settled(self.learner.fresh(source.shape), self.features, len(source), hardware, task)
        check_labels(objective, () if self.randomize is None else self.randomize.settled(task).mixes)
        check_network(objective, self.features)
        check_maps(objective, task)
        check_tiles(task, target)
        return prepared(objective, source, target, task, self.features, seed)

    @property
    def learner(self) -> Objective:
        """How the model is trained; with a feature mapping, on mapped features."""
        return self.adapt.then if isinstance(self.adapt, FeatureMapping) else self.adapt

    def with_learner(self, learner: Objective) -> Route:
        """The route with another way to train the model."""
        if isinstance(self.adapt, FeatureMapping):
            return replace(self, adapt=replace(self.adapt, then=learner))
        return replace(self, adapt=learner)

    def settled(self, images: int, hardware: Hardware, task: Task) -> Route:
        """The route with a value for each setting of the network that is None.

        Args:
            images: number of labelled images.
            hardware: to train on.
            task: what is predicted.
        """
        return self.with_learner(settled(self.learner, self.features, images, hardware, task))

    def describe(self) -> dict[str, Any]:
        """The route as plain data: the method's name and settings for each stage, None for an empty stage."""
        stages: dict[str, Any] = {}
        for stage, methods in STAGES.items():
            method = getattr(self, stage)
            stages[stage] = None if method is None else described(methods, method)
        return stages


# Methods of each stage by name. A refiner or a method of an installed package is imported when it is asked for.
STAGES: dict[str, Methods[str, Any]] = {
    "calibrate": CALIBRATE,
    "widen": WIDEN,
    "randomize": RANDOMIZE,
    "refine": REFINE,
    "adapt": ADAPT,
}


def rendered_by(
    simulator: Simulator | None, source: Labelled | Simulator, target: Unlabelled, budget: Budget
) -> Labelled:
    """The images that the simulator renders; without one, the labelled data itself."""
    if simulator is None:
        assert isinstance(source, Labelled)
        return source
    return simulator.labelled(budget.n, budget.seed, given=target.given_columns)


def refine_all(refiner: Mapping, source: Labelled) -> Inputs:
    """All inputs of the source, refined; those that are decoded on access are refined on access."""
    if getattr(source.inputs, "decodes", False):
        return Mapped(refiner, source)
    return torch.cat([refiner.samples(source, part) for part in torch.arange(len(source)).split(512)])


def default_task(source: Labelled) -> Task:
    """The task that fits the labels.

    Classes; masks; boxes; gaze for the columns `pitch` and `yaw`; points for images and column pairs `_x`, `_y`; else
    values.
    """
    if isinstance(source.labels, Masks):
        return Segmentation.of(source)
    if isinstance(source.labels, Boxes):
        return Detection.of(source)
    if source.classes:
        return Classification.of(source)
    if source.columns == Gaze.columns:
        return Gaze.of(source)
    xs, ys = source.columns[::2], source.columns[1::2]
    points = len(source.shape) == 3 and len(xs) > 0 and [x.removesuffix("_x") + "_y" for x in xs] == list(ys)
    return Keypoints.of(source) if points else Regression.of(source)
