"""Cells of CSV files that spreadsheets do not run."""

import pytest

from synth2real.cli.use.cells import harmless


@pytest.mark.parametrize(
    ("cell", "written"), [("-1", "-1"), ("+1.5e-3", "+1.5e-3"), ("-a.png", "'-a.png"), ("@x", "'@x"), ("a=b", "a=b")]
)
def test_only_text_that_a_spreadsheet_runs_is_escaped(cell, written):
    assert harmless(cell) == written
