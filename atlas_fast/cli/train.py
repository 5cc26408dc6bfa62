"""`train` and `evaluate`: a model from labelled folders, and how good it is."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from atlas_fast.cli.terminal import print_json, print_pairs
from atlas_fast.errors import UsageError

FOLDS = 5
LABELS = (
    "The label of a message is in the name of its folder: *ham* is legitimate, *spam* is spam; "
    "folders below a given one are searched too."
)


def add_verbs(verbs: Any) -> None:
    train = verbs.add_parser(
        "train",
        help="make a model from labelled folders",
        description=f"Train a model on folders of mail. {LABELS}",
    )
    train.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    train.add_argument("--out", type=Path, required=True, metavar="FILE", help="where it goes")
    train.set_defaults(do=do_train)

    evaluate = verbs.add_parser(
        "evaluate",
        help="measure the classifier on labelled folders",
        description="Cross-validation over the folders, split by a hash of the file name; or "
        f"train on some folders and test on others. {LABELS}",
    )
    evaluate.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    evaluate.add_argument("--train", nargs="+", type=Path, metavar="FOLDER", default=[])
    evaluate.add_argument("--test", nargs="+", type=Path, metavar="FOLDER", default=[])
    evaluate.add_argument(
        "--without", type=Path, metavar="FILE",
        help="leave out the messages that users corrected this model with",
    )  # fmt: skip
    evaluate.add_argument("--folds", type=int, default=FOLDS, metavar="N", help="default: 5")
    evaluate.add_argument("--json", action="store_true", help="print one JSON object")
    evaluate.set_defaults(do=do_evaluate)


def do_train(options: argparse.Namespace) -> int:
    from atlas_fast.classify.train import train

    n_ham, n_spam = train(options.folders, options.out)
    print(f"trained on {n_ham:,} legitimate and {n_spam:,} spam messages: {options.out}")
    return 0


def do_evaluate(options: argparse.Namespace) -> int:
    if options.folders and (options.train or options.test):
        raise UsageError("evaluate: give either FOLDER... or --train and --test")
    if not options.folders and not (options.train and options.test):
        raise UsageError("evaluate: give FOLDER..., or both --train and --test")
    from atlas_fast.classify.evaluate import cross_validate, train_and_test
    from atlas_fast.classify.model import load_model

    without: frozenset[str] = frozenset()
    if options.without is not None:
        without = frozenset(load_model(options.without).about.get("lesson_contents", ()))
    if options.folders:
        if options.folds < 2:
            raise UsageError("evaluate: --folds needs at least 2")
        scores = cross_validate(options.folders, folds=options.folds, without=without)
        how = f"{options.folds}-fold cross-validation"
    else:
        scores = train_and_test(options.train, options.test, without=without)
        how = "trained and tested on different folders"
    if options.json:
        print_json(scores)
        return 0
    pairs = [("messages", f"{scores['n']:,}")]
    if options.without is not None:
        pairs.append(("left out, as users corrected them", f"{scores['skipped']:,}"))
    for name in ("precision", "recall", "f1"):
        pairs.append((name, f"{scores[name]:.4f}"))
    pairs.append(("false-positive rate", f"{scores['false_positive_rate']:.4%}"))
    pairs.append(("recall at 0.1 % false positives", f"{scores['recall_at_fpr_0_001']:.4f}"))
    print_pairs(how, pairs)
    return 0
