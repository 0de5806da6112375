"""Tables of speed: how values are shown, and how they are stored."""

import json

import pytest

from benchmarks.lib import results
from benchmarks.lib.results import Column, cells, markdown, show, stored, text

COLUMNS = (Column("what", "what"), Column("rate", "images/s"), Column("ratio", "ratio", whole=True))
ROWS = [
    {"part": "a", "what": "one", "rate": {"median": 1234.5, "least": 1.0, "most": 2.0}, "ratio": None},
    {"part": "b", "what": "two", "ratio": {"median": 1.05, "least": 0.9, "most": 12.34}},
    {"part": "b", "what": "three", "error": "ImportError: no | module"},
]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, ""), ("a", "a"), (12345, "12,345"), (1234.5, "1,234"), (12.34, "12.3"), (1.234, "1.23"), (-0.5, "-0.50")],
)
def test_numbers_have_three_digits(value, shown) -> None:
    assert text(value) == shown


def test_results_are_printed_and_stored_with_machine_date_and_settings(tmp_path, capsys) -> None:
    show("speed/some", COLUMNS, ROWS, {"rounds": 5, "device": None}, ["numpy"], tmp_path)
    shown = capsys.readouterr().out
    assert "images/s" in shown
    assert "1.05 (0.90 to 12.3)" in shown
    assert "; rounds 5; 20" in shown
    file = json.loads((tmp_path / "speed" / "some.json").read_text())
    assert list(file) == ["name", "machines"]
    (measured,) = file["machines"].values()
    assert set(measured) == {"date", "machine", "versions", "settings", "columns", "rows"}
    assert measured["rows"] == ROWS
    assert set(measured["versions"]) == {"torch", "numpy"}


def test_results_of_another_machine_are_kept_behind_the_latest(tmp_path, monkeypatch) -> None:
    for machine, what in (("one", "old"), ("other", "other"), ("one", "new")):
        monkeypatch.setattr(results, "processor", lambda: machine)  # noqa: B023
        show("speed/some", COLUMNS, [{"what": what}], results=tmp_path)
    machines = stored("speed/some", tmp_path)["machines"]
    assert [name.partition(";")[0] for name in machines] == ["one", "other"]
    assert [measured["rows"][0]["what"] for measured in machines.values()] == ["new", "other"]


def test_a_table_has_the_rows_of_a_part_and_no_empty_columns() -> None:
    measured = {"columns": [vars(column) for column in COLUMNS], "rows": ROWS}
    assert cells(measured, "a") == [["what", "images/s"], ["one", "1,234"]]
    assert markdown(cells(measured, "b")) == [
        "| what | ratio | why there is no figure |",
        "| --- | --- | --- |",
        "| two | 1.05 (0.90 to 12.3) |  |",
        "| three |  | ImportError: no \\| module |",
    ]


def test_there_are_no_results_without_a_file(tmp_path) -> None:
    assert stored("speed/none", tmp_path) == {"name": "speed/none", "machines": {}}
