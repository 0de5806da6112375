"""The files of a run: a model, a refiner, weights and settings, damaged."""

import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save
from torch import nn

from fuzzing import damaged_yaml, fuzzed, mutated, read
from synth2real.networks.backbones import load_weights, read_weights
from synth2real.refine import Reinhard, load_refiner
from synth2real.route.run_folder import read_settings
from synth2real.simulate import Digits
from synth2real.training.loop import Loop
from synth2real.training.saved_model import load_model


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory, run: Path) -> Path:
    return shutil.copytree(run, tmp_path_factory.mktemp("copied") / "run")


def check_model(folder: Path, photos: Path) -> None:
    model = read(lambda: load_model(folder), folder)
    if model is not None:
        assert model.outputs(torch.zeros(1, *model.shape)).shape == (1, model.task.outputs)
        read(lambda: model.predict(photos), photos)


@fuzzed(20)
@given(data=st.data())
def test_a_damaged_model_is_read_or_refused(copied, run, photos, data) -> None:
    for name in ("model.yaml", "model.safetensors"):
        shutil.copyfile(run / name, copied / name)
    name = data.draw(st.sampled_from(["model.yaml", "model.yaml", "model.safetensors"]))
    whole = (run / name).read_bytes()
    (copied / name).write_bytes(data.draw(damaged_yaml(whole) if name == "model.yaml" else mutated([whole])))
    check_model(copied, photos)


@fuzzed(10)
@given(data=st.data())
def test_a_damaged_refiner_is_read_or_refused(tmp_path_factory, data) -> None:
    folder = tmp_path_factory.getbasetemp() / "refiner"
    digits = Digits(size=(8, 8)).labelled(4, 0)
    Reinhard().fit(digits, digits.unlabelled(), Loop(steps=1)).save(folder)
    name = data.draw(st.sampled_from(["refiner.yaml", "refiner.safetensors"]))
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(data.draw(damaged_yaml(whole) if name == "refiner.yaml" else mutated([whole])))
    if refiner := read(lambda: load_refiner(folder), folder):
        read(lambda: refiner.transform(digits.inputs), "refine", "shape", "expected")


@fuzzed(5)
@given(data=damaged_yaml(b"route: {adapt: {method: dann, own: 2}}\ntask: {kind: classify}\nsize: [8, 8]\n"))
def test_damaged_settings_are_read_or_refused(tmp_path_factory, data) -> None:
    file = tmp_path_factory.getbasetemp() / "settings.yaml"
    file.write_bytes(data)
    read(lambda: read_settings(file.parent), file)


@fuzzed(5)
@given(data=mutated([save(nn.Linear(2, 3).state_dict()), save(nn.Linear(2, 3).half().state_dict())]))
def test_damaged_weights_are_read_or_refused(tmp_path_factory, data) -> None:
    file = tmp_path_factory.getbasetemp() / "weights.safetensors"
    file.write_bytes(data)
    read(lambda: load_weights(nn.Linear(2, 3), read_weights(file, "net"), str(file), "net"), file)
