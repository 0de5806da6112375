"""What is said of tests that a machine cannot run."""

import pytest

from skips import not_run, optional


def test_one_line_says_what_was_not_run_and_how_to_run_it() -> None:
    reasons = [
        "Skipped: needs the extra sbi (No module named 'sbi')",
        "Skipped: needs a GPU",
        "Skipped: needs the extra timm (operator torchvision::nms does not exist)",
        "Skipped: needs a GPU",
    ]
    assert not_run(reasons, slow_left_out=True) == (
        "not run: 2 tests need optional dependencies: .venv/bin/pip install -c constraints.txt -e '.[sbi,timm]'; "
        "2 tests need a GPU; slow tests: make test-all"
    )
    assert not_run(reasons[:1]).startswith("not run: 1 test needs optional dependencies: ")
    assert not_run([]) == ""


def test_a_package_that_cannot_be_imported_skips_its_test() -> None:
    with pytest.raises(pytest.skip.Exception, match=r"^needs the extra sbi \(No module named 'no_such_module'\)"):
        optional("no_such_module", "sbi")
    assert optional("json", "sbi").loads("1") == 1


def test_a_folder_of_the_name_of_a_package_is_no_package(tmp_path, monkeypatch) -> None:
    (tmp_path / "namesake_of_a_package").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(pytest.skip.Exception, match="No module named 'namesake_of_a_package'"):
        optional("namesake_of_a_package", "sbi")


def test_reasons_of_other_libraries_stand_as_they_are() -> None:
    assert not_run(["Skipped: pandas is not installed"]) == "not run: 1: pandas is not installed"
