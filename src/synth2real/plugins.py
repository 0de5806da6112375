"""Plugins: what installed packages register under the entry point groups `synth2real.KIND`.

A `Registry` lists the built-in members of one kind with those of installed packages. The names come from the metadata
of the packages; a member is imported when it is asked for. A faulty plugin is named with its package and breaks nothing
else.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar, cast

from .errors import InputError

T = TypeVar("T")
OWN = "synth2real"
GROUPS = ("adapt", "source_free", "refine", "simulators", "networks", "validators", "metrics", "formats", "exporters")
LONGEST = 200  # characters of a plugin's error in a message


@dataclass(frozen=True)
class Plugin:
    """An entry point of an installed package.

    Args:
        name: that users write.
        package, version: of the distribution that registers it.
        point: the entry point, which imports it.
    """

    name: str
    package: str
    version: str
    point: EntryPoint

    @property
    def origin(self) -> str:
        """Package and version, as messages and saved settings name them."""
        return f"{self.package} {self.version}".strip()

    def __str__(self) -> str:
        return f"'{self.name}' ({self.point.value}) of the package {self.origin}"


class PluginError(InputError):
    """A plugin cannot be imported, is of a wrong kind, or shares its name with another."""


@functools.cache
def installed(group: str) -> tuple[Plugin, ...]:
    """The plugins of an entry point group. Nothing is imported; the metadata are read once in a process."""
    found = []
    for point in entry_points(group=group):
        known = point.dist
        package, version = ("unknown", "") if known is None else (known.name, known.version)
        found.append(Plugin(point.name, package, version, point))
    return tuple(sorted(found, key=lambda one: (one.name, one.package)))


class Registry(Mapping[str, T], Generic[T]):
    """The members of one kind by name: the built-in ones, then those of installed packages.

    Names need no import. `registry[name]` imports a plugin, and raises `PluginError` if it is faulty. `working` leaves
    faulty ones out with one warning each.

    Args:
        kind: such as `refine`; packages register members under `synth2real.KIND`.
        built_in: members by name; a text `module:attribute` is imported when it is asked for.
        fits: whether an imported object is a member.
        expected: what a member is, for messages.
        reserved: names that no plugin may take, besides the built-in ones.
    """

    def __init__(
        self,
        kind: str,
        built_in: Mapping[str, T | str],
        fits: Callable[[Any], bool],
        expected: str,
        reserved: tuple[str, ...] = (),
    ) -> None:
        self.kind, self.built_in, self.group = kind, dict(built_in), f"{OWN}.{kind}"
        self.fits, self.expected, self.reserved = fits, expected, reserved
        self._imported: dict[Plugin, T] = {}

    def __iter__(self) -> Iterator[str]:
        yield from self.built_in
        yield from self._usable()

    def __len__(self) -> int:
        return len(self.built_in) + len(self._usable())

    def __contains__(self, name: object) -> bool:
        return name in self.built_in or name in self._usable()

    def __getitem__(self, name: str) -> T:
        if name in self.built_in:
            self._warn_of(name)
            found = self.built_in[name]
            return cast(T, _at(found)) if isinstance(found, str) else found
        same = [one for one in installed(self.group) if one.name == name and name not in self.reserved]
        if len(same) > 1:
            raise PluginError(f"{self._clash(same)}. Remove one of the packages")
        if not same:
            raise KeyError(name)
        try:
            return self._load(same[0])
        except Exception as error:  # of a foreign package
            raise PluginError(f"{self._fault(same[0], error)}. Mend or remove the package") from None

    def working(self) -> Iterator[tuple[str, T]]:
        """Every member with its name. A plugin that is faulty or shares its name is left out, with one warning."""
        for name in self.built_in:
            yield name, self[name]
        for name, same in self._by_name().items():
            if name in self.built_in:
                continue
            if name in self.reserved or len(same) > 1:
                warnings.warn(f"left out: {self._clash(same)}", stacklevel=2)
                continue
            try:
                found = self._load(same[0])
            except Exception as error:  # of a foreign package
                warnings.warn(f"left out: {self._fault(same[0], error)}", stacklevel=2)
                continue
            yield name, found

    def plugin(self, name: str) -> Plugin | None:
        """The plugin of this name; None for a built-in member."""
        return self._usable().get(name)

    def name_of(self, kind: type[Any]) -> str | None:
        """The name of a member that is a class; None if it is no member.

        Only plugins of the top module of the class are imported: the class is from one of them, or from none.
        """
        for name, one in self.built_in.items():
            if one is kind:
                return name
        for name, plugin in self._usable().items():
            if _top(plugin.point.value) == _top(kind.__module__):
                try:
                    if self._load(plugin) is kind:
                        return name
                except Exception:  # a faulty plugin is said where it is asked for
                    continue
        return None

    def _by_name(self) -> dict[str, list[Plugin]]:
        found: dict[str, list[Plugin]] = {}
        for one in installed(self.group):
            found.setdefault(one.name, []).append(one)
        return found

    def _usable(self) -> dict[str, Plugin]:
        """The plugins by name, without those that take the name of a built-in member."""
        taken = {*self.built_in, *self.reserved}
        return {name: same[0] for name, same in self._by_name().items() if name not in taken}

    def _load(self, plugin: Plugin) -> T:
        if plugin not in self._imported:
            found = plugin.point.load()
            if not self.fits(found):
                raise TypeError(f"it is {shown(found)}, expected {self.expected}")
            own = getattr(found, "name", plugin.name)
            if isinstance(own, str) and own != plugin.name:
                raise TypeError(f"its attribute `name` is '{own}', expected '{plugin.name}', as its entry point says")
            self._imported[plugin] = found
        return self._imported[plugin]

    def _warn_of(self, name: str) -> None:
        """Warn that a plugin with the name of a built-in member is not used."""
        same = [one for one in installed(self.group) if one.name == name]
        if same:
            warnings.warn(f"left out: {self._clash(same)}", stacklevel=3)

    def _clash(self, same: list[Plugin]) -> str:
        packages = " and ".join(one.origin for one in same)
        name = same[0].name
        if name in self.built_in or name in self.reserved:
            return f"the package {packages} registers '{name}' under {self.group}, which is a name of {OWN} itself"
        return f"the packages {packages} both register '{name}' under {self.group}"

    def _fault(self, plugin: Plugin, error: Exception) -> str:
        said = " ".join(str(error).split())[:LONGEST].rstrip(".")
        return f"{self.kind} {plugin}: {type(error).__name__}: {said}"


def provider(kind: type[Any]) -> str | None:
    """Name and version of the package with plugins that a class is of; None for a class of the library or a script."""
    top = _top(kind.__module__)
    if top in (OWN, "__main__"):
        return None
    plugins = (one for group in GROUPS for one in installed(f"{OWN}.{group}"))
    return next((one.origin for one in plugins if _top(one.point.value) == top), None)


def absent(kind: str, name: str, package: str) -> str:
    """Says that something saved is of a package that is not installed, and how to mend it."""
    return f"{kind} '{name}' is of the package {package}, which is not installed. Run: pip install {package.split()[0]}"


def subclass_of(*kinds: type[Any]) -> Callable[[Any], bool]:
    """Whether an object is a class that derives from one of these."""
    return lambda found: isinstance(found, type) and issubclass(found, kinds)


def _top(place: str) -> str:
    """The top module of `package.module:attribute`."""
    return place.partition(":")[0].partition(".")[0]


def _at(place: str) -> object:
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)


def shown(found: object) -> str:
    """A value in a message. The repr of a module, class or function contains its address or path."""
    if isinstance(found, type):
        return f"the class '{found.__name__}'"
    called = getattr(found, "__name__", None)
    return repr(found)[:LONGEST] if called is None else f"the {type(found).__name__} '{called}'"
