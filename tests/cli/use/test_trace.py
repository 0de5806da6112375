"""`synth2real trace`: from the report back to the simulator's seed, and what has become of the inputs."""

import json
import shutil

import pytest
from rich.console import Console

from helpers import below, refused
from synth2real.errors import WriteError
from synth2real.storage import read_record

SIZE = ("--size", "12x12")


@pytest.fixture
def chain(synth2real, tmp_path, photos):
    """A run on a refined folder of rendered images, with its report."""

    def done(*arguments):
        code, _, err = synth2real(*arguments)
        assert code == 0, err

    shutil.copytree(photos, tmp_path / "photos")
    done("render", "digits", "--n", 40, *SIZE, "--seed", 7, "--out", tmp_path / "rendered")
    done(
        "refine",
        tmp_path / "rendered",
        "--target",
        tmp_path / "photos",
        *SIZE,
        "--method",
        "histogram",
        "--out",
        tmp_path / "refined",
    )
    done("train", tmp_path / "refined", "--target", tmp_path / "photos", *SIZE, "--steps", 2, "--out", tmp_path / "run")
    return tmp_path / "run"


def traced(synth2real, out):
    code, printed, err = synth2real("trace", out, "--json")
    assert code == 0, err
    return json.loads(printed.splitlines()[-1])


def test_the_tree_goes_from_the_run_to_the_seed_of_the_simulator(synth2real, chain):
    code, out, err = synth2real("trace", chain)
    assert code == 0, err
    assert "Traceback" not in err
    for line in ("by train, seed 0, size 12x12, steps 2", "by refine, seed 0, size 12x12, method histogram"):
        assert line in out
    assert "by render, seed 7, n 40, size 12x12" in out
    assert "simulator, seed 7, size 12x12, channels 1, ranges of" in out
    assert out.count("[unchanged]") == 4
    assert out.count("(the code of now)") == 3
    assert "3 inputs with a place, and none has changed since or is missing" in out


def test_json_gives_the_whole(synth2real, chain):
    found = traced(synth2real, chain)
    refined, photos = found["tree"]["inputs"]
    (simulator,) = refined["inputs"][0]["inputs"]
    assert simulator["simulator"]["name"] == "digits"
    assert "height" in simulator["simulator"]["ranges"]
    assert refined["inputs"][0]["record"]["seeds"] == [7]
    assert (photos["state"], photos["content"]["files"]) == ("unchanged", 40)
    assert found["tree"]["record"]["versions"]["torch"]
    assert found["changed"] == found["missing"] == []


def test_changed_and_missing_inputs_are_named(synth2real, chain):
    (chain.parent / "photos" / "photo0.png").unlink()
    shutil.rmtree(chain.parent / "rendered")
    found = traced(synth2real, chain)
    assert found["changed"] == [str(chain.parent / "photos")] * 2
    assert found["missing"] == [str(chain.parent / "rendered")]
    out = synth2real("trace", chain)[1]
    assert f"changed since: {chain.parent / 'photos'}\n" in out
    assert f"missing: {chain.parent / 'rendered'}\n" in out
    assert "none has changed" not in out


def test_a_report_and_an_export_are_traced_to_the_run(synth2real, chain):
    for arguments in (("report", chain), ("export", chain, "--to", chain / "model.pt2")):
        assert synth2real(*arguments)[0] == 0
    assert "made from it: model.pt2 (export), report.html (report)" in synth2real("trace", chain)[1]
    for name, command in (("report.html", "report"), ("model.pt2", "export")):
        tree = traced(synth2real, chain / name)["tree"]
        assert tree["record"]["command"] == command
        (run,) = tree["inputs"]
        assert (run["state"], run["inputs"][0]["role"]) == ("unchanged", "source")


def test_predictions_are_traced_to_the_seed_of_the_simulator_also_if_they_lie_in_the_run(synth2real, chain):
    images = chain.parent / "photos"
    for out in (chain / "p.csv", chain.parent / "q.csv", chain / "r.csv"):
        code, _, err = synth2real("predict", chain, images, "--out", out, "--probabilities")
        assert code == 0, err
    for out in (chain / "p.csv", chain.parent / "q.csv"):
        tree = traced(synth2real, out)["tree"]
        assert (tree["record"]["command"], tree["record"]["options"]["probabilities"]) == ("predict", True)
        run, target = tree["inputs"]
        assert [(one["role"], one["state"]) for one in (run, target)] == [("run", "unchanged"), ("images", "unchanged")]
        assert run["inputs"][0]["inputs"][0]["record"]["seeds"] == [7]
    refused(synth2real("trace", chain.parent), "In it can be traced: q.csv (predict)")


def test_predictions_that_are_replaced_never_have_the_record_of_the_earlier_ones(
    synth2real, tmp_path, run, photos, monkeypatch
):
    out = tmp_path / "p.csv"
    assert synth2real("predict", run, photos, "--out", out)[0] == 0

    def full(path, rows):
        raise WriteError(f"{path}: full")

    monkeypatch.setattr("synth2real.cli.use.predict.write_table", full)
    assert synth2real("predict", run, photos, "--out", out, "--overwrite")[0] == 2
    assert below(tmp_path) == ["p.csv"]


def test_a_run_on_a_simulator_names_its_ranges_and_the_file_they_are_from(synth2real, tmp_path, photos):
    (tmp_path / "params.yaml").write_text("height: [0.5, 0.6]\n")
    arguments = ("--params", tmp_path / "params.yaml", "--n", 40, "--steps", 2, "--seed", 4)
    assert synth2real("train", "digits", "--target", photos, *arguments, "--out", tmp_path / "run")[0] == 0
    source, target, params = traced(synth2real, tmp_path / "run")["tree"]["inputs"]
    assert source["simulator"]["ranges"]["height"] == [0.5, 0.6]
    assert (target["role"], params["role"], params["state"]) == ("target", "params", "unchanged")
    assert "simulator, seed 4, " in synth2real("trace", tmp_path / "run")[1]


def test_calibrated_ranges_are_traced_to_the_real_images(synth2real, tmp_path, photos):
    out = tmp_path / "params.yaml"
    fast = ("--trials", 3, "--set", "calibrate.images=40", "--only", "height")
    assert synth2real("calibrate", "digits", "--target", photos, *fast, "--out", out)[0] == 0
    assert synth2real("render", "digits", "--n", 2, "--params", out, "--out", tmp_path / "again")[0] == 0
    simulator, params = traced(synth2real, tmp_path / "again")["tree"]["inputs"]
    assert simulator["role"] == "simulator"
    assert [one["role"] for one in params["inputs"]] == ["simulator", "target"]


def test_the_program_of_a_simulator_is_an_input(synth2real, tmp_path):
    (tmp_path / "draw.py").write_text(PROGRAM)
    (tmp_path / "mine.yaml").write_text(DESCRIBED)
    made = ("render", tmp_path / "mine.yaml", "--n", 2, "--size", "4x4", "--out", tmp_path / "out")
    code, _, err = synth2real(*made)
    assert code == 0, err
    (tmp_path / "draw.py").write_text(f"{PROGRAM}# other\n")
    found = traced(synth2real, tmp_path / "out")
    assert [(one["role"], one["state"]) for one in found["tree"]["inputs"]] == [
        ("simulator", "unchanged"),
        ("program", "changed since"),
    ]


def test_outputs_of_earlier_versions_are_traced_by_their_options(synth2real, chain):
    for out in (chain, chain.parent / "refined", chain.parent / "rendered"):
        (out / "provenance.json").unlink()
    (chain / "config.yaml").unlink()  # settings.yaml tells it, too
    (chain.parent / "refined" / "config.yaml").unlink()  # refinement.yaml tells it, too
    code, out, err = synth2real("trace", chain)
    assert code == 0, err
    assert out.count("found no provenance.json: an earlier version wrote this, so only its options are known") == 3
    assert out.count("[not recorded]") == 4
    assert "simulator, seed 7, settings not known" in out
    assert "calibrate:" not in out
    (chain.parent / "rendered" / "config.yaml").unlink()
    assert "by render, seed not known" in synth2real("trace", chain)[1]


@pytest.mark.parametrize("kind", ["gone", "folder", "file"])
def test_what_no_command_wrote_is_refused(synth2real, tmp_path, kind):
    out = tmp_path / kind
    if kind == "folder":
        out.mkdir()
    elif kind == "file":
        out.write_text("")
    said = "no such folder or file" if kind == "gone" else "found no provenance.json and no settings"
    refused(synth2real("trace", out), out, said, "expected an output of render, convert, calibrate")


def test_shards_by_a_pattern_have_one_hash(synth2real, tmp_path):
    out = tmp_path / "shards"
    assert synth2real("render", "digits", "--n", 20, *SIZE, "--format", "webdataset", "--out", out)[0] == 0
    arguments = (f"{out}/shard-{{000000..000000}}.tar", "--target", out, "--label", "class", "--steps", 2)
    code, _, err = synth2real("train", *arguments, "--out", tmp_path / "run")
    assert code == 0, err
    source, target = traced(synth2real, tmp_path / "run")["tree"]["inputs"]
    assert (source["path"], source["content"]["files"]) == (None, 1)
    assert target["inputs"][0]["role"] == "simulator"


def test_a_part_of_an_output_names_the_whole(synth2real, tmp_path):
    assert synth2real("render", "digits", "--n", 2, *SIZE, "--out", tmp_path / "out")[0] == 0
    said = f"It is a part of {tmp_path / 'out'}, which can be traced"
    refused(synth2real("trace", tmp_path / "out" / "000000.png"), said)


def test_what_is_no_output_is_not_read(synth2real, tmp_path, monkeypatch):
    monkeypatch.setattr("synth2real.storage.lineage.content_of", lambda *_: pytest.fail("was read"))
    refused(synth2real("trace", tmp_path), "found no provenance.json")


def test_a_damaged_record_is_refused(synth2real, chain):
    (chain.parent / "refined" / "provenance.json").write_text("{")
    refused(synth2real("trace", chain), chain.parent / "refined" / "provenance.json", "is damaged")


def test_the_parts_of_a_comparison_name_its_inputs(synth2real, tmp_path, classes, photos):
    arguments = ("--budget", 0.02, "--routes", "source only", "--seeds", 1)
    code, _, err = synth2real("compare", classes, "--target", photos, *arguments, "--out", tmp_path / "out")
    assert code == 0, err
    whole, chosen = read_record(tmp_path / "out"), read_record(tmp_path / "out" / "chosen")
    assert whole.inputs == chosen.inputs
    assert [one.role for one in whole.inputs] == ["source", "target"]
    assert chosen.out == str(tmp_path / "out" / "chosen")


def test_a_run_that_is_resumed_on_other_data_warns(synth2real, tmp_path, classes, photos):
    shutil.copytree(classes, tmp_path / "classes")
    arguments = ("train", tmp_path / "classes", "--target", photos, "--steps", 3, "--out", tmp_path / "run")
    assert synth2real(*arguments)[0] == 0
    (tmp_path / "run" / "model.yaml").unlink()  # as if it had been stopped
    assert "has changed since" not in synth2real(*arguments, "--resume")[2]
    (tmp_path / "run" / "model.yaml").unlink()
    (tmp_path / "classes" / "dark" / "1.png").unlink()
    code, _, err = synth2real(*arguments, "--resume")
    assert code == 0, err
    assert f"{tmp_path / 'classes'} (source) has changed since {tmp_path / 'run'} was begun" in err


def test_a_dry_run_writes_no_record(synth2real, tmp_path, classes, photos):
    assert synth2real("train", classes, "--target", photos, "--dry-run", "--out", tmp_path / "run")[0] == 0
    assert below(tmp_path) == []


def test_a_long_path_stays_in_one_line(synth2real, tmp_path, monkeypatch):
    monkeypatch.setattr(Console, "is_terminal", False)
    long = tmp_path / ("a" * 120)
    assert synth2real("render", "digits", "--n", 2, *SIZE, "--out", long)[0] == 0
    assert str(long) in synth2real("trace", long)[1].splitlines()[0]


PROGRAM = """
import sys, json
from pathlib import Path
from PIL import Image
out = Path(sys.argv[2])
rows = []
for i in range(int(sys.argv[3])):
    Image.new("L", (4, 4), 100 + i).save(out / f"{i}.png")
    rows.append({"file_name": f"{i}.png", "kind": "a"})
(out / "metadata.jsonl").write_text("".join(json.dumps(row) + "\\n" for row in rows))
"""
DESCRIBED = """
command: "{python} draw.py {parameters} {out} {n}"
parameters: {light: {limits: [0, 1], default: [0, 1]}}
classes: {kind: [a, b]}
"""
