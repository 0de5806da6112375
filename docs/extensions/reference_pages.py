"""Writes the pages of the reference that follow from the code, before Sphinx reads them."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

from command_pages import command_pages
from settings_pages import settings_pages
from synth2real_names import PACKAGES, Name, homes, kind_of, names_of

FOLDER = Path("reference") / "generated"
REQUESTS = (
    "set_fit_request, set_predict_request, set_score_request"  # that scikit-learn adds, with links to its own pages
)


def write_pages(app: Any) -> None:
    """All generated pages. A file is touched only where its text changes, so that Sphinx reads it again only then."""
    folder = Path(app.srcdir) / FOLDER
    pages = {**package_pages(), **settings_pages(), **command_pages()}
    for path in sorted(folder.rglob("*")) if folder.exists() else []:
        if path.is_file() and path.relative_to(folder).as_posix() not in pages:
            path.unlink()
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def package_pages() -> dict[str, str]:
    """A page for each package, a page for each name, and the page that lists the packages."""
    pages, own = {}, homes()
    home = {id(one.value): one for names in own.values() for one in names}
    for package, names in own.items():
        pages[f"{package}.rst"] = package_page(package, names, home)
        pages |= {f"names/{one.path}.rst": name_page(one) for one in names}
    lines = ["Python", "======", "", ".. list-table::", "   :widths: 40 60", ""]
    for package, title in PACKAGES.items():
        lines += [f"   * - :doc:`{package} <{package}>`", f"     - {title}"]
    pages["python.rst"] = "\n".join(
        [*lines, "", ".. toctree::", "   :hidden:", "", *(f"   {one}" for one in PACKAGES), ""]
    )
    return pages


def package_page(package: str, own: list[Name], home: dict[int, Name]) -> str:
    """What a package is for, its names in a table, and links to its names that have their page elsewhere."""
    heading = f"{PACKAGES[package]}: ``{package}``"
    lines = [heading, "=" * len(heading), "", inspect.getdoc(import_module(package)) or "", ""]
    for title, kinds in (
        ("Classes", ("class",)),
        ("Functions", ("function",)),
        ("Errors", ("exception",)),
        ("Values", ("data",)),
    ):
        some = [one for one in own if kind_of(one.value) in kinds]
        if some:
            lines += ["", title, "-" * len(title), "", ".. list-table::", "   :widths: 30 70", ""]
            for one in sorted(some, key=lambda one: one.name.lower()):
                lines += [f"   * - :doc:`{one.name} <names/{one.path}>`", f"     - {first_sentence(one)}"]
    others = [one for one in names_of(package) if home[id(one.value)].package != package]
    if others:
        links = ", ".join(f":doc:`{one.name} <names/{home[id(one.value)].path}>`" for one in others)
        lines += ["", f"Also here: {links}."]
    lines += ["", ".. toctree::", "   :hidden:", "", *(f"   names/{one.path}" for one in own)]
    return "\n".join(lines) + "\n"


def first_sentence(one: Name) -> str:
    """The first line of a docstring; of a value without one of its own, what it is."""
    if kind_of(one.value) == "data":
        if isinstance(one.value, dict):
            return "Name and class of each: " + ", ".join(f"`{name}`" for name in one.value) + "."
        return f"`{one.value!r}`"[:300]
    return (inspect.getdoc(one.value) or "").partition("\n")[0]


def name_page(one: Name) -> str:
    """The page of one name, from its docstring."""
    kind = kind_of(one.value)
    lines = [one.name, "=" * len(one.name), ""]
    if kind == "data":
        return "\n".join([*lines, f"``{one.path}``", "", first_sentence(one), ""])
    lines += [f".. currentmodule:: {one.package}", "", f".. auto{kind}:: {one.name}"]
    if kind in ("class", "exception"):
        lines += ["   :members:", "   :show-inheritance:", f"   :exclude-members: {REQUESTS}"]
    return "\n".join(lines) + "\n"


def setup(app: Any) -> dict[str, bool]:
    app.connect("builder-inited", write_pages, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
