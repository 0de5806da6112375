"""The quality tables of the docs: for each row, by its first cell, the figures of its other cells.

A cell has one `Figure` or several, in their order; None leaves it as it is (a published figure, a text). All other
figures in the table have no raw line in `scores.jsonl`: they stay and get a dagger. A table without rows here has none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.lib import figures as by
from benchmarks.lib.figures import Figure, Line

DAGGER = "†"
LEGEND = f"{DAGGER} The raw line of this figure is not in `benchmarks/results`."
NO_LINES = "The raw lines of these figures are not in `benchmarks/results`."
NUMBER = r"-?\d*\.\d+"
FIGURE = re.compile(
    rf"(?P<figure>{NUMBER}(?: ± {NUMBER}| \({NUMBER} to {NUMBER}\)|(?: / {NUMBER})+)?|(?<![\w.])\d+(?![\w.])){DAGGER}?"
)
Cell = Figure | Sequence[Figure | None] | None
Rows = dict[str, Sequence[Cell]]
Shown = Callable[[Sequence[Line]], str]


def figure(shown: Shown, **where: Any) -> Figure:
    return Figure(shown, where)


def row(*shown: Shown | None, **where: Any) -> list[Cell]:
    """A row whose figures all come from the same line."""
    return [None if one is None else Figure(one, where) for one in shown]


def usps(name: str, steps: int | None = None, **where: Any) -> list[Cell]:
    both = ("mnist-usps", "usps-mnist")
    return [figure(by.over_seeds, protocol=one, name=name, steps=steps, part="score", **where) for one in both]


def points(protocol: str, name: str, **where: Any) -> list[Cell]:
    return row(by.pixels, by.field("within"), protocol=protocol, name=name, **where)


def gaze(name: str, given: bool = False, **where: Any) -> list[Cell]:
    few = [by.field(f"with_{count}_labels", ".2f") for count in (5, 10, 50)]
    shown = [by.degrees, by.within_degrees, *few, by.field("seconds", ".0f")]
    return row(*shown, protocol="gaze", name=name, given=given, **where)


def reviews(name: str, paper: bool = True) -> list[Cell]:
    pairs = ("books:dvd", "books:electronics", "dvd:books", "dvd:electronics", "electronics:books", "electronics:dvd")
    shown = [by.pair(one) for one in pairs]
    return row(*shown, by.field("mean"), *([None] if paper else []), protocol="sentiment", name=name)


def photographs(name: str, minutes: float = 2.0) -> list[Cell]:
    shown = (by.field("logistic_regression"), by.score_of("baseline"), by.score_of("chosen"), by.estimate)
    return row(*shown, by.field("minutes", ".0f"), protocol="photographs", name=name, minutes=minutes)


def masks(name: str) -> list[Cell]:
    protocols = ("nuclei", "pupils", "narrow")
    return [figure(by.with_interval("image_iou"), protocol=f"masks, {one}", name=name) for one in protocols]


def boxes(protocol: str, classes: Sequence[str], name: str) -> list[Cell]:
    each = [by.ap50_of(one) for one in classes]
    return row(by.with_interval("ap50"), *each, protocol=f"boxes, {protocol}", name=name)


FONTS, DIGITS = {"protocol": "fonts", "steps": 3000}, {"protocol": "digits", "steps": None, "seeds": [0, 1, 2]}
PAIRS = [f"{one} to {two}" for one in ("amazon", "caltech10", "webcam") for two in ("amazon", "caltech10", "webcam")]
NARROW, CPU = "pupils, narrow source", "AMD"  # a GPU ran source only with randomization, too


def digits(name: str) -> list[Cell]:
    return [figure(by.accuracy, name=name, **where) for where in (FONTS, DIGITS)]


def narrow(name: str, randomize: str = "full") -> list[Cell]:
    return points(NARROW, name, seeds=3, steps=800, randomize=randomize)


TABLES: dict[str, Rows] = {
    "demo": {},
    "gaze-between": {},
    "gaze-order": {},
    "digits": {
        "source only": digits("source only"),
        "dann": digits("dann"),
        "**teacher**, chosen in both": digits("teacher"),
        "teacher, a network of twice the width, chosen where it is among them; two seeds": [
            None,
            figure(by.accuracy, protocol="digits", name="teacher, wide"),
        ],
    },
    "usps": {
        "source only, not randomized": usps("source-only", machine=CPU),
        **{name: usps(name) for name in ("dann", "cdan", "mcc")},
        "cdan, twice the usual steps (`--steps 8000`)": usps("cdan", 8000),
        "cdan, `--steps 14000` (12 minutes on one core with AVX2)": usps("cdan", 14000),
        "mcd (two of three seeds on an NVIDIA H200)": usps("mcd"),
        "**teacher**": usps("teacher"),
    },
    "eyes": {
        **{name: points("eyes", name, steps=None) for name in ("source only", "randomized", "teacher")},
        "dann": points("eyes", "dann", steps=600),
        "refined, randomized": points("eyes", "refined", steps=None),
        "**combined**: refined, then the teacher; chosen": points("eyes", "combined", steps=None),
    },
    "pupils": {
        **{name: points("pupils", name, steps=1000) for name in ("source only", "randomized", "dann")},
        "refined, randomized": points("pupils", "refined", steps=1000),
        "**source only**, chosen; 400 steps": points("pupils", "source only", steps=400),
        "teacher, 400 steps": points("pupils", "teacher", steps=400),
        "combined: refined, then the teacher; 400 steps": points("pupils", "combined", steps=400),
    },
    "pupils-narrow": {
        "source only": narrow("source only", "none"),
        **{name: narrow(name) for name in ("randomized", "dann", "daregram", "rsd")},
        "**teacher**": narrow("teacher"),
        "refined by SimGAN, one seed, one core": points(NARROW, "refined", seeds=1),
        "refined by SimGAN, teacher, one seed, one core": points(NARROW, "combined", seeds=1),
    },
    "gaze": {
        "always the median of the rendered labels": gaze("constant")[:2],
        "model-based: an ellipse fitted to the iris": gaze("model-based")[:2],
        "mean of the 50 nearest rendered images": gaze("neighbours")[:2],
        "source only": gaze("source only")[:5],
        "randomized": gaze("randomized"),
        "dann": gaze("dann")[:5],
        "**daregram**": gaze("daregram")[:5],
        "randomized, before": [
            *gaze("randomized", seconds=65)[:2],
            *gaze("randomized", seconds=68)[2:5],  # few labels were drawn in a second run
            *gaze("randomized", seconds=65)[5:],
        ],
        "randomized, with the head's angles given": gaze("randomized", given=True),
        "refined by SimGAN, randomized": gaze("refined"),
        "teacher": gaze("teacher"),
    },
    "masks": {name: masks(name) for name in ("randomized", "teacher")},
    "boxes": {name: boxes("blood", ("RBC", "WBC", "Platelets"), name) for name in ("randomized", "teacher", "mic")},
    "boxes-dice": {"randomized": boxes("dice", "123456", "randomized")},
    "photographs": {
        **{name: photographs(name) for name in PAIRS},
        "mean of 6": row(
            by.mean_field("logistic_regression"),
            None,
            by.mean_score_of("chosen"),
            protocol="photographs",
            minutes=2.0,
        ),
        "renders to photographs of parts, 224 px": photographs("engineer", 10.0),
    },
    "reviews": {
        "DANN": reviews("dann"),
        "network": reviews("nn"),
        "linear SVM": reviews("svm"),
        "DANN on mSDA": reviews("msda-dann"),
        "network on mSDA": reviews("msda-nn"),
        "linear SVM on mSDA": reviews("msda-svm"),
        "**`--adapt msda`**": reviews("msda", paper=False),
    },
}


def summary() -> Rows:
    """The table of README.md: source only, the chosen route, and what it is compared with, one cell each."""

    def cells(*names: str, of: Callable[[str], Cell]) -> list[Cell]:
        return [of(name) for name in names]

    def first(table: str) -> Callable[[str], Cell]:
        return lambda label: TABLES[table][label][0]

    def of_digits(column: int) -> list[Cell]:
        return [digits(name)[column] for name in ("source only", "teacher", "dann")]

    def of_usps(column: int) -> list[Cell]:
        return [usps("source-only", machine=CPU)[column], *(usps(name)[column] for name in ("teacher", "dann"))]

    chosen, parts = "**source only**, chosen; 400 steps", {"protocol": "photographs", "name": "engineer"}
    return {
        "rendered digits to MNIST, accuracy (2)": of_digits(0),
        "MNIST to MNIST-M, accuracy (3)": of_digits(1),
        "MNIST to USPS, accuracy (4)": of_usps(0),
        "USPS to MNIST, accuracy (4)": of_usps(1),
        "iris centre, rendered to webcam eyes, median error in px (5)": cells(
            "source only", "**combined**: refined, then the teacher; chosen", of=first("eyes")
        ),
        "pupil centre, rendered to infrared eyes, median error in px (6)": cells(
            chosen, chosen, "teacher, 400 steps", of=first("pupils")
        ),
        "gaze, rendered to real webcam eyes, mean degrees (8)": [
            (),
            (),
            [None, None, figure(by.field("mean_degrees", ".2f"), protocol="gaze", name="constant")],
        ],
        "parts, renders to photographs in clutter, 224 px, accuracy (9)": [
            figure(by.score_of("source only"), **parts),
            figure(by.score_of("chosen"), **parts),
            [figure(by.score_of("randomized"), **parts), figure(by.field("logistic_regression"), **parts)],
        ],
        "product reviews, accuracy (7)": [
            figure(by.field("mean"), protocol="sentiment", name="nn"),
            figure(by.field("mean"), protocol="sentiment", name="msda"),
            None,
        ],
    }


TABLES["summary"] = summary()


def filled(name: str, present: str, scores: Path) -> str:
    """The table `present` (Markdown, with what stands around it) with the figures of `scores`.

    Raises:
        ValueError: there is no such table.
    """
    if name not in TABLES:
        raise ValueError(f"table quality/{name}: expected one of {', '.join(TABLES)}")
    lines, known = by.read(scores), TABLES[name]
    if not lines:
        return present
    written = [text for text in present.splitlines() if text not in (LEGEND, NO_LINES)]
    if known:
        ruled = next(i for i, text in enumerate(written) if text.startswith("|") and set(text) <= set("|-: "))
        for i, text in enumerate(written):
            if i > ruled and text.startswith("|"):
                written[i] = _row(text, known, lines)
    body = "\n".join(written).strip("\n")
    legend = NO_LINES if not known else LEGEND if DAGGER in body else ""
    return f"\n{body}\n\n" + (f"{legend}\n\n" if legend else "")


def _row(text: str, known: Rows, lines: Sequence[Line]) -> str:
    """A row of Markdown with its figures replaced."""
    label, *others = [cell.strip() for cell in text.strip().removeprefix("|").removesuffix("|").split("|")]
    cells = known.get(label, ())
    filled = [_cell(cell, cells[at] if at < len(cells) else (), lines) for at, cell in enumerate(others)]
    return "|" + "|".join(f" {cell} " if cell else " " for cell in (label, *filled)) + "|"


def _cell(cell: str, figures: Cell, lines: Sequence[Line]) -> str:
    """A cell with its figures replaced; a figure without lines gets a dagger."""
    if figures is None:
        return cell
    wanted = iter([figures] if isinstance(figures, Figure) else figures)

    def replaced(found: re.Match[str]) -> str:
        now = next(wanted, None)
        known = None if now is None else now.text(lines)
        return f"{found['figure']}{DAGGER}" if known is None else known

    return FIGURE.sub(replaced, cell)
