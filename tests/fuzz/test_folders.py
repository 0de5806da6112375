"""Folder trees of odd names: hidden files, links, masks, nested classes, tables in subfolders."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fuzzing import check_domain, fuzzed, read
from helpers import below
from synth2real import load, load_unlabelled
from synth2real.refine.folder import copy_tables

NAMES = [
    "a", "b", "1e5", "3.0", ".hidden", "__MACOSX", "train", "images", "é", "e\u0301", "a b", "-x", "=1", "\udcff",
    "x" * 200, "nan", "00", "0", "9" * 200, "...", "a_mask", "%s", "{a}", "'", '"', "\n", "٣", "CON"
]  # fmt: skip
SUFFIXES = [".png", "_mask.png", ".PNG", ".jpg", ".txt", ".npz", "", ".png.bak"]
TABLES = {"metadata.csv": b"file_name,label\n0.png,a\n", "metadata.jsonl": b'{"file_name": "0.png", "label": "a"}\n'}
PLACES = st.lists(st.sampled_from(NAMES), max_size=3)
KINDS = ["image", "image", "image", "empty", "folder", "link", *TABLES]
ENTRY = st.tuples(PLACES, st.sampled_from(KINDS), st.sampled_from(NAMES), st.sampled_from(SUFFIXES))


def make(root: Path, places: list[str], kind: str, name: str, suffix: str) -> None:
    """One entry of a tree; nothing if the name is taken, or is none for this file system."""
    folder = root.joinpath(*places)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / (kind if kind in TABLES else f"{name}{suffix}")
        if path.exists():
            return
        if kind == "image":
            Image.new("L", (5, 4), 77).save(path, "PNG")
        elif kind == "folder":
            path.mkdir()
        elif kind == "link":
            path.symlink_to(root, target_is_directory=True)
        else:
            path.write_bytes(TABLES.get(kind, b""))
    except OSError:
        return


@pytest.mark.filterwarnings("ignore:.*left out", "ignore:.*have no row", "ignore:skipped")
@fuzzed(20)
@given(
    entries=st.lists(ENTRY, min_size=1, max_size=6),
    label=st.sampled_from([None, "label", ["label"]]),
    skip_bad=st.booleans(),
)
def test_odd_trees_are_read_or_refused(tmp_path_factory, entries, label, skip_bad) -> None:
    root = tmp_path_factory.mktemp("tree") / "root"
    for entry in entries:
        make(root, *entry)
    if not root.is_dir():
        return
    for reader in (lambda: load_unlabelled(root, skip_bad=skip_bad), lambda: load(root, label, skip_bad=skip_bad)):
        if domain := read(reader, root):
            check_domain(domain)
            assert all((root / name).is_file() for name in domain.names)
    files = [root / name for name in below(root)]
    (root.parent / "out").mkdir()
    read(lambda: copy_tables(root, root.parent / "out", files), root)
    shutil.rmtree(root.parent, ignore_errors=True)
