"""The report of a comparison as one HTML file. The file is self-contained: it loads nothing from disk or network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..comparison.comparison import Comparison
from ..storage import write_text

__all__ = ["write_report"]


def write_report(comparison: Comparison, path: Path, few_labels: dict[str, Any] | None = None, note: str = "") -> None:
    """Write the report of a comparison as an HTML file.

    Args:
        comparison: of any task, on images or on features, with or without real labels.
        path: of the HTML file. Its folder must exist.
        few_labels: what a few labels bought, as `Correction.plain` gives it; None without them.
        note: a sentence on the data that stands at the top.
    """
    from bokeh.embed import components
    from bokeh.resources import Resources
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from . import plots, sections

    figures = {
        "curves": plots.curves(comparison),
        "embeddings": plots.embeddings(comparison),
        "errors": plots.true_against_predicted(comparison),
        "ranges": plots.errors_by_range(comparison),
        "precisions": plots.precisions(comparison),
        "few_labels": plots.errors_by_number(few_labels),
    }
    flat = {f"{group}-{title}": figure for group, named in figures.items() for title, figure in named.items()}
    script, divs = components(flat)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html = environment.get_template("template.html").render(
        **sections.everything(comparison, few_labels),
        note=note,
        bokeh=Resources(mode="inline", components=["bokeh"]).render_js(),
        plots={group: {title: divs[f"{group}-{title}"] for title in named} for group, named in figures.items()},
        plot_script=script,
    )
    write_text(path, html)
