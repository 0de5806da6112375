"""`synth2real render`: parts of a set, and the whole that they are joined to."""

import json

import pytest

from helpers import contents, refused

SMALL = ("digits", "--n", 30, "--size", "8x8", "--seed", 3)


@pytest.fixture
def render(synth2real):
    def run(*arguments):
        return synth2real("render", *SMALL, *arguments)

    return run


def test_parts_are_joined_to_what_one_command_renders(render, tmp_path) -> None:
    assert render("--out", tmp_path / "whole")[0] == 0
    for i in (1, 2):
        code, out, err = render("--part", f"{i}/2", "--jobs", i, "--out", tmp_path / "parts" / str(i), "--json")
        assert code == 0, err
        assert json.loads(out)["images"] == 15
    assert f"rendered images 15 to 29 of 30, part 2/2, to {tmp_path / 'parts' / '2'}" in err
    code, _, err = render("--join", tmp_path / "parts", "--out", tmp_path / "joined")
    assert code == 0, err
    assert f"put together 30 images of the parts in {tmp_path / 'parts'}, to {tmp_path / 'joined'}" in err
    whole, joined = contents(tmp_path / "whole"), contents(tmp_path / "joined")
    named = ("config.yaml", "provenance.json")  # the options stand in them
    assert {n: c for n, c in whole.items() if n not in named} == {n: c for n, c in joined.items() if n not in named}


def test_a_dry_run_checks_the_part_and_the_parts(render, tmp_path) -> None:
    code, out, err = render("--part", "1/2", "--out", tmp_path / "out", "--dry-run")
    assert code == 0, err
    assert "15 images of 8x8 from digits" in out
    refused(render("--part", "1/31", "--out", tmp_path / "out", "--dry-run"), "--part 1/31: found 30 images")
    refused(render("--join", tmp_path, "--out", tmp_path / "out", "--dry-run"), f"{tmp_path}: found no part")


@pytest.mark.parametrize("text", ["1", "1/", "one/2", "-1/2", "1/2/3"])
def test_a_part_that_is_none_is_refused(render, tmp_path, text) -> None:
    code, _, err = render("--part", text, "--out", tmp_path / "out")
    assert code == 2
    assert f"'{text}', expected I/N, one of N parts with I from 1 to N, such as 3/10" in " ".join(err.split())


def test_the_options_of_a_part_can_be_repeated(synth2real, render, tmp_path) -> None:
    assert render("--part", "2/3", "--out", tmp_path / "a")[0] == 0
    code, _, err = synth2real("render", "--config", tmp_path / "a" / "config.yaml", "--out", tmp_path / "b")
    assert code == 0, err
    assert (tmp_path / "a" / "metadata.jsonl").read_bytes() == (tmp_path / "b" / "metadata.jsonl").read_bytes()
