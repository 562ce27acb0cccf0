"""What a classifier makes of features: logistic regression, an SVM and an MLP, tuned and chosen by inner validation.

Source: the probes of Castellon et al. 2021 and McCallum et al. 2022: frozen features, a shallow classifier on top.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from musicrec.evaluation.audio_splits import folds, groups_of

CHOSEN: Final = "chosen"
"""Of each fold, the classifier that did best in validation within what was learned."""
INNER_FOLDS: Final = 3
NAMES: Final = ("logistic", "svm", "mlp")
_SEED: Final = 1


def classifiers() -> dict[str, tuple[Any, dict[str, list[float]]]]:
    """Return each classifier, behind a standardisation, and the settings it is tuned over."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    def scaled(classifier: Any) -> Any:
        return make_pipeline(StandardScaler(), classifier)

    mlp = MLPClassifier((128,), max_iter=150, random_state=_SEED)
    return {
        "logistic": (scaled(LogisticRegression(max_iter=500)), {"logisticregression__C": [0.003, 0.03, 0.3]}),
        "svm": (scaled(SVC()), {"svc__C": [1.0, 10.0]}),
        "mlp": (scaled(mlp), {"mlpclassifier__alpha": [0.1]}),
    }


@dataclass(slots=True)
class Probed:
    """What one classifier came to: a figure per repeat."""

    accuracy: list[float] = field(default_factory=list)
    precision: list[float] = field(default_factory=list)
    recall: list[float] = field(default_factory=list)
    f1: list[float] = field(default_factory=list)
    guesses: list[list[str]] = field(default_factory=list)
    """Per repeat, the guess of each example."""

    def add(self, labels: Sequence[str], guesses: Sequence[str]) -> None:
        """Count one repeat, in which each example was asked about once; all but accuracy are means over the labels."""
        from sklearn.metrics import precision_recall_fscore_support

        precision, recall, f1, _ = precision_recall_fscore_support(labels, guesses, average="macro", zero_division=0.0)
        self.accuracy.append(float(np.mean(np.asarray(labels) == np.asarray(guesses))))
        self.precision.append(float(precision))
        self.recall.append(float(recall))
        self.f1.append(float(f1))
        self.guesses.append(list(guesses))

    def figures(self) -> dict[str, float]:
        """Return the means over the repeats."""
        return {name: float(np.mean(getattr(self, name))) for name in ("accuracy", "precision", "recall", "f1")}


def probe(
    x: NDArray[np.floating],
    labels: Sequence[str],
    groups: Sequence[object],
    *,
    repeats: int,
    names: Sequence[str] = NAMES,
    on_fold: Callable[[], None] = lambda: None,
) -> dict[str, Probed]:
    """Return what each classifier, and of each fold the chosen one, comes to on folds that share no group.

    Args:
        x: (examples, features).
        labels: of the examples.
        groups: what must not be learned and asked about, of the examples.
        repeats: times that all examples are asked about, in other folds.
        names: of the classifiers.
        on_fold: called after each fold.
    """
    known, among = np.asarray(labels), np.asarray(groups)
    found = {name: Probed() for name in (*names, CHOSEN)}
    for seed in range(repeats):
        guesses = {name: np.empty(len(known), known.dtype) for name in found}
        for learned, asked in folds(labels, groups, seed):
            validated: dict[str, float] = {}
            for name in names:
                validated[name], tuned = _tuned(name, x[learned], known[learned], among[learned])
                guesses[name][asked] = tuned.predict(x[asked])
            best = max(names, key=lambda name: validated[name])
            guesses[CHOSEN][asked] = guesses[best][asked]
            on_fold()
        for name, of_it in guesses.items():
            found[name].add(labels, of_it.tolist())
    return found


def _tuned(name: str, x: NDArray[np.floating], labels: NDArray[Any], groups: NDArray[Any]) -> tuple[float, Any]:
    """Return the validated accuracy and the classifier, learned on all examples with the best settings.

    Where whole groups leave one label to learn, the classifier knows that one.
    """
    from sklearn.dummy import DummyClassifier
    from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
    from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold

    classifier, grid = classifiers()[name]
    names, counts = np.unique(labels, return_counts=True)
    if len(names) == 1:
        return 0.0, DummyClassifier().fit(x, labels)
    commonest = int(counts.max())
    inner = StratifiedGroupKFold(min(INNER_FOLDS, commonest), shuffle=True, random_state=_SEED)
    if min(groups_of(labels.tolist(), groups.tolist()).values()) < INNER_FOLDS:
        # Too few groups to hold some out of what is learned: the tuning may be misled, the test is not.
        groups = np.arange(len(labels))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        # A label that a fold has too few of is scored with what there is.
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("ignore", FitFailedWarning)
        # Nothing is learned from a part that holds one label.
        search = GridSearchCV(classifier, grid, cv=inner, error_score=0.0).fit(x, labels, groups=groups)
    return float(search.best_score_), search.best_estimator_
