"""The example of a package with plugins: it is installed, listed and used by the command line."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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


def call(folder: Path, *arguments: object, site: Path | None) -> subprocess.CompletedProcess[str]:
    """`synth2real` in a process of its own, with the packages in `site`."""
    paths = [str(site)] if site else []
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*paths, *filter(None, sys.path)])}
    command = [sys.executable, "-m", "synth2real", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_example_is_installed_listed_and_used(tmp_path: Path) -> None:
    package, site = tmp_path / "plugin", tmp_path / "site"
    shutil.copytree(PLUGIN, package)  # a build leaves files
    install = ("install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", site, package)
    subprocess.run([sys.executable, "-m", "pip", *map(str, install)], check=True)

    def run(*arguments: object, installed: bool = True) -> subprocess.CompletedProcess[str]:
        return call(tmp_path, *arguments, site=site if installed else None)

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

    for arguments in (
        ("evaluate", "run", "--on", "photos"),
        ("refine", "photos", "--apply", "run", "--out", "refined"),
    ):
        without = run(*arguments, installed=False)
        assert without.returncode == 2
        assert "which is not installed. Run: pip install synth2real-example" in without.stderr
