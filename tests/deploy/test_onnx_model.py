"""An `.onnx` read back: what it refuses. That it answers as its model is tested with the export."""

import sys

import pytest
import torch

from skips import optional
from small_models import CLASSES
from synth2real import InputError, Labelled, Unlabelled
from synth2real.deploy import export_model, load_onnx
from synth2real.training.model import Model


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A model of features with a given column, and its `.onnx`."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        optional(package, "onnx")
    model = Model(CLASSES, (3,), given_columns=("exposure",))
    return model, export_model(model, tmp_path_factory.mktemp("exports") / "model.onnx").path


def domain(exposure=0.5, width=3):
    return Unlabelled(torch.rand(600, width), given=torch.full((600, 1), exposure), given_columns=("exposure",))


def test_it_predicts_more_samples_than_a_batch_and_evaluates(both):
    model, path = both
    data = domain()
    labelled = Labelled(
        data.inputs, torch.zeros(600).long(), CLASSES.classes, given=data.given, given_columns=("exposure",)
    )
    found = load_onnx(path)
    torch.testing.assert_close(found.predict(data).values, model.predict(data).values)
    assert found.evaluate(labelled) == model.evaluate(labelled)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (domain(width=4), "the data has 4 features, the model takes 3"),
        (Unlabelled(torch.rand(2, 3)), "the data has no given column 'exposure'"),
        (domain(exposure=100.0), "the given column 'exposure' is 100 to 100 in the data, but 0 on average"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_as_by_the_model(both, data, words):
    for model in (both[0], load_onnx(both[1])):
        with pytest.raises(InputError, match=words):
            model.predict(data)


def test_groups_are_refused(both):
    with pytest.raises(InputError, match="groups were given, but an exported model has no correction by group"):
        load_onnx(both[1]).predict(domain(), groups=["ann"] * 600)


def test_a_missing_a_damaged_and_a_foreign_file_are_refused(both, tmp_path):
    onnx = optional("onnx", "onnx")
    with pytest.raises(InputError, match=r"no.onnx: no such file, expected a model of `synth2real export`"):
        load_onnx(tmp_path / "no.onnx")
    (tmp_path / "torn.onnx").write_bytes(both[1].read_bytes()[:1000])
    with pytest.raises(InputError, match=r"torn.onnx: is no ONNX model that onnxruntime can read"):
        load_onnx(tmp_path / "torn.onnx")
    foreign = onnx.load(both[1])
    del foreign.metadata_props[:]
    onnx.save(foreign, tmp_path / "foreign.onnx")
    with pytest.raises(InputError, match=r"foreign.onnx: its metadata is not that of `synth2real export` \('task'\)"):
        load_onnx(tmp_path / "foreign.onnx")


def test_without_onnxruntime_the_message_says_how_to_install_it(both, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"model.onnx: needs the package onnxruntime, .* 'synth2real\[onnx\]'"):
        load_onnx(both[1])
