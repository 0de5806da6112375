"""Simulators from external programs, from modules, and from registered packages."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest
import torch

from synth2real.errors import InputError, WriteError
from synth2real.settings import to_dict
from synth2real.simulate import Drawn, Parameter, declared, external, find, is_simulator, registry, simulator

LAMP = Path(__file__).parents[2] / "examples" / "lamp" / "lamp.yaml"
DESCRIPTION = """
command: "{{python}} program.py {{parameters}} {{out}}"
timeout: {timeout}
parameters:
  power: {{unit: watts, limits: [0, 100], default: [20, 40]}}
classes:
  label: [dark, lit, 3]
"""


def described(folder, body, timeout=20):
    """A simulator with the program `body`, which can use the variables `asked` and `out`."""
    head = "import csv, json, pathlib, sys, time, yaml\nout = pathlib.Path(sys.argv[2])\n"
    head += "asked = yaml.safe_load(open(sys.argv[1]))\n"
    (folder / "program.py").write_text(head + textwrap.dedent(body))
    (folder / "heater.yaml").write_text(DESCRIPTION.format(timeout=timeout))
    return simulator(str(folder / "heater.yaml"), size=(8, 8))


def test_the_example_renders_its_parameters():
    lamp = simulator(str(LAMP), size=(16, 20), ranges={"wall": 0.25, "power": (0.2, 0.25)})
    made = lamp.sample(12, 3)
    assert made.images.shape == (12, 1, 16, 20)
    assert made.labels["place"].shape == (12, 2)
    assert made.images.amin((1, 2, 3)).float().mean() / 255 == pytest.approx(0.25, abs=0.02)
    row, column = divmod(int(made.images[0].argmax()), 20)
    assert made.labels["place"][0].tolist() == pytest.approx([column, row], abs=1.5)
    assert torch.equal(lamp.sample(12, 3).images, made.images)
    assert lamp.labelled(4, 0, "place").columns == ("x", "y")


def test_the_example_is_rendered_by_the_command_line(synth2real, tmp_path):
    code, _, err = synth2real("render", LAMP, "--n", 3, "--size", "12x12", "--out", tmp_path / "lamps")
    assert code == 0, err
    rows = [json.loads(line) for line in (tmp_path / "lamps" / "metadata.jsonl").read_text().splitlines()]
    assert len(rows) == 3
    assert set(rows[0]) == {"file_name", "x", "y"}


def test_settings_of_a_program_survive_a_round_trip():
    kind = external(LAMP)
    lamp = kind(size=(16, 16), ranges={"wall": 0.2})
    assert kind(**to_dict(lamp)) == lamp
    assert lamp.with_ranges(power=0.5).range("wall") == (0.2, 0.2)
    with pytest.raises(InputError, match="lamp has no parameter 'watts', expected one of: spread, power, wall"):
        kind(ranges={"watts": 1})


WRONG = [
    (
        "sys.exit('the lamp\\nis broken')",
        r"`.*` ended with exit code 1, expected 0\. Its last output: the lamp \| is broken",
    ),
    ("pass", "wrote 0 tables, expected one metadata.csv or metadata.jsonl"),
    (
        "(out / 'metadata.csv').write_text('file_name,label\\n0.png,dark\\n')",
        r"wrote a table of 1 images, but 1 files are missing \(0.png\); expected 2",
    ),
    ("(out / 'metadata.csv').write_text('name\\n0.png\\n')", "a row of metadata.csv has no file_name"),
    (
        """
        from PIL import Image
        rows = [{'file_name': f'{i}.png', 'label': 'dim'} for i in range(asked['n'])]
        [Image.new('L', (8, 8)).save(out / row['file_name']) for row in rows]
        (out / 'metadata.jsonl').write_text('\\n'.join(map(json.dumps, rows)))
        """,
        "'label' of 0.png is 'dim', expected one of: dark, lit, 3",
    ),
]


@pytest.mark.parametrize(("body", "message"), WRONG)
def test_a_program_that_fails_names_its_parameters(tmp_path, body, message):
    with pytest.raises(InputError, match=message) as caught:
        described(tmp_path, body).sample(2, 0)
    kept = re.search(r"Its parameters were: power [\d.]+ to [\d.]+\. They are saved in (.*)$", str(caught.value))
    assert "power" in Path(kept[1]).read_text()


def test_a_program_that_takes_too_long_is_killed(tmp_path):
    with pytest.raises(InputError, match=r"took more than 0\.3 s, expected less\. Raise `timeout`.*power"):
        described(tmp_path, "time.sleep(60)", timeout=0.3).sample(1, 0)


def test_a_missing_program_is_named(tmp_path):
    made = described(tmp_path, "pass")
    made.program.command = "no-such-program {parameters} {out}"
    with pytest.raises(InputError, match="`no-such-program` cannot be started"):
        made.sample(1, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1", "contains list, expected the lines `command:`"),
        ("command: [", r"p\.yaml: is not valid YAML \(line 1, column 11: .*\), expected the lines `command:`"),
        ("command: run", "p.yaml: found no `parameters`, expected the lines `command:` and `parameters:`$"),
        ("parameters: {}", "p.yaml: found no `command`, expected the lines `command:` and `parameters:`$"),
        (
            "command: run\nparameters: {a: {limits: [0, 1]}}",
            r"p\.yaml: 'parameters\.a' has no `default`, expected `limits:` and `default:` in it$",
        ),
        ("command: run\nparameters: {a: {limits: [0, 1], default: 0}}\nclasses: {c: [a]}", r"has no \{parameters\}"),
        ("command: run {parameters} {out}\nparameters: {}\nclasses: {c: [a]}", "has no parameters"),
        ("command: run {parameters} {out}\nparameters: {a: {limits: [0, 1], default: 0}}", "neither `classes` nor"),
        (
            "command: run {parameters} {out}\nparameters: {a: {limits: [0, 1], default: 2}}\nclasses: {c: [a]}",
            r"p\.yaml: parameter a is \[2.0, 2.0\], expected a number or \[low, high\] with 0 <= low",
        ),
    ],
)
def test_descriptions_that_cannot_be_used_name_the_file(tmp_path, text, message):
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        external(tmp_path / "p.yaml")
    with pytest.raises(InputError, match=r"none\.yaml: cannot be read"):
        external(tmp_path / "none.yaml")


@declared(
    Parameter("level", "intensity", "of all pixels", (0, 1), (0.2, 0.4)),
    Parameter("count", "pieces", "of nothing", (0, 9), (2, 5), "integer"),
    columns={"value": ("v",)},
)
def flat(values, frame, generator):
    """Images with one grey level each."""
    images = values["level"][:, None, None, None].expand(-1, frame.channels, *frame.size)
    return Drawn(images, {"value": values["level"][:, None]})


def test_a_function_with_declared_parameters_is_a_simulator():
    made = flat(size=(4, 6), ranges={"level": (0.5, 0.6)}).sample(40, 0)
    assert made.images.shape == (40, 1, 4, 6)
    assert 127 <= int(made.images.min()) <= int(made.images.max()) <= 153
    assert set(made.parameters["count"].tolist()) == {2, 3, 4, 5}
    assert made.labels["value"].shape == (40, 1)


def test_simulators_are_found_in_modules_and_packages(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_lamps.py").write_text(
        "from pathlib import Path\nfrom synth2real.simulate import Digits\nclass Mine(Digits): pass\nx = 1\n"
    )
    assert is_simulator("own_lamps:Mine")
    assert not is_simulator("photos")
    assert simulator("own_lamps:Mine", size=(8, 8)).sample(2, 0).images.shape == (2, 1, 8, 8)
    assert str(tmp_path) not in sys.path
    for name, message in (
        ("own_lamps:x", "found 1, expected a subclass of Simulator"),
        ("own_lamps:Other", "the module 'own_lamps' has no 'Other', expected the name of a Simulator class"),
        ("own_lamps:Path", "found the class 'Path', expected a subclass of Simulator"),
        ("os:path", "found the module '[a-z]*path', expected a subclass of Simulator"),
        ("no_lamps:Mine", "cannot import 'no_lamps' .*Install the module, or run in the folder that contains it"),
        (
            "lamps",
            "is unknown, expected one of: blood, digits, eyes, nuclei; or module:Class, or the YAML file of a program",
        ),
    ):
        with pytest.raises(InputError, match=message):
            find(name)


def test_simulators_of_packages_are_found_by_their_names(packages):
    packages.install(
        "lamp-simulators",
        "from synth2real.simulate import Digits\nclass Mine(Digits): pass\n",
        simulators="lamps = Mine",
    )
    assert is_simulator("lamps")
    assert find("lamps").__name__ == "Mine"
    assert set(registry.simulators()) == {"blood", "digits", "eyes", "lamps", "nuclei"}


def test_a_module_is_rendered_by_the_command_line(synth2real, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_digits.py").write_text("from synth2real.simulate import Digits\nclass Mine(Digits): pass\n")
    assert synth2real("render", "my_digits:Mine", "--n", 2, "--out", "out")[0] == 0
    assert (tmp_path / "out" / "000001.png").is_file()


def test_values_follow_their_distribution():
    unit = (torch.arange(1000) + 0.5) / 1000
    log = Parameter("a", "", "", (0.1, 100), (1, 10), "log-uniform").draw(unit, 1.0, 100.0)
    assert float(log.median()) == pytest.approx(10, rel=0.01)
    normal = Parameter("a", "", "", (-9, 9), (0, 1), "normal").draw(unit, -2.0, 2.0)
    assert (float(normal.mean()), float(normal.std())) == pytest.approx((0, 0.88), abs=0.01)
    assert normal.abs().max() <= 2
    with pytest.raises(InputError, match="parameter 'a' is log-uniform with the lower limit 0, expected above 0"):
        Parameter("a", "", "", (0, 1), (0.5, 1), "log-uniform")


ASK = """
import sys
from synth2real.simulate import simulator
simulator(sys.argv[1], size=(8, 8)).sample(2, 0)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_program_and_its_files_end_with_the_process_that_asked(tmp_path, how):
    heater = """
    import os, subprocess
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
    pathlib.Path("begun.txt").write_text(f"{os.getpid()} {child.pid}")
    pathlib.Path("begun.txt").rename("pids.txt")
    time.sleep(100)
    """
    described(tmp_path, heater)
    (tmp_path / "tmp").mkdir()
    paths = {"TMPDIR": str(tmp_path / "tmp"), "PYTHONPATH": str(Path(sys.modules["synth2real"].__file__).parents[1])}
    asking = subprocess.Popen([sys.executable, "-c", ASK, tmp_path / "heater.yaml"], env=os.environ | paths)
    waited(lambda: (tmp_path / "pids.txt").is_file())
    assert len(list((tmp_path / "tmp").iterdir())) == 1
    asking.send_signal(how)
    asking.wait()
    pids = map(int, (tmp_path / "pids.txt").read_text().split())
    waited(lambda: not list((tmp_path / "tmp").iterdir()) and not any(is_running(pid) for pid in pids))


def waited(until, seconds=60):
    """Wait until something holds; it must."""
    for _ in range(seconds * 50):
        if until():
            return
        time.sleep(0.02)
    assert until()


def is_running(pid):
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")


def test_no_files_are_left_where_a_full_disk_stops_it(tmp_path, monkeypatch):
    def full(path, text):
        raise WriteError(f"{path}: cannot be written: no space left on device")

    heater = described(tmp_path, "")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("synth2real.simulate.external_program.write_text", full)
    with pytest.raises(WriteError, match="no space left on device"):
        heater.sample(2, 0)
    assert list((tmp_path / "tmp").iterdir()) == []
