"""Sparse features: dense batches of a sparse matrix, and the files that hold one."""

import json

import numpy as np
import pytest
import scipy.sparse
import torch

from helpers import refused
from synth2real import InputError, Labelled, Route, Unlabelled, load, load_model, load_unlabelled
from synth2real.adapt import SourceOnly
from synth2real.data.sparse import Layout, Sparse
from synth2real.route.learner import statistics
from synth2real.route.route import Budget


def words(count: int, seed: int = 0, width: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Counts (N, width) float32, mostly zero. The first two words determine the class, (N,) in 0, 1."""
    random = np.random.default_rng(seed)
    counts = random.poisson(0.3, (count, width)).astype(np.float32)
    labels = np.arange(count) % 2
    counts[np.arange(count), labels] += 3
    return counts, labels


def write(path, counts, labels, base=1):
    rows = [" ".join(f"{j + base}:{row[j]:g}" for j in np.flatnonzero(row)) for row in counts]
    path.write_text("".join(f"{label} {row}\n" for label, row in zip(labels, rows, strict=True)))
    return path


def test_batches_are_those_of_the_dense_matrix():
    counts, _ = words(30)
    sparse, dense = Sparse(scipy.sparse.csr_matrix(counts)), torch.from_numpy(counts)
    index = torch.tensor([4, 0, 4, 29])
    assert torch.equal(sparse[index], dense[index])
    assert sparse[index].dtype == torch.float32
    assert torch.equal(sparse.subset(index).dense(), dense[index])
    assert (len(sparse), tuple(sparse.shape)) == (30, (30, 12))


def test_all_sparse_features_are_scaled_alike_and_zeros_stay():
    counts, _ = words(30)
    mean, std = statistics(Sparse(counts))
    assert torch.equal(mean, torch.zeros(12))
    torch.testing.assert_close(std, torch.full((12,), float(np.sqrt(np.square(counts[counts != 0]).mean()))))
    assert Sparse(np.zeros((2, 3))).scale() == 1.0


def test_indices_stay_narrow_where_rows_are_picked():
    counts, _ = words(30)
    part = Sparse(counts).subset(torch.tensor([3, 1]))
    assert part.matrix.indices.dtype == part.matrix.indptr.dtype == np.int32


def test_a_domain_stays_sparse_where_a_part_is_taken():
    counts, labels = words(30)
    domain = Labelled(Sparse(counts), torch.from_numpy(labels))
    part = domain.subset(torch.arange(5))
    assert isinstance(part.inputs, Sparse)
    assert isinstance(part.unlabelled().inputs, Sparse)
    assert domain.shape == (12,)


def test_a_whole_training_never_makes_more_than_a_batch_dense(monkeypatch):
    counts, labels = words(200)
    monkeypatch.setattr(Sparse, "dense", lambda self: pytest.fail("made dense"))
    rows = []
    fetch = Sparse.__getitem__
    monkeypatch.setattr(Sparse, "__getitem__", lambda self, index: rows.append(len(index)) or fetch(self, index))
    source, target = Labelled(Sparse(counts), torch.from_numpy(labels)), Unlabelled(Sparse(words(150, 1)[0]))
    dense = Labelled(torch.from_numpy(counts), torch.from_numpy(labels)), Unlabelled(torch.from_numpy(words(150, 1)[0]))
    route = Route(adapt=SourceOnly(statistics="none"))  # dense features have a deviation each
    model = route.run(source, target, budget=Budget(steps=40, batch=16)).model
    assert max(rows) <= 64  # a batch, or the samples on which the trained model is checked
    assert model.evaluate(source)["accuracy"] > 0.95
    assert torch.allclose(
        model.predict(target).values,
        route.run(*dense, budget=Budget(steps=40, batch=16)).model.predict(dense[1]).values,
        atol=1e-4,
    )


@pytest.mark.parametrize("base", [0, 1])
def test_width_and_base_are_determined_from_both_files(tmp_path, base):
    counts, labels = words(20)
    narrow = counts.copy()
    narrow[:, [0, 10, 11]] = 0  # this file alone determines neither the first index nor the width
    paths = write(tmp_path / "a.svmlight", counts, labels, base), write(tmp_path / "b.libsvm", narrow, labels, base)
    layout = Layout.of(paths)
    assert layout == Layout(12, zero_based=base == 0)
    source, target = load(paths[0], layout=layout), load_unlabelled(paths[1], layout=layout)
    assert torch.equal(source.inputs.dense(), torch.from_numpy(counts))
    assert torch.equal(target.inputs.dense(), torch.from_numpy(narrow))
    assert (source.classes, source.labels.tolist()) == (("0", "1"), labels.tolist())


def test_one_based_indices_can_be_declared(tmp_path):
    path = write(tmp_path / "a.svmlight", words(20)[0], words(20)[1], base=1)
    assert Layout.of([path], zero_based=True) == Layout(13, True)
    with pytest.raises(InputError, match=r"b\.svmlight: found the index 0.*Pass --zero-based"):
        Layout.of([path, write(tmp_path / "b.svmlight", *words(20), base=0)], zero_based=False)


def test_values_of_svmlight_files(tmp_path):
    counts, labels = words(6)
    path = write(tmp_path / "a.svmlight", counts, labels + 0.5)
    assert load(path, ["stars"]).labels.tolist() == [[0.5], [1.5]] * 3
    with pytest.raises(InputError, match="'x', 'y' were requested, but an svmlight file has one"):
        load(path, ["x", "y"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "found no line"),
        ("1 3:x\n", "is not an svmlight file"),
        ("1 3:1 2:1\n", "is not an svmlight file"),
        ("1 3:nan\n", "not finite"),
    ],
)
def test_damaged_svmlight_is_refused(tmp_path, text, says):
    (tmp_path / "a.svmlight").write_text(text)
    with pytest.raises(InputError, match=rf"a\.svmlight: .*{says}"):
        load_unlabelled(tmp_path / "a.svmlight")


def test_a_later_file_that_is_wider_is_refused(tmp_path):
    path = write(tmp_path / "a.svmlight", *words(20, width=15))
    with pytest.raises(InputError, match=r"found the index 15, expected at most 12: the features are 12 wide"):
        load_unlabelled(path, layout=Layout(12, False))
    with pytest.raises(InputError, match="found the index 0, expected indices from 1"):
        load_unlabelled(write(tmp_path / "b.svmlight", *words(20), base=0), layout=Layout(12, False))


@pytest.mark.parametrize("kind", ["csr", "csc"])
def test_scipys_npz_with_and_without_labels(tmp_path, kind):
    counts, labels = words(20)
    scipy.sparse.save_npz(tmp_path / "target.npz", scipy.sparse.csr_matrix(counts).asformat(kind))
    read = load_unlabelled(tmp_path / "target.npz")
    assert isinstance(read.inputs, Sparse)
    assert torch.equal(read.inputs.dense(), torch.from_numpy(counts))
    with pytest.raises(InputError, match="expected 'labels'"):
        load(tmp_path / "target.npz")
    with np.load(tmp_path / "target.npz") as arrays:
        np.savez(tmp_path / "source.npz", labels=labels, **arrays)
    source = load(tmp_path / "source.npz")
    assert isinstance(source.inputs, Sparse)
    assert source.labels.tolist() == labels.tolist()


def test_other_or_broken_matrices_are_refused(tmp_path):
    matrix = scipy.sparse.csr_matrix(words(4)[0])
    scipy.sparse.save_npz(tmp_path / "a.npz", matrix.tobsr())
    with pytest.raises(InputError, match=r"bsr.*expected csr"):
        load_unlabelled(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", data=matrix.data, indices=matrix.indices + 9, indptr=matrix.indptr, shape=matrix.shape)
    with pytest.raises(InputError, match=r"b\.npz: is not a sparse matrix"):
        load_unlabelled(tmp_path / "b.npz")


def test_values_that_are_not_finite_are_refused(tmp_path):
    matrix = scipy.sparse.csr_matrix(np.array([[1.0, np.nan], [0.0, 1.0]]))
    scipy.sparse.save_npz(tmp_path / "a.npz", matrix)
    with pytest.raises(InputError, match=r"a\.npz: found NaN in the sparse matrix"):
        load_unlabelled(tmp_path / "a.npz")
    scipy.sparse.save_npz(tmp_path / "a.npz", matrix.multiply(np.inf))
    with pytest.raises(InputError, match=r"a\.npz: 'data' contains inf, expected finite numbers"):
        load_unlabelled(tmp_path / "a.npz")
    (tmp_path / "a.svmlight").write_text("1 1:0.5\nnan 2:1\n")
    with pytest.raises(InputError, match=r"a\.svmlight: the label of row 2 is nan, expected a class number"):
        load(tmp_path / "a.svmlight")
    assert load(tmp_path / "a.svmlight", ["x"]).labels.isnan().tolist() == [[False], [True]]
    (tmp_path / "a.svmlight").write_text("1e39 1:0.5\n")
    with pytest.raises(InputError, match=r"a\.svmlight: found the label 1e\+39, expected finite numbers"):
        load(tmp_path / "a.svmlight", ["x"])


@pytest.mark.parametrize(("width", "zero_based"), [(0, True), (2.5, True), (True, True), (3, "no")])
def test_a_layout_of_a_wrong_type_is_refused(width, zero_based):
    with pytest.raises(
        InputError, match=rf"layout of width {width} and zero_based .*, expected a positive whole number"
    ):
        Layout(width, zero_based)


def test_train_evaluate_and_predict_on_svmlight(synth2real, tmp_path):
    source = write(tmp_path / "books.svmlight", *words(60))
    narrow = words(50, 1)[0]
    narrow[:, 11] = 0
    target = write(tmp_path / "dvd.svmlight", narrow, [0] * 50)
    run = tmp_path / "run"
    code, _, err = synth2real("train", source, "--target", target, "--task", "classify", "--out", run, "--steps", 60)
    assert code == 0, err
    assert load_model(run).layout == Layout(12, False)
    code, out, err = synth2real("evaluate", run, "--on", write(tmp_path / "test.svmlight", *words(40, 2)))
    assert code == 0, err
    assert float(out.split()[1]) > 0.8
    code, _, err = synth2real("predict", run, target, "--out", tmp_path / "said.csv")
    assert code == 0, err
    assert len((tmp_path / "said.csv").read_text().splitlines()) == 51
    wider = write(tmp_path / "wide.svmlight", *words(40, 2, width=20))
    refused(synth2real("evaluate", run, "--on", wider), "wide.svmlight", "expected at most 12")


def test_options_and_widths_that_do_not_fit(synth2real, tmp_path):
    source, target = write(tmp_path / "a.svmlight", *words(20), base=0), tmp_path / "b.npz"
    scipy.sparse.save_npz(target, scipy.sparse.csr_matrix(words(20, width=9)[0]))
    refused(
        synth2real("train", source, "--target", target, "--out", tmp_path / "run"),
        "the source has inputs of 12, the target of 9",
        "features of the same width",
    )
    refused(
        synth2real("train", source, "--target", source, "--one-based", "--out", tmp_path / "run"), "found the index 0"
    )
    refused(
        synth2real("train", target, "--target", target, "--one-based", "--out", tmp_path / "run"),
        "--one-based is for svmlight files",
        "Leave --one-based out",
    )
    refused(
        synth2real("train", source, "--target", source, "--refine", "simgan", "--out", tmp_path / "run"),
        "refine simgan needs images, found features",
    )


def test_msda_from_the_command_line(synth2real, tmp_path):
    source, run = write(tmp_path / "books.svmlight", *words(60)), tmp_path / "run"
    target, test = write(tmp_path / "dvd.svmlight", *words(50, 1)), write(tmp_path / "test.libsvm", *words(40, 2))
    code, _, err = synth2real(
        "train", source, "--target", target, "--task", "classify", "--adapt", "msda", "--out", run,
        "--set", "adapt.layers=2",
    )  # fmt: skip
    assert code == 0, err
    code, out, err = synth2real("evaluate", run, "--on", test)
    assert code == 0, err
    assert float(out.split()[1]) > 0.8
    assert synth2real("predict", run, test, "--out", tmp_path / "said.csv")[0] == 0
    refused(
        synth2real("train", source, "--target", target, "--adapt", "msda", "--out", tmp_path / "x",
                   "--set", "adapt.then=magic"),
        "adapt.then of 'msda'", "expected one of: source-only", "svm, self-training",
    )  # fmt: skip


@pytest.mark.parametrize("command", ["compare", "check"])
def test_an_ambiguous_base_is_reported(synth2real, tmp_path, command):
    """If no index is 0, files may count from 0 or 1. Counted from 0, no file contains the first of 13 words."""
    source = write(tmp_path / "a.svmlight", *words(60), base=1)
    target = write(tmp_path / "b.svmlight", *words(60, 1), base=1)
    more = ("--json",) if command == "check" else ("--budget", 0.001, "--out", tmp_path / "found")
    code, out, err = synth2real(command, source, "--target", target, "--zero-based", *more)
    assert code == 0, err
    if command == "check":
        assert json.loads(out)["domains"]["source"]["shape"] == [13]
    else:
        assert load_model(tmp_path / "found" / "chosen").layout == Layout(13, True)
    low = write(tmp_path / "c.svmlight", *words(20), base=0)
    refused(synth2real(command, low, "--target", target, "--one-based", *more), "found the index 0", "--zero-based")
