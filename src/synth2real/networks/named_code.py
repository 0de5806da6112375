"""Code that a file names, as `module:Class`. Unless the file is trusted, it comes from installed packages only."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from importlib.metadata import packages_distributions
from typing import Any

from ..errors import InputError

NAMED = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_]\w*)")
OTHERS = ("timm", "transformers")  # `timm:NAME` names an architecture, not code
OWN = __name__.partition(".")[0]


def check_code(names: Iterable[str], trust: bool | Collection[str]) -> None:
    """Raise `InputError` if one of the names is code that is neither trusted nor of an installed package.

    Nothing is imported.

    Args:
        names: of networks; those that are not `module:Class` are left out.
        trust: True trusts every name; or the names to trust.
    """
    for name in names:
        found = NAMED.fullmatch(name)
        if found is None or found[1] in OTHERS or trust is True or (trust and name in trust):
            continue
        if not is_installed(found[1]):
            raise InputError(
                f"names the class '{name}', whose code would run, but the module '{found[1]}' is not of an installed "
                "package. If you trust whoever made this folder, pass --trust (trust=True in Python), or install the "
                "module as a package"
            )


def is_installed(module: str) -> bool:
    """Whether an installed package provides a module. The module is not imported."""
    top = module.partition(".")[0]
    return top == OWN or top in packages_distributions()


def named_in(plain: Any) -> Iterator[str]:
    """Every text of the form `module:Class` in plain data, such as a description of a route."""
    if isinstance(plain, dict):
        for value in plain.values():
            yield from named_in(value)
    elif isinstance(plain, list | tuple):
        for value in plain:
            yield from named_in(value)
    elif isinstance(plain, str) and NAMED.fullmatch(plain):
        yield plain
