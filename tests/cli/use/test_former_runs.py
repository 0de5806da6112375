"""Runs that version 0.1.0 wrote: they load, predict as they did, and are reported, whatever has been renamed since."""

import csv
import json
import shutil
import warnings
from pathlib import Path

import pytest
import yaml

from helpers import refused
from synth2real.adapt import DANN, MAPPINGS, OBJECTIVES
from synth2real.route.earlier_versions import migrated_route
from synth2real.route.run_folder import read_settings
from synth2real.settings import RENAMED, build, migrated, present_name

SAVED = Path(__file__).parents[2] / "files" / "version_0_1"
RUNS = ("dann", "msda")


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """A copy of the saved runs and of their data, in the present folder: settings name the data by relative paths."""
    shutil.copytree(SAVED, tmp_path / "saved")
    monkeypatch.chdir(tmp_path / "saved")
    return tmp_path / "saved"


def table(file: Path) -> list[list[str]]:
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.reader(lines))


@pytest.mark.parametrize("run", RUNS)
def test_a_saved_run_predicts_as_it_did(saved, synth2real, run: str) -> None:
    code, _, err = synth2real("predict", saved / run, saved / "target.npz", "--out", saved / "again.csv", "--quiet")
    assert (code, err) == (0, "")
    found, expected = table(saved / "again.csv"), table(saved / f"{run}.csv")
    assert [row[:2] for row in found] == [row[:2] for row in expected]
    confidences = [[float(row[2]) for row in rows[1:]] for rows in (found, expected)]
    assert confidences[0] == pytest.approx(confidences[1], abs=0.01)


@pytest.mark.parametrize("run", RUNS)
def test_a_saved_run_is_evaluated_and_reported_without_a_warning(saved, synth2real, run: str) -> None:
    code, out, _ = synth2real("evaluate", saved / run, "--on", saved / "one.npz", "--json")
    assert code == 0
    assert json.loads(out)["accuracy"] > 0.5
    code, _, err = synth2real("report", saved / run)
    assert code == 0, err
    assert "is now called" not in err
    assert (saved / run / "report.html").is_file()


def test_former_names_of_settings_are_read_under_their_present_names() -> None:
    dann = read_settings(SAVED / "dann")["route"]["adapt"]
    assert dann["discriminates"] == "target"
    assert "tells" not in dann
    assert read_settings(SAVED / "msda")["route"]["adapt"]["term_weighting"] == "as-given"
    nested = migrated_route({"adapt": {"method": "msda", "then": {"method": "untied", "own": [1]}}})
    assert nested["adapt"]["then"] == {"method": "untied", "untied_layers": [1]}


def test_a_former_name_that_a_user_gives_is_taken_with_a_warning(saved, synth2real) -> None:
    with pytest.warns(UserWarning, match="DANN: 'tells' is now called 'discriminates'"):
        method = build(OBJECTIVES, "dann", {"tells": "target"}, stage="adapt")
    assert method.discriminates == "target"  # type: ignore[attr-defined]
    with pytest.warns(UserWarning, match="DANN: 'tells' is now called 'discriminates'"):
        assert DANN(tells="each") == DANN(discriminates="each")  # type: ignore[call-arg]
    with pytest.warns(UserWarning, match="'words' is now called 'term_weighting'"):
        build(MAPPINGS, "msda", {"words": "tfidf"}, stage="adapt")
    command = ("train", "one.npz", "--target", "target.npz", "--adapt", "dann", "--steps", 2, "--out", "new")
    code, _, err = synth2real(*command, "--set", "adapt.tells=target")
    assert code == 0, err
    assert "warning: DANN: 'tells' is now called 'discriminates'" in err
    assert yaml.safe_load((saved / "new" / "settings.yaml").read_text())["route"]["adapt"]["discriminates"] == "target"


def test_both_names_of_one_setting_are_refused(saved, synth2real) -> None:
    command = ("train", "one.npz", "--target", "target.npz", "--adapt", "dann", "--steps", 2, "--out", "new")
    both = synth2real(*command, "--set", "adapt.tells=target", "--set", "adapt.discriminates=each")
    refused(both, "DANN: found the setting 'discriminates' twice", "Give it once")


def test_no_former_name_is_a_present_one() -> None:
    for where, names in RENAMED.items():
        assert not set(names) & set(names.values()), where
        assert migrated(where, dict.fromkeys(names, 1)) == dict.fromkeys(names.values(), 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert present_name("validator", "ensv") == "ensv"


def test_an_edited_settings_file_is_named(saved, synth2real) -> None:
    (saved / "dann" / "settings.yaml").write_text("route: [")
    refused(synth2real("report", saved / "dann"), "settings.yaml", "Train again")
