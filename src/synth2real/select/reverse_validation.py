"""Reverse validation: settings compared without a target label, by the way back to the source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from ..data.domains import Labelled, Unlabelled
from ..errors import InputError
from ..route.route import Budget, Route, default_task
from ..tasks import Classification

HELD = 0.1  # share of each domain that is kept for validation


def reverse_accuracy(route: Route, source: Labelled, target: Unlabelled, budget: Budget | None = None) -> float:
    """How well a model is on the source that was trained, by the same route, on a target labelled by the route's model.

    One tenth of each domain is held out. The route is trained on the rest of both; its model labels the target; the
    route is trained again with that target as its source and the source, unlabelled, as its target, and scored on the
    held-out source. A model that adapts badly labels badly, and the way back fails. The paper starts the second
    training from the first one's weights; here it starts afresh.

    Args:
        route: whose settings are to be judged.
        source, target: as in `Route.run`; classes.
        budget: as in `Route.run`, of each of the two trainings.

    Returns:
        accuracy in 0..1, to compare between routes on the same domains.

    Raises:
        InputError: the source has no classes, or a domain is too small to hold a tenth out.

    References:
        Zhong, Fan, Yang, Verscheure & Ren (2010). Cross validation framework to choose amongst models and datasets for
        transfer learning. ECML. As used by Ganin et al. (2016), JMLR 17(59), section 5.1.2.
    """
    budget = budget or Budget()
    task = default_task(source)
    if not isinstance(task, Classification):
        raise InputError(f"reverse validation compares classes, found the values {', '.join(source.columns)}")
    for name, domain in (("source", source), ("target", target)):
        if len(domain) < 2 / HELD:
            raise InputError(
                f"reverse validation: the {name} holds {len(domain)} samples, expected {2 / HELD:.0f} or more"
            )
    generator = torch.Generator().manual_seed(budget.seed)
    order = torch.randperm(len(source), generator=generator)
    held = max(1, round(HELD * len(source)))
    ours, kept = source.subset(order[held:]), source.subset(order[:held])
    theirs = target.subset(torch.randperm(len(target), generator=generator)[max(1, round(HELD * len(target))) :])
    said = route.run(ours, theirs, task=task, budget=budget).model.predict(theirs).values.argmax(1)
    if len(said.unique()) < 2:
        return 1 / task.outputs  # a model that says one class has learnt nothing, and nothing can be learnt from it
    labelled = replace(ours, inputs=theirs.inputs, labels=said, names=(), sizes=None, domain=None)
    back = route.run(labelled, ours.unlabelled(), task=task, budget=budget).model
    return float(back.evaluate(kept)["accuracy"])


def choose(
    routes: Sequence[Route], source: Labelled, target: Unlabelled, budget: Budget | None = None
) -> tuple[Route, list[float]]:
    """The route of the highest `reverse_accuracy` (the first of equals), and each one's."""
    scores = [reverse_accuracy(route, source, target, budget) for route in routes]
    return routes[max(range(len(scores)), key=scores.__getitem__)], scores
