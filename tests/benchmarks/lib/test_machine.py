"""The description of the machine."""

from benchmarks.lib.machine import describe


def test_threads_and_versions_are_named() -> None:
    described = describe("numpy", "no-such-package")
    assert " threads; torch " in described
    assert "; numpy " in described
    assert described.endswith("; no-such-package not installed")
