"""The example of a package with plugins: it is installed, listed and used by the command line."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import synth2real
from environments import fresh

PLUGIN = Path(__file__).parents[2] / "examples" / "plugin"
NAMES = {
    "refine": "invert",
    "adapt": "mean-alignment",
    "simulate": "bars",
    "network": "tiny",
    "validate": "margin",
    "metric": "worst-class",
    "export": "npz",
}


@pytest.mark.slow
def test_the_example_is_installed_listed_and_used(tmp_path: Path) -> None:
    package = tmp_path / "plugin"
    shutil.copytree(PLUGIN, package)  # a build leaves files
    python = fresh(tmp_path / "fresh", Path(synth2real.__file__).parents[1])

    def pip(python: object, *arguments: object) -> None:
        subprocess.run([str(one) for one in (python, "-m", "pip", *arguments)], check=True)

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [str(one) for one in (python, "-m", "synth2real", *arguments)]
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.run(command, cwd=tmp_path, env=clean, capture_output=True, text=True, check=False)

    quiet = ("--quiet", "--no-deps", "--no-index")
    pip(sys.executable, "wheel", *quiet, "--no-build-isolation", "--wheel-dir", tmp_path / "dist", package)
    pip(python, "install", *quiet, next((tmp_path / "dist").glob("*.whl")))
    found = json.loads(run("methods", "--json").stdout.splitlines()[-1])
    for kind, name in NAMES.items():
        assert found["packages"][kind][name] == {"package": "synth2real-example", "version": "0.1.0"}
        assert found["methods"][kind][name]
    assert run("render", "bars", "--n", 60, "--out", "photos").returncode == 0
    trained = run(
        *("train", "bars", "--n", 100, "--target", "photos", "--adapt", "mean-alignment", "--set", "adapt.weight=2"),
        *("--refine", "invert", "--network", "tiny", "--size", 16, "--steps", 10, "--out", "run"),
    )
    assert trained.returncode == 0, trained.stderr
    assert "package: synth2real-example 0.1.0" in (tmp_path / "run" / "settings.yaml").read_text()
    scored = run("evaluate", "run", "--on", "photos", "--label", "class", "--metric", "worst-class")
    assert "worst-class: " in scored.stdout
    exported = run("export", "run", "--to", "run.npz")
    assert exported.returncode == 0, exported.stderr
    assert (tmp_path / "run.npz").stat().st_size > 1000

    pip(python, "uninstall", "--quiet", "--yes", "synth2real-example")
    for arguments in (
        ("evaluate", "run", "--on", "photos"),
        ("refine", "photos", "--apply", "run", "--out", "refined"),
    ):
        without = run(*arguments)
        assert without.returncode == 2
        assert "which is not installed. Run: pip install synth2real-example" in without.stderr
