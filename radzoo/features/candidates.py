"""The classifiers and regressors that are tried on fixed features."""

from __future__ import annotations

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)  # of a linear fit (scikit-learn's C)
MARGINS = (0.1, 1, 10)
LEAVES = (1, 5)
TREES = 300


def candidates(task: str, class_weights: bool, seed: int) -> dict:
    """Name -> function of the folds that makes an unfitted estimator.

    With folds, the support vector machine of a class gets probabilities from a sigmoid on its out-of-fold scores
    (Platt); while candidates are compared its scores are enough.
    """
    return _regressors(seed) if task == "regression" else _classifiers(task, class_weights, seed)


def _classifiers(task: str, class_weights: bool, seed: int) -> dict:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    weight = "balanced" if class_weights else None
    each = OneVsRestClassifier if task in ("multilabel", "ordinal") else (lambda classifier: classifier)

    def logistic(C):
        return lambda folds: make_pipeline(
            StandardScaler(), each(LogisticRegression(C=C, max_iter=2000, class_weight=weight))
        )

    def svm(C):
        def make(folds):
            machine = SVC(C=C, class_weight=weight)
            if folds is not None:
                machine = CalibratedClassifierCV(machine, cv=folds, ensemble=False)
            return make_pipeline(StandardScaler(), each(machine))

        return make

    def forest(leaf):
        return lambda folds: RandomForestClassifier(
            TREES, min_samples_leaf=leaf, class_weight=weight, random_state=seed, n_jobs=-1
        )

    return (
        {f"logistic regression, C={C:g}": logistic(C) for C in STRENGTHS}
        | {f"support vector machine, C={C:g}": svm(C) for C in MARGINS}
        | {f"random forest, leaves of {leaf}": forest(leaf) for leaf in LEAVES}
    )


def _regressors(seed: int) -> dict:
    """The same three kinds for a number; targets are standardised where a setting has their unit."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVR

    def ridge(C):
        return lambda folds: make_pipeline(StandardScaler(), Ridge(1 / C))

    def svm(C):
        return lambda folds: TransformedTargetRegressor(
            make_pipeline(StandardScaler(), SVR(C=C)), transformer=StandardScaler()
        )

    def forest(leaf):
        return lambda folds: RandomForestRegressor(TREES, min_samples_leaf=leaf, random_state=seed, n_jobs=-1)

    return (
        {f"ridge regression, C={C:g}": ridge(C) for C in STRENGTHS}
        | {f"support vector machine, C={C:g}": svm(C) for C in MARGINS}
        | {f"random forest, leaves of {leaf}": forest(leaf) for leaf in LEAVES}
    )
