"""Domains and the batches sampled from them."""

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

from synth2real.data.batch_sampler import BatchSampler
from synth2real.data.domains import Labelled, Unlabelled, check_domains, to_float
from synth2real.errors import InputError


@pytest.mark.parametrize(("count", "batch"), [(10, 5), (10, 3), (7, 7), (3, 8), (1, 4)])
def test_each_sample_is_used_once_before_any_is_used_again(count, batch):
    draws = BatchSampler(count, batch, seed=3)
    drawn = [draws(step) for step in range(count)]  # `batch` whole epochs
    assert all(len(index) == batch for index in drawn)
    for epoch in torch.cat(drawn).split(count):
        assert sorted(epoch.tolist()) == list(range(count))


def test_batches_depend_only_on_seed_and_step():
    one, other = BatchSampler(50, 8, 5), BatchSampler(50, 8, 5)
    forward = [one(step) for step in range(20)]
    backward = [other(step) for step in reversed(range(20))][::-1]
    assert all(torch.equal(a, b) for a, b in zip(forward, backward, strict=True))
    assert not torch.equal(BatchSampler(50, 8, 6)(0), forward[0])
    assert not torch.equal(torch.cat(forward)[:50], torch.cat(forward)[50:100])  # each epoch in its own order


IMAGES = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Unlabelled(torch.zeros(4, 8, 8)), r"shape \(4, 8, 8\): expected images \(N, C, H, W\)"),
        (lambda: Unlabelled(IMAGES[:0]), "inputs are empty, expected at least one sample"),
        (lambda: Labelled(IMAGES, torch.zeros(3, dtype=torch.int64)), "4 inputs but 3 labels"),
        (lambda: Labelled(IMAGES, torch.zeros(4, 1, dtype=torch.int64)), r"shape \(4, 1\), expected \(N,\)"),
        (lambda: Labelled(IMAGES, torch.tensor([0, 1, 2, 1]), ("a", "b")), "from 0 to 2, expected 0 to 1"),
        (lambda: Labelled(IMAGES, torch.tensor([0, -1, 0, 1])), "from -1 to 1, expected 0 to 1"),
        (lambda: Labelled(IMAGES, torch.zeros(4)), r"value labels of shape \(4,\), expected \(N, K\)"),
        (lambda: Labelled(IMAGES, torch.zeros(4, 2), columns=("x",)), "2 label columns but 1 column names"),
        (lambda: Labelled(IMAGES, torch.zeros(4, dtype=torch.int32)), r"labels of torch.int32, .* labels.long\(\)"),
        (lambda: Labelled(IMAGES, np.zeros(4)), r"labels are a numpy array \(4,\), .* Labelled.of\(X, y\)"),
        (lambda: Labelled(IMAGES, [0, 1, 0, 1]), r"labels are a list of 4, expected Tensor.*Labelled.of\(X, y\)"),
        (lambda: Unlabelled(IMAGES.numpy()), r"inputs are a numpy array .* Unlabelled.of\(X\)"),
        (lambda: Unlabelled("photos"), r"inputs are the text 'photos', .* load_unlabelled\(path\)"),
        (
            lambda: Unlabelled(TensorDataset(IMAGES)),
            r"inputs are TensorDataset, a data set.*Unlabelled.of\(X\)",
        ),
        (lambda: Unlabelled([IMAGES]), r"inputs are a list of 1, .*Unlabelled.of\(X\)"),
        (lambda: Unlabelled(IMAGES.long()), "images of torch.int64, expected uint8 in 0..255 or float32"),
    ],
)
def test_invalid_domains_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_missing_class_and_column_names_get_defaults():
    assert Labelled(IMAGES, torch.tensor([0, 2, 1, 0])).classes == ("0", "1", "2")
    assert Labelled(IMAGES, torch.zeros(4, 2)).columns == ("label_0", "label_1")


def test_subset_keeps_labels_names_and_sizes_together():
    images = torch.arange(4, dtype=torch.uint8).view(4, 1, 1, 1).expand(4, 1, 8, 8)
    sizes = torch.tensor([[i, 10 * i] for i in range(4)])
    whole = Labelled(images, torch.tensor([3.0, 2.0, 1.0, 0.0])[:, None], names=tuple("abcd"), sizes=sizes)
    index = torch.tensor([2, 0])
    for part in (whole.subset(index), whole.unlabelled().subset(index)):
        assert part.inputs[:, 0, 0, 0].tolist() == [2, 0]
        assert part.names == ("c", "a")
        assert part.sizes.tolist() == [[2, 20], [0, 0]]
    assert whole.subset(index).labels.tolist() == [[1.0], [3.0]]
    assert not hasattr(whole.unlabelled(), "labels")


def test_channels_and_size_are_converted_at_once():
    with pytest.raises(InputError, match=r"convert both with --channels 1 --size 20x20$"):
        check_domains(Unlabelled(IMAGES), Unlabelled(torch.zeros(2, 3, 20, 20)))


def test_a_target_has_no_field_for_labels():
    with pytest.raises(TypeError, match=r"labels"):
        Unlabelled(IMAGES, labels=torch.zeros(4))


def test_bytes_become_zero_to_one_and_floats_stay():
    assert to_float(torch.tensor([0, 51, 255], dtype=torch.uint8)).tolist() == pytest.approx([0, 0.2, 1])
    features = torch.tensor([[3.5, -2.0]])
    assert torch.equal(to_float(features), features)
    assert to_float(torch.zeros(2, 3, 4, 4)).is_contiguous(memory_format=torch.channels_last)
