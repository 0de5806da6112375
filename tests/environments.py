"""Fresh virtual environments, into which tests install packages."""

import sysconfig
import venv
from pathlib import Path


def fresh(folder: Path, *more: Path) -> Path:
    """Make an environment that sees the dependencies of the running one, and the folders `more`, but not the library.

    Returns:
        its Python.
    """
    venv.create(folder, with_pip=True)
    seen = [sysconfig.get_path("purelib"), *map(str, more)]
    (site_of(folder) / "dependencies.pth").write_text("".join(f"{path}\n" for path in seen))
    return folder / "bin" / "python"


def site_of(folder: Path) -> Path:
    """Where an environment keeps its packages."""
    return next(folder.glob("lib/python*/site-packages"))
