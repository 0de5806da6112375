"""What a route runs with and returns: its budget, its training loop, and its results."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ..calibrate import Calibration
from ..data.domains import Inputs, Labelled, Unlabelled, check_kind
from ..refine.displacement import Displacement
from ..simulate import Simulator
from ..tasks import Classification, Segmentation, Task
from ..tasks.dense import DenseTask
from ..training.correction import Correction
from ..training.hardware import Hardware
from ..training.loop import Loop, Speed, check_parts
from ..training.mapping import Mapping
from ..training.model import Model
from .recorder import Rows
from .rejection import final_source

BATCH, DENSE_BATCHES = 64, (16, 8, 4)  # samples of each domain per step; for masks and boxes, the first that fits
DENSE_PIXELS = 2**19  # of the images of a batch for masks and boxes


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
        displacement: of the labels by refinement; None if no refined image was to be left out for it.
        speed: of the training; None if it is not known.
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
    displacement: Displacement | None = None
    speed: Speed | None = None

    @property
    def trained_on(self) -> Labelled:
        """The source as the model was trained on it, see `final_source`."""
        return final_source(self.rendered, self.refined, self.displacement)


@dataclass(frozen=True)
class Budget:
    """Size of a run.

    Args:
        steps: of the training; None for a number that depends on the data, see `default_steps`.
        batch: samples of each domain per step. None: see `size_of_batch`.
        accumulate: parts in which the losses of a batch are computed, to save memory; see `Loop`.
        n: images to render, if the source is a simulator.
        seed: of all random numbers.
        hardware: device, precision and memory format.
    """

    steps: int | None = None
    batch: int | None = None
    n: int = 8000
    seed: int = 0
    hardware: Hardware = field(default_factory=Hardware.detect)
    accumulate: int = 1

    def __post_init__(self) -> None:
        if self.batch is not None:
            check_parts(self.batch, self.accumulate)

    def size_of_batch(self, task: Task) -> int:
        """`batch`, or the default for the task: 64.

        For masks and boxes, where each point is a sample, it is 16 for images of up to 180 by 180 pixels, 8 up to 256
        by 256, and 4 above: a step then takes about as long for all, and as many steps are taken in a given time.
        """
        return self.batch or _default_batch(task)


def settled_budget(task: object, budget: Budget | None) -> Budget:
    """The budget, or the default one. Raise `InputError` if the task or the budget is something else."""
    check_kind(task, (Task, type(None)), "the task is", "Make it: tasks.Classification.of(source)")
    check_kind(budget, (Budget, type(None)), "the budget is", "Write Budget(steps=1000)")
    return budget or Budget()


def loop_of(budget: Budget, source: Labelled, target: Unlabelled, task: Task) -> Loop:
    """The training loop of a run."""
    steps = budget.steps or default_steps(len(source), len(target), task, len(source.shape) == 3)
    return Loop(steps, budget.size_of_batch(task), budget.seed, budget.hardware, accumulate=budget.accumulate)


def default_steps(sources: int, targets: int, task: Task, images: bool = True) -> int:
    """Training steps for this number of samples: passes over the larger domain; 500 to 4,000 steps.

    60 passes for classes and for features: on handwriting, adaptation still improves long after the source is learnt.
    5 passes for values, points, gaze and boxes of images: on real eyes, pupils and rotated digits, source training does
    not improve after 600 steps, and adaptation gets worse (iris by DANN: 1.5 px after 600 steps, 2.2 px after 2,000);
    real dice, whose classes differ in small details, reach 0.66 in 675 steps and 0.83 in 2,400, blood smears 0.831 in
    600 and 0.841 in 940. 2 passes for masks, whose steps take longest: real nuclei in 500 steps 0.857, in 1,200 steps
    0.851. (Dev labels, one seed.)
    """
    if isinstance(task, Segmentation):
        passes = 2
    else:
        passes = 60 if isinstance(task, Classification) or not images else 5
    return max(500, min(4000, passes * max(sources, targets) // _default_batch(task)))


def _default_batch(task: Task) -> int:
    if not isinstance(task, DenseTask):
        return BATCH
    fitting = (count for count in DENSE_BATCHES if count * math.prod(task.size) <= DENSE_PIXELS)
    return next(fitting, DENSE_BATCHES[-1])
