"""The figures of the page on papers are those of the stored results."""

import json
import re

import pytest

from pages import DOCS, ROOT

NAMES = {
    "DANN": "dann",
    "network": "nn",
    "linear SVM": "svm",
    "DANN on mSDA": "msda-dann",
    "network on mSDA": "msda-nn",
    "linear SVM on mSDA": "msda-svm",
}


def test_the_figures_of_the_reviews_are_the_stored_ones() -> None:
    lines = (ROOT / "benchmarks" / "results" / "scores.jsonl").read_text(encoding="utf-8").splitlines()
    stored = {one["name"]: one["mean"] for one in map(json.loads, lines) if one["protocol"] == "sentiment"}
    section = (DOCS / "papers.md").read_text(encoding="utf-8").partition("## Two moons")[0]
    rows = dict(re.findall(r"^\| ([\w ]+) \| 0\.\d+ \| (0\.\d+) \|", section, re.M))
    assert set(rows) == set(NAMES)
    for name, value in rows.items():
        assert float(value) == pytest.approx(stored[NAMES[name]], abs=0.0005), name
