"""The wheel and the source distribution: what is in them, and that the demo runs from an installed wheel."""

import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from environments import fresh, site_of

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    pytest.importorskip("hatchling", reason="needs the extra dev (hatchling)")
    pytest.importorskip("build", reason="needs the extra dev (build)")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT]
    subprocess.run([*map(str, command)], check=True, capture_output=True)
    return folder


@pytest.mark.slow
def test_the_files_hold_the_package_and_its_types(dist):
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as wheel:
        names = wheel.namelist()
    assert {"synth2real/py.typed", "synth2real/__init__.py"} <= set(names)
    assert all(name.startswith(("synth2real/", "synth2real-")) for name in names)
    with tarfile.open(next(dist.glob("*.tar.gz"))) as source:
        assert any(name.endswith("/LICENSE") for name in source.getnames())


@pytest.mark.slow
def test_the_demo_runs_from_the_wheel_in_a_bare_environment(dist, tmp_path):
    """The dependencies are those of the running environment, seen through a path file; the package is the wheel's."""
    python = fresh(tmp_path / "bare")
    subprocess.run([python, "-m", "pip", "install", "--no-deps", "--no-index", next(dist.glob("*.whl"))], check=True)
    place = subprocess.run(
        [python, "-c", "import synth2real; print(synth2real.__file__)"], cwd=tmp_path, capture_output=True, text=True
    )
    assert str(site_of(tmp_path / "bare")) in place.stdout
    subprocess.run([python.with_name("synth2real"), "demo", "--fast", "--out", "demo"], cwd=tmp_path, check=True)
    assert (tmp_path / "demo" / "report.html").is_file()


def test_the_lowest_versions_are_those_of_the_ranges():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    ranges = dict(one.split(",")[0].split(">=") for one in project["dependencies"])
    lines = (ROOT / "constraints-lowest.txt").read_text().splitlines()
    pinned = dict(line.lower().split("==") for line in lines if not line.startswith("#"))
    assert set(pinned) == set(ranges)
    for name, lowest in ranges.items():
        if name != "torch":  # of which one version is tested
            assert pinned[name].startswith(lowest), name
