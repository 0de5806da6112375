"""`synth2real check`: it prints what it has found before it times a step."""

import json

import pytest

from helpers import picture, save
from synth2real.cli.data import check


def test_findings_are_printed_before_a_step_is_timed(synth2real, classes, photos, monkeypatch, capsys):
    printed = []

    def timed(*_):
        printed.append(capsys.readouterr().out)
        return 0.06

    monkeypatch.setattr(check, "step_seconds", timed)
    code, out, err = synth2real("check", classes, "--target", photos)
    assert code == 0, err
    assert "source: 40 of 1x16x16; classes: dark 20, light 20" in printed[0]
    assert "near-duplicates, source: 0 pairs" in printed[0]
    assert "outliers in the target: " in printed[0]
    assert "one training of source only: about 30 seconds for 500 steps" in printed[1]
    assert "one training of teacher: about 30 seconds for 500 steps" in out


@pytest.mark.parametrize("labels", [("a", "a"), ("a", "b")])
def test_renders_of_one_backdrop_are_one_line(synth2real, tmp_path, photos, labels):
    for i in range(24):
        save(tmp_path / "source" / labels[i % 2] / f"{i}.png", picture(0))
        save(tmp_path / "source" / "c" / f"{i}.png", picture(50 + i))
    code, out, err = synth2real("check", tmp_path / "source", "--target", photos)
    assert code == 0, err
    (line,) = [line for line in out.splitlines() if line.startswith("near-duplicates, source:")]
    alarms = [line for line in err.splitlines() if "near-duplicates" in line]
    if labels == ("a", "a"):
        assert line == "near-duplicates, source: 276 pairs, 0 of them with different labels"
        assert alarms == []
    else:
        assert line == "near-duplicates, source: 276 pairs, 144 of them with different labels"
        assert len(alarms) == 1
        assert "within source: 144 pairs of near-duplicates have different labels" in alarms[0]


def test_the_object_holds_the_findings_and_the_minutes(synth2real, classes, photos):
    code, out, err = synth2real("check", classes, "--target", photos, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert set(found["minutes"]) == {"source only", "teacher"}
    assert found["contradictions"] == {"source": {"count": 0, "first": []}}
    assert found["duplicates"]["target"]["count"] == 0
