"""Run folders: their files, resuming, and a training that diverges."""

import json
from dataclasses import replace

import pytest
import torch
import yaml
from safetensors.torch import load_file

from helpers import below
from synth2real import Budget, Route, TrainingDiverged, load, load_model, load_unlabelled
from synth2real.adapt import DANN, SourceOnly, Teacher
from synth2real.adapt.self_training.value_labels import ValueLabels
from synth2real.errors import InputError, WriteError
from synth2real.randomize import Full, Photometric
from synth2real.refine import SimGAN
from synth2real.route import run_folder as runs
from synth2real.route.run_folder import CHECKPOINT, LOG, METRICS, NOTES, SETTINGS, RunFolder, train
from synth2real.tasks import TASKS
from synth2real.training.saved_model import DIVERGED

STEPS = 40
WHOLE = ["metrics.jsonl", "model.safetensors", "model.yaml", "settings.yaml"]


class Interrupted(Exception):
    pass


@pytest.fixture(scope="module")
def data(classes, points, photos):
    return {"classify": load(classes), "keypoints": load(points, label=["x", "y"]), "photos": load_unlabelled(photos)}


def fit(folder, route, data, kind="classify", *, resume=False, until=None, settings=None, steps=STEPS):
    """Train for `steps`; `until` raises when that step of that stage, or a later one, is reported."""

    def report(stage, step, steps, terms):
        if until is not None and stage == until[0] and step >= until[1]:
            raise Interrupted

    source = data[kind]
    made = RunFolder(folder, settings or {"route": route.describe()}, resume=resume)
    budget = Budget(steps=steps, batch=4 if kind == "keypoints" else 8, seed=3)
    task = TASKS[kind].of(source)
    return train(made, route, source, data["photos"], task=task, budget=budget, resume=resume, on_report=report)


def rows(folder):
    return [json.loads(line) for line in (folder / METRICS).read_text().splitlines()]


ROUTES = {
    "source-only": ("classify", Route(adapt=SourceOnly(dropout=0.3))),
    "dann": ("classify", Route(randomize=Photometric(), adapt=DANN(dropout=0.3))),
    "dann by the paper": ("classify", Route(adapt=DANN(preset="paper"))),
    "teacher": ("classify", Route(randomize=Full(), adapt=Teacher())),
    "teacher of keypoints": ("keypoints", Route(randomize=Full(), adapt=Teacher())),
    "refined": ("classify", Route(refine=SimGAN(steps=4, pretrain_critic=2, maps=4, blocks=1))),
}


@pytest.mark.parametrize("name", ROUTES)
def test_an_interrupted_run_goes_on_with_the_same_bits(tmp_path, monkeypatch, data, name):
    monkeypatch.setattr(runs, "CHECKPOINT_EVERY", 20)
    kind, route = ROUTES[name]
    fit(tmp_path / "whole", route, data, kind)
    with pytest.raises(Interrupted):
        fit(tmp_path / "broken", route, data, kind, until=("train", 40))
    assert int(load_file(tmp_path / "broken" / CHECKPOINT)["step"]) == 20
    assert not (tmp_path / "broken" / "model.yaml").exists()
    fit(tmp_path / "broken", route, data, kind, resume=True)
    refiner = ["refiner/refiner.safetensors", "refiner/refiner.yaml"] if route.refine is not None else []
    assert below(tmp_path / "broken") == below(tmp_path / "whole")
    assert set(below(tmp_path / "whole")) - {NOTES} == {*WHOLE, *refiner}
    for file in set(below(tmp_path / "whole")) & {"model.safetensors", "model.yaml", METRICS, NOTES}:
        assert (tmp_path / "broken" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes(), file


def drift(monkeypatch) -> None:
    """From now on, the two views of a teacher disagree ever more."""
    labels = ValueLabels.labels

    def worse(self, teacher, known, target):
        found = labels(self, teacher, known, target)
        self.disagreement.mean *= 1.02
        return found

    monkeypatch.setattr(ValueLabels, "labels", worse)


@pytest.mark.parametrize("last", [40, 41], ids=["before the drift", "as it stops"])
def test_a_teacher_that_stops_early_goes_on_with_the_same_bits(tmp_path, monkeypatch, data, last):
    monkeypatch.setattr(runs, "CHECKPOINT_EVERY", 20)
    drift(monkeypatch)
    route = Route(randomize=Full(), adapt=Teacher(drift=1.4))
    fit(tmp_path / "whole", route, data, "keypoints", steps=80)
    end = rows(tmp_path / "whole")[-1]["step"]
    assert 40 < end < 80
    with pytest.raises(Interrupted):
        fit(tmp_path / "broken", route, data, "keypoints", steps=80, until=("train", last))
    assert int(load_file(tmp_path / "broken" / CHECKPOINT)["step"]) == (20 if last == 40 else 40)
    fit(tmp_path / "broken", route, data, "keypoints", steps=80, resume=True)
    for file in ("model.safetensors", METRICS):
        assert (tmp_path / "broken" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes(), file


def test_a_run_interrupted_before_its_first_checkpoint_begins_anew(tmp_path, data):
    route = Route(refine=SimGAN(steps=4, pretrain_critic=2, maps=4, blocks=1))
    fit(tmp_path / "whole", route, data)
    with pytest.raises(Interrupted):
        fit(tmp_path / "broken", route, data, until=("train", 40))
    assert not (tmp_path / "broken" / CHECKPOINT).exists()
    fit(tmp_path / "broken", route, data, resume=True)
    for file in ("model.safetensors", METRICS):
        assert (tmp_path / "broken" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes(), file


def test_training_leaves_the_users_random_stream_alone(tmp_path, data):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    fit(tmp_path / "run", Route(adapt=DANN(dropout=0.5)), data)
    assert torch.equal(torch.rand(3), expected)


def test_a_run_holds_settings_metrics_and_a_model(tmp_path, data):
    route = Route(randomize=Photometric(strength=0.25), adapt=DANN(gamma=5))
    made = fit(tmp_path, route, data, settings={"route": route.describe(), "seed": 3})
    kept = yaml.safe_load((tmp_path / SETTINGS).read_text())
    assert kept["route"]["adapt"]["method"] == "dann"
    assert kept["route"]["adapt"]["gamma"] == 5
    assert kept["route"]["randomize"]["strength"] == 0.25
    assert kept["route"]["refine"] is None
    assert kept["versions"]["torch"].startswith(torch.__version__.split("+")[0])
    lines = rows(tmp_path)
    assert [row["step"] for row in lines] == [20, 40]
    assert set(lines[0]) == {"stage", "step", "label", "domain"}
    assert [{k: v for k, v in row.items() if k != "stage"} for row in lines] == made.history["train"]
    photos = data["photos"]
    assert torch.equal(load_model(tmp_path).predict(photos).values, made.model.predict(photos).values)


def test_a_folder_in_use_is_refused(tmp_path):
    folder = RunFolder(tmp_path / "run", {"seed": 1})
    folder.log("a line")
    with pytest.raises(
        InputError, match=r"run: the folder is not empty, expected .*--out, or pass --overwrite .*, or pass --resume to"
    ):
        RunFolder(tmp_path / "run", {"seed": 1})
    with pytest.raises(InputError, match=r"or pass --overwrite to replace the run in it$"):
        RunFolder(tmp_path / "run", {"seed": 1}, resumable=False)
    assert (folder.path / LOG).read_text() == "a line\n"
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file: this is a file, expected .* empty folder. Choose another --out$"):
        RunFolder(tmp_path / "file", {})
    RunFolder(tmp_path / "run", {"seed": 2}, overwrite=True)
    assert below(tmp_path / "run") == [SETTINGS]
    assert yaml.safe_load((folder.path / SETTINGS).read_text())["seed"] == 2


def test_overwrite_removes_nothing_but_runs(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InputError, match=r"expected a new or empty folder. Choose another --out$"):
        RunFolder(tmp_path, {})
    with pytest.raises(
        InputError, match=r"--overwrite found no settings.yaml, so this is not a run folder. .*, or delete the folder$"
    ):
        RunFolder(tmp_path, {}, overwrite=True)
    assert below(tmp_path) == ["thesis.tex"]


def test_resume_is_refused_where_there_is_nothing_to_go_on_with(tmp_path, run):
    with pytest.raises(InputError, match=r"found no settings.yaml, so there is no run to --resume"):
        RunFolder(tmp_path / "none", {}, resume=True)
    assert not (tmp_path / "none").exists()
    with pytest.raises(InputError, match=r"has already finished. Use it, or train again with --overwrite"):
        RunFolder(run, {}, resume=True)
    RunFolder(tmp_path / "run", {"seed": 1, "size": (8, 8)})
    RunFolder(tmp_path / "run", {"seed": 1, "size": (8, 8)}, resume=True)
    with pytest.raises(InputError, match=r"started with seed 1, but --resume found 2. Give the same arguments"):
        RunFolder(tmp_path / "run", {"seed": 2, "size": (8, 8)}, resume=True)


@pytest.mark.parametrize("adapt", [SourceOnly, DANN, Teacher])
def test_a_learning_rate_without_bounds_stops_and_keeps_finite_weights(tmp_path, data, adapt):
    with pytest.raises(
        TrainingDiverged, match=r"stopped at step \d+: the term '.*' is (nan|inf).*--set adapt\.rate"
    ) as stop:
        fit(tmp_path, Route(adapt=adapt(rate=1e30)), data)
    assert 2 <= stop.value.step <= STEPS
    assert all(weights.isfinite().all() for weights in load_file(tmp_path / "model.safetensors").values())
    with pytest.raises(InputError, match=r"its training diverged, so it has no finished model \(training stopped at"):
        load_model(tmp_path)
    with pytest.raises(InputError, match=r"this training has diverged, and would diverge again"):
        RunFolder(tmp_path, {}, resume=True)
    (tmp_path / DIVERGED).unlink()  # as the message says
    assert load_model(tmp_path).task.classes == ("dark", "light")


@pytest.mark.parametrize(("rate", "term"), [(1e30, "output"), (1e39, "learning rate")])
def test_a_training_that_diverges_in_its_last_step_leaves_no_model(tmp_path, data, rate, term):
    with pytest.raises(TrainingDiverged, match=rf"at step 1: the term '{term}' is .*The weights are of no use"):
        fit(tmp_path / "run", Route(adapt=SourceOnly(rate=rate)), data, steps=1)
    assert set(below(tmp_path / "run")) - {METRICS} == {DIVERGED, SETTINGS}


def test_a_broken_value_names_the_term_and_keeps_the_weights_before_it(tmp_path, data):
    good = data["classify"]
    images = good.inputs.float() / 255
    images[7, 0, 3, 3] = float("nan")
    with pytest.raises(TrainingDiverged) as stop:
        fit(tmp_path / "run", Route(), {**data, "classify": replace(good, inputs=images)})
    assert (stop.value.term, stop.value.step <= 5) == ("label", True)  # 5 batches of 8 are all 40 samples
    weights = load_file(tmp_path / "run" / "model.safetensors")
    assert all(weight.isfinite().all() for name, weight in weights.items() if name.startswith("features.1."))


def test_damaged_checkpoints_are_named_with_the_way_on(tmp_path, monkeypatch, data, run):
    monkeypatch.setattr(runs, "CHECKPOINT_EVERY", 20)
    with pytest.raises(Interrupted):
        fit(tmp_path, Route(), data, until=("train", 40))
    whole = (tmp_path / CHECKPOINT).read_bytes()
    for content in (b"", whole[:1000], whole[:-9], b"garbage" * 99, (run / "model.safetensors").read_bytes()):
        (tmp_path / CHECKPOINT).write_bytes(content)
        with pytest.raises(InputError, match=rf"{CHECKPOINT}: is damaged .*Delete it: the same command with --resume"):
            fit(tmp_path, Route(), data, resume=True)
    (tmp_path / CHECKPOINT).write_bytes(whole)
    with (tmp_path / METRICS).open("a") as lines:
        lines.write('{"stage": "tr')  # torn by a kill
    fit(tmp_path, Route(), data, resume=True)
    assert [row["step"] for row in rows(tmp_path)] == [20, 40]


@pytest.mark.parametrize("text", ["", "- a", "a: [", "\x00"])
def test_damaged_settings_are_named_with_the_way_on(tmp_path, text):
    RunFolder(tmp_path / "run", {"seed": 1})
    (tmp_path / "run" / SETTINGS).write_text(text)
    with pytest.raises(
        InputError, match=rf"(?s){SETTINGS}: .*expected the settings of a run. Train again with --overwrite"
    ):
        RunFolder(tmp_path / "run", {"seed": 1}, resume=True)


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path, monkeypatch, data):
    monkeypatch.setattr(runs, "CHECKPOINT_EVERY", 20)
    fit(tmp_path / "whole", Route(), data)
    write = runs.write_tensors

    def fill(path, state):
        if int(state["step"]) > 20:
            raise WriteError(f"{path}: cannot be written: no space left on device")
        write(path, state)

    with monkeypatch.context() as patch:
        patch.setattr(runs, "write_tensors", fill)
        with pytest.raises(WriteError, match=rf"{CHECKPOINT}: cannot be written: no space left on device"):
            fit(tmp_path / "broken", Route(), data)
    assert int(load_file(tmp_path / "broken" / CHECKPOINT)["step"]) == 20
    with pytest.raises(
        InputError, match=r"found no model.yaml: this run has not finished. Repeat its .* with --resume"
    ):
        load_model(tmp_path / "broken")
    fit(tmp_path / "broken", Route(), data, resume=True)
    for file in ("model.safetensors", METRICS):
        assert (tmp_path / "broken" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes(), file


def test_a_folder_that_cannot_be_written_is_not_left_empty(tmp_path, monkeypatch):
    def full(path, text):
        raise WriteError(f"{path}: cannot be written: no space left on device")

    monkeypatch.setattr(runs, "write_text", full)
    with pytest.raises(WriteError, match=rf"{SETTINGS}: cannot be written"):
        RunFolder(tmp_path / "run", {})
    assert not (tmp_path / "run").exists()
