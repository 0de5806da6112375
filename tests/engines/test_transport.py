"""What travels between a process and its workers."""

import pytest

from synth2real.engines.transport import packed, packed_error, unpacked
from synth2real.errors import InputError


class Stays(Exception):
    """An error that cannot be built again from its text."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def test_an_error_arrives_with_its_kind_and_text():
    with pytest.raises(InputError, match=r"a\.png: is torn"):
        raise unpacked(packed_error(InputError("a.png: is torn")))


def test_an_error_that_cannot_travel_arrives_as_its_traceback():
    arrived = unpacked(packed_error(Stays(1, 2)))
    assert type(arrived) is RuntimeError
    assert "Stays: 1 and 2" in str(arrived)


def test_a_part_arrives_as_it_was():
    assert unpacked(packed((range(3, 9), "part"))) == (range(3, 9), "part")
