"""The directive `route-map`: the decision map as two pictures, for wide and for narrow screens, and as nested text."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

Node = dict[str, Any]

INDENT, WIDE, LEAF, LEAF_HEIGHT = 24, 760, 412, 42  # of the wide picture: of a level; width; left edge of the leaves
STEP, NARROW = 14, 360  # of the narrow picture: indentation of a level, width
LINE = 17  # height of a line of text
LETTER = 7.2  # usual width of a letter


@dataclass
class Drawing:
    """Parts of an SVG, and how far down it reaches."""

    parts: list[str] = field(default_factory=list)
    bottom: float = 0

    def box(self, kind: str, x: float, y: float, width: float, height: float) -> None:
        self.parts.append(
            f'<rect class="{kind}" x="{x:g}" y="{y:.1f}" width="{width:g}" height="{height:.1f}" rx="7"/>'
        )
        self.bottom = max(self.bottom, y + height)

    def text(self, kind: str, x: float, y: float, lines: list[str]) -> None:
        for i, line in enumerate(lines):
            self.parts.append(f'<text class="{kind}" x="{x:g}" y="{y + i * LINE:.1f}">{escape(line)}</text>')

    def line(self, path: str) -> None:
        self.parts.append(f'<path d="{path}"/>')

    def svg(self, kind: str, width: float) -> str:
        size = f'viewBox="-1 -1 {width + 2} {self.bottom + 3:.0f}"'
        return f'<svg class="route-map {kind}" {size} role="img" aria-hidden="true">{"".join(self.parts)}</svg>'


def wrapped(text: str, most: int) -> list[str]:
    """Lines of at most so many characters, where words allow it."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > most:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def wide(tree: Node) -> str:
    """A row for each answer, indented by level: with its next question, or with its leaf at the right."""
    drawing = Drawing()
    _asked(drawing, tree["question"], 0, 0)
    _wide(drawing, tree, 1, 38)
    return drawing.svg("wide", WIDE)


def _wide(drawing: Drawing, node: Node, level: int, top: float) -> float:
    """Draw the answers of a node from `top`, and return where they end."""
    x, start = level * INDENT, top
    for one in node["answers"]:
        middle = top + LEAF_HEIGHT / 2
        drawing.line(f"M{x - 12} {start - 8:.1f} V{middle:.1f} H{x - 3}")
        drawing.text("answer", x, middle + 4, [one["answer"]])
        after = x + LETTER * len(one["answer"]) + 10
        if "leaf" in one:
            drawing.parts.append(f'<path class="leader" d="M{after:.0f} {middle:.1f} H{LEAF}"/>')
            _leaf(drawing, one, LEAF, top, WIDE - LEAF - 2, [one["text"]], [one["more"]])
            top += LEAF_HEIGHT + 7
        else:
            _asked(drawing, one["question"], after, top + 5)
            top = _wide(drawing, one, level + 1, top + LEAF_HEIGHT + 5)
    return top


def _asked(drawing: Drawing, question: str, x: float, top: float) -> None:
    """A question in its box, on one line."""
    drawing.box("question", x, top, 22 + 8.2 * len(question), 30)
    drawing.text("asked", x + 10, top + 20, [question])


def _leaf(
    drawing: Drawing, node: Node, x: float, top: float, width: float, command: list[str], more: list[str]
) -> None:
    """A leaf, which links to its section."""
    drawing.parts.append(f'<a href="#{node["leaf"]}" tabindex="-1">')
    drawing.box("leaf", x, top, width, LINE * (len(command) + len(more)) + 8)
    drawing.text("command", x + 9, top + 17, command)
    drawing.text("more", x + 9, top + 17 + LINE * len(command), more)
    drawing.parts.append("</a>")


def narrow(tree: Node) -> str:
    """Everything below each other, indented by level."""
    drawing = Drawing()
    _narrow(drawing, tree, 0, 0)
    return drawing.svg("narrow", NARROW)


def _narrow(drawing: Drawing, node: Node, level: int, top: float) -> float:
    """Draw a node from `top`, and return where it ends."""
    x = level * STEP
    width = NARROW - x - 2
    if "answer" in node:
        lines = wrapped(node["answer"], width // 8)
        drawing.text("answer", x, top + 14, lines)
        top += LINE * len(lines) + 6
    if "leaf" in node:
        command, more = wrapped(node["text"], width // 9), wrapped(node["more"], width // 8)
        _leaf(drawing, node, x, top, width, command, more)
        return top + LINE * (len(command) + len(more)) + 16
    lines = wrapped(node["question"], width // 9)
    height = LINE * len(lines) + 10
    drawing.box("question", x, top, width, height)
    drawing.text("asked", x + 9, top + 18, lines)
    below = top + height + 8
    for one in node["answers"]:
        start = below
        below = _narrow(drawing, one, level + 1, below)
        drawing.line(f"M{x + 4} {top + height:.1f} V{start + 9:.1f} H{x + STEP - 3}")
    return below


def as_text(node: Node) -> nodes.bullet_list:
    """The same tree as a nested list, whose leaves are links."""
    listed = nodes.bullet_list(bullet="-")
    for one in node["answers"]:
        paragraph = nodes.paragraph("", "")
        paragraph += nodes.strong(text=one["answer"])
        item = nodes.list_item("", paragraph)
        if "leaf" in one:
            link = nodes.reference("", "", nodes.literal(text=one["text"]), refuri=f"#{one['leaf']}", internal=True)
            paragraph += [nodes.Text(": "), link, nodes.Text(f" ({one['more']})")]
        else:
            paragraph += nodes.Text(f": {one['question']}")
            item += as_text(one)
        listed += item
    return listed


class RouteMap(SphinxDirective):
    """`{route-map} FILE.yaml`."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        path = Path(self.env.relfn2path(self.arguments[0])[1])
        self.env.note_dependency(str(path))
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
        picture = nodes.raw("", wide(tree) + narrow(tree), format="html")
        question = nodes.paragraph("", "", nodes.strong(text=tree["question"]))
        return [picture, nodes.container("", question, as_text(tree), classes=["route-text"])]


def setup(app: Any) -> dict[str, bool]:
    app.add_directive("route-map", RouteMap)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
