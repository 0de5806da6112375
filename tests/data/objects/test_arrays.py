"""Arrays of numpy and torch as domains."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.sparse import csc_array, csr_matrix

from synth2real import InputError, Labelled, Unlabelled
from synth2real.data.sparse import Sparse

BYTES = np.random.default_rng(0).integers(0, 256, (6, 8, 10, 3), dtype=np.uint8)
FIRST = torch.from_numpy(BYTES).permute(0, 3, 1, 2)
FEATURES = np.random.default_rng(1).normal(size=(6, 4))


def read_only(x):
    x.flags.writeable = False
    return x


def broken(value):
    x = BYTES / 255
    x[3, 0, 0, 0] = value
    return x


@pytest.mark.parametrize(
    "images",
    [
        BYTES,
        BYTES.transpose(0, 3, 1, 2),
        torch.from_numpy(BYTES),
        FIRST,
        np.asfortranarray(BYTES),
        read_only(BYTES.copy()),
        np.concatenate([BYTES, BYTES], 2)[:, :, :10],
        BYTES[::-1].copy()[::-1],
        list(BYTES),
        list(torch.from_numpy(BYTES)),
    ],
)
def test_images_are_read_with_their_channels_first_or_last(images):
    inputs = Unlabelled.of(images).inputs
    assert inputs.dtype == torch.uint8
    assert torch.equal(inputs, FIRST)


@pytest.mark.parametrize("kind", ["float16", "float32", "float64", ">f4"])
def test_floats_become_float32_in_0_to_1(kind):
    inputs = Unlabelled.of((BYTES / 255).astype(kind)).inputs
    assert inputs.dtype == torch.float32
    torch.testing.assert_close(inputs, FIRST / 255, atol=1e-3, rtol=0)


@pytest.mark.parametrize("grey", [BYTES[..., 0], BYTES[..., :1], BYTES[..., 0][:, None]])
def test_grey_images_have_an_axis_of_channels_or_none(grey):
    assert torch.equal(Unlabelled.of(grey).inputs, FIRST[:, :1])


def test_an_array_of_bytes_is_not_copied():
    assert Unlabelled.of(BYTES).inputs.data_ptr() == BYTES.ctypes.data


@pytest.mark.parametrize("size", [(5, 7), (12, 9), (8, 10)])
@pytest.mark.parametrize("channels", [None, 1])
def test_bytes_are_resized_to_the_bits_of_image_files(size, channels):
    files = Unlabelled.of([Image.fromarray(x) for x in BYTES], size=size, channels=channels)
    found = Unlabelled.of(BYTES, size=size, channels=channels)
    assert torch.equal(found.inputs, files.inputs)
    assert torch.equal(found.sizes, files.sizes)


def test_floats_are_resized_and_their_sizes_kept():
    found = Unlabelled.of(BYTES / 255, size=(4, 5), channels=1)
    assert found.shape == (1, 4, 5)
    assert found.sizes.tolist() == [[8, 10]] * 6


def test_a_channel_axis_that_both_ends_can_be_is_said():
    clear = np.full((2, 4, 9, 4), 255, dtype=np.uint8)
    with pytest.raises(InputError, match=r"\(N, 4, 9, 4\): both axes can be the channels. Say which: channels_last"):
        Unlabelled.of(clear)
    assert Unlabelled.of(clear, channels_last=True).shape == (3, 4, 9)
    assert Unlabelled.of(clear, channels_last=False).shape == (3, 9, 4)
    with pytest.raises(InputError, match=r"which is not \(N, C, H, W\). Leave channels_last out"):
        Unlabelled.of(BYTES, channels_last=False)


@pytest.mark.parametrize("scale", [1, 255])
def test_an_alpha_channel_lets_the_background_through(scale):
    clear = np.zeros((2, 8, 9, 4)) if scale == 255 else np.zeros((2, 8, 9, 4), dtype=np.uint8)
    assert (Unlabelled.of(clear, background="#ff8000").inputs[0, :, 0, 0] * scale).tolist() == [255, 128, 0]
    assert Unlabelled.of(clear[..., :2]).inputs.float().mean() * scale == 255
    assert Unlabelled.of(clear[..., :2]).shape == (1, 8, 9)


def test_whole_numbers_with_a_depth_are_levels():
    levels = np.arange(2 * 8 * 8).reshape(2, 8, 8) * 32
    assert Unlabelled.of(levels.astype(">u2"), depth=12).inputs.max() == round(127 * 32 * 255 / 4095)
    assert torch.equal(Unlabelled.of(BYTES.astype(np.int64), depth=8).inputs, FIRST)
    assert Unlabelled.of(levels.astype(float), depth=12).inputs.max() == pytest.approx(127 * 32 / 4095)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (BYTES.astype(np.float32), "from 0 to 255, expected at most 1. They look like 0..255: divide by 255"),
        (BYTES / 16.0, "Divide by the largest value that a pixel can have"),
        ((BYTES / 255 - 0.45) / 0.22, r"They look normalised. Undo it: x \* std \+ mean.* part of the model"),
        (FIRST / 127.5 - 1, r"from -1 to 1, .* or \(x \+ 1\) / 2"),
        (BYTES.astype(np.int64), r"pixels of int64 .* depth=8, or convert them: x.astype\('uint8'\)"),
        (BYTES.astype(np.uint16) * 99, "pixels of uint16 .* depth=16"),
        (BYTES > 9, r"pixels of bool .* x.astype\('uint8'\) \* 255"),
        ((BYTES > 9).astype(np.uint8), "almost black. They look like floats cut to whole numbers"),
        (broken(np.nan), "pixels that are NaN or infinite"),
        (broken(np.inf), "pixels that are NaN or infinite"),
        (BYTES.astype("c8"), "pixels of complex64"),
        (BYTES[:0], "is empty, expected at least one sample"),
        (BYTES[0], r"\(N, 10, 3\), read as grey images of 10x3 pixels, .* For a single image write x\[None\]"),
        (np.zeros((5, 3, 3, 3), np.uint8), "sides of at least 4 pixels"),
        (np.zeros((5, 3, 9, 3), np.uint8), "sides of at least 4 pixels"),
        (np.zeros((5, 8, 9, 5)), r"with 1 or 3 channels.* other channels: Labelled\(tensor, labels\)"),
        (np.zeros(4), r"shape \(4,\), expected images .* For a single sample write x\[None\]"),
        (np.zeros((2, 2, 2, 2, 2)), "expected images"),
        (np.ma.masked_equal(BYTES, 0), r"masked values.* x.filled\(0\)"),
        ([BYTES[0], BYTES[1, :5]], r"arrays of different shapes.* \[Image.fromarray\(x\) for x in X\]"),
    ],
)
def test_pixels_that_are_none_are_refused_with_the_mend(images, message):
    with pytest.raises(InputError, match=message):
        Unlabelled.of(images)


@pytest.mark.parametrize(
    "features",
    [
        FEATURES,
        FEATURES.astype(np.float32),
        FEATURES.tolist(),
        FEATURES.astype(object),
        torch.tensor(FEATURES, requires_grad=True),
    ],
)
def test_features_become_float32(features):
    assert torch.equal(Unlabelled.of(features).inputs, torch.tensor(FEATURES, dtype=torch.float32))


def test_truth_values_and_bfloat16_are_features():
    assert Unlabelled.of(FEATURES > 0).inputs.unique().tolist() == [0, 1]
    assert Unlabelled.of(torch.ones(2, 3, dtype=torch.bfloat16)).inputs.dtype == torch.float32


@pytest.mark.parametrize("kind", [csr_matrix, csc_array])
def test_a_sparse_matrix_stays_sparse(kind):
    found = Unlabelled.of(kind(FEATURES))
    assert isinstance(found.inputs, Sparse)
    assert torch.equal(found.inputs.dense(), torch.tensor(FEATURES, dtype=torch.float32))


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.where(FEATURES > 1, np.inf, FEATURES), "the feature inf in row"),
        (np.where(FEATURES > 1, np.nan, FEATURES), "the feature nan in row"),
        (FEATURES.astype(str), "features of <U"),
        (FEATURES.astype(object) + np.array(1j), "are no numbers"),
        (FEATURES[:, :0], "no feature"),
        ([[1, 2], [3]], "arrays of different shapes"),
        (torch.eye(3).to_sparse(), r"sparse tensor.* x.to_dense\(\)"),
        (csr_matrix(np.full((2, 2), np.nan)), "values that are not finite"),
        (csr_matrix((0, 3)), r"shape \(0, 3\)"),
    ],
)
def test_features_that_are_no_numbers_are_refused(features, message):
    with pytest.raises(InputError, match=message):
        Unlabelled.of(features)


def test_given_values_stand_beside_an_array():
    found = Labelled.of(FEATURES, [0, 1] * 3, given=FEATURES[:, 0], given_columns=["heat"])
    assert found.given_columns == ("heat",)
    assert torch.equal(found.given[:, 0], torch.tensor(FEATURES[:, 0], dtype=torch.float32))
    with pytest.raises(InputError, match="with 0 given_columns, expected"):
        Unlabelled.of(FEATURES, given=FEATURES[:, :1])
    with pytest.raises(InputError, match=r"given has the shape \(6, 4, 1\)"):
        Unlabelled.of(FEATURES, given=FEATURES[..., None], given_columns=["heat"])
