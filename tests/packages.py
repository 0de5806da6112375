"""Packages with plugins as an installer leaves them: a module, and metadata with entry points."""

import functools
import importlib
from pathlib import Path

import pytest

from synth2real import plugins


class Packages:
    """A folder of installed packages, which a test alone sees.

    Args:
        folder: where they lie.
        monkeypatch: undoes it.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder.mkdir()
        self.folder, self.monkeypatch = folder, monkeypatch
        monkeypatch.syspath_prepend(str(folder))

    def install(self, name: str, code: str, version: str = "1.2", **points: str) -> None:
        """Install a package with one module of its name.

        Args:
            name: of the package; no two tests use the same.
            code: of the module.
            version: of the package.
            points: for each group, `NAME = attribute`, one a line.
        """
        module = name.replace("-", "_")
        (self.folder / f"{module}.py").write_text(code)
        info = self.folder / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        lines = []
        for group, entries in points.items():
            lines.append(f"[synth2real.{group}]")
            for line in entries.splitlines():
                own, _, attribute = line.partition(" = ")
                lines.append(f"{own} = {module}:{attribute}")
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
        self.refresh()

    def remove(self, name: str) -> None:
        """Uninstall a package; what it has registered is gone."""
        module = name.replace("-", "_")
        for info in self.folder.glob(f"{module}-*.dist-info"):
            for file in info.iterdir():
                file.unlink()
            info.rmdir()
        (self.folder / f"{module}.py").unlink()
        self.refresh()

    def refresh(self) -> None:
        """Let the registries see what has changed, now and after the test."""
        importlib.invalidate_caches()
        # A fresh memory for this test; the former one comes back with the former packages.
        self.monkeypatch.setattr(plugins, "installed", functools.cache(plugins.installed.__wrapped__))
