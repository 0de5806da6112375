"""`--config FILE`: the options of every command from a file, and the file that repeats a command."""

import pytest
import yaml

from helpers import contents, refused
from synth2real.cli.arguments import CompareArguments, RenderArguments, TrainArguments
from synth2real.cli.commands import COMMANDS
from synth2real.cli.config_file import CONFIG, keep_config, option_names, read_config

QUICK = ("--steps", 2)


@pytest.fixture
def config(tmp_path):
    """Writes a file of options from a text, and returns it."""

    def write(text, name="run.yaml"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_a_file(synth2real, name):
    assert "--config FILE" in synth2real(name, "--help")[1]


def test_names_are_those_of_the_options_and_of_the_help():
    assert option_names(CompareArguments)["minutes"] == "budget"
    assert option_names(TrainArguments)["assign"] == "set"
    assert option_names(TrainArguments)["zero_based"] == "zero-based"
    assert option_names(RenderArguments)["name"] == "simulator"


def test_values_are_the_text_that_the_command_line_would_get(config):
    file = config(
        "source: [a, 07]\ntarget: b\nsize: 64x64\nchannels: 3\nseed: 1e3\nlabel: yes\nskip_bad: true\n"
        "params:\npreset: null\n"
    )
    assert read_config(file, "train", TrainArguments) == {
        "source": ["a", "07"],
        "target": "b",
        "size": "64x64",
        "channels": "3",
        "seed": "1e3",
        "label": ["yes"],
        "skip_bad": "true",
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("set: adapt.rate=0.1", ["adapt.rate=0.1"]),
        ("set: [adapt.rate=0.1, adapt.preset=paper]", ["adapt.rate=0.1", "adapt.preset=paper"]),
        ("set: {adapt.rate: 0.1}", ["adapt.rate=0.1"]),
        (
            "set: {adapt: {rate: 0.1, target_prior: [0.5, 0.5], head: null, preset: paper}}",
            ["adapt.rate=0.1", "adapt.target_prior=[0.5, 0.5]", "adapt.head=null", 'adapt.preset="paper"'],
        ),
    ],
)
def test_settings_are_a_list_or_nested(config, text, found):
    assert read_config(config(text), "train", TrainArguments) == {"assign": found}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("stepz: 3", ("run.yaml: 'stepz' is no option of `synth2real train`", "Did you mean 'steps'?")),
        ("config: a", ("'config' is no option",)),
        ("metadata: {}", ("'metadata' is no option of `synth2real train`, expected one of: ")),
        ("few-labels: a\nfew_labels: b", ("'few-labels' is given twice, with - and with _",)),
        ("steps: 3\nsteps: 4", ("run.yaml: is not valid YAML (line 2, column 1: 'steps' is given twice)",)),
        ("steps: [3, 4]", ("run.yaml: steps: found a list of 2, expected one value",)),
        ("task: {a: b}", ("run.yaml: task: found a nested value, expected one value",)),
        ("label: [[a]]", ("run.yaml: label: found a nested value, expected texts",)),
        ("steps: [3", ("run.yaml: is not valid YAML (line 1, column ", "expected `option: value`")),
        ("- a", ("run.yaml: contains list, expected `option: value`", "`target: photos`")),
        ("", ("run.yaml: contains nothing, expected `option: value`",)),
        (
            "command: compare",
            ("is the file of `synth2real compare`, but this is `synth2real train`", "remove the line"),
        ),
        ("steps: many", ("Invalid value for '--steps'", "integer", "(in ", "run.yaml)")),
        ("size: big", ("Invalid value for '--size': 'big', expected", "run.yaml)")),
        ("overwrite: maybe", ("Invalid value for '--overwrite'", "boolean", "run.yaml)")),
        ("set: {adapt: {rate: x}}", ("adapt.rate of 'source-only': found 'x', expected a valid number",)),
        ("target: gone", ("gone: no such folder", "the path is relative to")),
    ],
)
def test_what_is_wrong_in_a_file_is_said(synth2real, tmp_path, classes, photos, config, text, parts):
    target = () if text.startswith("target") else ("--target", photos)
    refused(synth2real("train", classes, *target, "--out", tmp_path / "out", "--config", config(text)), *parts)
    assert not (tmp_path / "out").exists()


def test_a_file_that_cannot_be_read(synth2real, tmp_path, classes):
    refused(synth2real("train", "--config", tmp_path / "gone"), "gone: cannot be read (No such file or directory)")
    refused(
        synth2real("train", "--config", tmp_path), f"is a folder, expected a YAML file, such as {tmp_path / CONFIG}"
    )


def test_what_a_command_needs_may_come_from_the_file_and_is_missed_after_it(synth2real, config, photos):
    file = config(f"target: {photos}\n")
    refused(synth2real("train", "--config", file, "--out", "x"), "Missing argument 'SOURCE'")
    refused(synth2real("train", photos, "--config", file), "Missing option '--out'")


def test_the_settings_of_a_run_name_the_file_that_repeats_it(synth2real, config):
    config("command: train", CONFIG)
    said = refused(synth2real("train", "--config", config("route: {}", "settings.yaml")), "'route' is no option")
    assert f"{CONFIG} repeats the command of that folder" in said


def test_the_command_line_wins_and_settings_are_joined(synth2real, tmp_path, classes, photos, config):
    file = config(
        f"source: {classes}\ntarget: {photos}\nsteps: 2\nseed: 3\nout: {tmp_path / 'unused'}\n"
        "set: {adapt: {rate: 0.01, tune: frozen}}\n"
    )
    out = tmp_path / "run"
    code, _, err = synth2real("train", "--config", file, "--out", out, "--seed", 4, "--set", "adapt.rate=0.02")
    assert code == 0, err
    settings = yaml.safe_load((out / "settings.yaml").read_text())
    assert (settings["seed"], settings["steps"]) == (4, 2)
    assert (settings["route"]["adapt"]["rate"], settings["route"]["adapt"]["tune"]) == (0.02, "frozen")
    assert yaml.safe_load((out / CONFIG).read_text())["seed"] == 4
    assert not (tmp_path / "unused").exists()


def test_what_is_of_one_call_is_not_kept(tmp_path):
    out = tmp_path / "params.yaml"
    keep_config("render", RenderArguments(name="digits", n=3, out=out, overwrite=True, size=(8, 9), quiet=True), out)
    assert yaml.safe_load((tmp_path / "params.config.yaml").read_text()) == {
        "command": "render",
        "simulator": "digits",
        "n": 3,
        "out": str(out),
        "size": "8x9",
        "masks": False,
        "seed": 0,
        "jobs": 1,
    }


@pytest.mark.parametrize(
    ("command", "made"),
    [
        ("render", "metadata.jsonl"),
        ("refine", "0.png"),
        ("train", "model.safetensors"),
        ("calibrate", ""),
        ("adapt", "model.safetensors"),
    ],
)
def test_the_file_of_a_command_repeats_it(synth2real, tmp_path, classes, photos, run, command, made):
    suffix = ".yaml" if command == "calibrate" else ""
    first, again = tmp_path / f"first{suffix}", tmp_path / f"again{suffix}"
    arguments = {
        "render": ("digits", "--n", 3, "--size", "8x8", "--seed", 5),
        "refine": (classes, "--target", photos, "--method", "histogram"),
        "train": (classes, "--target", photos, "--adapt", "dann", "--set", "adapt.rate=0.01", *QUICK),
        "calibrate": ("digits", "--target", photos, "--trials", 3, "--set", "calibrate.images=40", "--only", "height"),
        "adapt": (run, "--target", photos, *QUICK),
    }[command]
    assert synth2real(command, *arguments, "--out", first)[0] == 0
    file = first / CONFIG if not suffix else tmp_path / f"first.{CONFIG}"
    code, _, err = synth2real(command, "--config", file, "--out", again)
    assert code == 0, err
    if suffix:
        assert first.read_bytes() == again.read_bytes()
        return
    one, other = contents(first), contents(again)
    assert one.keys() == other.keys()
    assert [name for name in one if name.endswith((made, ".png")) and one[name] != other[name]] == []
