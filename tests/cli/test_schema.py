"""The JSON Schemas accept what the commands accept, and are those in `docs/schema`."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from synth2real.cli.schema import SCHEMAS, described
from synth2real.comparison.named_routes import read_routes
from synth2real.refine import SimGAN
from synth2real.route import Route
from synth2real.route.route import STAGES

DOCS = Path(__file__).parents[2] / "docs" / "schema"
ROUTES = """
plain: {adapt: dann}
mapped: {randomize: none, adapt: {method: msda, then: {method: svm}}}
full:
  widen: {method: widen, factor: 1.5}
  refine: {method: simgan, settings: {reject: 0.1}}
  adapt: {method: teacher, rate: 0.001, tune: last}
"""


def errors(kind, text):
    made = SCHEMAS[kind]()
    jsonschema.Draft202012Validator.check_schema(made)
    found = jsonschema.Draft202012Validator(made).iter_errors(yaml.safe_load(text))
    return [error.message for error in found]


def test_routes_that_are_read_are_valid(tmp_path):
    (tmp_path / "routes.yaml").write_text(ROUTES)
    assert len(read_routes(tmp_path / "routes.yaml")) == 3
    assert errors("routes", ROUTES) == []


def test_every_method_as_a_run_describes_it_is_valid():
    made = SCHEMAS["routes"]()
    validator = jsonschema.Draft202012Validator(made)
    for name, kind in STAGES["adapt"].items():
        plain = json.loads(json.dumps(Route(adapt=kind()).describe()))
        assert [error.message for error in validator.iter_errors({name: plain})] == []


@pytest.mark.parametrize(
    "text",
    [
        "mine: {adapt: magic}",
        "mine: {adapts: dann}",
        "mine: {adapt: {method: dann, rate: -1}}",
        "mine: {adapt: {method: dann, strength: 1}}",
        "mine: 3",
        "{}",
    ],
)
def test_wrong_routes_are_not_valid(text):
    assert errors("routes", text)


def test_options_are_checked_by_their_command():
    assert (
        errors("config", "{command: train, source: [bars], target: photos, size: 64x64, set: {adapt: {rate: 0.1}}}")
        == []
    )
    assert errors("config", "{command: train, source: [bars], budget: 3}")
    assert errors("config", "{command: walk}")


def test_parameters_are_numbers_ranges_or_distributions():
    assert (
        errors("parameters", "{slant: [0, 1], size: 0.5, blur: {mean: 1, std: 0.2}, correlations: {a ~ b: 0.5}}") == []
    )
    assert errors("parameters", "{slant: [0, 1, 2]}")
    assert errors("parameters", "{slant: high}")


def test_settings_have_the_words_of_their_docstrings():
    said = described(SimGAN)
    assert "share of the refined images to leave out" in said["reject"]
    made = SCHEMAS["routes"]()["$defs"]["adapt.dann"]["properties"]
    assert made["weight_decay"]["description"] == "weight decay of the optimiser."
    assert (made["weight_decay"]["default"], made["weight_decay"]["minimum"]) == (0.01, 0)


def test_the_command_prints_a_schema(synth2real):
    code, out, _ = synth2real("schema", "parameters")
    assert code == 0
    assert json.loads(out)["title"] == "Ranges of a simulator, for --params"
    code, _, said = synth2real("schema", "routs")
    assert code == 2
    assert "schema 'routs' is unknown, expected one of: routes, config, parameters" in said


@pytest.mark.parametrize("kind", SCHEMAS)
def test_the_schemas_in_the_documentation_are_up_to_date(kind):
    kept = json.loads((DOCS / f"{kind}.json").read_text())
    assert kept == json.loads(json.dumps(SCHEMAS[kind]())), f"run: synth2real schema {kind} > docs/schema/{kind}.json"
