"""The table of methods: every run is stored at once, and no stored run is repeated."""

import json

import pytest
import torch

from benchmarks.quality.methods import adapt_methods as benchmark
from synth2real.data.domains import Labelled, Unlabelled

QUICK = ("--steps", "2", "--seeds", "2", "--protocols", "usps-mnist", "--methods", "source-only", "mcc")


def tiny() -> benchmark.Protocol:
    images = torch.randint(0, 256, (20, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    labelled = Labelled(images, torch.arange(20) % 2, ("0", "1"))
    return benchmark.Protocol("tiny", labelled, Unlabelled(images), labelled, labelled)


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "PROTOCOLS", {"usps-mnist": tiny})
    monkeypatch.setattr(benchmark, "DEV", tmp_path / "dev.jsonl")
    monkeypatch.setattr(benchmark, "SCORES", tmp_path / "scores.jsonl")
    return tmp_path / "dev.jsonl"


def test_an_interrupted_table_continues(file, capsys, monkeypatch):
    taken = []
    take = benchmark.take

    def counted(plan, protocol, into):
        if len(taken) == 3:
            raise KeyboardInterrupt
        taken.append((plan.key["name"], plan.key["seed"]))
        take(plan, protocol, into)

    monkeypatch.setattr(benchmark, "take", counted)
    with pytest.raises(KeyboardInterrupt):
        benchmark.main(QUICK)
    assert taken == [("source-only", 0), ("mcc", 0), ("source-only", 1)]
    with file.open("a") as lines:
        lines.write('{"protocol": "usps-mnist", "name": "mc\n')  # cut off by a crash
    monkeypatch.setattr(benchmark, "take", take)
    assert benchmark.main(QUICK) == 0
    before = file.read_text()
    assert benchmark.main(QUICK) == 0
    assert file.read_text() == before
    rows = capsys.readouterr().out.splitlines()[-3:]
    assert rows[0].split() == ["method", "usps-mnist"]
    assert [row.split()[0] for row in rows[1:]] == ["source-only", "mcc"]
    assert all("±" in row and " s)" in row for row in rows[1:])


def test_other_steps_are_another_run_and_score_results_go_to_another_file(file):
    one = ("--seeds", "1", "--protocols", "usps-mnist", "--methods", "source-only")
    for steps in ("1", "2"):
        benchmark.main(("--steps", steps, *one))
    benchmark.main(("--steps", "1", "--score", *one))
    lines = [json.loads(text) for text in file.read_text().splitlines()]
    assert [line["steps"] for line in lines] == [1, 2]
    scores = [json.loads(text) for text in benchmark.SCORES.read_text().splitlines()]
    assert [(line["part"], line["seed"], line["name"]) for line in scores] == [("score", 0, "source-only")]


def test_a_method_has_its_own_randomization_or_a_common_one():
    assert benchmark.route("source-only").randomize is None
    assert benchmark.route("dann").describe()["randomize"]["method"] == "full"
    assert benchmark.route("source-only", "full").describe()["randomize"]["method"] == "full"
    assert benchmark.route("dann", "none").randomize is None


def test_stored_runs_are_shown_without_another_run(file, capsys, monkeypatch):
    assert benchmark.main(QUICK) == 0
    monkeypatch.setattr(benchmark, "take", lambda *given: pytest.fail("a run was begun"))
    assert benchmark.main([*QUICK, "--seeds", "3", "--show"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[-4] == "dev labels; stored runs"
    assert "(2 x " in rows[-1]
