"""Estimators of scikit-learn: a route, trained by `fit(X, y, X_target=...)`, in a `Pipeline` or a `GridSearchCV`.

    classifier = AdaptedClassifier(adapt="dann").fit(X, y, X_target=real)
    classifier.predict(real)

A `Pipeline` does not change what it hands to `fit` beside X, unless it is told to: `Pipeline(steps,
transform_input=["X_target"])` with `sklearn.set_config(enable_metadata_routing=True)` and
`AdaptedClassifier().set_fit_request(X_target=True)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from ..adapt import OBJECTIVES, Objective, SourceOnly
from ..data.domains import Labelled, Unlabelled
from ..data.fitting import USUAL, Resize
from ..data.objects import are_images, as_unlabelled
from ..data.reading.pixels import Conversion
from ..errors import InputError
from ..randomize import METHODS as RANDOMIZE
from ..refine import METHODS as REFINE
from ..route import Budget, Route
from ..settings import build
from ..training.model import Model


class _Adapted(BaseEstimator):  # type: ignore[misc]
    """What both estimators have in common; the parameters are those of `AdaptedClassifier`."""

    def __init__(
        self,
        adapt: str | Objective = "dann",
        *,
        randomize: Any = None,
        refine: Any = None,
        network: str | None = None,
        steps: int | None = None,
        batch: int = 64,
        size: tuple[int, int] | None = None,
        resize: Resize = USUAL,
        random_state: Any = 0,
    ) -> None:
        self.adapt = adapt
        self.randomize = randomize
        self.refine = refine
        self.network = network
        self.steps = steps
        self.batch = batch
        self.size = size
        self.resize = resize
        self.random_state = random_state

    def _route(self) -> Route:
        """The route of the parameters."""
        if self.network is not None and not isinstance(self.adapt, str):
            raise InputError(
                f"found network '{self.network}' beside an object for adapt, expected one of them. Set it there: "
                f"{type(self.adapt).__name__}(network='{self.network}')"
            )
        more = {} if self.network is None else {"network": self.network}
        return Route(
            randomize=_built(RANDOMIZE, self.randomize, "randomize"),
            refine=_built(REFINE, self.refine, "refine"),
            adapt=_built(OBJECTIVES, self.adapt, "adapt", more),
        )

    def _train(self, X: Any, y: Any, X_target: Any, **labels: Any) -> None:
        """Train the model with class indices or values, as `Labelled.of` takes them with `labels`."""
        route, seed = self._route(), check_random_state(self.random_state).randint(2**31 - 1)
        if X_target is None and (route.refine is not None or not isinstance(route.adapt, SourceOnly)):
            raise InputError(
                f"fit() got no X_target, expected unlabelled real data, to which {type(self).__name__} adapts. Give "
                "it: fit(X, y, X_target=X_real); in a Pipeline with the name of the step: adapt__X_target=X_real. "
                "Without real data: adapt='source-only'"
            )
        source = Labelled.of(X, y, size=self.size, resize=self.resize, **labels)
        target = source.unlabelled() if X_target is None else self._unlabelled(X_target, "X_target is")
        found = route.run(source, target, budget=Budget(steps=self.steps, batch=self.batch, seed=seed))
        self.model_: Model = found.model
        self.notes_: list[str] = found.notes

    def _checked(self, X: Any, **how: Any) -> Any:
        """Features as scikit-learn checks them, with y if it is among `how`; images as they are."""
        if are_images(X):
            return (X, how["y"]) if "y" in how else X
        return validate_data(self, X, accept_sparse="csr", dtype=np.float32, **how)

    def _unlabelled(self, X: Any, what: str) -> Unlabelled:
        found: Unlabelled = as_unlabelled(
            self._checked(X, reset=False), what, Conversion(size=self.size, resize=self.resize)
        )
        return found

    def _predicted(self, X: Any) -> NDArray[np.float64]:
        """Probabilities or values for X, (N, K)."""
        check_is_fitted(self)
        found: NDArray[np.float64] = self.model_.predict(self._unlabelled(X, "X is")).values.double().numpy()
        return found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class AdaptedClassifier(ClassifierMixin, _Adapted):  # type: ignore[misc]
    """A classifier that is trained on labelled synthetic data and adapted to unlabelled real data.

    X is anything that `Labelled.of` takes: features (N, F), dense or sparse, or images.

    Args:
        adapt: how the model is trained: a name of `--adapt`, such as `dann`, or an object, such as `adapt.DANN()`.
        randomize: augmentation of images, by name or as an object; None for none.
        refine: mapping that makes source images look real, by name or as an object; None for none.
        network: feature extractor by name; None chooses it by the shape of the input.
        steps: of the training; None for a number that depends on the data.
        batch: samples of each domain per step.
        size: (height, width) that images are resized to; None keeps their size.
        resize: how, as in `load`: `stretch`, `crop` or `letterbox`; `tiles` is refused, since labels are of whole
            images.
        random_state: seed of all random numbers.

    Attributes:
        classes_: the classes (C,), sorted.
        model_: the trained `Model`. Its `save` writes it without pickle, with numbers as class names.
        notes_: what must be known about the training, in sentences.
    """

    def fit(self, X: Any, y: Any, X_target: Any = None) -> Self:
        """Train on X with the classes y (N,), and adapt to X_target, which has no labels.

        Raises:
            InputError: there is no X_target, or the data does not fit. It is a `ValueError`.
        """
        X, y = self._checked(X, y=y)
        check_classification_targets(y)
        self.classes_, index = np.unique(np.asarray(y), return_inverse=True)
        self._train(X, index, X_target, classes=[str(name) for name in self.classes_.tolist()])
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities (N, C) of `classes_`."""
        shares = self._predicted(X)
        normalised: NDArray[np.float64] = shares / shares.sum(1, keepdims=True)
        return normalised

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of each sample, (N,)."""
        best = self._predicted(X).argmax(1)
        found: NDArray[Any] = self.classes_[best]
        return found


class AdaptedRegressor(RegressorMixin, _Adapted):  # type: ignore[misc]
    """A regressor that is trained on labelled synthetic data and adapted to unlabelled real data.

    Args, X: as in `AdaptedClassifier`.

    Attributes:
        model_, notes_: as in `AdaptedClassifier`.
    """

    def fit(self, X: Any, y: Any, X_target: Any = None) -> Self:
        """Train on X with the values y, (N,) or (N, K), and adapt to X_target, which has no labels.

        Raises:
            InputError: there is no X_target, or the data does not fit. It is a `ValueError`.
        """
        X, y = self._checked(X, y=y, multi_output=True, y_numeric=True)
        values = np.asarray(y, dtype=np.float64)
        self._one = values.ndim == 1
        columns = [f"label_{i}" for i in range(1 if self._one else values.shape[1])]
        self._train(X, values, X_target, columns=columns)
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """The values of each sample, in the shape of y."""
        values = self._predicted(X)
        return values[:, 0] if self._one else values

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _built(methods: Mapping[str, type[Any]], method: Any, stage: str, values: Mapping[str, Any] | None = None) -> Any:
    """A method by its name; any other object as it is."""
    return build(methods, method, values, stage) if isinstance(method, str) else method
