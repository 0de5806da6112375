"""The visual Turing test: the page contains all images but no answers. The key contains the answers."""

import csv
import re

import pytest

from helpers import picture, save
from synth2real import load_unlabelled
from synth2real.errors import InputError
from synth2real.report.turing import write_turing_test


def rows(key):
    with key.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def page(synth2real, tmp_path, photos, classes):
    def run(*arguments, out="page.html"):
        return synth2real("turing", photos, classes, "--out", tmp_path / out, *arguments)

    return run


def test_page_matches_key_and_contains_no_answers(page, tmp_path, photos, classes):
    code, out, err = page("--n", 20, "--seed", 3)
    assert (code, out) == (0, ""), err
    assert f"the key is in {tmp_path / 'page.key.csv'}" in err
    html, key = (tmp_path / "page.html").read_text(), rows(tmp_path / "page.key.csv")
    images = re.findall(r'<img src="(data:image/png;base64,[^"]+)"', html)
    assert len(images) == len(set(images)) == len(key) == 20
    assert [row["image"] for row in key] == [str(i + 1) for i in range(20)]
    assert [row["truth"] for row in key].count("real") == 10
    assert all((photos if row["truth"] == "real" else classes).joinpath(row["file"]).is_file() for row in key)
    assert not any(row["file"] in html for row in key)
    assert {row["test"] for row in key} == set(re.findall(r'data-test="(\w+)"', html))
    assert not re.search(r'(src|href)="(?!data:)', html), "nothing is loaded from anywhere"


def test_seed_fixes_sampling_and_order(page, tmp_path):
    for out, seed in (("a.html", 1), ("b.html", 1), ("c.html", 2)):
        assert page("--n", 10, "--seed", seed, out=out)[0] == 0
    a, b, c = ((tmp_path / f"{name}.key.csv").read_text() for name in "abc")
    assert a == b != c


def test_impossible_pages_are_refused(page, synth2real, tmp_path, photos):
    for arguments, part in (
        (("--n", 7), "--n 7: expected an even number"),
        (("--n", 100), "--n 100 needs 50 real images, found 40"),
    ):
        code, _, err = page(*arguments)
        assert (code, part in err) == (2, True), err
    assert not list(tmp_path.iterdir())
    assert "expected the name of an HTML file" in page(out="page.txt")[2]
    assert page("--n", 10)[0] == 0
    assert "page.html: the file exists, expected a new file" in page("--n", 10)[2]
    assert page("--n", 10, "--overwrite")[0] == 0
    for i in range(5):
        save(tmp_path / "large" / f"{i}.png", picture(i, size=(20, 20)))
    arguments = ("turing", photos, tmp_path / "large", "--n", 4, "--out", tmp_path / "x.html")
    assert "expected images of one shape" in synth2real(*arguments)[2]
    assert synth2real(*arguments, "--size", "16x16")[0] == 0


def test_library_call_returns_the_key(tmp_path, photos, classes):
    domains = load_unlabelled(photos), load_unlabelled(classes)
    assert write_turing_test(*domains, tmp_path / "p.html", n=4) == tmp_path / "p.key.csv"
    with pytest.raises(InputError, match="expected an even number"):
        write_turing_test(*domains, tmp_path / "p.html", n=3)
