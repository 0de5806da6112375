"""Where `synth2real demo --fast` spends its time: arithmetic, imports, data, report, and the rest.

The command runs in a process of its own under cProfile, which sees the main thread and makes Python code slower than
it is. Seconds are those within a function itself, without what it calls. Arithmetic is what torch, numpy and scipy
compute; the second table has the largest entries beside it.

    python -m benchmarks.speed.demo_profile [--entries 12] [--command demo --fast]
"""

from __future__ import annotations

import argparse
import pstats
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.lib.results import Column, Row, show

COLUMNS = (
    Column("kind", "kind"),
    Column("entry", "entry"),
    Column("calls", "calls"),
    Column("seconds", "seconds"),
    Column("share", "share of the whole"),
)
Entry = tuple[str, int, str]  # file, line and name of a function, as cProfile has them
# Kinds by a part of the file's path or, for functions written in C, of the name; the first that fits.
KINDS = {
    "imports": r"importlib|zipimport|marshal|posix\.(stat|listdir)|_imp\.|builtins\.(compile|exec|__build_class__)"
    r"|<module>|pydantic|/(typing|dataclasses|inspect|enum|abc|functools|ast|re/\w+|textwrap)\.py",
    "arithmetic": r"torch\.|_C\.|TensorBase|run_backward|numpy\.|scipy|lapack|blas|optuna|/(torch|numpy|sklearn)/",
    "report": r"synth2real/report|bokeh|jinja2|matplotlib|ft2font|PIL|ImagingEncoder|zlib",
    "data": r"synth2real/(data|simulate|datasets|storage)|posix|_io\.|json|yaml|safetensors|hashlib|_hashlib",
    "adaptation and training": r"synth2real/(adapt|training|networks|tasks|transforms|randomize|refine)",
    "choice": r"synth2real/(select|comparison|route|measure|calibrate)",
}


def kind_of(entry: Entry) -> str:
    """The kind of a function."""
    file, _, name = entry
    named = name if file == "~" else f"{file}:{name}"
    return next((kind for kind, pattern in KINDS.items() if re.search(pattern, named)), "rest")


def profiled(command: list[str]) -> dict[Entry, tuple[int, float]]:
    """Calls of each function, and the seconds within it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "profile"
        under = [sys.executable, "-m", "cProfile", "-o", str(file), "-m", "synth2real"]
        done = subprocess.run([*under, *command, "--out", f"{folder}/out"], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"synth2real {' '.join(command)}: {done.stderr[-2000:]}")
        found = pstats.Stats(str(file)).stats  # type: ignore[attr-defined]
    return {entry: (calls, within) for entry, (_, calls, within, _, _) in found.items()}


def tables(found: dict[Entry, tuple[int, float]], entries: int) -> list[Row]:
    """A row for each kind, and for the largest entries that are not arithmetic."""
    whole = sum(seconds for _, seconds in found.values())
    kinds: dict[str, tuple[int, float]] = {}
    for entry, (calls, seconds) in found.items():
        before = kinds.get(kind_of(entry), (0, 0.0))
        kinds[kind_of(entry)] = before[0] + calls, before[1] + seconds

    def row(part: str, calls: int, seconds: float) -> Row:
        return {"part": part, "calls": calls, "seconds": round(seconds, 3), "share": f"{seconds / whole:.1%}"}

    largest = sorted(found.items(), key=lambda item: -item[1][1])
    others = [item for item in largest if kind_of(item[0]) != "arithmetic"][:entries]
    return [
        *(
            {"kind": kind, **row("kinds", *value)}
            for kind, value in sorted(kinds.items(), key=lambda item: -item[1][1])
        ),
        *({"kind": kind_of(entry), "entry": named(entry), **row("entries", *value)} for entry, value in others),
    ]


def named(entry: Entry) -> str:
    """A function as it is shown: the end of its path, and its name."""
    file, line, name = entry
    return name.strip("<>") if file == "~" else f"{'/'.join(Path(file).parts[-2:])}:{line} {name.strip('<>')}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=12)
    parser.add_argument("--command", nargs=argparse.REMAINDER, default=["demo", "--fast"])
    arguments = parser.parse_args()
    rows = tables(profiled(arguments.command), arguments.entries)
    show("speed/demo_profile", COLUMNS, rows, {"command": " ".join(arguments.command)})


if __name__ == "__main__":
    main()
