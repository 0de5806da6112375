"""Labels of shards: small arrays, and the same names and numbers as those of tables."""

from pathlib import Path

import numpy as np
import pytest

from synth2real.data.shards.labels import Classes, Numbers, Wanted
from synth2real.errors import InputError

EVERY = np.arange(4)


def test_classes_are_in_natural_order_and_only_those_that_are_kept() -> None:
    found = Classes()
    for name in ("c10", "c2", "c10", "c1"):
        found.add(name)
    labels, classes = found.of(EVERY)
    assert classes == ("c1", "c2", "c10")
    assert labels.tolist() == [2, 1, 2, 0]
    labels, classes = found.of(np.array([0, 3]))
    assert (labels.tolist(), classes) == ([1, 0], ("c1", "c10"))


def test_declared_classes_keep_their_order_unless_there_are_others() -> None:
    found = Classes(("b", "a", "z"))
    found.add("a")
    assert found.of(np.array([0]))[1] == ("b", "a", "z")
    found.add("q")
    assert found.of(np.array([0, 1]))[1] == ("a", "q")


def test_names_are_those_of_tables() -> None:
    wanted = Wanted(True, None, ())
    for value in (3.0, "3", " 3 ", 4):
        wanted.add({"label": value}.__getitem__, "label", Path("a.tar"), "1.png")
    assert wanted.classes is not None
    assert wanted.classes.of(EVERY)[1] == ("3", "4")
    for value in (None, "", float("nan"), [1], {}):
        with pytest.raises(
            InputError, match=r"a\.tar: the label column 'label' of 1\.png contains .*, expected a class"
        ):
            wanted.add({"label": value}.__getitem__, "label", Path("a.tar"), "1.png")


def test_numbers_are_rows() -> None:
    found = Numbers(("x", "y"))
    for x in range(4):
        found.add({"x": x, "y": -x}.__getitem__, Path("a.tar"), "1.png")
    assert found.of(np.array([3, 1])).tolist() == [[3, -3], [1, -1]]


@pytest.mark.parametrize(
    ("label", "columns", "usual", "found"),
    [
        (None, ["x", "class"], None, "class"),
        (None, ["cls", "class", "label"], None, "label"),
        (None, ["fine", "label"], "fine", "label"),
        (None, ["fine", "x"], "fine", "fine"),
        ("class", ["cls"], None, "cls"),
        ("kind", ["cls", "kind"], None, "kind"),
    ],
)
def test_the_column_of_classes(label: str | None, columns: list[str], usual: str | None, found: str) -> None:
    assert Wanted(True, label, ()).named(columns, Path("a"), usual) == (found,)
