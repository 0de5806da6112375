"""Plots of the report: learning curves, features of both domains, predicted versus true values.

Backgrounds are transparent. Text has the page's text colour, in light and in dark mode. The page's script sets this
colour for text on a canvas.
"""

from __future__ import annotations

from itertools import chain, cycle
from typing import Any

import torch
from bokeh.models import ColumnDataSource
from bokeh.plotting import figure
from torch import Tensor

from ..comparison.comparison import SOURCE_ONLY, Comparison, RouteCandidate, some
from ..data.domains import Labelled, Unlabelled
from ..data.labels import Masks
from ..route.route import Rows
from ..tasks import Classification, Detection, Segmentation, Task
from ..training.featured import by_source
from .dense.boxes import precision_recall, real_curves, shown, texts
from .dense.masks import shares_text
from .images import thumbnails
from .ranking import METRICS

# The palette of Okabe & Ito, which colour-blind readers can distinguish. Its blue is lightened to be visible on black.
COLOURS = ("#2489C9", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999933", "#AA4499")
DASHES = ("solid", "dashed", "dotted", "dotdash")
POINTS = 300  # samples of each domain; t-SNE on both takes a second or two
PRINCIPAL = 30  # principal components that t-SNE receives
SCATTERED = 500  # samples in a plot of predicted versus true values
RANGES = 8  # groups of true values in a plot of error by range
MOST_COLUMNS = 6  # label columns that get a plot; further columns get none
TOOLTIP = '<div style="color:#222">{picture}@domain<br>@label</div>'
PICTURE = '<img src="@image" alt="@label" style="height:64px;image-rendering:pixelated;display:block">'

Figures = dict[str, Any]  # bokeh is untyped


def curves(comparison: Comparison) -> Figures:
    """Losses over steps, one plot for each stage with steps. Colours are routes, line styles are loss terms."""
    colours = dict(zip((candidate.name for candidate in comparison.candidates), cycle(COLOURS), strict=False))
    plots = {}
    for title, stage in (("training", "train"), ("refinement", "refine")):
        histories = {
            candidate.name: candidate.trials[0].run.history.get(stage, []) for candidate in comparison.candidates
        }
        if any(histories.values()):
            plots[title] = _curves(histories, colours)
    return plots


def dashes(histories: list[Rows]) -> dict[str, str]:
    """The line style of each loss term. Terms are in order of appearance."""
    names = dict.fromkeys(chain.from_iterable(chain.from_iterable(histories)))
    return dict(zip((name for name in names if name != "step"), cycle(DASHES), strict=False))


def _curves(histories: dict[str, Rows], colours: dict[str, str]) -> Any:
    plot = _plot(x_axis_label="step", y_axis_label="loss", y_axis_type="log", height=400)
    for term, dash in dashes(list(histories.values())).items():
        for route, rows in histories.items():
            known = [(row["step"], row[term]) for row in rows if row.get(term, 0) > 0]  # a log axis has no zero
            if known:
                steps, losses = map(list, zip(*known, strict=True))
                plot.line(steps, losses, color=colours[route], line_dash=dash, line_width=1.4, legend_label=route)
    return _legend_below(plot)


def embeddings(comparison: Comparison) -> Figures:
    """Features of both domains in 2-D by t-SNE, one plot for source only and one for the chosen route."""
    candidates = {candidate.name: candidate for candidate in (comparison.candidates[0], comparison.chosen)}
    return {name: _embedding(candidate, comparison) for name, candidate in candidates.items()}


def _embedding(candidate: RouteCandidate, comparison: Comparison) -> Any:
    run = candidate.trials[0].run
    source, target = some(run.trained_on, POINTS), some(comparison.target, POINTS)
    with by_source(run.model):
        ours = run.model.embed_alone(source.inputs)
    plane = flatten(torch.cat([ours, run.model.embed_alone(target.inputs)]))
    task = comparison.task
    labels, predicted = task.align(source), run.model.predict(target).values
    plot = _plot(height=400, tools="hover", tooltips=TOOLTIP.format(picture=PICTURE if len(source.shape) == 3 else ""))
    plot.axis.visible = False
    plot.grid.visible = False
    true = [f"true: {text}" for text in label_texts(task, labels)]
    guesses = [f"predicted: {text}" for text in label_texts(task, predicted)]
    _scatter(plot, plane[: len(source)], source, "source", true)
    _scatter(plot, plane[len(source) :], target, "target", guesses)
    return _legend_below(plot)


def _scatter(plot: Any, plane: Tensor, domain: Labelled | Unlabelled, name: str, labels: list[str]) -> None:
    columns = {"x": plane[:, 0].tolist(), "y": plane[:, 1].tolist(), "domain": [name] * len(labels), "label": labels}
    if len(domain.shape) == 3:
        columns["image"] = thumbnails(domain.inputs[torch.arange(len(domain))])
    plot.scatter(
        "x",
        "y",
        source=ColumnDataSource(columns),
        marker="circle" if name == "source" else "triangle",
        size=6,
        alpha=0.75,
        color=COLOURS[name == "target"],
        legend_label=name,
    )


def flatten(features: Tensor) -> Tensor:
    """Features (N, F) projected to 2-D, (N, 2) float32: principal components first, then t-SNE."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    few = PCA(min(PRINCIPAL, *features.shape), random_state=0).fit_transform(features.double().numpy())
    perplexity = min(30, (len(few) - 1) / 3)
    return torch.from_numpy(TSNE(perplexity=perplexity, init="random", random_state=0).fit_transform(few))


def label_texts(task: Task, labels: Any) -> list[str]:
    """Labels or predictions of a task as texts, one for each sample."""
    if isinstance(task, Detection):
        return texts(task, shown(labels))
    return [label_text(task, label) for label in (labels.tensor if isinstance(labels, Masks) else labels)]


def label_text(task: Task, label: Tensor) -> str:
    """A class index, class probabilities (C,) or values (K,) as text; of a mask (H, W) the share of each class."""
    if isinstance(task, Segmentation):
        return shares_text(task, label)
    if isinstance(task, Classification):
        return task.classes[int(label.argmax() if label.ndim else label)]
    columns: tuple[str, ...] = task.settings()["columns"]
    return ", ".join(f"{column} {value:.3g}" for column, value in zip(columns, label.tolist(), strict=True))


def true_against_predicted(comparison: Comparison) -> Figures:
    """One plot per label column, for source only and the chosen route. Only for values, and with real labels."""
    if comparison.test is None or comparison.task.higher_is_better:
        return {}
    test = some(comparison.test, SCATTERED)
    candidates = {candidate.name: candidate for candidate in (comparison.candidates[0], comparison.chosen)}
    predicted = {
        name: candidate.trials[0].run.model.predict(test.unlabelled()).values for name, candidate in candidates.items()
    }
    return {
        column: _against(test.labels[:, i], {name: values[:, i] for name, values in predicted.items()})
        for i, column in enumerate(test.columns[:MOST_COLUMNS])
    }


def _against(truth: Tensor, predicted: dict[str, Tensor]) -> Any:
    plot = _plot(height=340, x_axis_label="true", y_axis_label="predicted")
    known = truth.isfinite()
    for name, values in predicted.items():
        colour = COLOURS[name != SOURCE_ONLY]
        plot.scatter(truth[known].tolist(), values[known].tolist(), size=4, alpha=0.6, color=colour, legend_label=name)
    ends = [float(truth[known].min()), float(truth[known].max())] if known.any() else []
    plot.line(ends, ends, color="#888888", line_width=1)
    return _legend_below(plot)


def precisions(comparison: Comparison) -> Figures:
    """Precision against recall at an IoU of 0.5, one plot for each class. Only for boxes, and with real labels."""
    found, task = real_curves(comparison), comparison.task
    if not isinstance(task, Detection):
        return {}
    plots = {}
    for i, name in enumerate(task.classes[:MOST_COLUMNS]):
        known = {route: curves[i] for route, curves in found.items() if float(curves[i].objects.sum())}
        if not known:
            continue
        plot = _plot(height=340, x_axis_label="recall", y_axis_label="precision", x_range=(0, 1), y_range=(0, 1.02))
        for colour, (route, curve) in zip(COLOURS, known.items(), strict=False):
            label = f"{route}: AP50 {curve.average():.3f}"
            plot.line(*precision_recall(curve), color=colour, line_width=2, legend_label=label)
        plots[name] = _legend_below(plot)
    return plots


def errors_by_range(comparison: Comparison) -> Figures:
    """Mean error over ranges of the true value, one plot per column. Empty for classes and without real labels."""
    if comparison.test is None or comparison.task.higher_is_better:
        return {}
    test = comparison.test
    candidates = {candidate.name: candidate for candidate in (comparison.candidates[0], comparison.chosen)}
    predicted = {
        name: candidate.trials[0].run.model.predict(test.unlabelled()).values for name, candidate in candidates.items()
    }
    return {
        column: _by_range(column, test.labels[:, i], {name: values[:, i] for name, values in predicted.items()})
        for i, column in enumerate(test.columns[:MOST_COLUMNS])
        if test.labels[:, i].isfinite().sum() >= 2 * RANGES
    }


def _by_range(column: str, truth: Tensor, predicted: dict[str, Tensor]) -> Any:
    plot = _plot(height=260, x_axis_label=f"true {column}", y_axis_label="mean error")
    known = truth.isfinite()
    parts = truth[known].argsort().tensor_split(RANGES)  # the same number of samples in each
    middles = [float(truth[known][part].mean()) for part in parts]
    for name, values in predicted.items():
        errors = (values[known] - truth[known]).abs()
        means = [float(errors[part].mean()) for part in parts]
        colour = COLOURS[name != SOURCE_ONLY]
        plot.line(middles, means, color=colour, line_width=2, legend_label=name)
        plot.scatter(middles, means, color=colour, size=6, legend_label=name)
    plot.y_range.start = 0
    return _legend_below(plot)


def errors_by_number(few_labels: dict[str, Any] | None) -> Figures:
    """The metric against the number of few labels, with its spread; empty without few labels, or with one."""
    if few_labels is None or not few_labels["curve"]:
        return {}
    points, name = few_labels["curve"], METRICS.get(few_labels["metric"], "mean error")
    plot = _plot(height=320, x_axis_label="few labels", y_axis_label=name)
    for point in points:
        if point["spread"] is not None:
            ends = [point["mean"] - point["spread"], point["mean"] + point["spread"]]
            plot.line([point["labels"]] * 2, ends, color=COLOURS[0], line_width=1.4)
    counts, means = [point["labels"] for point in points], [point["mean"] for point in points]
    plot.line(counts, means, color=COLOURS[0], line_width=2)
    plot.scatter(counts, means, color=COLOURS[0], size=7)
    if few_labels["metric"] != "accuracy":
        plot.y_range.start = 0
    return {name: plot}


def _plot(**settings: Any) -> Any:
    plot = figure(
        sizing_mode="stretch_width",
        toolbar_location=None,
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
        **{"tools": "", **settings},
    )
    plot.grid.grid_line_color = "#888888"
    plot.grid.grid_line_alpha = 0.25
    return plot


def _legend_below(plot: Any) -> Any:
    legend = plot.legend[0]
    legend.update(click_policy="hide", location="left", ncols=2, background_fill_alpha=0, border_line_alpha=0)
    legend.stylesheets = [".bk-label { color: inherit !important; }"]
    plot.add_layout(legend, "below")
    return plot
