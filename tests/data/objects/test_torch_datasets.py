"""Data sets of torch."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from helpers import picture
from synth2real import InputError, Labelled, Unlabelled
from synth2real.data.objects.torch_datasets import ArraysOnAccess
from synth2real.data.reading.images import ImageFiles

PIXELS = np.stack([picture(i, (8, 10), 3) for i in range(6)])
IMAGES = [Image.fromarray(x) for x in PIXELS]
TENSORS = torch.from_numpy(PIXELS).permute(0, 3, 1, 2)
Y = [0, 1, 2, 0, 1, 2]


class Samples(Dataset):
    """A data set as users write it: whatever a function gives for an index."""

    def __init__(self, sample, count=6):
        self.sample, self.count = sample, count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return self.sample(index)


class Parts(Samples):
    classes = ("bolt", "gear", "nut")


@pytest.mark.parametrize("image", [lambda i: IMAGES[i], lambda i: TENSORS[i], lambda i: PIXELS[i]])
def test_pairs_of_images_and_labels_are_a_domain(image):
    found = Labelled.of(Parts(lambda i: (image(i), Y[i])))
    assert torch.equal(found.inputs, TENSORS)
    assert (found.labels.tolist(), found.classes) == (Y, Parts.classes)


def test_a_subset_knows_the_names_of_the_whole():
    found = Labelled.of(Subset(Parts(lambda i: (IMAGES[i], torch.tensor(Y[i]))), [5, 1]))
    assert (found.labels.tolist(), found.classes) == ([2, 1], Parts.classes)


def test_names_that_labels_are_no_indices_of_are_not_theirs():
    assert Labelled.of(Parts(lambda i: (IMAGES[i], "bg"[i % 2]))).classes == ("b", "g")
    assert Labelled.of(Parts(lambda i: (IMAGES[i], torch.rand(2)))).columns == ("label_0", "label_1")


def test_floats_are_checked_over_all_samples():
    assert Labelled.of(Samples(lambda i: (TENSORS[i] / 255, Y[i]))).inputs.dtype == torch.float32
    with pytest.raises(InputError, match=r"the data set has pixels of float32 .* They look normalised"):
        Labelled.of(Samples(lambda i: (TENSORS[i] / 255 - i / 10, Y[i])))
    with pytest.raises(InputError, match="sample 4 has NaN or infinite"):
        Labelled.of(Samples(lambda i: (TENSORS[i] / 255 if i != 4 else TENSORS[i] * float("nan"), Y[i])))


def test_samples_may_be_images_alone_or_have_their_labels_beside():
    assert Unlabelled.of(Samples(lambda i: IMAGES[i])).shape == (3, 8, 10)
    assert Unlabelled.of(Samples(lambda i: (IMAGES[i], Y[i]))).shape == (3, 8, 10)
    assert Labelled.of(Samples(lambda i: IMAGES[i]), ["a", "b"] * 3).classes == ("a", "b")


def test_features_and_grey_images_are_known_by_their_axes():
    assert Labelled.of(Samples(lambda i: (np.arange(4.0), Y[i]))).shape == (4,)
    assert Labelled.of(Samples(lambda i: (PIXELS[i, :, :, 0], Y[i]))).shape == (1, 8, 10)


@pytest.mark.parametrize(
    ("image", "kind"), [(lambda i: TENSORS[i] / 255, ArraysOnAccess), (IMAGES.__getitem__, ImageFiles)]
)
def test_a_large_data_set_is_read_on_access(image, kind, monkeypatch):
    dataset = Samples(lambda i: (image(i), Y[i]))
    found, whole = Labelled.of(dataset, memory=10), Labelled.of(dataset)
    assert isinstance(found.inputs, kind)
    assert found.labels.tolist() == Y
    index = torch.tensor([4, 0])
    assert torch.equal(found.inputs[index], whole.inputs[index])
    monkeypatch.setattr("synth2real.data.objects.torch_datasets.SUBSET", 0)
    assert torch.equal(found.subset(index).inputs[torch.tensor([1])], whole.inputs[:1])


def test_images_of_different_sizes_are_resized():
    mixed = [image.resize((9 + i, 8)) for i, image in enumerate(IMAGES)]
    found = Labelled.of(Samples(lambda i: (mixed[i], Y[i])), size=(4, 4))
    assert found.sizes[:2].tolist() == [[8, 9], [8, 10]]


def test_tensors_of_a_data_set_are_taken_as_they_are():
    found = Labelled.of(TensorDataset(TENSORS, torch.tensor(Y)))
    assert found.inputs.data_ptr() == TENSORS.data_ptr()
    assert found.labels.tolist() == Y
    assert Unlabelled.of(TensorDataset(TENSORS, torch.tensor(Y))).shape == (3, 8, 10)
    with pytest.raises(InputError, match="TensorDataset has 1 tensors, expected images and labels"):
        Labelled.of(TensorDataset(TENSORS))


class Stream(IterableDataset):
    def __iter__(self):
        return iter([(IMAGES[0], 0)])


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (DataLoader(TensorDataset(TENSORS)), "X is a DataLoader, expected its data set.* Give loader.dataset"),
        (Stream(), r"Stream has no length, .* X, y = zip\(\*dataset\)"),
        (Samples(IMAGES.__getitem__, 0), "Samples is empty"),
        (Samples(lambda i: IMAGES[i]), "sample 0 of Samples is Image, expected a pair .*Labelled.of.dataset, y"),
        (Samples(lambda i: {"image": IMAGES[i]}), "sample 0 of Samples is a dict of 1, expected a pair"),
        (Samples(lambda i: (IMAGES[i], Y[i], 0)), "is a tuple of 3, expected a pair"),
        (Samples(lambda i: (IMAGES[i], {"boxes": []})), "y holds dict"),
        (
            Samples(lambda i: (PIXELS[i][: 8 - i], Y[i])),
            r"sample 1 is uint8 \(7, 10, 3\), sample 0 is",
        ),
        (Samples(lambda i: (np.zeros((2, 2, 8, 8)), Y[i])), r"sample 0 is float64 \(2, 2, 8, 8\), expected an image"),
    ],
)
def test_other_data_sets_are_refused(dataset, message):
    with pytest.raises(InputError, match=message):
        Labelled.of(dataset)


def test_features_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="features that do not fit into the memory"):
        Unlabelled.of(Samples(lambda i: np.zeros(9)), memory=10)
