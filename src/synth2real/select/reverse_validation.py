"""Reverse validation: compares settings without target labels, by training back from the target to the source."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..data.domains import Labelled, Unlabelled
from ..errors import InputError
from ..route.route import Route, default_task
from ..route.run import Budget
from ..tasks import Classification

HELD_OUT = 0.1  # share of each domain that is held out


def reverse_accuracy(route: Route, source: Labelled, target: Unlabelled, budget: Budget | None = None) -> float:
    """Accuracy on held-out source data after training from the source to the target and back.

    1. One tenth of each domain is held out.
    2. The route is trained on the rest of both domains. Its model labels the target.
    3. The route is trained again. Now the labelled target is the source, and the unlabelled source is the target.
    4. The second model is scored on the held-out source.

    A model that adapts badly gives wrong labels, and the second model is then inaccurate. In the paper the second
    training starts from the weights of the first. Here it starts from new weights.

    Args:
        route: the route to score.
        source, target: as in `Route.run`; the source must have classes.
        budget: as in `Route.run`, for each of the two trainings.

    Returns:
        Accuracy in 0..1. Compare it between routes on the same domains.

    Raises:
        InputError: the source has no classes, or a domain is too small to hold out a tenth.

    References:
        Zhong, Fan, Yang, Verscheure & Ren (2010). Cross validation framework to choose amongst models and datasets for
        transfer learning. ECML. As used by Ganin et al. (2016), JMLR 17(59), section 5.1.2.
    """
    budget = budget or Budget()
    task = default_task(source)
    if not isinstance(task, Classification):
        found = "masks" if task.dense else f"the values {', '.join(source.columns)}"
        raise InputError(f"reverse validation found a source with {found}, expected classes")
    for name, domain in (("source", source), ("target", target)):
        if len(domain) < 2 / HELD_OUT:
            raise InputError(
                f"reverse validation: the {name} has {len(domain)} samples, expected {2 / HELD_OUT:.0f} or more"
            )
    generator = torch.Generator().manual_seed(budget.seed)
    order = torch.randperm(len(source), generator=generator)
    count = max(1, round(HELD_OUT * len(source)))
    source_train, held_out = source.subset(order[count:]), source.subset(order[:count])
    target_order = torch.randperm(len(target), generator=generator)
    target_train = target.subset(target_order[max(1, round(HELD_OUT * len(target))) :])
    first = route.run(source_train, target_train, task=task, budget=budget).model
    predicted = first.predict(target_train).values.argmax(1)
    if len(predicted.unique()) < 2:
        return 1 / task.outputs  # a model that predicts a single class gives labels that teach nothing
    labelled = target_train.labelled(predicted, source.classes)
    back = route.run(labelled, source_train.unlabelled(), task=task, budget=budget).model
    return float(back.evaluate(held_out)["accuracy"])


def choose(
    routes: Sequence[Route], source: Labelled, target: Unlabelled, budget: Budget | None = None
) -> tuple[Route, list[float]]:
    """The route with the highest `reverse_accuracy` (the first of equal ones), and the accuracy of every route."""
    scores = [reverse_accuracy(route, source, target, budget) for route in routes]
    return routes[max(range(len(scores)), key=scores.__getitem__)], scores
