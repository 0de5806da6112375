"""Comparison in a budget: successive halving, interruption and resuming, refusals, and no use of real labels."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from synth2real import Budget, InputError, Labelled, Route, Unlabelled, compare
from synth2real.adapt import AFN, DANN, MCC, MSDA, SelfTraining, SourceOnly, Teacher
from synth2real.cli.learn.compare import in_doubt, table
from synth2real.comparison.halving import ENOUGH, LEAST, Plan, Speed, shortened, stepless
from synth2real.errors import TrainingDiverged
from synth2real.randomize import Widen
from synth2real.refine import SimGAN
from synth2real.simulate import Digits

QUICK = Budget(batch=16)


def blobs(count: int, share: float, shift: float, seed: int) -> Labelled:
    """Two clouds, the first class with the share `share`, shifted across the direction that separates them."""
    generator = torch.Generator().manual_seed(seed)
    y = (torch.rand(count, generator=generator) >= share).long()
    x = torch.randn(count, 4, generator=generator) + 2.5 * (2 * y[:, None] - 1) * torch.tensor([1.0, 0, 0, 0])
    return Labelled(x + shift * torch.tensor([0, 1.0, 0, 0]), y, ("no", "yes"))


def without_seconds(table):
    """A table but for what depends on the clock."""
    return [{key: value for key, value in row.items() if key != "seconds"} for row in table]


def plan(**speeds) -> Plan:
    known = {"source only": 0.01, "a": 0.02, "b": 0.02, "c": 0.02, "d": 0.02, **speeds}
    return Plan(600.0, 1, 100_000, {name: Speed(0.0, step) for name, step in known.items()}, pinned=("source only",))


def test_a_plan_halves_and_gives_the_last_round_most() -> None:
    found = plan()
    assert found.sizes == [4, 2]
    first = found.steps(0, list(found.speeds))
    last = found.steps(1, ["source only", "a", "b"])
    assert last > 2 * first
    assert 500 < 0.09 * first + 0.05 * last <= 600


def test_a_few_routes_are_trained_once_in_the_whole_time() -> None:
    few = plan()
    few = replace(few, speeds={name: few.speeds[name] for name in ("source only", "a", "b", "c")})
    assert few.sizes == [3]
    assert 540 < 0.07 * few.steps(0, list(few.speeds)) <= 600


def test_a_short_budget_says_how_many_minutes_would_do() -> None:
    short = replace(plan(), seconds=10.0)
    steps = short.steps(0, list(short.speeds))
    said = short.shortage(steps, 5)
    assert f"5 routes were trained for {steps} steps each, and 300 or more are expected" in said
    minutes = float(said.split("About ")[1].split()[0])
    assert replace(short, seconds=60 * minutes).steps(0, list(short.speeds)) >= ENOUGH
    assert replace(short, seconds=60 * (minutes - 0.2)).steps(0, list(short.speeds)) < ENOUGH
    assert short.shortage(ENOUGH, 5) == short.shortage(None, 5) == ""


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"source": blobs(61, 0.5, 0, 1)}, "another source,"),
        ({"source": blobs(60, 0.5, 0, 9), "test": None}, "another source and another test,"),
        ({"target": blobs(60, 0.5, 1, 9).unlabelled()}, "another target,"),
    ],
)
def test_a_folder_is_of_its_data_alone(tmp_path, change, named) -> None:
    made = {"source": blobs(60, 0.5, 0, 1), "target": blobs(60, 0.5, 1, 2).unlabelled(), "test": blobs(60, 0.5, 1, 3)}

    def call(source, target, test, jobs=1, **budget):
        given = Budget(steps=2, batch=16, **budget)
        return compare({}, source, target, test=test, budget=given, seeds=(0,), jobs=jobs, folder=tmp_path)

    with pytest.raises(InputError, match="jobs"):
        call(**{**made, **change}, jobs=0)  # nothing has been trained on other data yet

    first = call(**made).plain()
    assert call(**made).plain() == first
    with pytest.raises(InputError, match=rf"found trainings with {named} expected the same data\. .* another folder"):
        call(**{**made, **change})
    with pytest.raises(InputError, match="another held-out part of the source,"):
        call(**made, seed=1)
    call(**made, n=9)  # nothing is rendered


def test_a_folder_is_of_its_simulator_alone(tmp_path) -> None:
    def call(source, n=20):
        target = Digits(size=(12, 12)).labelled(20, 1).unlabelled()
        return compare({}, source, target, budget=Budget(steps=1, batch=4, n=n), seeds=(0,), folder=tmp_path)

    call(Digits(size=(12, 12)))
    with pytest.raises(InputError, match="another simulator,"):
        call(Digits(size=(12, 12)).with_ranges(blur=(0.1, 0.2)))
    with pytest.raises(InputError, match="another number of images to render,"):
        call(Digits(size=(12, 12)), n=21)


def test_what_is_in_closed_form_is_trained_once() -> None:
    assert stepless(Route(adapt=MSDA()))
    assert not stepless(Route(adapt=MSDA(then=SourceOnly())))
    assert not stepless(Route())
    source, target = blobs(200, 0.5, 0.0, 0), blobs(200, 0.5, 1.0, 1).unlabelled()
    asked: list[tuple[str, int]] = []
    found = compare(
        {"closed": Route(adapt=SelfTraining()), "dann": Route(adapt=DANN()), "teacher": Route(adapt=Teacher())},
        source,
        target,
        budget=replace(QUICK, steps=LEAST),
        seeds=(0, 1),
        minutes=0.2,
        on_route=lambda name, seed: asked.append((name, seed)),
    )
    assert asked.count(("closed", 0)) == 1
    assert ("closed", 1) not in asked
    closed = next(candidate for candidate in found.candidates if candidate.name == "closed")
    assert [trial.steps for trial in closed.trials] == [None]


def test_a_plan_counts_processes_and_the_data_s_own_steps() -> None:
    alone = plan()
    two = replace(alone, jobs=2)
    assert 1.4 < two.steps(0, list(two.speeds)) / alone.steps(0, list(alone.speeds)) < 2
    assert replace(alone, most=70).steps(1, ["a"]) == 70
    assert replace(alone, seconds=0.0).steps(0, ["a"]) == LEAST


def test_a_small_budget_leaves_out_the_last_routes_and_seeds() -> None:
    whole = plan()
    names = list(whole.speeds)
    least = whole.steps(0, names)
    assert replace(whole, most=least).affordable().speeds == whole.speeds
    short = replace(whole, seconds=whole.seconds * 0.9 * ENOUGH / least).affordable()
    assert list(short.speeds) == names[: len(short.speeds)]
    assert 3 <= len(short.speeds) < len(names)
    assert list(replace(whole, seconds=0.0).affordable().speeds) == names[:3]
    pinned = replace(whole, seconds=0.0, pinned=("source only", "c"))
    assert list(pinned.affordable().speeds) == ["source only", "a", "c"]
    assert list(replace(whole, most=1).seeds(names[:2], (5, 6, 7))) == [5, 6, 7]
    assert list(replace(whole, most=10**6).seeds(names[:2], (5, 6, 7))) == [5]
    assert list(whole.seeds(names[:2], (5,))) == [5]


def test_a_plan_is_read_as_it_was_kept(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(json.dumps(plan().plain()))
    assert Plan.read(tmp_path / "plan.json") == plan()


def test_a_refiner_is_shortened_in_proportion() -> None:
    own = SimGAN()
    short = shortened(Route(refine=own), 50).refine
    assert (short.all_steps, short.pretrain_critic) == (50, 11)
    assert shortened(Route(refine=own), own.all_steps).refine is own


def test_a_budget_is_spent_by_halves_and_real_labels_choose_nothing(tmp_path: Path) -> None:
    source, target, test = blobs(200, 0.5, 0, 0), blobs(100, 0.5, 1, 1), blobs(80, 0.5, 1, 2)
    wrong = Labelled(test.inputs, 1 - test.labels, test.classes)
    adapted = {"dann": DANN(), "teacher": Teacher(), "mcc": MCC(), "afn": AFN()}
    routes = {name: Route(adapt=adapt) for name, adapt in adapted.items()}
    tables = []
    for given in (test, wrong, None):
        found = compare(
            routes, source, target.unlabelled(), test=given, budget=QUICK, seeds=(0, 1), minutes=1e-6,
            folder=tmp_path / str(len(tables)),
        )  # fmt: skip
        tables.append([{**row, "test_score": None} for row in without_seconds(found.ranking())])
    assert tables[0] == tables[1] == tables[2]
    chosen = next(candidate for candidate in found.candidates if candidate.chosen)
    assert found.candidates[0].name == "source only"
    assert [candidate.name for candidate in found.candidates] == ["source only", "dann", "teacher"]
    assert "too short" in found.diverged["mcc"]
    assert "the budget is too short" in found.notes[0]
    assert found.verdict
    assert "<table" in found._repr_html_()
    assert chosen.name in found._repr_html_()


def test_the_best_two_of_many_routes_are_trained_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synth2real.comparison.halving.ENOUGH", 1)
    source, target = blobs(200, 0.5, 0, 0), blobs(100, 0.5, 1, 1).unlabelled()
    adapted = {"dann": DANN(), "teacher": Teacher(), "mcc": MCC(), "afn": AFN()}
    routes = {name: Route(adapt=adapt) for name, adapt in adapted.items()}
    found = compare(routes, source, target, budget=replace(QUICK, steps=90), seeds=(0,), minutes=0.05)
    assert sorted(candidate.round for candidate in found.candidates) == [0, 0, 1, 1, 1]
    assert found.chosen.round == 1
    assert found.candidates[0].round == 1


def test_finished_trainings_are_not_trained_again(tmp_path: Path) -> None:
    source, target = blobs(200, 0.5, 0, 0), blobs(100, 0.5, 1, 1).unlabelled()
    routes = {"dann": Route(adapt=DANN()), "teacher": Route(adapt=Teacher())}
    tables, trained = [], []
    for _ in range(2):
        seen: list[tuple[str, int]] = []
        found = compare(
            routes, source, target, budget=QUICK, seeds=(0, 1), minutes=1e-6, folder=tmp_path,
            on_route=lambda name, seed, seen=seen: seen.append((name, seed)),
        )  # fmt: skip
        tables.append((found.ranking(), found.rows(), found.verdict))
        trained.append(seen)
    assert len(trained[0]) == 3
    assert trained[1] == []
    assert tables[0] == tables[1]


def test_a_reversed_class_balance_is_detected_and_its_routes_are_refused() -> None:
    source, target, test = blobs(400, 0.9, 0, 0), blobs(400, 0.1, 0.5, 1), blobs(200, 0.1, 0.5, 2)
    found = compare(
        {
            "dann": Route(adapt=DANN()),
            "teacher": Route(adapt=Teacher()),
            "free": Route(adapt=Teacher(target_prior="none")),
        },
        source,
        target.unlabelled(),
        test=test,
        budget=Budget(steps=150, batch=32),
        seeds=(0,),
    )  # fmt: skip
    assert "class balance" in found.verdict
    refused = {candidate.name: candidate.refused for candidate in found.candidates}
    assert "class balance" in refused["dann"]
    assert "class balance" in refused["teacher"]
    assert found.chosen.name in ("source only", "free")
    rows = {row["name"]: row for row in found.rows()}
    assert rows[found.chosen.name]["accuracy_mean"] >= rows["source only"]["accuracy_mean"]


def test_where_there_is_no_gap_nothing_is_adapted() -> None:
    source, target = blobs(400, 0.5, 0, 0), blobs(300, 0.5, 0, 1)
    found = compare(
        {"dann": Route(adapt=DANN())}, source, target.unlabelled(), budget=Budget(steps=100, batch=32), seeds=(0,)
    )
    assert found.chosen.name == "source only"
    assert found.verdict.startswith("adaptation did not help: ")


def test_samples_between_the_classes_are_listed_as_uncertain() -> None:
    """Eight of a hundred samples lie midway between two clouds, where the source has no class."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(200) % 2
    clouds = torch.randn(200, 2, generator=generator) * 0.3 + torch.stack([4.0 * y - 2, torch.zeros(200)], 1)
    target = torch.cat([clouds[:92], 0.1 * torch.randn(8, 2, generator=generator)])
    found = compare({}, Labelled(clouds, y), Unlabelled(target), budget=Budget(steps=60, batch=32), seeds=(0,))
    assert found.verdict.startswith("adaptation did not help: no other route has a better label-free score. Chosen: ")
    assert set(range(92, 100)) & set(found.in_doubt[:8])
    assert found.plain()["in_doubt"] == [f"sample {i}" for i in found.in_doubt]
    (line,) = in_doubt(found)
    assert f"in doubt: {len(found.in_doubt)} of 100 target samples" in line
    assert found.plain()["in_doubt"][0] in line
    for candidate in found.candidates:
        candidate.learnt = False
    assert found.in_doubt is None


def test_models_that_have_not_learnt_the_source_name_no_uncertain_samples() -> None:
    source, target = blobs(200, 0.5, 0, 0), blobs(100, 0.5, 0, 1).unlabelled()
    found = compare({}, source, target, budget=Budget(steps=1, batch=16), seeds=(0,))
    assert found.in_doubt is None
    assert in_doubt(found) == []
    assert any("the models have not learnt the source" in note for note in found.notes)
    assert found.plain()["in_doubt"] is None


def test_a_route_that_diverges_is_left_out_and_named(tmp_path: Path) -> None:
    source, target = blobs(100, 0.5, 0, 0), blobs(60, 0.5, 1, 1).unlabelled()
    broken = Route(adapt=DANN(rate=1e30, optimize="sgd", clip=None))
    for _ in range(2):  # the second is read from the folder
        found = compare({"broken": broken}, source, target, budget=Budget(steps=30), seeds=(0,), folder=tmp_path)
        assert [candidate.name for candidate in found.candidates] == ["source only"]
        assert "training stopped at step" in found.diverged["broken"]
    spoilt = Labelled(source.inputs * 1e38, source.labels, source.classes)
    with pytest.raises(TrainingDiverged):
        compare({}, spoilt, Unlabelled(target.inputs * 1e38), budget=Budget(steps=30), seeds=(0,))


def trained(routes: dict[str, Route], data: Labelled, folder: Path) -> list[str]:
    """The routes that a comparison in this folder trains."""
    asked: list[str] = []
    budget = Budget(steps=3, batch=8)
    target, note = data.unlabelled(), lambda name, seed: asked.append(name)
    compare(routes, data, target, budget=budget, seeds=(0,), folder=folder, on_route=note)
    return asked


def test_a_training_that_another_version_measured_otherwise_is_trained_again(tmp_path: Path) -> None:
    data = blobs(60, 0.5, 0, 0)
    asked: list[str] = []
    for _ in range(3):
        asked += trained({}, data, tmp_path)
        if len(asked) == 1:
            (file,) = tmp_path.glob("trials/*/trial.json")
            kept = json.loads(file.read_text())
            del kept["moved"]
            file.write_text(json.dumps(kept))
    assert asked == ["source only"] * 2, "the third finds what the second has made"


@pytest.mark.parametrize(
    ("wrong", "message"), [({"jobs": 0}, "jobs is 0"), ({"minutes": -1.0}, "budget is -1.0 minutes")]
)
def test_wrong_budgets_are_refused(wrong: dict[str, float], message: str) -> None:
    data = blobs(50, 0.5, 0, 0)
    with pytest.raises(InputError, match=message):
        compare({}, data, data.unlabelled(), **wrong)


def test_a_route_of_other_settings_is_trained_again(tmp_path: Path) -> None:
    data = blobs(60, 0.5, 0, 0)
    asked: list[str] = []
    for weight in (1.0, 1.0, 0.5):
        asked += trained({"dann": Route(adapt=DANN(weight=weight))}, data, tmp_path)
    assert asked == ["source only", "dann", "dann"]


def test_a_stored_training_from_before_a_setting_existed_is_not_made_again(tmp_path: Path) -> None:
    data, routes = blobs(60, 0.5, 0, 0), {"dann": Route(adapt=DANN())}
    assert trained(routes, data, tmp_path) == ["source only", "dann"]
    (file,) = tmp_path.glob("trials/*dann*/trial.json")
    kept = json.loads(file.read_text())
    del kept["route"]["adapt"]["objects"]
    file.write_text(json.dumps(kept))
    assert trained(routes, data, tmp_path) == []


def test_a_stored_training_keeps_the_ranges_that_its_source_was_rendered_with(tmp_path: Path) -> None:
    target = Unlabelled(Digits(size=(8, 8)).labelled(40, 9).inputs)
    budget = Budget(steps=2, batch=8, n=40)
    for _ in range(2):
        routes = {"wide": Route(widen=Widen(factor=1.5))}
        candidates = compare(routes, Digits(size=(8, 8)), target, budget=budget, seeds=(0,), folder=tmp_path).candidates
        plain, wide = (candidate.trials[0].run.simulator for candidate in candidates)
        assert plain is None
        assert wide is not None
        assert wide.ranges != Digits(size=(8, 8)).ranges


def test_routes_whose_simulators_differ_in_values_alone_train_on_images_of_their_own() -> None:
    narrow = Digits(size=(8, 8)).widened(0.2)  # every range is set, as by --params
    target, budget = Unlabelled(Digits(size=(8, 8)).labelled(40, 9).inputs), Budget(steps=2, batch=8, n=40)
    candidates = compare({"wide": Route(widen=Widen(factor=5))}, narrow, target, budget=budget, seeds=(0,)).candidates
    plain, wide = (candidate.trials[0].run for candidate in candidates)
    assert wide.simulator is not None
    assert torch.equal(plain.trained_on.inputs[:], narrow.labelled(40, 0).inputs[:])
    assert torch.equal(wide.trained_on.inputs[:], wide.simulator.labelled(40, 0).inputs[:])


def test_data_too_few_to_compare_on_are_refused() -> None:
    data, few = blobs(60, 0.5, 0, 0), blobs(9, 0.5, 0, 0)
    for source, target, name in ((few, data, "source"), (data, few, "target")):
        with pytest.raises(InputError, match=rf"the {name} has 9 sample\(s\), expected 10 or more to compare routes"):
            compare({}, source, target.unlabelled(), budget=Budget(steps=2))


def begun(arguments: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "synth2real", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_killed_and_resumed_it_ends_in_the_same_table(synth2real, tmp_path: Path) -> None:
    files = [str(tmp_path / f"{name}.npz") for name in ("source", "target", "test")]
    for seed, file in enumerate(files):
        made = blobs(80, 0.5, float(seed > 0), seed)
        np.savez(file, features=made.inputs.numpy(), labels=np.array(made.classes)[made.labels.numpy()])
    data = ["compare", files[0], "--target", files[1], "--test", files[2], "--routes", "dann,teacher"]
    data += ["--budget", "0.0001", "--seeds", "2"]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = begun([*data, "--out", str(killed)])
    deadline = time.monotonic() + 90
    while not list(killed.glob("trials/*/trial.json")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len(list(killed.glob("trials/*/trial.json")))
    assert 1 <= done < 3
    assert not (killed / "comparison.json").exists()
    code, _, err = synth2real(*data, "--out", killed, "--resume")
    assert code == 0, err
    # The plan depends on the clock; an unbroken run that follows the same one gives the same table.
    assert synth2real(*data, "--out", whole)[0] == 0
    found, expected = (json.loads((folder / "comparison.json").read_text()) for folder in (killed, whole))
    assert without_seconds(found["routes"]) == without_seconds(expected["routes"])
    assert [found[key] for key in ("verdict", "in_doubt")] == [expected[key] for key in ("verdict", "in_doubt")]
    assert set(found["plan"]["speeds"]) == {"source only", "dann", "teacher"}
    code, out, err = synth2real("evaluate", killed / "chosen", "--on", files[2], "--json")
    assert code == 0, err
    best = next(row for row in found["routes"] if row["chosen"])
    assert 0 <= json.loads(out.splitlines()[-1])["accuracy"] <= 1
    assert best["seeds"] == [0]
    code, out, err = synth2real("evaluate", killed / "aggregates" / "ensemble", "--on", files[2], "--json")
    assert code == 0, err
    together = next(row for row in found["routes"] if row["name"] == "ensemble")
    assert json.loads(out.splitlines()[-1])["accuracy"] == pytest.approx(together["test_score"])


def test_the_table_has_scores_on_test_data_only_if_there_are_any() -> None:
    source, target = blobs(60, 0.5, 0, 0), blobs(60, 0.5, 1, 1)
    for test, column in ((target, ["accuracy on --test"]), (None, [])):
        found = compare({}, source, target.unlabelled(), test=test, budget=Budget(steps=2), seeds=(0,))
        headings = [str(one.header) for one in table(found).columns]
        assert [one for one in headings if "--test" in one] == column


def test_two_processes_make_the_same_table(tmp_path: Path) -> None:
    source, target = blobs(100, 0.5, 0, 0), blobs(60, 0.5, 1, 1).unlabelled()
    tables = [
        compare({"dann": Route(adapt=DANN())}, source, target, budget=Budget(steps=10), seeds=(0, 1), jobs=jobs).rows()
        for jobs in (1, 2)
    ]
    for row in tables[0] + tables[1]:
        row.pop("seconds")
    assert tables[0] == tables[1]
