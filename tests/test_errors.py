"""Messages: long ones are shortened, since files may contain values of any length."""

from synth2real.errors import LONGEST, InputError


def test_the_middle_of_a_long_message_is_left_out() -> None:
    message = str(InputError(f"table.csv: found {'x' * 100_000}, expected a number"))
    assert LONGEST <= len(message) < LONGEST + 50
    assert message.startswith("table.csv: found xxx")
    assert message.endswith("xxx, expected a number")
    assert " ... 98436 characters ... " in message
    assert str(InputError("short")) == "short"
