"""Code that a run folder names: what runs without trust, and what with it."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from helpers import refused
from synth2real import load_model
from synth2real.errors import InputError
from synth2real.networks.named_code import check_code, is_installed, named_in
from synth2real.refine import load_refiner

HERE = "from torch import nn\nprint('the code ran')\n\nclass Net(nn.Flatten):\n    pass\n"
SAYS = ("names the class 'nets_of_others:Net'", "the module 'nets_of_others' is not of an installed package", "--trust")


def test_modules_of_packages_are_installed_and_others_are_not():
    assert all(is_installed(module) for module in ("torch", "torch.nn", "numpy.linalg", "synth2real.networks"))
    assert not any(is_installed(module) for module in ("nets_of_others", "nets_of_others.torch", "helpers"))


def test_names_that_are_no_code_or_are_trusted_pass():
    names = ["convolutional", "timm:resnet18", "transformers:google/vit", "torch.nn:Flatten", "a b:c", "C:/weights"]
    check_code(names, False)
    check_code(["nets_of_others:Net"], True)
    check_code(["nets_of_others:Net"], ("nets_of_others:Net",))
    for trust in (False, (), ("nets_of_others:Other",)):
        with pytest.raises(InputError, match=r"^names the class 'nets_of_others:Net', whose code would run.*--trust"):
            check_code(["nets_of_others:Net"], trust)


def test_every_name_in_plain_data_is_found():
    plain = {"adapt": {"network": "a.b:C", "rate": 1.0}, "refine": [{"regularise_in": "d:E"}, None], "f": "no name"}
    assert list(named_in(plain)) == ["a.b:C", "d:E"]


@pytest.fixture
def foreign(run, tmp_path, monkeypatch):
    """A run folder of another person, which names a class that lies in the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in ("", str(tmp_path))])
    (tmp_path / "nets_of_others.py").write_text(HERE)
    (tmp_path / "run").mkdir()
    for file in run.iterdir():
        (tmp_path / "run" / file.name).write_bytes(file.read_bytes())
    described = yaml.safe_load((run / "model.yaml").read_text())
    (tmp_path / "run" / "model.yaml").write_text(yaml.safe_dump({**described, "network": "nets_of_others:Net"}))
    yield tmp_path / "run"
    sys.modules.pop("nets_of_others", None)


def test_no_command_runs_code_of_a_run_folder_without_trust(synth2real, foreign, classes, photos):
    commands = (
        ("predict", foreign, photos, "--out", "p.csv"),
        ("evaluate", foreign, "--on", classes),
        ("adapt", foreign, "--target", photos, "--out", "adapted"),
        ("gap", classes, photos, "--features", foreign),
    )
    for command in commands:
        assert "the code ran" not in refused(synth2real(*command), foreign, *SAYS)
        assert "nets_of_others" not in sys.modules
        assert str(foreign.parent) not in sys.path
    assert not Path("p.csv").exists()
    assert not Path("adapted").exists()
    code, out, err = synth2real(*commands[0], "--trust")
    assert (code, out) == (2, "the code ran\n")
    assert "does not fit the model" in err  # it is another network


def test_a_name_is_found_wherever_it_is_hidden(foreign):
    described = yaml.safe_load((foreign / "model.yaml").read_text())
    member = {**described, "network": "convolutional", "members": [described]}
    for hidden in ({"members": [described], "weighted": False}, {"members": [member], "weighted": False}):
        shown = {key: value for key, value in described.items() if key not in ("network", "head", "tune")}
        (foreign / "model.yaml").write_text(yaml.safe_dump({**shown, **hidden}))
        with pytest.raises(InputError, match="names the class 'nets_of_others:Net'"):
            load_model(foreign)


@pytest.mark.parametrize(
    ("changed", "parts"),
    [
        ({"source": "nets_of_others:Net"}, SAYS),
        ({"source": "lamp.yaml"}, ("its source is 'lamp.yaml', a program that would run", "--trust")),
        ({"more": ["digits", "x.yml"]}, ("its source is 'x.yml', a program",)),
        ({"route": {"refine": {"method": "simgan", "regularise_in": "nets_of_others:Net"}}}, SAYS),
        ({"task": None}, ("settings.yaml: is damaged (TypeError", "Train again with --overwrite")),
        ({"steps": "many"}, ("settings.yaml: is damaged (ValueError",)),
        ({"size": [8, 8, 8]}, ("settings.yaml: is damaged",)),
    ],
)
def test_a_report_runs_no_code_that_the_settings_name(synth2real, foreign, changed, parts):
    settings = {"source": "classes", "target": "photos", "route": {}, "task": {"kind": "classify"}, "label": None}
    settings |= dict.fromkeys(("preset", "params", "n", "size", "channels", "zero_based")) | {"seed": 0, "steps": 3}
    (foreign / "settings.yaml").write_text(yaml.safe_dump(settings | changed))
    assert "the code ran" not in refused(synth2real("report", foreign), foreign, *parts)


def test_a_refiner_runs_no_code_without_trust(tmp_path, foreign):
    described = {"method": "simgan", "settings": {"regularise_in": "nets_of_others:Net"}, "shape": [1, 8, 8]}
    (foreign / "refiner.yaml").write_text(yaml.safe_dump(described))
    (foreign / "refiner.safetensors").write_bytes((foreign / "model.safetensors").read_bytes())
    with pytest.raises(InputError, match="names the class 'nets_of_others:Net'"):
        load_refiner(foreign)


def test_a_file_in_the_working_folder_does_not_run_instead_of_a_module(tmp_path):
    (tmp_path / "yaml.py").write_text("print('the code ran')")
    (tmp_path / "typer.py").write_text("print('the code ran')")
    called = [sys.executable, "-m", "synth2real", "methods"]
    home = {"PYTHONPATH": str(Path(sys.modules["synth2real"].__file__).parents[1]), "PATH": ""}
    done = subprocess.run(called, cwd=tmp_path, env=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "the code ran" not in done.stdout


def test_a_model_with_an_installed_class_loads(run, tmp_path):
    described = yaml.safe_load((run / "model.yaml").read_text())
    (tmp_path / "model.yaml").write_text(yaml.safe_dump({**described, "network": "torch.nn:Flatten"}))
    (tmp_path / "model.safetensors").write_bytes((run / "model.safetensors").read_bytes())
    with pytest.raises(InputError, match="does not fit the model"):  # imported without trust
        load_model(tmp_path)
