"""The docs have the tables that the committed results give."""

import json
import sys

import pytest

from benchmarks.lib import tables
from benchmarks.lib.results import Column, show
from benchmarks.lib.tables import filled, pages

PAGE = "Before\n\n<!-- table: speed/some -->\n\n| old |\n\n<!-- end -->\n\nafter\n"


@pytest.mark.parametrize("page", list(pages()), ids=lambda page: page.name)
def test_the_tables_of_a_page_are_those_of_the_results(page) -> None:
    text = page.read_text(encoding="utf-8")
    assert filled(text) == text, "run: make tables"


def test_a_table_without_results_stays(tmp_path) -> None:
    assert filled(PAGE, tmp_path) == PAGE
    with_scores = PAGE.replace("speed/some", "quality/usps")
    assert filled(with_scores, tmp_path) == with_scores


def test_a_table_is_filled_with_its_machine_and_filling_again_changes_nothing(tmp_path) -> None:
    rows = [{"part": "left", "what": "one"}, {"part": "right", "what": "two"}]
    show("speed/some", [Column("what", "heading")], rows, {"rounds": 5}, results=tmp_path)
    once = filled(PAGE, tmp_path)
    assert "| heading |\n| --- |\n| one |\n| two |\n\nMeasured on: " in once
    assert "rounds 5" in once
    assert once.startswith("Before\n\n<!-- table")
    assert once.endswith("<!-- end -->\n\nafter\n")
    assert filled(once, tmp_path) == once
    right = filled(PAGE.replace("speed/some", "speed/some/right"), tmp_path)
    assert "| two |" in right
    assert "| one |" not in right


def test_quality_figures_are_replaced_in_their_cells_and_others_get_a_dagger(tmp_path) -> None:
    lines = [
        {"protocol": "digits", "name": "dann", "steps": None, "seeds": [0, 1, 2], "accuracy_mean": 0.5, **spread}
        for spread in ({"accuracy_std": 0.1}, {"accuracy_std": 0.25})
    ]
    (tmp_path / "scores.jsonl").write_text("\n".join(map(json.dumps, lines)))
    table = "| route | fonts | digits |\n| --- | --- | --- |\n| dann | 0.976 ± 0.001 | **0.9 ± 0.1**, or 3 |"
    page = f"<!-- table: quality/digits -->\n{table}\n<!-- end -->"
    once = filled(page, tmp_path)
    assert "| dann | 0.976 ± 0.001† | **0.500 ± 0.250**, or 3† |" in once
    assert "† The raw line of this figure is not in `benchmarks/results`." in once
    assert filled(once, tmp_path) == once


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        ("quality/no", "table quality/no: expected one of demo, "),
        ("other/no", "table other/no: expected speed/NAME, speed/NAME/PART or quality/NAME"),
    ],
)
def test_a_mark_that_names_no_table_is_refused(mark, message) -> None:
    with pytest.raises(ValueError, match=message):
        filled(PAGE.replace("speed/some", mark))


def test_a_mark_without_an_end_is_refused() -> None:
    with pytest.raises(ValueError, match="a mark of a table without <!-- end -->"):
        filled("<!-- table: speed/some -->\n")


def test_check_names_the_pages_that_would_change_and_writes_nothing(tmp_path, monkeypatch, capsys) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- table: quality/demo -->\n| a |\n| --- |\n| b |\n<!-- end -->\n")
    before = page.read_text()
    monkeypatch.setattr(tables, "ROOT", tmp_path)
    monkeypatch.setattr(tables, "pages", lambda: iter([page]))
    monkeypatch.setattr(sys, "argv", ["tables", "--check"])
    with pytest.raises(SystemExit, match="Run: make tables"):
        tables.main()
    assert capsys.readouterr().out == "page.md\n"
    assert page.read_text() == before
    monkeypatch.setattr(sys, "argv", ["tables"])
    tables.main()
    assert "The raw lines of these figures are not in" in page.read_text()
