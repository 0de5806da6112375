"""What the values of masks mean."""

import pytest
import yaml

from synth2real.data.masks.legend import counted, legend_text, read_legend
from synth2real.errors import InputError


def legend(tmp_path, text):
    (tmp_path / "classes.yaml").write_text(text)
    return read_legend([tmp_path / "none", tmp_path])


@pytest.mark.parametrize(
    ("text", "classes", "ids"),
    [
        ("{0: background, 1: nucleus}", ("background", "nucleus"), {0: 0, 1: 1}),
        ("{nucleus: 9, background: 4}", ("background", "nucleus"), {4: 0, 9: 1}),
        ("{0: a, 1: b, 2: b, ignore: [3, 255]}", ("a", "b"), {0: 0, 1: 1, 2: 1, 3: 255, 255: 255}),
        ("{background: 0, cell: [1, 2], ignore: 7}", ("background", "cell"), {0: 0, 1: 1, 2: 1, 7: 255}),
        ("{a: {id: 0, colour: black}, b: {id: 1, color: '#ff0000'}}", ("a", "b"), {0: 0, 1: 1}),
        ("{1: {name: b, colour: [255, 0, 0]}, 0: {name: a, colour: '#000'}}", ("a", "b"), {0: 0, 1: 1}),
    ],
)
def test_a_legend_is_read_in_several_forms(tmp_path, text, classes, ids):
    found = legend(tmp_path, text)
    assert found.classes == classes
    assert found.ids == ids
    if "colo" in text:
        assert found.colours == {(0, 0, 0): 0, (255, 0, 0): 1}


def test_colours_alone_are_in_the_order_of_the_file(tmp_path):
    found = legend(tmp_path, "{road: '#804080', car: '#00008e', ignore: ['#ffffff']}")
    assert found.classes == ("road", "car")
    assert found.colours == {(128, 64, 128): 0, (0, 0, 142): 1, (255, 255, 255): 255}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "names no class"),
        ("{0: a, 1: yes}", "found True where the name of a class should be; put names in quotes"),
        ("{a: 0, b: 0}", "0 is of two classes, one of them 'b'"),
        ("{a: -1}", "found -1 where an id from 0 to 65535 should be"),
        ("{a: {}}", "the class 'a' has neither an id nor a colour"),
        ("{a: {number: 1}}", "found 'number', where id or colour should be"),
        ("{a: nocolour}", "'nocolour' is no colour such as"),
        ("{0: a, instances: foreground}", "with 1 classes, but it needs two"),
        ("{0: a, 1: b, instances: all}", "`instances` is 'all', which is not `foreground`"),
    ],
)
def test_what_is_no_legend_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        legend(tmp_path, text)


def test_without_a_file_there_is_no_legend(tmp_path):
    assert read_legend([tmp_path]) is None


def test_ids_beyond_the_known_names_are_refused():
    with pytest.raises(InputError, match="x: the masks hold the id 5, but the classes are a, b, which are taken for"):
        counted([0, 5], ("a", "b"), "x")
    assert counted([0, 255], ("a", "b"), "x").ids == {0: 0, 255: 1}


def test_what_is_written_is_read_again(tmp_path):
    text = legend_text(("background", "no", "Zellkern äöü"))
    found = legend(tmp_path, text)
    assert found.classes == ("background", "no", "Zellkern äöü")
    assert found.ids == {0: 0, 1: 1, 2: 2, 255: 255}
    assert yaml.safe_load(text)["ignore"] == [255]
