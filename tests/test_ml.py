"""FeatureExtractor and TriageClassifier: scikit-learn's conventions."""

import pickle

import numpy as np
import pytest

from atlas_fast import ml
from atlas_fast.sources.synthetic import generate

pytest.importorskip("scipy")


@pytest.fixture(scope="module")
def mail():
    made = list(generate(240, 31))
    return [raw for _, raw in made], np.array(
        [kind in ("spam", "scam", "phish") for kind, _ in made]
    )


def test_in_a_pipeline(mail):
    sklearn = pytest.importorskip("sklearn")
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline

    messages, spam = mail
    pipeline = make_pipeline(ml.FeatureExtractor(), ml.TriageClassifier(folds=3))
    assert cross_val_score(pipeline, messages, spam, cv=3).mean() > 0.95
    copied = sklearn.base.clone(pipeline)
    fitted = copied.fit(messages, spam)
    again = pickle.loads(pickle.dumps(fitted))
    assert (again.predict_proba(messages) == fitted.predict_proba(messages)).all()
    assert np.allclose(fitted.predict_proba(messages).sum(axis=1), 1)


def test_groups_of_the_extractor(mail):
    messages = mail[0][:20]
    whole = ml.FeatureExtractor().fit(messages).transform(messages)
    text = ml.FeatureExtractor(groups=["text"]).transform(messages)
    form = ml.FeatureExtractor(groups=[g for g in ml.GROUPS if g != "text"]).transform(messages)
    assert abs(whole - text - form).sum() < 1e-5 and text.nnz < whole.nnz
    assert len(ml.FeatureExtractor().get_feature_names_out()) == whole.shape[1]
    with pytest.raises(ValueError, match="no group"):
        ml.FeatureExtractor(groups=["nothing"]).fit(messages)
    assert ml.FeatureExtractor().transform([]).shape == (0, whole.shape[1])


def test_training_is_reproducible_and_goes_on(mail):
    messages, spam = mail
    rows = ml.FeatureExtractor().transform(messages)
    first = ml.TriageClassifier().fit(rows, spam)
    second = ml.TriageClassifier().fit(rows, spam)
    assert first.coef_.tobytes() == second.coef_.tobytes()
    before = first.predict_proba(rows[:1])[0, 1]
    for _ in range(5):
        first.partial_fit(rows[:1], [before < 0.5])
    assert abs(first.predict_proba(rows[:1])[0, 1] - before) > 0.01
    fresh = ml.TriageClassifier().partial_fit(rows, spam, classes=[False, True])
    assert fresh.score(rows, spam) > 0.9


def test_what_is_wrong_is_refused(mail):
    rows = np.eye(4)
    model = ml.TriageClassifier()
    with pytest.raises(ValueError, match="not fitted"):
        model.predict(rows)
    with pytest.raises(ValueError, match="two classes"):
        model.fit(rows, [1, 1, 1, 1])
    with pytest.raises(ValueError, match="no parameter"):
        model.set_params(other=1)
    model.fit(rows, [0, 1, 0, 1])
    with pytest.raises(ValueError, match="features"):
        model.predict(np.eye(3))
    with pytest.raises(ValueError, match="outside"):
        model.partial_fit(rows, [2, 0, 1, 0])


@pytest.mark.filterwarnings("ignore")
def test_checks_of_scikit_learn():
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    done = checks.check_estimator(ml.TriageClassifier(), on_fail=None)
    failed = {check["check_name"] for check in done if check["status"] == "failed"}
    # Labels in a column are taken without scikit-learn's own kind of warning.
    assert failed <= {"check_supervised_y_2d"}
    assert sum(check["status"] == "passed" for check in done) > 25
