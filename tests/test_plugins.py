"""Registries: built-in members and those of installed packages, faulty ones, clashes, and what a saved one says."""

import subprocess
import sys
import warnings

import pytest

from synth2real.errors import InputError
from synth2real.plugins import PluginError, Registry, provider
from synth2real.settings import build, described, name_of, settings

METHOD = """
from synth2real.settings import settings

@settings
class Mine:
    strength: float = 0.5
"""


@settings
class Own:
    size: int = 3


def registry(**built_in):
    return Registry("adapt", {"own": Own, **built_in}, lambda found: isinstance(found, type), "a class", ("kept",))


def test_names_are_listed_without_an_import(packages):
    packages.install("quiet-plugin", "raise RuntimeError('imported')", adapt="quiet = Quiet")
    known = registry()
    assert list(known) == ["own", "quiet"]
    assert len(known) == 2
    assert "quiet" in known
    assert "loud" not in known
    assert "quiet_plugin" not in sys.modules


def test_a_faulty_plugin_is_named_in_one_line_and_the_others_work(packages):
    packages.install("broken-plugin", "import no_such_module", adapt="broken = Mine")
    packages.install("wrong-plugin", "Mine = 3", adapt="wrong = Mine")
    packages.install("fine-plugin", METHOD, adapt="fine = Mine")
    with pytest.warns(UserWarning, match="left out: ") as caught:
        assert [name for name, _ in registry().working()] == ["own", "fine"]
    said = [str(one.message) for one in caught]
    assert said == [
        "left out: adapt 'broken' (broken_plugin:Mine) of the package broken-plugin 1.2: ModuleNotFoundError: No "
        "module named 'no_such_module'",
        "left out: adapt 'wrong' (wrong_plugin:Mine) of the package wrong-plugin 1.2: TypeError: it is 3, expected a "
        "class",
    ]
    with pytest.raises(PluginError, match=r"of the package broken-plugin 1\.2: .* Mend or remove the package"):
        registry()["broken"]


def test_a_plugin_that_calls_itself_otherwise_is_refused(packages):
    packages.install("renamed-plugin", "class Mine:\n    name = 'other'\n", adapt="renamed = Mine")
    with pytest.raises(PluginError, match="its attribute `name` is 'other', expected 'renamed'"):
        registry()["renamed"]


def test_a_plugin_cannot_take_a_built_in_name(packages):
    packages.install("thief-plugin", METHOD, adapt="own = Mine\nkept = Mine")
    known = registry()
    assert list(known) == ["own"]
    message = "thief-plugin 1.2 registers 'own' under synth2real.adapt, which is a name of synth2real itself"
    with pytest.warns(UserWarning, match=message):
        assert known["own"] is Own
    with pytest.warns(UserWarning, match="registers 'kept'"):
        assert dict(known.working()) == {"own": Own}


def test_two_packages_with_one_name_are_both_named_and_neither_is_taken(packages):
    packages.install("first-plugin", METHOD, adapt="twice = Mine")
    packages.install("second-plugin", METHOD, adapt="twice = Mine")
    message = r"the packages first-plugin 1\.2 and second-plugin 1\.2 both register 'twice'"
    with pytest.raises(PluginError, match=rf"{message} under synth2real\.adapt\. Remove one"):
        registry()["twice"]
    with pytest.warns(UserWarning, match=message):
        assert dict(registry().working()) == {"own": Own}


def test_settings_of_a_plugin_round_trip_with_its_package(packages):
    packages.install("round-plugin", METHOD, adapt="round = Mine")
    known = registry()
    method = build(known, "round", {"strength": 0.25}, stage="adapt")
    plain = described(known, method)
    assert plain == {"method": "round", "package": "round-plugin 1.2", "strength": 0.25}
    assert name_of(registry(), method) == "round"  # also in a registry that has not imported it
    assert build(known, "round", {"strength": 0.25}) == method
    assert described(known, Own()) == {"method": "own", "size": 3}
    assert provider(Own) is None


def test_a_method_of_a_package_that_is_not_installed_names_it():
    with pytest.raises(
        InputError, match=r"adapt 'gone' is of the package gone-plugin 0\.3, .* pip install gone-plugin$"
    ):
        build(registry(), "gone", {}, stage="adapt", package="gone-plugin 0.3")


def test_an_unknown_name_is_no_plugin():
    with pytest.raises(InputError, match="adapt 'magic' is unknown, expected one of: own"):
        build(registry(), "magic", {}, stage="adapt")
    with pytest.raises(KeyError):
        registry()["magic"]


def test_a_built_in_member_may_be_imported_when_it_is_asked_for():
    assert registry(path="pathlib:Path")["path"].__name__ == "Path"


def test_without_plugins_nothing_is_said():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert dict(registry().working()) == {"own": Own}


def test_help_imports_neither_torch_nor_plugins(packages):
    packages.install("heavy-plugin", "raise SystemExit('imported')", adapt="heavy = Mine", formats="heavy = Mine")
    code = "\n".join(
        (
            "import sys",
            f"sys.path.insert(0, {str(packages.folder)!r})",
            "sys.argv = ['synth2real', '--help']",
            "from synth2real import cli",
            "try: cli.main()",
            "except SystemExit: pass",
            "heavy = {'torch', 'numpy', 'scipy', 'sklearn', 'optuna', 'bokeh', 'matplotlib', 'heavy_plugin'}",
            "print(sorted(heavy & set(sys.modules)), len(sys.modules) < 700)",
        )
    )
    paths = [path for path in sys.path if path]
    found = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {paths!r}\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.splitlines()[-1] == "[] True"
