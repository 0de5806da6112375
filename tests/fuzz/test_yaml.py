"""YAML: routes, ranges, descriptions of programs, `--set`, and the files of a run."""

from contextlib import suppress
from pathlib import Path

import pytest
import typer
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import YAML, damaged_yaml, fuzzed, read
from synth2real.cli.options import parse_channels, parse_size
from synth2real.cli.set_option import parse_assignments
from synth2real.comparison.named_routes import read_routes
from synth2real.route.route import STAGES
from synth2real.settings import build
from synth2real.simulate import Simulator, load_parameters, simulator
from synth2real.simulate.external_program import external

ROUTES = b"""
mine: {randomize: full, adapt: {method: teacher, rate: 0.001}}
other: {refine: {method: simgan, settings: {steps: 10}}, adapt: dann}
"""
PARAMETERS = b"blur: [0.2, 0.5]\ninvert: 0.5\n"
PROGRAM = b"""
command: render {parameters} {out} {n}
timeout: 600
parameters:
  height: {unit: mm, description: of the lamp, limits: [0, 100], default: [20, 40], distribution: uniform}
classes: {label: [cup, plate]}
columns: {place: [x, y]}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("yaml")


@fuzzed(20)
@given(data=damaged_yaml(ROUTES))
def test_damaged_routes_are_read_or_refused(place, data) -> None:
    file = place / "routes.yaml"
    file.write_bytes(data)
    if routes := read(lambda: read_routes(file), file):
        assert all(yaml.safe_dump(route.describe()) for route in routes.values())


@fuzzed(15)
@given(data=damaged_yaml(PARAMETERS))
def test_damaged_ranges_are_read_or_refused(place, data) -> None:
    file = place / "parameters.yaml"
    file.write_bytes(data)
    if found := read(lambda: load_parameters(file), file):
        made = read(lambda: simulator("digits", **found), *found["ranges"], "correlation")
        assert made is None or len(made.sample(1, 0)) == 1


@fuzzed(15)
@given(data=damaged_yaml(PROGRAM))
def test_damaged_programs_are_read_or_refused(place, data) -> None:
    file = place / "program.yaml"
    file.write_bytes(data)
    if found := read(lambda: external(file), file):
        assert issubclass(found, Simulator)
        assert isinstance(found(), Simulator)


VALUES = st.sampled_from([token.decode(errors="replace") for token in YAML]) | st.text(max_size=8)


@fuzzed(20)
@given(stage=st.sampled_from([*STAGES, "x", ""]), field=st.sampled_from(["rate", "method", "x", ""]), value=VALUES)
def test_odd_settings_are_taken_or_refused(stage, field, value) -> None:
    text = f"{stage}.{field}={value}"
    found = read(lambda: parse_assignments((text,)), "--set")
    for name, values in (found or {}).items():
        for method in STAGES[name]:
            read(lambda: build(STAGES[name], method, values, stage=name), method)  # noqa: B023


@fuzzed(10)
@given(
    text=st.sampled_from(["28x28", "9" * 5000 + "x1", "0x0", "²x²", "1x1x1", "99999999x99999999"]) | st.text(max_size=5)
)
def test_odd_sizes_and_channels_are_taken_or_refused(text) -> None:
    with suppress(typer.BadParameter):
        height, width = parse_size(text)
        assert 0 < height * width <= 2**26
    with suppress(typer.BadParameter):
        assert parse_channels(text) in (1, 3)
