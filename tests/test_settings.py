"""Settings are checked when built and survive a round trip."""

import pytest
import yaml

from synth2real.adapt import DANN, SourceOnly
from synth2real.errors import InputError
from synth2real.refine import SimGAN
from synth2real.route.route import STAGES
from synth2real.settings import build, migrated, name_of, read_yaml, to_dict

EVERY = [(stage, name) for stage, methods in STAGES.items() for name in methods]


@pytest.mark.parametrize(("stage", "name"), EVERY)
def test_settings_survive_a_round_trip_through_yaml(stage, name):
    method = build(STAGES[stage], name, stage=stage)
    plain = yaml.safe_load(yaml.safe_dump(to_dict(method)))
    assert build(STAGES[stage], name, plain, stage=stage) == method
    assert name_of(STAGES[stage], method) == name


def test_values_that_depart_from_the_default_survive_too():
    given = {"target_prior": [0.25, 0.75], "head": [8, 4], "threshold": 0.5}
    teacher = build(STAGES["adapt"], "teacher", given)
    assert (teacher.target_prior, teacher.head, teacher.threshold) == ((0.25, 0.75), (8, 4), 0.5)
    assert build(STAGES["adapt"], "teacher", to_dict(teacher)) == teacher != build(STAGES["adapt"], "teacher")


def test_what_a_training_leaves_behind_is_not_a_setting():
    dann = build(STAGES["adapt"], "dann")
    before = to_dict(dann)
    dann.networks = {}
    assert to_dict(dann) == before
    assert not hasattr(dann.fresh(), "networks")


def test_the_papers_preset_fills_what_is_not_given():
    paper = build(STAGES["adapt"], "dann", {"preset": "paper", "rate": 0.5})
    assert (paper.network, paper.optimize, paper.statistics, paper.rate) == ("dann-mnist", "sgd", "source", 0.5)
    assert build(STAGES["adapt"], "dann", to_dict(paper)) == paper


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("dane", {}, "adapt 'dane' is unknown, expected one of: source-only, dann, cdan"),
        ("dann", {"rte": 1}, r"adapt 'dann' has no setting 'rte', expected one of: .*rate, .*Did you mean 'rate'\?"),
        ("dann", {"rate": -1}, r"adapt\.rate of 'dann': found -1, expected greater than 0$"),
        ("dann", {"rate": "fast"}, r"adapt\.rate of 'dann': found 'fast', expected a valid number"),
        ("teacher", {"threshold": 2}, r"adapt\.threshold of 'teacher': found 2, expected less than or equal to 1$"),
        ("dann", {"schedule": "step"}, r"adapt\.schedule of 'dann': found 'step', expected 'cosine', 'dann'"),
    ],
)
def test_errors_name_the_field_what_was_found_and_what_was_expected(name, values, message):
    with pytest.raises(InputError, match=message):
        build(STAGES["adapt"], name, values, stage="adapt")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (True, "the settings of adapt 'dann' are True, expected NAME: VALUE"),
        ({None: 1}, "adapt 'dann' has no setting 'None', expected one of"),
    ],
)
def test_settings_of_a_file_that_are_no_names_and_values_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        build(STAGES["adapt"], "dann", values, stage="adapt")


REPEATED = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{of}'] * 10)}]\n" for of, name in zip("abcde", "bcdef", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", r"is not valid YAML \(line 1, column 5: .*\), expected ranges"),
        ("", "contains nothing, expected ranges"),
        ("[1]", "contains list, expected ranges"),
        ("a: 2001-99-99", r"is not valid YAML \(line 1, column 4: month must be in 1\.\.12\)"),
        ("a: 1\nb: \x02", r"is not valid YAML \(line 2, column 4: the character U\+0002 is not allowed\)"),
        ("a: 1\nb: {c: 2,\n c: 3}", r"is not valid YAML \(line 3, column 2: 'c' is given twice\)"),
        (
            "a: !!python/object/apply:os.getcwd []",
            r"is not valid YAML \(line 1, column 4: could not determine a constr",
        ),
        ("a: " + "[" * 2000, r"is not valid YAML \(it is nested too deeply"),
        (REPEATED, r"is not valid YAML \(anchors repeat it to more than 100000 values\)"),
        ("a: &a [*a]", r"is not valid YAML \(anchors repeat it to more than 100000 values\)"),
    ],
)
def test_a_file_that_is_no_yaml_mapping_is_named(tmp_path, text, message) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(InputError, match=rf"a\.yaml: {message}"):
        read_yaml(tmp_path / "a.yaml", "ranges")


def test_yaml_files_are_utf_8_and_may_use_anchors(tmp_path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("a: &x [é]\nb: *x", encoding="utf-8")
    assert read_yaml(file, "ranges") == {"a": ["é"], "b": ["é"]}
    file.write_bytes("a: é".encode("latin-1"))
    with pytest.raises(InputError, match=r"a\.yaml: is not UTF-8 \(byte 3\), expected ranges"):
        read_yaml(file, "ranges")
    with pytest.raises(InputError, match=r"none\.yaml: cannot be read \(No such file or directory\), expected ranges"):
        read_yaml(tmp_path / "none.yaml", "ranges")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DANN(lr=0.1), r"DANN has no setting 'lr', expected one of: rate, optimize, .* Did you mean 'rate'\?"),
        (lambda: SimGAN(stps=3), r"SimGAN has no setting 'stps', expected one of: steps, .* Did you mean 'steps'\?"),
        (lambda: DANN(zzz=3), r"DANN has no setting 'zzz', expected one of: optimize, rate, [^.]*\.$"),
        (lambda: DANN(rate=-1), r"DANN\(rate=...\): found -1, expected greater than 0$"),
        (lambda: SimGAN(steps="many"), r"SimGAN\(steps=...\): found 'many', expected a valid integer"),
        (lambda: DANN(0.1), r"DANN takes its settings by name, found 0.1 without one. Write it as NAME=VALUE"),
    ],
)
def test_in_python_errors_are_the_same(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_a_setting_of_before_is_replaced_by_its_successor():
    with pytest.warns(UserWarning, match="SourceOnly: 'frozen' is replaced by 'tune'. Use the new setting"):
        assert SourceOnly(frozen=True, cached=True) == SourceOnly(tune="frozen")
    with pytest.warns(UserWarning, match="is replaced"):
        assert SourceOnly(frozen=False).tune is None
    with pytest.warns(UserWarning, match="is replaced"), pytest.raises(InputError, match=r"tune=...\): found 'yes'"):
        SourceOnly(frozen="yes")
    assert migrated("adapt", {"method": "dann", "frozen": True, "cached": True}) == {"method": "dann", "tune": "frozen"}
