"""One contract for every mapping of features, and the linear machines on top."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import torch
from sklearn.svm import LinearSVC

from synth2real import Budget, InputError, Labelled, Route, Unlabelled, load_model
from synth2real.adapt import DANN, MAPPINGS, MSDA, SVM, FeatureMapping, SelfTraining, SourceOnly
from synth2real.adapt.mappings.closed_form_self_training import most_certain
from synth2real.adapt.mappings.sda import SDA, _Denoising
from synth2real.adapt.mappings.skada import Skada
from synth2real.data.sparse import Sparse
from synth2real.networks.feature_maps import Layers
from synth2real.settings import build, to_dict
from synth2real.training.loop import Loop, Progress, SourceBatch, TargetBatch
from synth2real.training.model import Model

OWN = [name for name, mapping in MAPPINGS.items() if not issubclass(mapping, Skada)]
HERE = OWN if find_spec("skada") is None else list(MAPPINGS)


def domains(sparse: bool = False, width: int = 20, count: int = 80) -> tuple[Labelled, Unlabelled, Labelled]:
    """Counts of words in two domains, each with words of its own; source, target, and the target with its labels."""
    random = np.random.default_rng(0)
    labels = np.arange(count) % 2
    found = []
    for own in (6, 10):  # words of this domain alone that say the class, beside those of both
        x = random.poisson(0.1, (count, width)).astype(np.float32)
        for base, chance in ((0, 0.6), (own, 0.9)):
            for i in range(2):
                x[np.arange(count), base + labels + 2 * i] += random.random(count) < chance
        found.append(x)
    inputs = [Sparse(scipy.sparse.csr_matrix(x)) if sparse else torch.from_numpy(x) for x in found]
    truth = torch.from_numpy(labels)
    return Labelled(inputs[0], truth, ("no", "yes")), Unlabelled(inputs[1]), Labelled(inputs[1], truth, ("no", "yes"))


def fast(name: str) -> FeatureMapping:
    quick = {"sda": {"layer_steps": 30, "hidden": 16}, "tca": {"components": 2}}
    return MAPPINGS[name](**quick.get(name, {}))


@pytest.mark.parametrize("name", list(MAPPINGS))
def test_settings_survive_a_round_trip(name):
    mapping = MAPPINGS[name](then=DANN(weight=0.5))
    assert build(MAPPINGS, name, to_dict(mapping)) == mapping
    assert MAPPINGS[name](then="svm") == MAPPINGS[name](then=SVM())
    with pytest.raises(InputError, match=r"adapt\.then.*unknown, expected one of: source-only"):
        build(MAPPINGS, name, {"then": "magic"}, stage="adapt")


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("then", ["svm", "self-training", "dann"])
def test_a_saved_model_needs_nothing_else(name, then, tmp_path):
    source, target, truth = domains()
    route = Route(adapt=build(MAPPINGS, name, {**to_dict(fast(name)), "then": then}))
    model = route.run(source, target, budget=Budget(steps=150, batch=32)).model
    assert model.evaluate(truth)["accuracy"] > 0.6
    model.save(tmp_path)
    assert torch.equal(load_model(tmp_path).predict(target).values, model.predict(target).values)
    again = route.run(source, target, budget=Budget(steps=150, batch=32)).model
    assert torch.equal(again.predict(target).values, model.predict(target).values), "the same seed, the same bits"


@pytest.mark.parametrize("name", HERE)
def test_sparse_features_are_served_alike_or_refused(name):
    dense, sparse = domains(), domains(sparse=True)
    mapping = fast(name)
    if not mapping.takes_sparse:
        with pytest.raises(InputError, match=f"adapt {name} takes dense features, the source holds sparse ones"):
            Route(adapt=mapping).run(*sparse[:2], budget=Budget(steps=3))
        return
    said = [
        Route(adapt=mapping).run(*each[:2], budget=Budget(steps=3)).model.predict(each[1]) for each in (dense, sparse)
    ]
    torch.testing.assert_close(said[0].values, said[1].values, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("name", HERE)
def test_bad_input_is_refused(name):
    source, target, _ = domains()
    with pytest.raises(InputError, match="features of the same width in both"):
        Route(adapt=fast(name)).run(source, Unlabelled(torch.zeros(30, 7)))
    with pytest.raises(InputError, match=rf"adapt {name}: the target holds 1 sample, expected 2 or more"):
        Route(adapt=fast(name)).run(source, target.subset(torch.tensor([0])))
    images = Labelled(torch.zeros(8, 1, 16, 16), torch.arange(8) % 2)
    expected = (
        rf"--adapt {name} needs feature vectors \(\.npz with `features`, or svmlight\), found images 1x16x16 in the"
    )
    with pytest.raises(InputError, match=expected):
        Route(adapt=fast(name)).run(images, images.unlabelled())
    with pytest.raises(InputError, match="the model"):
        fast(name).save(Path("x"))


@pytest.mark.parametrize("name", HERE)
def test_a_class_that_the_target_does_not_show_is_no_error(name):
    source, target, truth = domains()
    alone = target.subset((truth.labels == 0).nonzero().flatten())
    model = Route(adapt=build(MAPPINGS, name, {**to_dict(fast(name)), "then": "svm"})).run(source, alone).model
    assert model.predict(alone).values.isfinite().all()


def test_msda_helps_where_words_differ():
    source, target, truth = domains(count=400)
    plain = Route(adapt=SVM()).run(source, target).model.evaluate(truth)["accuracy"]
    mapped = Route(adapt=MSDA(then=SVM(), layers=2)).run(source, target).model.evaluate(truth)["accuracy"]
    assert mapped > plain + 0.03


def test_msda_of_training_samples_is_what_the_kept_map_makes_of_them():
    source, target, _ = domains()
    mapping = MSDA(layers=3, term_weighting="tfidf")
    ours, theirs = mapping.fit_transform(source, target, Loop(steps=1))
    assert ours.shape == (80,)
    torch.testing.assert_close(mapping.transform(source.inputs), ours.inputs, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(mapping.transform(target.inputs), theirs.inputs, atol=1e-4, rtol=1e-3)


def test_features_that_are_not_finite_are_reported():
    source, target, _ = domains()
    source.inputs[3, 2] = float("inf")
    with pytest.raises(InputError, match="a feature that is not finite"):
        Route(adapt=MSDA(term_weighting="as-given")).run(source, target)


def test_sda_restores_better_with_training_and_takes_its_layers_in_turn():
    source, target, _ = domains()
    rows = []
    sda = MAPPINGS["sda"](hidden=16, layers=2, layer_steps=120)
    sda.fit(source, target, Loop(steps=1, batch=32), lambda step, terms: rows.append((step, terms["restore"])))
    assert [step for step, _ in rows] == list(range(20, 241, 20))
    losses = [loss for _, loss in rows]
    assert losses[5] < 0.9 * losses[0]
    assert losses[11] < losses[6]
    assert sda.transform(source.inputs).shape == (80, 16)


def denoising(**settings) -> _Denoising:
    torch.manual_seed(0)
    return _Denoising(SDA(**settings), Layers((6, 50, 50), "relu", words="binary").requires_grad_())


def test_sda_removes_words_of_the_first_layer_and_restores_them_by_cross_entropy():
    method, counts = denoising(noise=0.3, sparsity=0.1), (torch.rand(3000, 6) < 0.5).float() * 3
    x, corrupted = method.inputs(counts, 0)
    assert torch.equal(x, counts / 3)
    assert ((corrupted == x) | (corrupted == 0)).all()
    assert float(corrupted[x > 0].mean()) == pytest.approx(0.7, abs=0.02)
    assert not torch.equal(method.inputs(counts, 0)[1], corrupted), "the noise is new in each step"
    source, target = SourceBatch(counts, torch.zeros(3000), counts), TargetBatch(counts[:0], counts[:0], None)
    torch.manual_seed(1)
    (update,) = method.updates(source, target, Progress(0, 1200))
    torch.manual_seed(1)
    codes = torch.relu(method.layers[0](method.inputs(counts, 0)[1]))
    p = torch.sigmoid(method.decoders[0](codes))
    wanted = -(x * p.log() + (1 - x) * (1 - p).log()).mean() + 0.1 * codes.abs().mean()
    assert update.loss().item() == pytest.approx(wanted.item(), rel=1e-4)


def test_sda_adds_gaussian_noise_before_the_rectifier_of_higher_layers():
    method, counts = denoising(hidden_noise=0.5, layer_steps=1, sparsity=0.1), torch.rand(4000, 6)
    sums = method.layers[0](method.weigh(counts)).detach()
    x, corrupted = method.inputs(counts, 1)
    assert torch.equal(x, torch.relu(sums))
    both = (x > 0) & (corrupted > 0)
    added = (corrupted - sums)[both & (sums > 2 * sums.std())]  # far from 0, where the rectifier cuts nothing
    assert float(added.std()) == pytest.approx(0.5 * float(sums.std()), rel=0.05)
    assert float(added.mean()) == pytest.approx(0, abs=0.05 * float(sums.std()))
    assert (corrupted == 0).any()
    assert torch.equal(*denoising(hidden_noise=0.0).inputs(counts, 1))
    source, target = SourceBatch(counts, torch.zeros(4000), counts), TargetBatch(counts[:0], counts[:0], None)
    torch.manual_seed(1)
    (update,) = method.updates(source, target, Progress(1, 2))
    torch.manual_seed(1)
    codes = torch.relu(method.layers[1](method.inputs(counts, 1)[1]))
    restored = torch.log1p(torch.exp(method.decoders[1](codes)))
    wanted = (restored - x).square().mean() + 0.1 * codes.abs().mean()
    assert update.loss().item() == pytest.approx(wanted.item(), rel=1e-4)
    assert update.of == (method.layers[1], method.decoders[1])


def test_msda_of_too_many_words_is_refused():
    wide = Sparse(scipy.sparse.csr_matrix((10, 30_000), dtype=np.float32))
    with pytest.raises(InputError, match=r"found 30000 features, expected 20000 or fewer.*--adapt sda"):
        Route(adapt=MSDA()).run(Labelled(wide, torch.arange(10) % 2), Unlabelled(wide))


@pytest.mark.parametrize(("count", "width"), [(40, 200), (200, 20)])
@pytest.mark.parametrize("classes", [2, 3])
def test_the_shipped_svm_is_scikit_learns(count, width, classes):
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(count, width, generator=generator), torch.arange(count) % classes
    model = Route(adapt=SVM(penalty=0.5)).run(Labelled(x, y), Unlabelled(x)).model
    machine = LinearSVC(C=0.5 / float(x.square().sum(1).mean()), tol=1e-6, max_iter=100_000).fit(x.numpy(), y.numpy())
    logits = model.outputs(x).numpy()
    theirs = machine.decision_function(x.numpy())
    ours = logits[:, 1] - logits[:, 0] if classes == 2 else logits
    np.testing.assert_allclose(ours, theirs, atol=2e-2)


def test_a_class_without_samples_is_never_predicted():
    x, y = torch.randn(40, 5), torch.arange(40) % 2 * 2
    model = Route(adapt=SVM()).run(Labelled(x, y, ("a", "b", "c")), Unlabelled(x)).model
    assert set(model.predict(Unlabelled(x)).labels) <= {"a", "c"}


@pytest.mark.parametrize("method", [SVM(), SelfTraining()])
def test_machines_refuse_values_and_images(method):
    values = Labelled(torch.randn(20, 4), torch.randn(20, 1))
    with pytest.raises(InputError, match=r"classifies, found the task regress.*--set adapt\.then=source-only"):
        Route(adapt=method).run(values, values.unlabelled())
    images = Labelled(torch.zeros(8, 1, 16, 16), torch.arange(8) % 2)
    with pytest.raises(InputError, match="needs features, found images"):
        Route(adapt=method).run(images, images.unlabelled())


def test_values_are_served_by_a_network_on_a_mapping():
    source, target, _ = domains()
    values = Labelled(source.inputs, source.inputs[:, :1] * 2 + torch.randn(80, 1) * 0.1)
    model = Route(adapt=MSDA(then=SourceOnly())).run(values, target, budget=Budget(steps=50)).model
    assert isinstance(model, Model)
    assert model.predict(target).values.shape == (80, 1)


def test_self_training_without_rounds_is_ridge_regression():
    source, target, _ = domains()
    x, y = source.inputs, source.labels * 2.0 - 1
    model = Route(adapt=SelfTraining(rounds=0, ridge=2.0)).run(source, target).model
    mean = torch.cat([x, target.inputs]).mean(0)
    unit = (x - mean).square().sum(1).mean().sqrt()
    z = torch.cat([(x - mean) / unit, torch.full((80, 1), 0.1**0.5)], 1).double()
    weights = torch.linalg.solve(z.T @ z + 2 * torch.eye(21).double(), z.T @ y.double())
    logits = model.outputs(x)
    torch.testing.assert_close(logits[:, 1].double(), z @ weights, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(logits[:, 0], -logits[:, 1], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("sparse", [False, True])
def test_self_training_gains(sparse):
    source, target, truth = domains(sparse, count=400)
    before, after = (
        Route(adapt=SelfTraining(rounds=rounds)).run(source, target).model.evaluate(truth)["accuracy"]
        for rounds in (0, 5)
    )
    assert after > before + 0.02


def test_self_training_does_not_label_by_a_source_that_it_does_not_fit():
    source, target, _ = domains(count=400)
    shuffled = Labelled(source.inputs, source.labels[torch.randperm(400, generator=torch.Generator().manual_seed(0))])
    told = Route(adapt=SelfTraining(ridge=100.0)).run(shuffled, target)
    plain = Route(adapt=SelfTraining(ridge=100.0, rounds=0)).run(shuffled, target)
    assert told.notes[0].startswith(
        "self-training never started, as the source was not fitted well enough: accuracy 0."
    )
    torch.testing.assert_close(told.model.outputs(target.inputs), plain.model.outputs(target.inputs))
    assert not any(
        "never started" in note for note in (*plain.notes, *Route(adapt=SelfTraining()).run(source, target).notes)
    )


def test_no_class_gets_more_labels_than_its_share_however_confident_the_predictions():
    collapsed = np.stack([np.linspace(5, 9, 40), np.linspace(-5, -9, 40)], 1)
    for part in (0.5, 1.0):
        _, classes = most_certain(collapsed, np.array([0.5, 0.5]), part)
        assert np.bincount(classes).max() <= 20 * part


def test_the_most_confident_samples_keep_the_class_shares():
    said = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
    picked, classes = most_certain(said, np.array([0.5, 0.5]), 0.5)
    assert sorted(zip(picked.tolist(), classes.tolist(), strict=True)) == [(0, 0), (3, 1)]
    picked, classes = most_certain(said, np.array([0.75, 0.25]), 1.0)
    assert dict(zip(picked.tolist(), classes.tolist(), strict=True)) == {0: 0, 1: 0, 2: 0, 3: 1}


def test_too_many_samples_for_self_training():
    x = Sparse(scipy.sparse.csr_matrix((15_000, 3), dtype=np.float32))
    with pytest.raises(InputError, match=r"found 30000 samples in both domains, expected 20000 or fewer"):
        Route(adapt=SelfTraining()).run(Labelled(x, torch.arange(15_000) % 2), Unlabelled(x))
