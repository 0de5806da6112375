"""Labels of every usual form."""

import warnings

import numpy as np
import pytest
import torch

from skips import optional
from synth2real import InputError
from synth2real.data.objects.labels import labels_of

INDEX = [0, 1, 2, 0]


@pytest.mark.parametrize(
    "y", [INDEX, np.array(INDEX, ">i2"), torch.tensor(INDEX), [torch.tensor(i) for i in INDEX], np.array([INDEX]).T]
)
def test_integers_are_classes(y):
    labels, classes, columns = labels_of(y)
    assert (labels.dtype, labels.tolist(), classes, columns) == (torch.int64, INDEX, ("0", "1", "2"), ())
    assert labels_of(y, classes=["bolt", "gear", "nut"]).classes == ("bolt", "gear", "nut")


def test_integers_are_names_of_classes_and_no_indices():
    assert labels_of([7, 3, 7]) == (pytest.approx([1, 0, 1]), ("3", "7"), ())


@pytest.mark.parametrize(
    "y", [["c10", "a", "c9"], np.array(["c10", "a", "c9"]), np.array([b"c10", b"a", b"c9"]), [b"c10", b"a", b"c9"]]
)
def test_texts_and_bytes_are_names_in_natural_order(y):
    labels, classes, _ = labels_of(y)
    assert (labels.tolist(), classes) == ([2, 0, 1], ("a", "c9", "c10"))


def test_truth_values_are_two_classes():
    assert labels_of(np.array([True, False])).classes == ("False", "True")


@pytest.mark.parametrize("y", [[0.5, 1.5], np.array([0.5, 1.5], "f2"), torch.tensor([[0.5], [1.5]]), [[0.5], [1.5]]])
def test_floats_are_values(y):
    labels, classes, columns = labels_of(y, columns=["size"])
    assert (labels.tolist(), classes, columns) == ([[0.5], [1.5]], (), ("size",))
    assert labels.dtype == torch.float64


def test_an_unknown_value_is_nan_and_integers_with_columns_are_values():
    assert labels_of([0.5, None, float("nan")]).labels.isnan().tolist() == [[False], [True], [True]]
    assert labels_of([30, 41], columns=["age"]).labels.tolist() == [[30.0], [41.0]]


@pytest.mark.parametrize(
    ("y", "names", "message"),
    [
        ([0, "a"], {}, r"int and str, expected one kind .* \[str\(v\) for v in y\]"),
        ([0, 1, None], {}, "y is None in row 2, expected a class"),
        ([0, 1, float("nan")], {"classes": "ab"}, "y is nan in row 2, expected a class"),
        (["a", None], {}, "y is None in row 1"),
        (["a", " "], {}, "y is ' ' in row 1, expected the name of a class"),
        ([0.5, float("inf")], {}, r"y is \[inf\] in row 1, expected finite numbers"),
        (np.eye(3)[INDEX], {}, r"looks one-hot, .* y.argmax\(1\)"),
        (np.eye(3, dtype=int)[INDEX], {}, r"expected classes \(N,\), .* y.argmax\(1\)"),
        (np.zeros((2, 2, 2)), {}, r"shape \(2, 2, 2\), expected labels \(N,\) or \(N, K\)"),
        ({0, 1}, {}, "y is set, expected labels .* in an array, a tensor or a list"),
        ([0, 1], {"classes": ["a", "a"]}, "classes= names 'a' twice"),
        (["a", "x"], {"classes": ["a", "b"]}, "the class 'x', which is not among classes= 'a', 'b'"),
        (["a", "x"], {"columns": ["size"]}, "y holds texts such as 'a', expected numbers for 'size'"),
        ([0.5, 1.5], {"classes": ["a", "b"]}, r"y holds values but classes= names classes.* y.astype\(int\)"),
        (np.array(["2020-01-01"], "M8[D]"), {}, "y of datetime64"),
        ([{}, {}], {}, "y holds dict"),
        ([b"\xff"], {}, "not UTF-8"),
    ],
)
def test_labels_of_no_use_are_refused(y, names, message):
    with pytest.raises(InputError, match=message):
        labels_of(y, **names)


def test_what_may_be_meant_otherwise_is_said():
    with pytest.warns(UserWarning, match=r"whole numbers as floats, and is read as values. .* y.astype\(int\)"):
        labels_of([0.0, 1.0, 1.0])
    with pytest.warns(UserWarning, match=r"50 different integers in 50 samples, .* y.astype\(float\)"):
        labels_of(list(range(50)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        labels_of([0.0, 1.0, 1.0], columns=["count"])
        labels_of([0.5, 1.0, 1.0])


def test_labels_of_pandas_keep_their_names():
    pd = optional("pandas", "datasets")
    kinds = pd.Categorical(["b", "a", "b"], categories=["b", "a", "c"])
    for y in (kinds, pd.Series(kinds, index=[5, 3, 9])):
        assert labels_of(y) == (pytest.approx([0, 1, 0]), ("b", "a", "c"), ())
    with pytest.raises(InputError, match="the categories 'b', 'a', 'c', but classes= names 'a'"):
        labels_of(kinds, classes=["a"])
    with pytest.raises(InputError, match="no class in row 1"):
        labels_of(pd.Categorical(["b", None]))
    assert labels_of(pd.Series([0.5, 1.5], name="size")).columns == ("size",)
    assert labels_of(pd.Series([0.5, 1.5])).columns == ()
    assert labels_of(pd.DataFrame({"x": [0.5], "y": [1.5]})).columns == ("x", "y")
    assert labels_of(pd.Series(["b", "a"])).classes == ("a", "b")
    with pytest.raises(InputError, match="y is <NA> in row 1"):
        labels_of(pd.Series([1, None], dtype="Int64"))
