"""YAML: routes, ranges, descriptions of programs, `--set`, and the files of a run."""

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import fuzzed, mutated, read
from synth2real.cli.options import parse_channels, parse_size
from synth2real.cli.set_option import parse_assignments
from synth2real.comparison.named_routes import read_routes
from synth2real.refine import Reinhard, load_refiner
from synth2real.route.route import STAGES
from synth2real.route.run_folder import read_settings
from synth2real.settings import build
from synth2real.simulate import Digits, Simulator, load_parameters, simulator
from synth2real.simulate.external_program import external
from synth2real.training.loop import Loop
from synth2real.training.model import load_model

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
BOMB = b"a: &a [x, x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (name, name, b", ".join([b"*%c" % (name - 1)] * 10)) for name in b"bcdefghi"
)
TOKENS = [
    b"&a [*a]", b"*a", b"<<: *a", b"2001-99-99", b"!!timestamp x", b"!!python/object/apply:os.getcwd []", b"!!float x",
    b"!!binary 1", b"[" * 2000, b"{" * 2000, b"9" * 5000, b".inf", b"-.nan", b"1e999", b"null", b"true", b"? {}", b"\xff", b"\0",
    b"\t", b"- ", b": ", b"\n", b"|", b"%TAG", b"---\n", b"99999999999999999999", b"-1", b"0", b"''", b"[]", b"{}", b"1:30",
    b"{nan: nan}", b"x" * 3000, BOMB, b"module:Class"
]  # fmt: skip
PLAIN = st.sampled_from(
    [
        None,
        True,
        -1,
        0,
        1.5,
        10**9,
        2**70,
        float("inf"),
        float("nan"),
        "",
        "x",
        "é",
        [],
        [1],
        [0, 1],
        [[]],
        {},
        {"a": 1},
    ]
)


def holed(draw: Any, valid: Any) -> Any:
    """Plain data with one value replaced by another, or removed."""
    if isinstance(valid, dict | list) and valid and draw(st.integers(0, 3)):
        keys = list(valid) if isinstance(valid, dict) else list(range(len(valid)))
        key, copy = draw(st.sampled_from(keys)), valid.copy()
        if draw(st.integers(0, 4)):
            copy[key] = holed(draw, valid[key])
        else:
            del copy[key]
        return copy
    return draw(PLAIN)


@st.composite
def damaged(draw: Any, valid: bytes) -> bytes:
    """A YAML file with damaged bytes or with an odd value."""
    if draw(st.booleans()):
        return draw(mutated([valid], TOKENS))
    return yaml.safe_dump(holed(draw, yaml.safe_load(valid))).encode()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("yaml")


@fuzzed(30)
@given(data=damaged(ROUTES))
def test_damaged_routes_are_read_or_refused(place, data) -> None:
    file = place / "routes.yaml"
    file.write_bytes(data)
    if routes := read(lambda: read_routes(file), file):
        assert all(yaml.safe_dump(route.describe()) for route in routes.values())


@fuzzed(20)
@given(data=damaged(PARAMETERS))
def test_damaged_ranges_are_read_or_refused(place, data) -> None:
    file = place / "parameters.yaml"
    file.write_bytes(data)
    if ranges := read(lambda: load_parameters(file), file):
        made = read(lambda: simulator("digits", ranges=ranges), *ranges)
        assert made is None or len(made.sample(1, 0)) == 1


@fuzzed(25)
@given(data=damaged(PROGRAM))
def test_damaged_programs_are_read_or_refused(place, data) -> None:
    file = place / "program.yaml"
    file.write_bytes(data)
    if found := read(lambda: external(file), file):
        assert issubclass(found, Simulator)
        assert isinstance(found(), Simulator)


@fuzzed(15)
@given(data=damaged(b"route: {adapt: {method: dann, own: 2}}\ntask: {kind: classify}\nsize: [8, 8]\n"))
def test_damaged_settings_of_a_run_are_read_or_refused(place, data) -> None:
    (place / "settings.yaml").write_bytes(data)
    read(lambda: read_settings(place), place / "settings.yaml")


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory, run: Path) -> Path:
    return shutil.copytree(run, tmp_path_factory.mktemp("copied") / "run")


def check_model(folder: Path, photos: Path) -> None:
    model = read(lambda: load_model(folder), folder)
    if model is not None:
        assert model.outputs(torch.zeros(1, *model.shape)).shape == (1, model.task.outputs)
        read(lambda: model.predict(photos), photos)


@fuzzed(25)
@given(data=st.data())
def test_a_damaged_model_is_read_or_refused(copied, run, photos, data) -> None:
    for name in ("model.yaml", "model.safetensors"):
        shutil.copyfile(run / name, copied / name)
    name = data.draw(st.sampled_from(["model.yaml", "model.yaml", "model.safetensors"]))
    whole = (run / name).read_bytes()
    (copied / name).write_bytes(data.draw(damaged(whole) if name == "model.yaml" else mutated([whole])))
    check_model(copied, photos)


@fuzzed(15)
@given(data=st.data())
def test_a_damaged_refiner_is_read_or_refused(place, data) -> None:
    folder = place / "refiner"
    digits = Digits(size=(8, 8)).labelled(4, 0)
    Reinhard().fit(digits, digits.unlabelled(), Loop(steps=1)).save(folder)
    name = data.draw(st.sampled_from(["refiner.yaml", "refiner.safetensors"]))
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(data.draw(damaged(whole) if name == "refiner.yaml" else mutated([whole])))
    if refiner := read(lambda: load_refiner(folder), folder):
        read(lambda: refiner.transform(digits.inputs), "refine", "shape", "expected")


VALUES = st.sampled_from([token.decode(errors="replace") for token in TOKENS]) | st.text(max_size=8)


@fuzzed(25)
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
