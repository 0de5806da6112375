"""Runs the benchmarks one after another, each in a process of its own with a time limit, and sums up how they ended.

    python -m benchmarks.run [--quick] [--only speed.refine speed.msda] [--list]

A script that fails or takes too long does not stop the others; the exit code is then 1. Speed scripts store their
tables in `results/speed`, from which `make tables` fills those of the docs. With --quick, all speed scripts run with
fewer steps and images, and of the quality scripts those that need no data and are short: about 20 minutes on two cores.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.lib.machine import describe
from benchmarks.lib.results import aligned

QUICK, WHOLE = 8 * 60, 6 * 3600  # seconds that a script may take
SHOWN = 20  # lines of the messages of a script that failed


@dataclass(frozen=True)
class Script:
    """A benchmark: its arguments with --quick, or None if it is left out then, and without."""

    name: str
    quick: str | None = None
    whole: str = ""

    def command(self, quick: bool) -> list[str]:
        arguments = (self.quick if quick else self.whole) or ""
        return [sys.executable, "-m", f"benchmarks.{self.name}", *arguments.split()]


SCRIPTS = (
    Script("speed.render", "--threads 2", "--threads 2"),
    Script("speed.simulator_peak", "--images 300"),
    Script("speed.randomize", ""),
    Script("speed.refine", "--n 512"),
    Script("speed.training_step", "--steps 6"),
    Script("speed.msda", "--drawn --layers 1"),
    Script("speed.loading", "--n 64 --small 4096"),
    Script("speed.engines", "--images 2000"),
    Script("speed.processes", "--steps 20"),
    Script("speed.gpu_step", "--steps 20"),
    Script("speed.demo_profile", ""),
    Script("speed.scaling", "--quick"),
    Script("speed.memory", "--counts 10000 --jobs train --steps 5"),
    Script("quality.gaze_between", "--steps 20 --n 200 --seeds 1 --routes randomized"),
    Script("quality.protocols.fonts"),
    Script("quality.protocols.digits"),
    Script("quality.protocols.usps"),
    Script("quality.protocols.sentiment"),
    Script("quality.protocols.eyes"),
    Script("quality.protocols.pupils"),
    Script("quality.methods.refiners"),
    Script("quality.methods.label_shift"),
    Script("quality.methods.multi_source"),
    Script("quality.gaze_order"),
    Script("quality.gaze_mpiigaze"),
    Script("quality.methods.calibration"),
)


@dataclass(frozen=True)
class Ended:
    """How a script ended, and after how many seconds."""

    name: str
    how: str
    seconds: float

    @property
    def well(self) -> bool:
        return self.how == "done"


def run(name: str, command: Sequence[str], limit: float) -> Ended:
    """Run a script. Its output passes through; its messages are shown only if it fails."""
    start = time.monotonic()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as messages:
        process = subprocess.Popen(command, stderr=messages, start_new_session=True, cwd=Path(__file__).parents[1])
        try:
            code = process.wait(limit)
            how = "done" if code == 0 else f"failed with exit code {code}"
        except subprocess.TimeoutExpired:
            how = f"stopped after {limit:.0f} s"
        finally:
            with suppress(ProcessLookupError):  # it has workers of its own, which may outlive it
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        messages.seek(0)
        said = messages.read().splitlines()
    if how != "done":
        print("\n".join(said[-SHOWN:]), flush=True)
        how = ": ".join([how, *said[-1:]])
    return Ended(name, how, time.monotonic() - start)


def chosen(names: Sequence[str] | None, quick: bool) -> list[Script]:
    """The scripts of these names; all if None. `speed.` may be left out."""
    if names is None:
        return [script for script in SCRIPTS if not quick or script.quick is not None]
    known = {script.name: script for script in SCRIPTS}
    full = [name if name in known else f"speed.{name}" for name in names]
    unknown = [name for name, whole in zip(names, full, strict=True) if whole not in known]
    if unknown:
        raise SystemExit(f"--only: found {', '.join(unknown)}, expected names of: {', '.join(known)}")
    return [known[name] for name in full]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer steps and images, and no script that needs data")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these scripts")
    parser.add_argument("--list", action="store_true", help="print the commands and run none")
    parser.add_argument("--limit", type=float, help=f"seconds of each script; by default {QUICK} or {WHOLE}")
    arguments = parser.parse_args()
    scripts = chosen(arguments.only, arguments.quick)
    if arguments.list:
        print("\n".join(" ".join(["python", *script.command(arguments.quick)[1:]]) for script in scripts))
        return
    print(describe())
    limit = arguments.limit or (QUICK if arguments.quick else WHOLE)
    ended = []
    for script in scripts:
        print(f"\n{script.name}", flush=True)
        ended.append(run(script.name, script.command(arguments.quick), limit))
    print()
    print("\n".join(aligned([["script", "seconds", ""], *([e.name, f"{e.seconds:.0f}", e.how] for e in ended)])))
    failed = [one.name for one in ended if not one.well]
    if failed:
        raise SystemExit(f"{len(failed)} of {len(ended)} scripts failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
