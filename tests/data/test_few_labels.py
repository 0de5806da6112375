"""A few labels: a type of their own, how they are read, and what is refused."""

import numpy as np
import pytest
import torch

from helpers import picture, save
from synth2real import FewLabels, InputError, Labelled, Unlabelled, load_few_labels
from synth2real.adapt import DANN
from synth2real.route.route import Route


def few(count=5, **more):
    return FewLabels(torch.rand(count, 3), torch.arange(count * 2.0).view(count, 2), columns=("a", "b"), **more)


def test_they_are_neither_labelled_nor_unlabelled_so_no_training_takes_them():
    assert not isinstance(few(), Labelled | Unlabelled)
    source = few(20).labelled()
    with pytest.raises(InputError, match="target is FewLabels, expected Unlabelled"):
        Route(adapt=DANN()).fit(source, few(20), steps=1)
    with pytest.raises(InputError, match="source is FewLabels, expected Labelled"):
        Route().fit(few(20), source.unlabelled(), steps=1)


def test_groups_have_names_and_an_index_and_a_subset_keeps_them():
    data = few(4, groups=("10", "2", "10", "2"), names=("a", "b", "c", "d"))
    assert data.group_names == ("2", "10")
    assert data.group_index.tolist() == [1, 0, 1, 0]
    part = data.subset(torch.tensor([2, 1]))
    assert (part.groups, part.names, part.labels.tolist()) == (("10", "2"), ("c", "b"), [[4.0, 5.0], [2.0, 3.0]])
    assert few().group_index is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: few(201), "201 few labels, expected at most 200. Leave some out, or give all of them as a labelled"),
        (lambda: few(0), "inputs are empty"),
        (lambda: few(3, groups=("a",)), "3 few labels but 1 groups"),
        (
            lambda: FewLabels(torch.rand(2, 3), torch.tensor([[1.0], [torch.nan]]), columns=("x",), names=("u", "v")),
            "the few label 'x' of v is not a number, expected every label. Leave this sample out",
        ),
        (lambda: FewLabels(torch.rand(2, 3), torch.zeros(3).long()), "2 inputs but 3 labels"),
    ],
)
def test_wrong_ones_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_they_are_read_like_a_source_with_their_groups(tmp_path, points):
    data = load_few_labels(points, label=["x", "y"])
    assert (len(data), data.columns, data.groups) == (40, ("x", "y"), ())
    with pytest.raises(InputError, match=f"{points}: has no column 'person' in a metadata table, .npz or shard"):
        load_few_labels(points, label=["x", "y"], group="person")
    np.savez(tmp_path / "a.npz", features=np.eye(3), labels=np.array([0, 1, 1]), person=np.array([3.0, 7, 3]))
    assert load_few_labels(tmp_path / "a.npz", group="person").groups == ("3", "7", "3")
    np.savez(tmp_path / "b.npz", features=np.zeros((300, 2)), labels=np.arange(300) % 2)
    with pytest.raises(InputError, match=r"b.npz: 300 few labels, expected at most 200"):
        load_few_labels(tmp_path / "b.npz")


def test_samples_that_are_in_other_data_are_named(tmp_path):
    for i in range(3):
        save(tmp_path / "few" / "a" / f"{i}.png", picture(i))
        save(tmp_path / "few" / "b" / f"{i}.png", picture(10 + i))
    data = load_few_labels(tmp_path / "few")
    other = Labelled(torch.cat([data.inputs[4:5], torch.zeros_like(data.inputs[:1])]), torch.tensor([0, 1]))
    assert data.also_in(other) == ["b/1.png"]
    assert data.also_in(Labelled(torch.zeros(2, 3), torch.tensor([0, 1]))) == []
