"""The profile of the demo: kinds of functions, and the largest that are not arithmetic."""

import pytest

from benchmarks.speed.demo_profile import kind_of, tables

CONV = ("~", 0, "<built-in method torch.conv2d>")


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        (CONV, "arithmetic"),
        (("~", 0, "<method 'mul_' of 'torch._C.TensorBase' objects>"), "arithmetic"),
        (("<frozen importlib._bootstrap>", 1, "_load"), "imports"),
        (("/x/torch/nn/modules/conv.py", 1, "<module>"), "imports"),
        (("/x/synth2real/report/page.py", 1, "write"), "report"),
        (("/x/synth2real/data/domains.py", 1, "to_float"), "data"),
        (("/x/synth2real/training/loop.py", 1, "run"), "adaptation and training"),
        (("/x/synth2real/select/decision.py", 1, "choose"), "choice"),
        (("/x/other.py", 1, "f"), "rest"),
    ],
)
def test_functions_have_a_kind(entry, kind) -> None:
    assert kind_of(entry) == kind


def test_tables_have_shares_and_the_largest_entries_beside_arithmetic() -> None:
    found = {CONV: (3, 6.0), ("/a/b/c.py", 7, "f"): (2, 3.0), ("/a/b/d.py", 8, "g"): (1, 1.0)}
    rows = tables(found, entries=1)
    assert [(row["kind"], row["share"]) for row in rows if row["part"] == "kinds"] == [
        ("arithmetic", "60.0%"),
        ("rest", "40.0%"),
    ]
    assert [(row["entry"], row["calls"]) for row in rows if row["part"] == "entries"] == [("b/c.py:7 f", 2)]
