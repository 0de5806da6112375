"""Webdataset shards: keys and fields, what the package itself writes, and damaged archives."""

import gzip
import json

import pytest

from helpers import truncate
from sharded import levels, picture, png, sample, write_tar
from skips import optional
from synth2real import load, load_unlabelled
from synth2real.data.shards.tar import samples_of
from synth2real.errors import InputError, LeftOutWarning


def refuse(error: InputError) -> None:
    raise error


def names(path) -> list[str]:
    return list(load_unlabelled(path).names)


def test_members_are_grouped_by_the_path_up_to_the_first_dot(tmp_path) -> None:
    members = [("./a.b/1.seg.png", b"s"), ("./a.b/1.png", b"i"), ("a.b/1.CLS", b"0"), ("a.b/2.png", b"j"), ("no", b"")]
    found = list(samples_of(write_tar(tmp_path / "a.tar", members), refuse))
    assert [one.key for one in found] == ["a.b/1", "a.b/2"]
    assert list(found[0].parts) == ["seg.png", "png", "cls"]
    assert found[0].image.name == "a.b/1.png"  # and not its mask
    assert found[0].value("cls") == "0"
    assert found[0].columns == ["cls"]


def test_an_image_may_have_a_field_of_its_own(tmp_path) -> None:
    assert names(write_tar(tmp_path / "a.tar", [("1.left.png", png(0))])) == ["a.tar/1.left.png"]


def test_files_of_operating_systems_are_no_samples(tmp_path) -> None:
    members = [("._000000.png", b""), (".DS_Store", b""), ("__MACOSX/a.png", b""), *sample(0)]
    assert names(write_tar(tmp_path / "a.tar", members)) == ["a.tar/000000.png"]


def test_long_names_are_read(tmp_path) -> None:
    long = "d" * 90 + "/" + "é" * 60
    assert names(write_tar(tmp_path / "a.tar", [(f"{long}.png", png(0))])) == [f"a.tar/{long}.png"]


def test_what_the_package_writes_is_read(tmp_path) -> None:
    webdataset = optional("webdataset", "dev")
    with webdataset.ShardWriter(str(tmp_path / "w-%02d.tar"), maxcount=3, verbose=0) as writer:
        for i in range(7):
            row = {"__key__": f"{i:04d}", "png": picture(i, level=80 + 90 * (i % 2)), "cls": i % 2, "json": {"x": i}}
            writer.write(row)
    data = load(tmp_path)
    assert data.labels.tolist() == [i % 2 for i in range(7)] == levels(data.inputs)
    assert load(tmp_path, label=["x"]).labels[:, 0].tolist() == list(range(7))
    assert data.names[-1] == "w-02.tar/0006.png"


def test_samples_without_one_image_are_named(tmp_path) -> None:
    path = write_tar(tmp_path / "a.tar", [*sample(0), ("1.cls", b"0"), ("2.png", png(2)), ("2.jpg", png(2))])
    with pytest.raises(
        InputError, match=r"a\.tar: the sample '1' has no image \(1\.cls\), expected one, such as 1\.png"
    ):
        names(path)
    with pytest.warns(LeftOutWarning, match=r"(?s)2 faults.*'1' has no image.*'2' has 2 images \(2\.png, 2\.jpg\)"):
        assert list(load_unlabelled(path, skip_bad=True).names) == ["a.tar/000000.png"]


def test_a_field_that_is_there_twice_is_named(tmp_path) -> None:
    path = write_tar(tmp_path / "a.tar", [*sample(0), ("1.png", png(1)), ("1.PNG", png(3)), *sample(2)])
    with pytest.raises(InputError, match=r"the sample '1' has two members for 'png', 1\.png and 1\.PNG"):
        names(path)
    with pytest.warns(LeftOutWarning, match="two members"):
        assert list(load_unlabelled(path, skip_bad=True).names) == ["a.tar/000000.png", "a.tar/000002.png"]


@pytest.mark.parametrize("left", [0.8, 0.6, 0.45])
def test_a_truncated_archive_is_refused_or_read_before_the_damage(tmp_path, left: float) -> None:
    path = truncate(write_tar(tmp_path / "a.tar", [one for i in range(12) for one in sample(i, cls=i % 2)]), left)
    with pytest.raises(
        InputError, match=r"a\.tar: is no whole tar archive \(.*\), .*Write it again, or pass --skip-bad"
    ):
        load(path)
    with pytest.warns(LeftOutWarning, match="no whole tar archive"):
        data = load(path, skip_bad=True)
    assert 1 <= len(data) < 12
    assert data.labels.tolist() == levels(data.inputs)


def test_an_archive_that_ends_between_two_members_is_refused(tmp_path) -> None:
    path = write_tar(tmp_path / "a.tar", sample(0, cls=0) + sample(1, cls=1))
    with path.open("r+b") as file:
        file.truncate(2 * 1024 + 1024)  # the first sample, and the second image
    with pytest.raises(InputError, match="no end of the archive"):
        load(path)


def test_an_archive_with_a_damaged_header_is_refused(tmp_path) -> None:
    path = write_tar(tmp_path / "a.tar", sample(0) + sample(1))
    content = bytearray(path.read_bytes())
    content[1024 + 150] ^= 255  # in the header of the second member, after an image of one block
    path.write_bytes(content)
    with pytest.raises(InputError, match="is no whole tar archive"):
        load_unlabelled(path)


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tgz"])
def test_an_archive_that_is_compressed_as_a_whole_is_refused(tmp_path, name: str) -> None:
    path = write_tar(tmp_path / "plain", sample(0))
    (tmp_path / name).write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(InputError, match=r"is compressed as a whole \(gzip\).*Unpack it"):
        load_unlabelled(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"no archive", bytes(512 * 20)])
def test_what_is_no_archive_is_refused(tmp_path, content: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.tar: (is no whole tar archive|found no image in 1 shards)"):
        load_unlabelled(tmp_path / "a.tar")


@pytest.mark.parametrize(("content", "said"), [("{", "is not JSON"), ("[1]", r"holds \[1\], expected an object")])
def test_a_json_that_is_none_is_named(tmp_path, content: str, said: str) -> None:
    path = write_tar(tmp_path / "a.tar", [("1.png", png(1)), ("1.json", content.encode())])
    with pytest.raises(InputError, match=rf"a\.tar: 1\.json {said}"):
        load(path, label="kind")


def test_a_json_may_hold_anything_where_no_label_is_wanted(tmp_path) -> None:
    assert len(load_unlabelled(write_tar(tmp_path / "a.tar", sample(1, json=json.loads("[1]"))))) == 1
