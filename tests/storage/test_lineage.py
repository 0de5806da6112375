"""Lineage: the tree of what an output was made from, and what has become of its inputs."""

import pytest

from synth2real.storage import Record, Source, content_of, keep_record, trace
from synth2real.storage.lineage import CHANGED, MISSING, MOVED, UNCHANGED, UNKNOWN


def nothing(out):
    return None


def source(role, path):
    return Source(role, path.name, str(path), content_of(path))


def made(out, *inputs, command="train"):
    """An output with a record of its inputs."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "data.bin").write_bytes(out.name.encode())
    keep_record(out, Record(command, str(out), {}, [0], list(inputs), {"version": "1", "commit": None, "hash": "a"}))
    return out


@pytest.fixture
def chain(tmp_path):
    """A run of a refined folder and photos; the refined one is of rendered images, and these of a simulator."""
    work = tmp_path / "work"
    photos = work / "photos"
    photos.mkdir(parents=True)
    (photos / "1.png").write_bytes(b"photo")
    rendered = made(work / "rendered", Source("simulator", "digits", simulator={"name": "digits"}), command="render")
    refined = made(work / "refined", source("source", rendered), source("target", photos), command="refine")
    return made(work / "runs" / "run", source("source", refined), source("target", photos))


def test_the_tree_goes_back_to_the_simulator(chain):
    tree = trace(chain, nothing)
    assert (tree.role, tree.record.command, tree.content) == ("", "train", content_of(chain))
    refined, photos = tree.inputs
    rendered, again = refined.inputs
    assert [one.record.command for one in (refined, rendered)] == ["refine", "render"]
    assert [one.state for one in (refined, photos, rendered, again)] == [UNCHANGED] * 4
    (simulator,) = rendered.inputs
    assert (simulator.simulator, simulator.path, simulator.inputs) == ({"name": "digits"}, None, [])
    assert photos.record is None


def test_a_parent_that_has_changed_says_so(chain):
    (chain.parents[1] / "photos" / "2.png").write_bytes(b"another")
    refined, photos = trace(chain, nothing).inputs
    assert (refined.state, photos.state, refined.inputs[1].state) == (UNCHANGED, CHANGED, CHANGED)


def test_a_parent_that_is_gone_is_missing_with_what_it_held(chain):
    photos = chain.parents[1] / "photos"
    held = content_of(photos)
    (photos / "1.png").unlink()
    photos.rmdir()
    node = trace(chain, nothing).inputs[1]
    assert (node.state, node.path, node.content) == (MISSING, photos, held)


def test_a_renamed_parent_is_found_by_its_content_and_traced_on(chain):
    work = chain.parents[1]
    (work / "other").mkdir()
    (work / "refined").rename(work / "renamed")
    node = trace(chain, nothing).inputs[0]
    assert (node.state, node.path) == (MOVED, work / "renamed")
    assert node.inputs[0].state == UNCHANGED


def test_a_project_that_has_moved_as_a_whole_is_found(chain, tmp_path):
    (tmp_path / "work").rename(tmp_path / "elsewhere")
    tree = trace(tmp_path / "elsewhere" / "runs" / "run", nothing)
    assert [one.state for one in tree.inputs] == [MOVED] * 2
    rendered = tree.inputs[0].inputs[0]
    assert (rendered.state, rendered.path) == (MOVED, tmp_path / "elsewhere" / "rendered")


def test_a_parent_that_was_changed_and_renamed_is_not_taken_for_it(chain):
    work = chain.parents[1]
    (work / "refined").rename(work / "renamed")
    (work / "renamed" / "data.bin").write_bytes(b"REFINED")
    assert trace(chain, nothing).inputs[0].state == MISSING


def test_an_output_that_names_itself_does_not_trace_for_ever(tmp_path):
    out = made(tmp_path / "out")
    made(out, source("source", out))
    assert trace(out, nothing).inputs[0].inputs == []


def test_outputs_without_a_record_are_traced_by_what_is_known(tmp_path, chain):
    old = tmp_path / "old"
    old.mkdir()
    photos = chain.parents[1] / "photos"
    known = Record("train", str(old), {}, [0], [Source("target", "photos", str(photos))])
    tree = trace(old, lambda out: known if out == old else None)
    assert (tree.recorded, tree.inputs[0].state, tree.inputs[0].content) == (False, UNKNOWN, content_of(photos))


def test_the_tree_is_plain_data(chain):
    plain = trace(chain, nothing).plain()
    assert plain["record"]["command"] == "train"
    assert plain["inputs"][0]["inputs"][0]["inputs"][0]["simulator"] == {"name": "digits"}
    assert plain["inputs"][1]["content"]["files"] == 1
