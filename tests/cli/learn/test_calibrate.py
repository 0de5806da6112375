"""`synth2real calibrate`: from a folder of real images to ranges, a report and pictures; and what it refuses."""

import numpy as np
import pytest
import yaml
from PIL import Image

from helpers import refused
from synth2real.simulate import Digits, Empirical, Normal, load_parameters, render

FAST = (
    "--method",
    "search",
    "--trials",
    4,
    "--set",
    "calibrate.images=40",
    "--set",
    "calibrate.learn=200",
    "--only",
    "height",
    "--only",
    "blur",
)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    folder = tmp_path_factory.mktemp("real")
    render(Digits(size=(12, 12), ranges={"height": (0.8, 0.9)}), 60, folder, seed=5)
    return folder


def test_what_is_found_is_written_and_rendered_from(synth2real, tmp_path, real):
    out = tmp_path / "found" / "params.yaml"
    code, _, err = synth2real("calibrate", "digits", "--target", real, "--out", out, *FAST)
    assert code == 0, err
    assert "height" in err
    assert "in 4 trials" in err
    ranges = load_parameters(out)["ranges"]
    assert set(ranges) == {"height", "blur"}
    report = yaml.safe_load(out.with_suffix(".report.yaml").read_text())
    assert report["parameters"]["height"]["after"] == list(ranges["height"])
    assert report["parameters"]["height"]["verdict"] in ("constrained", "weakly", "not")
    assert report["distance"]["before"] > 0
    assert len(report["unreached"]["farthest"]) == 24
    assert report["unreached"]["farthest"][0].endswith(".png")
    with Image.open(out.parent / report["unreached"]["pictures"]) as sheet:
        assert sheet.size == (6 * (2 * 48 + 8), 4 * (48 + 8))
    assert synth2real("render", "digits", "--n", 2, "--params", out, "--out", tmp_path / "again")[0] == 0


def test_a_posterior_is_written_with_what_the_simulator_cannot_make(synth2real, tmp_path, real):
    out = tmp_path / "found" / "params.yaml"
    quick = ("--trials", 20, "--set", "calibrate.images=40", "--set", "calibrate.rounds=2", "--only", "height")
    code, _, err = synth2real("calibrate", "digits", "--target", real, "--out", out, *quick)
    assert code == 0, err
    assert "in 20 trials" in err
    assert "difference between the mean real image and the closest mean rendered image" in err
    low, high = load_parameters(out)["ranges"]["height"]
    assert 0.75 < (low + high) / 2 < 0.95
    report = yaml.safe_load(out.with_suffix(".report.yaml").read_text())
    assert report["calibrate"]["method"] == "posterior"
    assert 0 < report["discrepancy"] < 1
    before = out.read_text()
    refused(synth2real("calibrate", "digits", "--target", real, "--out", out, *quick), "the file exists", "--overwrite")
    assert synth2real("calibrate", "digits", "--target", real, "--out", out, *quick, "--resume")[0] == 0
    assert out.read_text() == before


def test_distributions_correlations_and_given_columns_are_written(synth2real, tmp_path):
    hidden = {"contrast": Normal(1.5, 0.25), "height": Normal(0.68, 0.04), "blur": Normal(0.6, 0.1)}
    correlations = {"height ~ contrast": -0.8}
    made = Digits(size=(12, 12), ranges=hidden, correlations=correlations).sample(300, 7)
    given = {"given": made.parameters["blur"].numpy(), "blur": made.parameters["blur"].numpy()}
    np.savez(tmp_path / "real.npz", images=made.images[:, 0].numpy(), **given)
    out = tmp_path / "params.yaml"
    options = ("--only", "contrast", "--only", "height", "--trials", 80, "--set", "calibrate.narrowest=0.3")
    options += ("--set", "calibrate.distribution=normal", "--given", "blur")
    code, _, err = synth2real("calibrate", "digits", "--target", tmp_path / "real.npz", "--out", out, *options)
    assert code == 0, err
    assert "given with" in err
    assert "correlations: height ~ contrast -0." in err
    kept = load_parameters(out)
    assert isinstance(kept["ranges"]["contrast"], Normal)
    assert kept["ranges"]["blur"] == Empirical.of(made.parameters["blur"])
    assert list(kept["correlations"]) == ["height ~ contrast"]
    report = yaml.safe_load(out.with_suffix(".report.yaml").read_text())
    assert report["parameters"]["height"]["after"] == kept["ranges"]["height"].plain()
    assert report["given"]["blur"] == kept["ranges"]["blur"].plain()
    assert report["correlations"] == kept["correlations"]
    assert isinstance(report["combinations"], list)
    assert synth2real("render", "digits", "--n", 2, "--params", out, "--out", tmp_path / "again")[0] == 0
    refused(
        synth2real(
            "calibrate", "digits", "--target", tmp_path / "real.npz", "--given", "given", "--out", tmp_path / "p.yaml"
        ),
        "the given columns given are no parameters of the simulator digits",
    )


def test_a_search_that_finds_nothing_nearer_leaves_the_ranges(synth2real, tmp_path):
    render(Digits(size=(12, 12)), 60, tmp_path / "own", seed=5)
    out = tmp_path / "params.yaml"
    code, _, err = synth2real("calibrate", "digits", "--target", tmp_path / "own", "--out", out, *FAST, "--trials", 1)
    assert code == 0, err
    assert "no ranges with a smaller distance were found in 1 trials, so all ranges stay unchanged" in err
    assert load_parameters(out)["ranges"]["blur"] == pytest.approx(Digits().range("blur"))


def test_features_are_compared_where_asked_for(synth2real, tmp_path, real):
    code, _, err = synth2real(
        "calibrate", "digits", "--target", real, "--out", tmp_path / "p.yaml", "--features", "learnt", *FAST
    )
    assert code == 0, err
    assert "distance (sliced-wasserstein, on features: learnt):" in err
    assert yaml.safe_load((tmp_path / "p.report.yaml").read_text())["calibrate"]["features"] == "learnt"


def test_a_search_goes_on_where_it_was_left(synth2real, tmp_path, real):
    whole, halves = tmp_path / "whole.yaml", tmp_path / "halves.yaml"
    fast = ("--method", "search", "--set", "calibrate.images=40", "--set", "calibrate.learn=200", "--only", "height")
    arguments = ("calibrate", "digits", "--target", real, *fast)
    assert synth2real(*arguments, "--trials", 6, "--out", whole)[0] == 0
    assert synth2real(*arguments, "--trials", 3, "--out", halves)[0] == 0
    refused(synth2real(*arguments, "--trials", 6, "--out", halves), "the file exists", "--overwrite")
    assert synth2real(*arguments, "--trials", 6, "--out", halves, "--resume")[0] == 0
    assert halves.read_text() == whole.read_text()
    err = refused(
        synth2real(*arguments, "--trials", 6, "--out", halves, "--resume", "--seed", 1), "the study was started with"
    )
    assert "Use the same arguments" in err
    other = tmp_path / "other.yaml"
    storage = ("--storage", halves.with_suffix(".study.db"))
    refused(synth2real(*arguments, "--out", other, *storage), "contains a study already", "--resume")


def test_what_cannot_be_done_is_refused(synth2real, tmp_path, real):
    def call(*more, name="digits", out="p.yaml"):
        return synth2real("calibrate", name, "--target", real, "--out", tmp_path / out, *more)

    refused(call(out="p.png"), "expected the name of a YAML file, such as", "p.yaml")
    refused(call("--overwrite", "--resume"), "exclude each other")
    refused(call("--only", "hight"), "simulator digits has no parameter 'hight'", "height")
    refused(call("--distance", "far"), "calibrate.distance of 'search': found 'far'")
    refused(call("--features", "nowhere"), "nowhere: found no model.yaml")
    refused(call("--distance", "moments"), "calibrate.distance of 'search': found 'moments'")
    refused(call("--method", "guess"), "calibrate 'guess' is unknown, expected one of: posterior, npe, search")
    refused(call("--method", "posterior", "--distance", "mmd"), "--distance is for a search", "--method is posterior")
    refused(call("--set", "adapt.rate=1"), "this command has the stage calibrate only")
    refused(call(name="digit"), "simulator 'digit' is unknown")
    refused(call("--preset", "infrared"), "--preset infrared: simulator digits has no presets. Remove --preset")
    refused(call("--storage", "nosuch://x"), "--storage 'nosuch://x'")
    refused(
        call("--method", "search", "--set", "calibrate.optimizer=gradient", "--only", "height"),
        "not differentiable in 'height'",
    )
