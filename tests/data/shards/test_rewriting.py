"""Shards with other images: everything else in them stays, and what was left out is not there."""

import tarfile

import pytest

from sharded import png, sample, tars, write_parquet, write_tar
from skips import optional
from synth2real import load
from synth2real.data.shards import by_shard, only, rewrite
from synth2real.errors import InputError


def test_members_stay_and_images_change(tmp_path) -> None:
    tars(tmp_path, (3,))
    made = tmp_path / "out" / "s-000.tar"
    made.parent.mkdir()
    rewrite(tmp_path / "s-000.tar", made, iter((f"{i:06d}.png", png(90 + i)) for i in range(3)))
    with tarfile.open(tmp_path / "s-000.tar") as before, tarfile.open(made) as after:
        assert before.getnames() == after.getnames()
        for name in after.getnames():
            ours, theirs = (one.extractfile(name).read() for one in (after, before))
            assert ours == (png(90 + int(name[:6])) if name.endswith("png") else theirs)


def test_samples_that_were_left_out_are_not_written(tmp_path) -> None:
    broken = [("1.png", b"broken"), ("1.cls", b"1"), ("1.txt", b"x"), ("2.cls", b"0")]
    path = write_tar(tmp_path / "a.tar", [*sample(0, cls=0), *broken, *sample(3, cls=1)])
    rewrite(path, tmp_path / "b.tar", iter([("000000.png", png(0)), ("000003.png", png(3))]))
    assert load(tmp_path / "b.tar").labels.tolist() == [0, 1]


def test_columns_stay_and_images_change(tmp_path) -> None:
    optional("pyarrow", "parquet")
    label = {"_type": "ClassLabel", "names": ["nut", "bolt"]}
    columns = {"x": [0.0, 1.0, 2.0, 3.0], "image": [png(i) for i in range(4)], "label": [0, 1, 1, 0]}
    path = write_parquet(tmp_path / "a.parquet", columns, 3, {"image": {"_type": "Image"}, "label": label})
    rewrite(path, tmp_path / "b.parquet", iter((f"{i:06d}", png(90 + i)) for i in (0, 2, 3)))
    data = load(tmp_path / "b.parquet")
    assert data.classes == ("nut", "bolt")
    assert data.labels.tolist() == [0, 1, 0]
    assert load(tmp_path / "b.parquet", label=["x"]).labels[:, 0].tolist() == [0, 2, 3]


def test_an_interrupted_shard_is_not_there(tmp_path) -> None:
    tars(tmp_path, (3,))

    def interrupted():
        yield "000000.png", png(0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rewrite(tmp_path / "s-000.tar", tmp_path / "b.tar", interrupted())
    assert not list(tmp_path.glob("*b.tar"))


def test_images_are_grouped_by_their_shard() -> None:
    assert list(by_shard(["a/1", "a/2", "b/x/3", "c/4"])) == [("a", 0, 2), ("b", 2, 3), ("c", 3, 4)]
    assert list(by_shard([])) == []


def test_samples_are_left_out_once_and_the_others_keep_all_their_bytes(tmp_path) -> None:
    path = tars(tmp_path, (4,)) / "s-000.tar"
    with tarfile.open(path) as archive:
        before = {name: archive.extractfile(name).read() for name in archive.getnames()}
    for _ in range(2):  # a resumed job does it again
        only(path, [True, False, False, True])
        with tarfile.open(path) as archive:
            after = {name: archive.extractfile(name).read() for name in archive.getnames()}
        assert after == {name: content for name, content in before.items() if name[:6] in ("000000", "000003")}
    with pytest.raises(InputError, match=r"s-000\.tar: has 2 samples, expected the 5 that were written"):
        only(path, [True, False, False, False, False])
    only(path, [False, False])
    tars(tmp_path, (0, 3))
    assert len(load(tmp_path)) == 3  # an empty shard has no sample


def test_rows_are_left_out_once(tmp_path) -> None:
    optional("pyarrow", "parquet")
    columns = {"x": [0.0, 1.0, 2.0, 3.0], "image": [png(i) for i in range(4)]}
    path = write_parquet(tmp_path / "a.parquet", columns, 2)
    write_parquet(tmp_path / "b.parquet", columns, 2)
    for _ in range(2):
        only(path, [False, False, True, True])
        assert load(path, label=["x"]).labels[:, 0].tolist() == [2, 3]
    only(path, [False, False])
    assert load(tmp_path, label=["x"]).labels[:, 0].tolist() == [0, 1, 2, 3]
