"""How much recall spam gains by hiding, measured on spam that the model has not seen.

The figures are in docs/model.md; the bounds here keep them from getting worse unseen.
"""

import numpy as np
import pytest
from adversarial import attacks, header_and_text

from atlas_fast.classify import labels, train

LOSS = {  # of recall against the same text written plainly, at most
    "html": 0.05, "homoglyphs": 0.03, "zero width": 0.03, "split by tags": 0.05, "hidden text": 0.05,
    "base64": 0.05, "base64 in base64": 0.10, "ham words behind": 0.90, "ham words before": 0.95,
}  # fmt: skip


@pytest.fixture(scope="module")
def recalls(corpus_dir, corpus):
    model = train.fit(labels.read_labelled([corpus_dir / name for name in
                                            ("easy-ham-1", "spam-1", "hard-ham-1")]))  # fmt: skip
    spam = [raw for folder, _, raw in corpus if folder == "spam-2"][::7]
    ham = [header_and_text(raw)[1] for folder, _, raw in corpus if folder == "easy-ham-2"][::20]
    pairs = [header_and_text(raw) for raw in spam]
    found = {}
    for name, attack in attacks(ham).items():
        made = [attack(*pair) for pair in pairs]
        rows = labels.of_messages(made, np.ones(len(made), np.int8), [""] * len(made))
        found[name] = float((model.probabilities(rows) >= model.threshold).mean())
    return found


def test_plain_rewriting_is_recognised(recalls):
    print({name: round(recalls["plain"] - recall, 3) for name, recall in recalls.items()})
    assert recalls["plain"] > 0.85


@pytest.mark.parametrize("name", LOSS)
def test_hiding_gains_little(recalls, name):
    assert recalls["plain"] - recalls[name] <= LOSS[name]
