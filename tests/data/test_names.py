"""Names in bytes: they are what they were made of, in any alphabet, and pick like a tuple."""

import numpy as np
import pytest

from synth2real.data.names import AT_ONCE, Names

TEXTS = ["a/1.png", "", "é/ü.png", "b\udce9.png", "0" * 300]


def test_they_are_the_texts_they_were_made_of() -> None:
    names = Names.of(TEXTS)
    assert list(names) == TEXTS
    assert [names[i] for i in range(-5, 5)] == TEXTS + TEXTS
    assert names == tuple(TEXTS)
    assert names != TEXTS[:-1]
    assert names[1:3] == TEXTS[1:3]
    assert "é/ü.png" in names


def test_a_place_beyond_them_is_refused() -> None:
    with pytest.raises(IndexError):
        Names.of(TEXTS)[5]


def test_none_are_false_like_an_empty_tuple() -> None:
    assert not Names.of([])
    assert list(Names.of([])) == []


def test_a_subset_has_the_order_of_the_index() -> None:
    assert Names.of(TEXTS).subset(np.array([4, 0])) == [TEXTS[4], TEXTS[0]]


def test_many_take_about_their_bytes() -> None:
    names = Names.of(f"{i:08d}" for i in range(2 * AT_ONCE + 1))
    assert names[-1] == f"{2 * AT_ONCE:08d}"
    assert len(names.packed) + names.ends.nbytes == 16 * len(names)
