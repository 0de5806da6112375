"""Choice: which of the trained routes to ship, and why the others were refused, all without real labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..data.groups import half_width
from ..data.sparse import Sparse
from ..select import decision, guards
from ..select.estimates import NoEstimate
from ..select.estimates.base import one_class
from ..select.label_shift import RouteOutputs, label_shift_refusals
from ..select.validators import Pool, Validator, called, has_learnt, validate
from ..tasks import Classification, Task
from .candidates import SOURCE_ONLY, RouteCandidate, better, on_source, set_scores
from .evaluation import Evaluation
from .halving import stepless
from .pool import estimated, pool_of

UNDECIDABLE = (
    "no move of the image changes these values in a known way, so that nothing decides between routes without real "
    "labels"
)


@dataclass(frozen=True)
class Choice:
    """The route to ship.

    Args:
        route: the chosen candidate.
        baseline: what it was compared with.
        reasons: why routes with better scores, or the usual baseline, were refused.
        pool: outputs of the candidates that it was chosen from.
    """

    route: RouteCandidate
    baseline: RouteCandidate
    reasons: list[str]
    pool: Pool

    @property
    def adapts(self) -> bool:
        """Whether the chosen route does more than train on the source."""
        return adapts(self.route)


def adapts(candidate: RouteCandidate) -> bool:
    """Whether a route does more than train on the source, randomized or not."""
    route = candidate.route
    described = route.describe()["adapt"]["method"]
    return described != "source-only" or route.refine is not None or route.calibrate is not None


class Chooser:
    """Chooses among candidates that were trained equally long.

    Args:
        evaluation: data and task.
        baseline: name of the baseline.
        validator: scores the candidates in place of `validators.sample_scores`. It gives one number for each, so
            that any higher number counts as better.
    """

    def __init__(self, evaluation: Evaluation, baseline: str, validator: Validator | None = None) -> None:
        self.evaluation, self.baseline, self.validator = evaluation, baseline, validator
        self.task: Task = evaluation.task
        # Whether agreement counts, see `class_scores`.
        self.voted = validator is None and not isinstance(evaluation.target.inputs, Sparse)

    def score(self, candidates: Sequence[RouteCandidate]) -> dict[str, str]:
        """Score the candidates; returns the routes that a label shift would harm, each with the reason.

        If there are any, the other routes are scored again without them, because they would outvote the others. The
        second scores do not use mutual information, because it is highest for balanced classes.
        """
        evaluation, task = self.evaluation, self.task
        if self.validator is not None:
            return self.validated(candidates, self.validator)
        set_scores(candidates, task, evaluation.labels, voted=self.voted)
        prior = torch.zeros(0)
        if isinstance(task, Classification):
            source = evaluation.whole_source
            prior = torch.bincount(task.align(source), minlength=task.outputs).double() / len(source)
        outputs = {one.name: RouteOutputs(one.route, one.trials[0].outputs, one.score) for one in candidates}
        harmful = label_shift_refusals(outputs, task, prior, evaluation.labels)
        if harmful:
            rest = [one for one in candidates if one.name not in harmful]
            set_scores(rest, task, evaluation.labels, balanced=False, voted=self.voted)
        return harmful

    def validated(self, candidates: Sequence[RouteCandidate], validator: Validator) -> dict[str, str]:
        """Score the candidates by a validator; returns those without a score, each with the reason."""
        scores = validate(validator, pool_of(candidates, self.evaluation, probed=True))
        seen = len(candidates[0].trials[0].outputs.target)
        for candidate, score in zip(candidates, scores, strict=True):
            candidate.samples = torch.full((seen,), score, dtype=torch.float64)
        why = f"the validator {called(validator)} gives it no finite score"
        return {one.name: why for one, score in zip(candidates, scores, strict=True) if not math.isfinite(score)}

    def best(
        self, candidates: Sequence[RouteCandidate], size: int, among: Sequence[RouteCandidate] | None = None
    ) -> list[RouteCandidate]:
        """The `size` best of these routes, the best first; those that must not be chosen come last.

        Args:
            candidates: routes to take from.
            size: number of routes, at most.
            among: all routes that were trained equally long; None if these are all.
        """
        harmful, unfit = self.score(among or candidates), self.unfit(among or candidates)
        ranked = better(candidates, self.task)
        return sorted(ranked, key=lambda one: (one.name in unfit) + 2 * (one.name in harmful))[:size]

    def unfit(self, candidates: Sequence[RouteCandidate]) -> dict[str, str]:
        """The routes that have not learnt the source or do not tell the target samples apart, each with the reason."""
        learnt = has_learnt([one.trials[0].held for one in candidates], self.evaluation.labels, self.task)
        reasons = {}
        for candidate, learned in zip(candidates, learnt, strict=True):
            metric, name = candidate.trials[0].source_metrics[self.task.metric], self.task.metric_name
            why = guards.constant(candidate.trials[0].outputs, self.task)
            candidate.learnt = learned
            if not learned:
                why = f"it has not learnt the source: {name} {float(metric):.3g} on held-out samples"
            if why:
                reasons[candidate.name] = why
        return reasons

    def choose(self, candidates: Sequence[RouteCandidate]) -> Choice:
        """The best candidate that is surely better than the baseline, or the baseline; sets scores and `refused`."""
        harmful, unfit = self.score(candidates), self.unfit(candidates)
        pool = pool_of(candidates, self.evaluation)
        for index, candidate in enumerate(candidates):
            self.estimate(candidate, pool, index)
            candidate.refused = harmful.get(candidate.name, "") or unfit.get(candidate.name, "")
        base = self.base(candidates)
        reasons = list(harmful.values())[:1]
        if base.name != self.baseline or base.refused:
            reasons += [f"“{one.name}”: {one.refused}" for one in candidates if one.name == self.baseline]
        if base.samples is None:
            return Choice(base, base, [*reasons, UNDECIDABLE], pool)
        for candidate in self.ranked([one for one in candidates if not one.refused]):
            if candidate is base:
                break
            candidate.refused = self.refusal(candidate, base, candidates, unfit) or ""
            if not candidate.refused:
                return Choice(candidate, base, reasons, pool)
            reasons.append(f"“{candidate.name}”: {candidate.refused}")
        return Choice(base, base, reasons, pool)

    def ranked(self, candidates: Sequence[RouteCandidate]) -> list[RouteCandidate]:
        """The candidates, the best score first. A closed form that ties with a trained best route comes before it.

        Routes tie if the interval of their paired difference holds 0. The score of a trained route also depends on its
        seed and steps, which that interval does not know.
        """
        ordered = better(candidates, self.task)
        if not ordered:
            return []
        first, *rest = ordered
        tied = []
        if first.samples is not None and not stepless(first.route):
            groups, best = self.evaluation.seen_groups, first.samples
            tied = [
                one
                for one in rest
                if stepless(one.route) and one.samples is not None
                if not decision.surely_better(best, one.samples, groups)
            ]
        return [*tied, first, *(one for one in rest if one not in tied)]

    def estimate(self, candidate: RouteCandidate, pool: Pool, index: int) -> None:
        """Set the estimate of the candidate at `index` of the pool, or the reason why there is none."""
        metric = float(candidate.trials[0].source_metrics[self.task.metric])
        candidate.estimate, candidate.no_estimate = None, ""
        try:
            candidate.estimate = estimated(pool, index, metric)
        except NoEstimate as error:
            candidate.no_estimate = str(error)

    def base(self, candidates: Sequence[RouteCandidate]) -> RouteCandidate:
        """The baseline; if it is refused, source only; if this is refused, too, the best other route on the source.

        A route that does not tell the target samples apart comes late, and one that predicts a single class last. A
        baseline that has not learnt the source stays
        if its score is surely better than that of source only: its randomization may be hard to learn, but helps.
        """
        usual = [one for name in (self.baseline, SOURCE_ONLY) for one in candidates if one.name == name]
        fit = [one for one in usual if not one.refused]
        if fit and fit[0] is not usual[0] and self.stays(usual[0], fit[0]):
            return usual[0]

        def merit(one: RouteCandidate) -> tuple[bool, bool, bool, float]:
            outputs = one.trials[0].outputs
            varies = guards.constant(outputs, self.task) is None
            classes = varies or (isinstance(self.task, Classification) and not one_class(outputs.target))
            return not one.refused, varies, classes, on_source(one, self.task)

        return fit[0] if fit else max(candidates, key=merit)

    def stays(self, baseline: RouteCandidate, source_only: RouteCandidate) -> bool:
        """Whether a refused baseline is surely better on the target than source only."""
        ours, theirs = baseline.samples, source_only.samples
        if ours is None or theirs is None or guards.constant(baseline.trials[0].outputs, self.task) is not None:
            return False
        return decision.surely_better(ours, theirs, self.evaluation.seen_groups)

    def refusal(
        self,
        candidate: RouteCandidate,
        base: RouteCandidate,
        candidates: Sequence[RouteCandidate],
        unfit: dict[str, str],
    ) -> str | None:
        """Why a route is not reliably better than the baseline; None if it is."""
        assert candidate.samples is not None
        assert base.samples is not None
        others = [one.trials[0].outputs.target for one in candidates if one is not candidate and one.name not in unfit]
        own, groups = candidate.trials[0].outputs.target, self.evaluation.seen_groups
        return (
            guards.astray(candidate.trials[0].outputs, self.task)
            or decision.refusal(
                candidate.samples, base.samples, own, others, self.task, groups, f"“{base.name}”", voted=self.voted
            )
            or guards.contradicted(candidate.estimate, base.estimate, self.task)
        )


def added(choice: Choice, groups: Tensor | None) -> str:
    """What the chosen route adds to the score of the baseline, in words."""
    ours, theirs = choice.route.samples, choice.baseline.samples
    assert ours is not None
    assert theirs is not None
    difference, reach = ours - theirs, half_width(ours - theirs, groups)
    return (
        f"adds {float(difference.mean()):.3f} (plus or minus {reach:.3f}) to the label-free score of "
        f"“{choice.baseline.name}”"
    )


def lower_estimate(choice: Choice, task: Task) -> list[str]:
    """A clause if the estimate of the chosen route is worse than the baseline's, though inside its interval."""
    own, base = choice.route.estimate, choice.baseline.estimate
    if own is None or base is None or not (own.value < base.value if task.higher_is_better else own.value > base.value):
        return []
    return [
        f"its estimate is worse than that of “{choice.baseline.name}” ({base.value:.3g}, {base.low:.3g} to "
        f"{base.high:.3g}), but inside the interval, so that the score decides"
    ]


def verdict(choice: Choice, evaluation: Evaluation) -> str:
    """The recommendation in words."""
    chosen, task = choice.route, evaluation.task
    seeds = f"{len(chosen.trials)} seed{'s' if len(chosen.trials) > 1 else ''}"
    shipped = f"{chosen.name}, {seeds}; {estimate_text(chosen, task)}"
    why = "; ".join(choice.reasons)
    if choice.adapts and chosen is not choice.baseline:
        parts = [shipped, added(choice, evaluation.seen_groups), *lower_estimate(choice, task)]
        return "; ".join([*parts, f"refused: {why}"] if why else parts)
    if chosen.refused:
        said = dict.fromkeys([f"“{chosen.name}”: {chosen.refused}", *choice.reasons])
        return f"no route can be trusted: {'; '.join(said)}. Kept: {shipped}"
    why = why or "no other route has a better label-free score"
    return f"adaptation did not help: {why}. Chosen: {shipped}"


def estimate_text(candidate: RouteCandidate, task: Task) -> str:
    """The estimate of a candidate in words."""
    found = candidate.estimate
    if found is None:
        return candidate.no_estimate or "no estimate on real data"
    name = task.metric_name
    return (
        f"{name} on real data estimated at {found.value:.3g} ({found.low:.3g} to {found.high:.3g}), without real labels"
    )
