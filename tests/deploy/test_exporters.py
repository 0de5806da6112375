"""Exporters of installed packages."""

import pytest
import torch

from synth2real.deploy import export_model
from synth2real.errors import InputError
from synth2real.tasks import Classification
from synth2real.training.model import Model

CODE = """
def write(model, path, facts):
    path.write_text(",".join(facts["classes"]))

def fails(model, path, facts):
    raise KeyError("layer")

def nothing(model, path, facts):
    pass
"""


def model() -> Model:
    torch.manual_seed(0)
    return Model(Classification(("a", "b")), (4,)).eval()


def test_an_exporter_of_a_package_is_chosen_by_the_suffix(packages, tmp_path):
    packages.install("text-exporter", CODE, exporters="classes = write")
    made = export_model(model(), tmp_path / "model.classes")
    assert (tmp_path / "model.classes").read_text() == "a,b"
    assert made.checked is None


def test_an_exporter_that_fails_or_writes_nothing_is_named_and_leaves_nothing(packages, tmp_path):
    packages.install("bad-exporters", CODE, exporters="fails = fails\nnothing = nothing")
    with pytest.raises(InputError, match=r"the exporter 'fails' fails \(KeyError: 'layer'\). Mend its package"):
        export_model(model(), tmp_path / "model.fails")
    with pytest.raises(InputError, match="the exporter 'nothing' has written no file"):
        export_model(model(), tmp_path / "model.nothing")
    with pytest.raises(
        InputError, match=r"found the suffix '.xyz', expected .*, or \.fails \(of an installed package\)"
    ):
        export_model(model(), tmp_path / "model.xyz")
    assert [path.name for path in tmp_path.iterdir()] == ["site"]
