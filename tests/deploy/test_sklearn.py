"""Estimators of scikit-learn."""

import pickle

import numpy as np
import pytest
import sklearn
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from helpers import picture
from synth2real import InputError
from synth2real.adapt import DANN, SourceOnly
from synth2real.deploy.sklearn import AdaptedClassifier, AdaptedRegressor
from synth2real.tasks import Regression

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 4)).astype(np.float32)
KINDS = np.where(X[:, 0] > 0, "nut", "bolt")
REAL = X + 0.3


QUICK = {"adapt": SourceOnly(rate=0.01), "steps": 12, "batch": 16}


@parametrize_with_checks(
    [AdaptedClassifier(**QUICK), AdaptedRegressor(**QUICK)],
    expected_failed_checks=lambda estimator: {
        "check_fit2d_1sample": "a training needs two samples or more",
        "check_methods_subset_invariance": "sums of float32 depend on the batch by 1e-7",
    },
)
def test_an_estimator_keeps_the_contract_of_scikit_learn(estimator, check):
    check(estimator)


def test_a_classifier_adapts_to_real_data():
    found = AdaptedClassifier(steps=60, batch=16).fit(X, KINDS, X_target=REAL)
    assert found.classes_.tolist() == ["bolt", "nut"]
    assert found.score(X, KINDS) > 0.8
    assert np.allclose(found.predict_proba(X).sum(1), 1)
    assert found.n_features_in_ == 4
    assert found.model_.task.classes == ("bolt", "nut")


def test_a_regressor_predicts_in_the_shape_of_its_labels():
    found = AdaptedRegressor(**QUICK).fit(X, X[:, 1])
    assert found.predict(X).shape == (60,)
    assert found.model_.task.kind == Regression.kind
    assert AdaptedRegressor(**QUICK).fit(X, X[:, :2]).predict(X).shape == (60, 2)


def test_images_are_inputs_too():
    images = [Image.fromarray(picture(i, (12 + i, 16), level=70 if i % 2 else 190)) for i in range(12)]
    kinds = ["dark" if i % 2 else "light" for i in range(12)]
    found = AdaptedClassifier("dann", size=(8, 8), steps=3, batch=4, randomize="photometric")
    assert found.fit(images, kinds, X_target=images).predict(images).shape == (12,)
    assert not hasattr(found, "n_features_in_")
    arrays = np.stack([np.asarray(image.resize((8, 8))) for image in images])
    assert AdaptedClassifier("dann", steps=3, batch=4).fit(arrays, kinds, torch.from_numpy(arrays)).predict(arrays).size


def test_numbers_keep_their_type():
    found = AdaptedClassifier(**QUICK).fit(X, np.where(X[:, 0] > 0, 7, -3))
    assert found.classes_.tolist() == [-3, 7]
    assert found.predict(X).dtype == found.classes_.dtype


def test_without_real_data_an_adaptation_is_refused_with_the_mend():
    with pytest.raises(InputError, match=r"fit\(\) got no X_target, .* adapt__X_target=X_real. .*adapt='source-only'"):
        AdaptedClassifier().fit(X, KINDS)
    with pytest.raises(InputError, match=r"fit\(\) got no X_target"):
        AdaptedClassifier("source-only", refine="fourier").fit(X, KINDS)


def test_wrong_parameters_and_targets_are_refused():
    with pytest.raises(InputError, match="adapt 'dane' is unknown"):
        AdaptedClassifier("dane").fit(X, KINDS, REAL)
    with pytest.raises(InputError, match=r"found network 'perceptron' beside an object for adapt.*DANN\(network="):
        AdaptedClassifier(DANN(), network="perceptron").fit(X, KINDS, REAL)
    with pytest.raises(ValueError, match="X has 3 features, but AdaptedClassifier is expecting 4"):
        AdaptedClassifier().fit(X, KINDS, REAL[:, :3])
    with pytest.raises(InputError, match="X_target: X has pixels of float64 from -1"):
        AdaptedClassifier(**QUICK).fit(np.zeros((4, 8, 8)), [0, 1, 0, 1], np.zeros((4, 8, 8)) - 1)


def test_a_fitted_estimator_can_be_pickled_and_cloned():
    found = AdaptedClassifier(DANN(gamma=5.0), steps=3, batch=8).fit(X, KINDS, X_target=REAL)
    again = pickle.loads(pickle.dumps(found))
    assert np.array_equal(again.predict_proba(X), found.predict_proba(X))
    fresh = clone(found)
    assert not hasattr(fresh, "model_")
    assert np.array_equal(fresh.fit(X, KINDS, X_target=REAL).predict_proba(X), found.predict_proba(X))


def test_it_stands_in_a_pipeline_and_a_search():
    with sklearn.config_context(enable_metadata_routing=False):  # skada enables it for the whole process
        line = Pipeline([("scale", StandardScaler()), ("adapt", AdaptedClassifier(steps=2, batch=8))])
        assert line.fit(X, KINDS, adapt__X_target=StandardScaler().fit(X).transform(REAL)).predict(X).shape == (60,)
        search = GridSearchCV(AdaptedClassifier(batch=8), {"steps": [1, 2]}, cv=2).fit(X, KINDS, X_target=REAL[:50])
    assert search.best_estimator_.steps in (1, 2)


def test_a_pipeline_transforms_the_target_if_it_is_told_to():
    with sklearn.config_context(enable_metadata_routing=True):
        last = AdaptedClassifier(steps=2, batch=8).set_fit_request(X_target=True)
        line = Pipeline([("scale", StandardScaler()), ("adapt", last)], transform_input=["X_target"])
        routed = line.fit(X, KINDS, X_target=REAL).predict_proba(X)
    scaled = StandardScaler().fit(X)
    by_hand = AdaptedClassifier(steps=2, batch=8).fit(scaled.transform(X), KINDS, X_target=scaled.transform(REAL))
    assert np.allclose(routed, by_hand.predict_proba(scaled.transform(X)))
