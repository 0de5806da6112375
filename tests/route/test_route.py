"""Route: its defaults, and the inputs that it refuses."""

import pytest
import torch
from PIL import Image
from torch.utils.data import TensorDataset

from skips import optional
from synth2real import Budget, Labelled, Model, Route, Unlabelled, compare, load, measure_gap
from synth2real.adapt import SHOT
from synth2real.calibrate import Search
from synth2real.data.domains import check_domains
from synth2real.errors import InputError
from synth2real.refine import SimGAN
from synth2real.route.route import default_task
from synth2real.route.run import default_steps
from synth2real.simulate import Digits, Eyes
from synth2real.tasks import Classification, Detection, Keypoints


def values(*columns, shape=(1, 8, 8)):
    return Labelled(
        torch.zeros(4, *shape), torch.arange(0.5, 2.5, 0.5)[:, None].expand(4, len(columns)), columns=columns
    )


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        (("pitch", "yaw"), "gaze"),
        (("iris_x", "iris_y"), "keypoints"),
        (("a_x", "a_y", "b_x", "b_y"), "keypoints"),
        (("a_x", "b_y"), "regress"),
        (("a_x", "a_y", "depth"), "regress"),
        (("yaw",), "regress"),
        (("x", "y"), "regress"),
    ],
)
def test_the_task_follows_from_the_columns(columns, kind):
    assert default_task(values(*columns)).kind == kind


def test_points_need_an_image():
    assert default_task(values("iris_x", "iris_y", shape=(5,))).kind == "regress"


def test_the_task_follows_from_the_labels_of_a_simulator():
    assert default_task(Digits(size=(8, 8)).labelled(10, 0)).kind == "classify"
    assert default_task(Eyes().labelled(2, 0)).kind == "gaze"
    assert default_task(Eyes(label="iris").labelled(2, 0)).kind == "keypoints"


def test_steps_follow_the_larger_domain():
    digits, iris = Classification(("a", "b")), Keypoints(("x", "y"), (16, 16))
    asked = [(64, 1000), (2000, 64), (10**6, 1), (10, 10)]
    assert [default_steps(*each, digits) for each in asked] == [937, 1875, 4000, 500]
    assert [default_steps(*each, iris) for each in [(8000, 100), (100, 10**6), (10, 10)]] == [625, 4000, 500]
    assert default_steps(2000, 64, iris, images=False) == 1875


def test_fewer_large_images_are_a_batch():
    def boxes(side: int) -> Detection:
        return Detection(("a",), (side, side), 4.0)

    assert [Budget().size_of_batch(boxes(side)) for side in (128, 181, 182, 256, 257, 1000)] == [16, 16, 8, 8, 4, 4]
    assert [default_steps(3200, 10, boxes(side)) for side in (128, 256, 320)] == [1000, 2000, 4000]
    assert Budget(batch=6).size_of_batch(boxes(320)) == 6
    assert Budget().size_of_batch(Classification(("a", "b"))) == 64


def test_shapes_must_agree():
    def source(*shape):
        return Labelled(torch.zeros(4, *shape), torch.zeros(4, dtype=torch.int64), ("a",))

    check_domains(source(1, 8, 8), Unlabelled(torch.zeros(2, 1, 8, 8)))
    for shape, mend in {(3, 8, 8): "--channels 1", (1, 8, 9): "--size 8x9", (7,): "features of the same width"}.items():
        with pytest.raises(InputError, match=mend):
            check_domains(source(1, 8, 8), Unlabelled(torch.zeros(2, *shape)))


def test_only_a_simulator_can_be_calibrated():
    source = Labelled(torch.zeros(4, 1, 8, 8), torch.zeros(4, dtype=torch.int64), ("a",))
    with pytest.raises(
        InputError, match=r"--calibrate \(calibrate=\) needs a simulator, found 4 labelled samples. Give a simulator"
    ):
        Route(calibrate=Search()).fit(source, Unlabelled(torch.zeros(2, 1, 8, 8)))


X, Y = torch.rand(8, 1, 8, 8), torch.arange(8) % 2
SOURCE, TARGET = Labelled(X, Y), Unlabelled(X)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Route().run(X, TARGET), r"the source is a tensor .*, expected .*Labelled.of\(X, y\)"),
        (lambda: Route().run(SOURCE, (X, Y)), r"the target is a tuple of 2, expected Unlabelled.*Unlabelled.of\(X\)"),
        (lambda: Route().run("synthetic", TARGET), r"the source is the text 'synthetic', .* load\(path, label=...\)"),
        (lambda: Route().run(SOURCE, "photos"), r"the target is the text 'photos'.* load_unlabelled\(path\)"),
        (lambda: Route().fit(SOURCE, SOURCE), r"the target is Labelled, expected Unlabelled.*data.unlabelled\(\)"),
        (lambda: Route().run(SOURCE, TARGET, task="classify"), "the task is the text .*Classification.of"),
        (lambda: Route().run(SOURCE, TARGET, budget=9), r"the budget is int, .* Budget\(steps=1000\)"),
        (lambda: Route(adapt="dann"), r"adapt= is the name 'dann', expected an object of a method, such as DANN\(\)"),
        (lambda: Route(refine=SimGAN), r"refine= is the class SimGAN, expected .*SimGAN\(\)"),
        (lambda: Route(randomize="nobody"), "randomize= is the name 'nobody', .*one of: photometric"),
        (lambda: compare({}, [X, Y], TARGET), r"the source is a list of 2, .*Labelled.of\(X, y\)"),
        (lambda: compare({}, SOURCE, SOURCE), "the target is Labelled, expected Unlabelled"),
        (lambda: compare({}, SOURCE, TARGET, test=TARGET), "the test data is Unlabelled, expected Labelled"),
        (lambda: compare({"a": "dann"}, SOURCE, TARGET), "route 'a' is str, expected a Route"),
        (lambda: compare([Route()], SOURCE, TARGET), "the routes are a list of 1, expected Mapping. Name each"),
        (lambda: measure_gap("photos", TARGET), "the source is the text 'photos'"),
        (
            lambda: load(TensorDataset(X, Y)),
            r"the path is TensorDataset, a data set of torch, expected str.*Unlabelled.of",
        ),
        (lambda: SHOT().fit("run", TARGET), r"the model is the text 'run', expected Model.*load_model\(folder\)"),
        (lambda: model().predict(Image.new("L", (8, 8))), r"the data to predict: X is Image, .*Give a list: \[image\]"),
        (lambda: Route().run(SOURCE, X * 4 - 2), "the target: X has pixels of float32 from .* They look normalised"),
        (lambda: model().predict((X, Y)), "the data to predict is a tuple of 2, expected Unlabelled or Labelled"),
        (lambda: model().evaluate(X), r"the data to evaluate on is a tensor .*Labelled.of\(X, y\)"),
        (lambda: model().evaluate(TARGET), "the data to evaluate on is Unlabelled, expected Labelled"),
    ],
)
def test_a_wrong_type_is_refused_with_the_mend(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_a_route_takes_what_domains_are_made_of():
    budget = Budget(steps=2, batch=4)
    expected = Route().run(SOURCE, TARGET, budget=budget).model.predict(TARGET).values
    for source in ((X, Y), (X.numpy(), Y.numpy()), TensorDataset(X, Y)):
        for target in (X, X.numpy(), list(X), TensorDataset(X, Y)):
            assert torch.equal(Route().run(source, target, budget=budget).model.predict(target).values, expected)
    many = X.repeat(3, 1, 1, 1)
    assert measure_gap(many, TensorDataset(many)).on == measure_gap(Unlabelled(many), Unlabelled(many)).on


def test_a_comparison_takes_what_domains_are_made_of():
    pair = torch.cat([X, X]), torch.cat([Y, Y]).tolist()
    found = compare({"a": Route()}, pair, pair[0], test=pair, seeds=(0,), budget=Budget(steps=1, batch=4))
    assert isinstance(found.target, Unlabelled)
    assert isinstance(found.test, Labelled)


def test_tables_of_features_agree_in_their_columns():
    pd = optional("pandas", "datasets")
    table = pd.DataFrame(torch.rand(8, 3).numpy(), columns=["a", "b", "c"]).assign(label=Y.numpy())
    assert Route().fit(table, table[["a", "b", "c"]], steps=1).shape == (3,)
    for wrong in (table[["b", "a", "c"]], table[["a", "b", "c"]].rename(columns={"c": "d"})):
        with pytest.raises(InputError, match=r"expected the same features in the same order.* target\[columns\]"):
            Route().fit((table, "label"), wrong)


def model():
    return Model(Classification(("a", "b")), (1, 8, 8))


def test_every_step_of_every_stage_is_counted():
    seen = []
    Route(refine=SimGAN(steps=2, pretrain_critic=1)).run(
        SOURCE, TARGET, budget=Budget(steps=3, batch=4), on_step=lambda *step: seen.append(step)
    )
    assert seen == [("refine", i, 3) for i in (1, 2, 3)] + [("train", i, 3) for i in (1, 2, 3)]
