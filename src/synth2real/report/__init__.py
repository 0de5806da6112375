"""The report: one self-contained HTML file, made for looking. It loads nothing from anywhere."""

from __future__ import annotations

from pathlib import Path

from ..comparison.comparison import Comparison

__all__ = ["write_report"]


def write_report(comparison: Comparison, path: Path) -> None:
    """Write the report of a comparison.

    Args:
        comparison: of classification or of values, with or without real labels, of images or of features.
        path: of the HTML file; its folder exists.
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
        **sections.everything(comparison),
        bokeh=Resources(mode="inline", components=["bokeh"]).render_js(),
        plots={group: {title: divs[f"{group}-{title}"] for title in named} for group, named in figures.items()},
        plot_script=script,
    )
    path.write_text(html, encoding="utf-8")
