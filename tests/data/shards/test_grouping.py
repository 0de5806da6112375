"""Groups of shards: from a column, a member or the folder in a name, for exactly the samples that were loaded."""

import pytest

from helpers import truncate
from sharded import png, sample, tars, write_parquet, write_tar
from skips import optional
from synth2real import load, load_unlabelled
from synth2real.data.groups import read_group_names, read_groups
from synth2real.data.shards import has_groups
from synth2real.errors import InputError, LeftOutWarning


def people(folder, count=6):
    """A shard whose samples lie in `ann/` and `bo/` in turn, and have the person as a JSON entry and as a member."""
    members = []
    for i in range(count):
        key = f"{('ann', 'bo')[i % 2]}/{i:03d}"
        described = b'{"person": %d.0, "cls": 1}' % (10 - i % 2)
        members += [(f"{key}.png", png(i)), (f"{key}.json", described), (f"{key}.who.txt", b" x%d \n" % (i % 2))]
    return write_tar(folder / "a.tar", members)


@pytest.mark.parametrize(
    ("column", "names"), [("person", "10 9"), ("who.txt", "x0 x1"), ("folder", "ann bo"), ("WHO.TXT", "x0 x1")]
)
def test_a_group_is_an_entry_a_member_or_a_folder(tmp_path, column: str, names: str) -> None:
    path, (even, odd) = people(tmp_path), names.split()
    assert read_group_names(path, column, load_unlabelled(path)) == (even, odd) * 3
    groups = read_groups(tmp_path, column, load(tmp_path, label="cls"))
    assert groups is not None
    assert groups.tolist() == ([1, 0] if even == "10" else [0, 1]) * 3  # in natural order
    assert has_groups(path, column)


def test_a_column_goes_before_a_folder_and_without_either_there_is_none(tmp_path) -> None:
    path = write_tar(tmp_path / "a.tar", [("p/1.png", png(0)), ("p/1.json", b'{"folder": "q"}')])
    assert read_group_names(path, "folder", load_unlabelled(path)) == ("q",)
    tars(tmp_path / "flat")
    for column in ("folder", "nobody", "png", "json"):
        assert read_groups(tmp_path / "flat", column, load_unlabelled(tmp_path / "flat")) is None
        assert not has_groups(tmp_path / "flat", column)


def test_groups_are_those_of_the_samples_that_were_loaded(tmp_path) -> None:
    broken = [("000001.png", b"no image"), ("000001.json", b'{"who": "lost"}'), ("000002.json", b'{"who": "bare"}')]
    write_tar(tmp_path / "a.tar", [*sample(0, json={"who": "ann"}), *broken, *sample(3, json={"who": "bo"})])
    torn = write_tar(tmp_path / "b.tar", [*sample(4, json={"who": "cy"}), *sample(5, json={"who": "di"})])
    truncate(torn, 0.3)
    with pytest.warns(LeftOutWarning, match="left out|skipped"):
        data = load_unlabelled(tmp_path, skip_bad=True)
    names = read_group_names(tmp_path, "who", data)
    assert names is not None
    assert names[:2] == ("ann", "bo")
    assert len(names) == len(data)
    with pytest.raises(InputError, match=r"nothing\.png is not there any more, expected the shards as they were"):
        read_groups(tmp_path, "who", type(data)(data.inputs, (*data.names[:-1], "b.tar/nothing.png")))


def test_a_sample_without_a_group_and_one_that_is_no_name_are_named(tmp_path) -> None:
    path = write_tar(tmp_path / "a.tar", [*sample(0, json={"who": "ann"}), *sample(1, json={"who": None})])
    with pytest.raises(InputError, match=r"a\.tar/000001\.png has no group 'who', expected one for every image"):
        read_groups(path, "who", load_unlabelled(path))
    path = write_tar(tmp_path / "b.tar", [*sample(0, json={"who": ["ann"]})])
    with pytest.raises(InputError, match=r"the group 'who' of b\.tar/000000\.png is \['ann'\], expected a name"):
        read_groups(path, "who", load_unlabelled(path))


def test_groups_of_parquet_are_columns_with_their_names_or_folders(tmp_path) -> None:
    optional("pyarrow", "parquet")
    image = [{"bytes": png(i), "path": f"{'ab'[i // 2]}/{i}.png"} for i in range(4)]
    feature = {"_type": "ClassLabel", "names": ["ann", "bo"]}
    columns = {"image": image, "who": [1, 0, 1, 0], "n": [1.0, 2.0, 1.0, 2.0]}
    path = write_parquet(tmp_path / "x.parquet", columns, 3, {"image": {"_type": "Image"}, "who": feature})
    data = load_unlabelled(path)
    assert read_group_names(path, "who", data) == ("bo", "ann", "bo", "ann")
    assert read_group_names(path, "n", data) == ("1", "2", "1", "2")
    assert read_group_names(path, "folder", data) == ("a", "a", "b", "b")
    assert read_group_names(path, "nobody", data) is None
    path = write_parquet(tmp_path / "y.parquet", {"image": [png(i) for i in range(4)]}, 3)
    assert read_group_names(path, "folder", load_unlabelled(path)) is None


def test_shards_of_one_name_in_two_folders_are_told_apart(tmp_path) -> None:
    for name in ("ann", "bo"):
        write_tar(tmp_path / name / "0.tar", sample(0, json={"who": name}))
    data = load_unlabelled(tmp_path / "{bo,ann}" / "0.tar")
    assert list(data.names) == ["bo/0.tar/000000.png", "ann/0.tar/000000.png"]
    assert read_group_names(tmp_path / "{bo,ann}" / "0.tar", "who", data) == ("bo", "ann")
