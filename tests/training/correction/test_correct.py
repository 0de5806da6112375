"""Corrections by a few labels: they find known errors, shrink, hold out honestly, and are kept with the model."""

import math

import pytest
import torch

from helpers import same
from synth2real import FewLabels, InputError, Labelled, Model, Unlabelled, correct, load_model
from synth2real.tasks import Classification, Gaze, Keypoints, Regression
from synth2real.training.correction.candidates import BY_GROUP, COMMON, Basis, kernels
from synth2real.training.correction.cross_validation import fit_classes, fit_values, weights

TASKS = {
    "classify": Classification(("a", "b", "c")),
    "regress": Regression(("u", "v"), mean=(5.0, -1.0), std=(2.0, 0.1)),
    "keypoints": Keypoints(("p_x", "p_y"), size=(8, 8)),
    "gaze": Gaze(),
}


def model_of(kind, shape=(1, 8, 8)):
    torch.manual_seed(0)
    return Model(TASKS[kind], shape).eval()


def images(count, seed=0):
    return torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


def labels_of(model, x, shift=0.0, noise=0.0):
    """The model's own predictions, shifted, with noise; class labels are those of shifted logits."""
    generator = torch.Generator().manual_seed(1)
    outputs = model.outputs(x).double()
    if isinstance(model.task, Classification):
        each = outputs + torch.randn(outputs.shape, generator=generator) + shift * torch.tensor([1.0, 0, -1])
        return each.argmax(1)
    coordinates = model.task.coordinates(outputs)
    moved = coordinates + shift + noise * torch.randn(coordinates.shape, generator=generator, dtype=torch.float64)
    return model.task.predict(model.task.from_coordinates(moved)).double()


def few_of(model, count, seed=2, **more):
    groups = more.pop("groups", ())
    x = images(count, seed)
    task = model.task
    named = {"classes": task.classes} if isinstance(task, Classification) else {"columns": task.columns}
    return FewLabels(x, labels_of(model, x, **more), **named, groups=groups)


TARGET = Unlabelled(images(60))


@pytest.mark.parametrize("kind", TASKS)
def test_each_task_is_corrected_saved_and_loaded_and_the_model_before_is_not_changed(tmp_path, kind):
    model = model_of(kind)
    before = model.predict(TARGET).values
    found = correct(model, few_of(model, 40, shift=2.0 if kind == "classify" else 0.2), TARGET)
    assert torch.equal(model.predict(TARGET).values, before)
    assert found.gain > 0
    assert found.interval[0] > 0
    assert math.isclose(sum(found.shares.values()), 1)
    assert [point.labels for point in found.curve] == [0, 1, 2, 3, 5, 10, 20, 40]
    assert found.words.startswith("40 few labels: ")
    found.model.save(tmp_path)
    loaded = load_model(tmp_path)
    same(loaded.predict(TARGET).values, found.model.predict(TARGET).values)
    assert loaded.description == found.model.description


@pytest.mark.parametrize("kind", ["regress", "keypoints", "gaze"])
def test_an_offset_is_found_and_new_samples_get_it(kind):
    model = model_of(kind)
    found = correct(model, few_of(model, 30, shift=0.3), TARGET, curve=False)
    x = images(50, seed=9)
    columns = model.task.columns
    test = Labelled(x, labels_of(model, x, shift=0.3), columns=columns)
    metric = model.task.metric
    assert found.model.evaluate(test)[metric] < 0.1 * model.evaluate(test)[metric]


def test_labels_that_are_pure_noise_hardly_change_the_model():
    model = model_of("gaze")
    x = images(100, seed=9)
    test = Labelled(x, labels_of(model, x), columns=model.task.columns)
    for count in (5, 20):
        found = correct(model, few_of(model, count, noise=0.1), TARGET, curve=False)
        assert found.model.evaluate(test)["mean_degrees"] < (6 if count == 5 else 3)  # the noise is 7 degrees


def test_one_label_gives_a_strongly_shrunk_offset_whose_benefit_is_not_known():
    model = model_of("regress")
    found = correct(model, few_of(model, 1, shift=0.3), TARGET)
    moved = (found.model.outputs(TARGET.inputs) - model.outputs(TARGET.inputs)).double()
    assert torch.allclose(moved, torch.full_like(moved, 0.3 / 3), atol=1e-4)  # the mean of none, a third, two thirds
    assert (found.after, found.gain, found.interval, found.curve) == (None, None, None, ())
    assert "shrunk to a third of this label's error. With one label its benefit cannot be measured" in found.words


def test_the_same_labels_give_the_same_bits():
    model = model_of("classify")
    few = few_of(model, 30, shift=1.0)
    one, two = (correct(model, few, TARGET) for _ in range(2))
    assert one.plain() == two.plain()
    assert torch.equal(one.model.predict(TARGET).values, two.model.predict(TARGET).values)


def test_a_model_of_features_and_identical_samples_do():
    torch.manual_seed(0)
    model = Model(TASKS["regress"], (3,)).eval()
    x = torch.zeros(6, 3)
    few = FewLabels(x, torch.tensor([[9.0, -1.0]]).expand(6, 2).double(), columns=("u", "v"))
    found = correct(model, few, Unlabelled(x))
    assert found.after < 0.3 * found.before


def test_each_group_has_a_correction_and_a_new_group_the_common_one(tmp_path):
    model = model_of("gaze")
    parts = [few_of(model, 15, seed=i, shift=shift) for i, shift in ((2, 0.2), (3, -0.2))]
    few = FewLabels(
        torch.cat([part.inputs for part in parts]),
        torch.cat([part.labels for part in parts]),
        columns=("pitch", "yaw"),
        groups=("ann",) * 15 + ("bob",) * 15,
    )
    target_groups = ["ann", "bob", "eve"] * 20
    found = correct(model, few, TARGET, target_groups=target_groups)
    assert found.groups == ("ann", "bob")
    assert found.after < 0.3 * found.before
    assert found.other_groups > 2 * found.after
    found.model.save(tmp_path)
    loaded = load_model(tmp_path)
    moved = loaded.predict(TARGET, groups=target_groups).values - model.predict(TARGET).values
    ann, bob, eve = (moved[i::3].mean() for i in range(3))
    assert ann > 0.15
    assert bob < -0.15
    assert abs(eve) < 0.05
    common = loaded.predict(TARGET).values[2::3]
    assert torch.allclose(common, loaded.predict(TARGET, groups=target_groups).values[2::3], atol=1e-6)
    with pytest.raises(InputError, match="60 inputs but 1 groups, expected the same number"):
        loaded.predict(TARGET, groups=["ann"])
    with pytest.raises(InputError, match=r"the model has no correction by group. Leave the groups out"):
        model.predict(TARGET, groups=target_groups)


def test_what_the_network_does_not_see_is_found_in_the_pixels(tmp_path):
    model = model_of("gaze")
    with torch.no_grad():
        for weight in model.features.parameters():
            weight.zero_()  # every image has the same features
    bright = torch.linspace(0, 1, 80)[:, None, None, None]
    x = (0.5 * images(80) + torch.cat([bright.expand(-1, 1, 8, 4), 1 - bright.expand(-1, 1, 8, 4)], 3)) / 2
    labels = torch.cat([bright[:, :, 0, 0], 0 * bright[:, :, 0, 0]], 1) - 0.5
    few = torch.arange(0, 80, 4)
    found = correct(model, FewLabels(x[few], labels[few], columns=("pitch", "yaw")), Unlabelled(x))
    rest = torch.ones(80, dtype=torch.bool).index_fill(0, few, False)
    before, after = (
        m.evaluate(Labelled(x[rest], labels[rest], columns=("pitch", "yaw"))) for m in (model, found.model)
    )
    assert after["mean_degrees"] < 0.4 * before["mean_degrees"]
    assert model.pixels is None
    found.model.save(tmp_path)
    same(load_model(tmp_path).predict(x).values, found.model.predict(x).values)


def test_a_corrected_model_is_corrected_again_for_a_new_person(tmp_path):
    model = model_of("gaze")
    first = correct(model, few_of(model, 20, shift=0.2), TARGET).model
    second = correct(first, few_of(model, 20, seed=5, shift=-0.2), TARGET)
    second.model.save(tmp_path)
    same(load_model(tmp_path).predict(TARGET).values, second.model.predict(TARGET).values)
    assert second.after < 0.2 * second.before


def test_a_model_with_given_columns_is_corrected_by_few_labels_that_have_them():
    torch.manual_seed(0)
    model = Model(TASKS["gaze"], (1, 8, 8), given_columns=("head_pitch",)).eval()
    head = {"given": torch.linspace(-1, 1, 20)[:, None], "given_columns": ("head_pitch",)}
    target = Unlabelled(images(20), **head)
    labels = model.predict(target).values + 0.2
    found = correct(model, FewLabels(images(20), labels, columns=("pitch", "yaw"), **head), target)
    assert found.after < 0.2 * found.before
    assert torch.allclose(found.model.predict(target).values, labels, atol=0.05)
    with pytest.raises(
        InputError, match="the data of the few labels has no given column 'head_pitch', which the model takes"
    ):
        correct(model, FewLabels(images(20), labels, columns=("pitch", "yaw")), target)


@pytest.mark.parametrize(
    ("few", "groups", "message"),
    [
        (
            lambda: FewLabels(images(4), torch.tensor([0, 1, 0, 1]), ("a", "b")),
            None,
            r"the few labels are classes \(a, b\), but the model predicts values \(gaze\): expected the columns pitch",
        ),
        (
            lambda: FewLabels(images(4), torch.rand(4, 2), columns=("x", "y")),
            None,
            "the few labels have the columns x, y, the model predicts pitch, yaw: expected the same columns",
        ),
        (
            lambda: FewLabels(images(4), torch.full((4, 2), 12.0), columns=("pitch", "yaw")),
            None,
            "the label columns pitch, yaw hold 12, expected radians, at most 3.1416",
        ),
        (
            lambda: FewLabels(torch.rand(4, 1, 9, 8), torch.rand(4, 2), columns=("pitch", "yaw")),
            None,
            "the few labels have inputs of 1x9x8, the target of 1x8x8: expected the same",
        ),
        (
            lambda: FewLabels(images(2), torch.rand(2, 2), columns=("pitch", "yaw"), groups=("ann", "zoe")),
            ["ann", "bob", "eve"] * 20,
            "the few labels have the group 'zoe', which the target lacks: its groups are ann, bob, eve",
        ),
        (
            lambda: FewLabels(images(2), torch.rand(2, 2), columns=("pitch", "yaw"), groups=("ann", "zoe")),
            None,
            "the few labels have the groups ann, zoe, but the target has none",
        ),
        (
            lambda: FewLabels(images(2), torch.rand(2, 2), columns=("pitch", "yaw"), groups=("ann", "zoe")),
            ["ann"],
            "target_groups holds 1 groups, expected 60",
        ),
        (lambda: Labelled(images(2), torch.rand(2, 2)), None, "the few labels are Labelled, expected FewLabels. Load"),
    ],
)
def test_few_labels_that_do_not_fit_are_refused(few, groups, message):
    with pytest.raises(InputError, match=message):
        correct(model_of("gaze"), few(), TARGET, target_groups=groups)


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [
        ([0, 1], ("a", "z"), "the few labels have the class 'z', which the model does not know, expected only a, b, c"),
        ([1, 1], ("a", "b"), "all 2 few labels are of the class 'b', expected two classes or more"),
        ([1], ("a", "b"), "the only few label is of the class 'b', expected labels of two classes or more"),
    ],
)
def test_class_labels_that_say_nothing_are_refused(labels, classes, message):
    few = FewLabels(images(len(labels)), torch.tensor(labels), classes)
    with pytest.raises(InputError, match=message):
        correct(model_of("classify"), few, TARGET)


def test_numbers_are_refused_by_a_classifier():
    few = FewLabels(images(2), torch.rand(2, 1), columns=("x",))
    with pytest.raises(InputError, match="the few labels are the number columns x, but the model classifies"):
        correct(model_of("classify"), few, TARGET)


def parts_of(count):
    torch.manual_seed(3)
    features, coordinates = torch.randn(count, 6).double(), torch.randn(count, 2).double()
    return Basis.of(features, coordinates).parts(features, coordinates)


def test_scaled_features_have_mean_length_one_and_linear_weights_are_those_of_the_inputs():
    features, coordinates = torch.randn(50, 6).double() * torch.arange(1, 7) + 3, torch.randn(50, 2).double() * 4
    basis = Basis.of(features, coordinates)
    parts = basis.parts(features, coordinates)
    assert float(parts[2].square().sum(1).mean()) == pytest.approx(1)
    assert float(parts[1].square().sum(1).mean()) == pytest.approx(1)
    given = [torch.randn(part.shape[1], 2).double() for part in parts]
    offset, affine, layer = basis.on_inputs(*given)
    expected = sum(part @ one for part, one in zip(parts, given, strict=True))
    assert torch.allclose(offset + coordinates @ affine + features @ layer, expected)


@pytest.mark.parametrize("groups", [None, torch.arange(12) % 3])
def test_left_out_corrections_are_those_of_fits_without_them(groups):
    """The closed form against refitting, for labels alone and for whole groups."""
    parts, residuals = parts_of(12), torch.randn(12, 2).double()
    covariance = kernels(COMMON + BY_GROUP, parts, groups)
    units = torch.arange(12) if groups is None else groups
    found = fit_values(covariance, residuals, units)
    for unit in units.unique():
        out, rest = (units == unit).nonzero()[:, 0], (units != unit).nonzero()[:, 0]
        again = fit_values(covariance[:, rest][:, :, rest], residuals[rest], torch.arange(len(rest)))
        assert torch.allclose(covariance[:, out][:, :, rest] @ again.dual, found.held[:, out])


def test_class_fits_are_stationary_and_left_out_ones_do_not_see_their_label():
    parts, logits = parts_of(20), torch.randn(20, 3).double()
    labels = torch.arange(20) % 3
    covariance = kernels(COMMON, parts, None)
    found = fit_classes(covariance, logits, labels, torch.arange(20))
    fitted = (logits + covariance @ found.dual).softmax(2)
    gradient = torch.nn.functional.one_hot(labels, 3) - fitted
    assert torch.allclose(found.dual[1:], gradient[1:], atol=0.02)  # none has no covariance, so any weights
    changed = labels.clone()
    changed[4] = (labels[4] + 1) % 3
    other = fit_classes(covariance, logits, changed, torch.arange(20))
    assert torch.equal(found.held[:, 4], other.held[:, 4])


def test_weights_prefer_small_errors_and_those_of_a_label_do_not_depend_on_its_own_error():
    errors = torch.tensor([[1.0, 1.0, 1.0, 1.0], [0.5, 0.5, 0.5, 9.0]]).double()
    whole, of_labels = weights(errors, torch.arange(4), classes=False)
    assert whole[0] > whole[1]
    assert of_labels[1, 3] > of_labels[0, 3]
    assert torch.allclose(of_labels.sum(0), torch.ones(4).double())
    grouped, _ = weights(errors, torch.tensor([0, 0, 0, 1]), classes=False)
    assert abs(float(grouped[0]) - 0.5) < abs(float(whole[0]) - 0.5)  # fewer independent labels say less
