"""Every command has --json and --quiet, and both do the same in all of them."""

import json

import pytest

from helpers import refused
from synth2real.cli.commands import COMMANDS

QUICK = ("--steps", 2)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_both_options(synth2real, name):
    assert all(option in synth2real(name, "--help")[1] for option in ("--json", "--quiet"))


@pytest.fixture
def commands(tmp_path, classes, photos, run):
    """Arguments that each command succeeds with, and a key of its result."""
    out = tmp_path / "out"
    return {
        "render": (("digits", "--n", 4, "--out", out), "images"),
        "show": (("digits", "--n", 2, "--versions", 1, "--out", out.with_suffix(".png")), "images"),
        "check": ((classes, "--target", photos), "minutes"),
        "convert": ((classes, out, "--to", "imagefolder"), "lost"),
        "gap": ((classes, photos), "mmd"),
        "turing": ((photos, classes, "--n", 4, "--out", out.with_suffix(".html")), "key"),
        "calibrate": (
            ("digits", "--target", photos, "--trials", 3, "--set", "calibrate.images=40", "--out", f"{out}.yaml"),
            "parameters",
        ),
        "refine": ((classes, "--target", photos, "--method", "simgan", *QUICK, "--out", out), "steps"),
        "train": ((classes, "--target", photos, *QUICK, "--out", out), "losses"),
        "adapt": ((run, "--target", photos, *QUICK, "--out", out), "judgement"),
        "evaluate": ((run, "--on", classes), "accuracy"),
        "predict": ((run, photos, "--out", out.with_suffix(".csv")), "classes"),
        "export": ((run, "--to", out.with_suffix(".pt2")), "checked"),
        "report": ((run, "--out", out.with_suffix(".html")), "out"),
        "methods": ((), "methods"),
        "schema": (("parameters",), "properties"),
        "trace": ((run,), "tree"),
        "plan": (("digits", "--target", photos, "--n", 320, "--minutes", 5, *QUICK), "gain"),
    }


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("compare", "demo", "report")])
def test_json_is_one_strict_object_and_quiet_says_nothing_else(synth2real, commands, name):
    arguments, key = commands[name]
    code, out, err = synth2real(name, *arguments, "--json", "--quiet")
    assert (code, err) == (0, "")
    assert out.count("\n") == 1
    found = json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert found["command"] == name
    assert {key, "left_out", "warnings", "seconds"} <= set(found)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("methods", "demo")])
def test_an_error_with_json_is_a_message_and_no_object(synth2real, tmp_path, photos, name):
    gone = tmp_path / "gone"
    given = {
        "render": ("nobody", "--n", 4, "--out", gone),
        "show": (gone, "--out", gone.with_suffix(".png")),
        "convert": (gone, tmp_path / "out", "--to", "coco"),
        "gap": (gone, photos),
        "turing": (gone, photos, "--out", gone.with_suffix(".html")),
        "calibrate": ("digits", "--target", gone, "--out", gone.with_suffix(".yaml")),
        "refine": (gone, "--target", photos, "--method", "simgan", "--out", tmp_path / "out"),
        "adapt": (gone, "--target", photos, "--out", tmp_path / "out"),
        "evaluate": (gone, "--on", photos),
        "schema": ("nothing",),
        "predict": (gone, photos, "--out", tmp_path / "out.csv"),
        "export": (gone, "--to", tmp_path / "out.pt2"),
        "report": (gone,),
        "trace": (gone,),
        "check": (gone, "--target", photos),
    }
    arguments = given.get(name, (gone, "--target", photos, "--out", tmp_path / "out"))
    refused(synth2real(name, *arguments, "--json", "--quiet"))


def test_a_former_name_of_a_setting_is_repeated_among_the_warnings(synth2real, tmp_path, classes, photos):
    arguments = ("train", classes, "--target", photos, "--adapt", "dann", *QUICK, "--out", tmp_path / "run")
    code, out, err = synth2real(*arguments, "--set", "adapt.tells=target", "--json", "--quiet")
    assert (code, err) == (0, "")
    assert any("is now called 'discriminates'" in line for line in json.loads(out)["warnings"])


COMPUTING = (
    "check",
    "gap",
    "calibrate",
    "refine",
    "train",
    "adapt",
    "compare",
    "evaluate",
    "predict",
    "report",
    "demo",
)


@pytest.mark.parametrize("name", COMPUTING)
def test_every_command_that_computes_takes_a_device_and_refuses_one_that_is_absent(
    synth2real, commands, tmp_path, run, classes, photos, name
):
    arguments = commands.get(name, ((), ""))[0]
    arguments = {
        "gap": (*arguments, "--features", run),
        "calibrate": (*arguments, "--features", "learnt"),
        "compare": (classes, "--target", photos, "--out", tmp_path / "compared"),
        "demo": ("--out", tmp_path / "demo"),
    }.get(name, arguments)
    before = sorted(tmp_path.rglob("*"))
    refused(synth2real(name, *arguments, "--device", "cuda:9"), "device 'cuda:9' (--device): this machine has cpu")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_device_without_features_computes_nothing(synth2real, commands):
    for name in ("gap", "calibrate"):
        refused(synth2real(name, *commands[name][0], "--device", "cpu"), "--device cpu is for --features, found none")
    assert synth2real("gap", *commands["gap"][0])[0] == 0


def test_a_model_predicts_on_the_device_that_is_named(synth2real, commands):
    code, _, err = synth2real("predict", *commands["predict"][0], "--device", "cpu")
    assert code == 0, err
