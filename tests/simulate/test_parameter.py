"""Parameters, and the files of what their values are sampled from."""

import re

import pytest
import torch

from synth2real.errors import InputError
from synth2real.simulate import Digits, Empirical, Normal, Parameter, load_parameters, save_parameters


def test_parameters_round_trip_through_yaml(tmp_path):
    ranges = {"height": (0.5, 0.75), "blur": 0.5}
    save_parameters(ranges, tmp_path / "p.yaml")
    assert (tmp_path / "p.yaml").read_text() == "height: [0.5, 0.75]\nblur: 0.5\n"
    assert load_parameters(tmp_path / "p.yaml") == {"ranges": ranges, "correlations": {}}


def test_distributions_and_correlations_round_trip_through_yaml(tmp_path):
    ranges = {"rotation": Normal(9, 10), "blur": Empirical((0, 0.2, 1)), "height": (0.5, 0.75)}
    save_parameters(ranges, tmp_path / "p.yaml", {"rotation ~ blur": 0.5})
    assert (tmp_path / "p.yaml").read_text() == (
        "rotation: {mean: 9.0, std: 10.0}\nblur:\n  quantiles: [0.0, 0.2, 1.0]\nheight: [0.5, 0.75]\n"
        "correlations:\n  rotation ~ blur: 0.5\n"
    )
    found = load_parameters(tmp_path / "p.yaml")
    assert found == {"ranges": ranges, "correlations": {"rotation ~ blur": 0.5}}
    assert Digits(**found).sampling("rotation") == Normal(9, 10)
    (tmp_path / "flow.yaml").write_text("{blur: {mean: 1, std: 0.5}, correlations: {blur~height: 0.5}}")
    assert Digits(**load_parameters(tmp_path / "flow.yaml")).all_correlations() == {"height ~ blur": 0.5}


def test_a_parameter_of_whole_numbers_rounds_a_distribution():
    parameter = Parameter("lamps", "", "number of lamps", (0.5, 4), (1, 3), "integer")
    unit = torch.linspace(0, 1, 101)
    assert parameter.at(unit, Normal(2, 3)).unique().tolist() == [1, 2, 3, 4]
    assert parameter.at(unit, Empirical((1, 1.2, 3))).unique().tolist() == [1, 2, 3]


def test_a_default_may_be_a_distribution_and_is_checked():
    assert Parameter("x", "mm", "", (0, 9), Normal(3, 1)).default == Normal(3, 1)
    with pytest.raises(InputError, match=r"parameter x is \{'mean': 12.0, 'std': 1.0\}, expected .*<= mean <= 9 .*mm"):
        Parameter("x", "mm", "", (0, 9), Normal(12, 1))


@pytest.mark.parametrize("name", ["correlations", "a~b"])
def test_names_that_are_kept_for_correlations_are_refused(name):
    with pytest.raises(InputError, match=f"parameter '{name}' has a name that is kept for correlations. Rename it"):
        Parameter(name, "", "", (0, 1), (0, 1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("blur: {mean: 1, std: -1}", "p.yaml: parameter 'blur': Normal has mean 1 and std -1, expected two finite"),
        ("blur: {quantiles: [2, 1]}", "p.yaml: parameter 'blur': Empirical has the quantile 1 after 2, expected"),
        ("blur: {median: 1}", "p.yaml: parameter 'blur' is {'median': 1}, expected a number or [low, high], or {mean:"),
        ("correlations: [1]", "p.yaml: correlations is [1], expected lines such as 'height ~ blur: 0.5'"),
        ("blur: much", "p.yaml: parameter 'blur' is 'much', expected a number or [low, high]"),
        ("blur: [1, 2, 3]", "p.yaml: parameter 'blur' is [1, 2, 3]"),
        ("blur: true", "p.yaml: parameter 'blur' is True"),
        ("- 1", "p.yaml: contains list, expected lines such as"),
        ("a: [", "p.yaml: is not valid YAML (line 1, column 5: expected the node content"),
        ("a: 1\nb: c: d", "p.yaml: is not valid YAML (line 2, column 5: mapping values are not allowed here)"),
    ],
)
def test_parameter_files_that_cannot_be_used_name_file_and_parameter(tmp_path, text, message):
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(InputError, match=re.escape(message)):
        load_parameters(tmp_path / "p.yaml")
    with pytest.raises(InputError, match=r"none\.yaml: cannot be read"):
        load_parameters(tmp_path / "none.yaml")
