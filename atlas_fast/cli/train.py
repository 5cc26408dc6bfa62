"""`train` and `evaluate`: a model from labelled folders, and how good it is."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from atlas_fast.cli.outputs import check_output
from atlas_fast.cli.terminal import fail_some, print_json, print_table, say
from atlas_fast.cli.values import whole
from atlas_fast.errors import UsageError
from atlas_fast.files import whole_file

FOLDS = 5
SHOWN_PROBLEMS = 10
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
    evaluate.add_argument(
        "--model", nargs="+", type=Path, metavar="FILE", default=[],
        help="test this model, or compare these two, on the folders of --test",
    )  # fmt: skip
    evaluate.add_argument("--html", type=Path, metavar="FILE", help="write a report with pictures")
    evaluate.add_argument(
        "--folds", type=whole(2, 1_000), default=FOLDS, metavar="N", help="default: 5"
    )
    evaluate.add_argument("--json", action="store_true", help="print one JSON object")
    evaluate.set_defaults(do=do_evaluate)


def do_train(options: argparse.Namespace) -> int:
    from atlas_fast.classify.train import train

    check_output(options.out, *options.folders)
    problems: list[str] = []
    n_ham, n_spam = train(options.folders, options.out, problems=problems)
    _show_problems(problems)
    say(f"trained on {n_ham:,} legitimate and {n_spam:,} spam messages: {options.out}")
    return 0


def _show_problems(problems: list[str]) -> None:
    fail_some(problems, SHOWN_PROBLEMS, f"{len(problems):,} files or folders could not be read")


def do_evaluate(options: argparse.Namespace) -> int:
    ways = (bool(options.folders), bool(options.train), bool(options.model))
    if sum(ways) != 1 or bool(options.folders) == bool(options.test) or len(options.model) > 2:
        raise UsageError(
            "evaluate: give either FOLDER..., or --train and --test, or one or two --model and "
            "--test"
        )
    check_output(options.html, *options.model)
    from atlas_fast.classify import evaluate
    from atlas_fast.classify.model import load_model

    without: frozenset[str] = frozenset()
    if options.without is not None:
        without = frozenset(load_model(options.without).about.get("lesson_contents", ()))
    note = ""
    if options.folders:
        found = [evaluate.cross_validate(options.folders, folds=options.folds, without=without)]
        how = f"{options.folds}-fold cross-validation"
    elif options.train:
        found = [evaluate.train_and_test(options.train, options.test, without=without)]
        how = "trained and tested on different folders"
    elif len(options.model) == 1:
        found = [evaluate.test_model(load_model(options.model[0]), options.test)]
        how = "a model on folders"
    else:
        first, second = map(load_model, options.model)
        both = evaluate.compare(first, second, options.test)
        found, how = both.pop("models"), "two models on the same folders"
        note = (
            f"right where the other is wrong: {both['only_first_right']} and "
            f"{both['only_second_right']} messages, p = {both['p_value']:.3g}"
        )
    names = [str(path) for path in options.model] if len(found) == 2 else [how]
    if options.html:
        from atlas_fast.classify.report import html_report

        report = html_report(how, list(zip(names, found, strict=True)), note)
        with whole_file(options.html) as file:
            file.write(report.encode("utf-8", "backslashreplace"))
    _show_problems(found[0]["problems"])  # of two models: those of the folders, the same
    if options.json:
        print_json(found[0] if len(found) == 1 else {"models": found, **both})
        return 0
    rows = [("messages", *(f"{one['n']:,}" for one in found))]
    if any(one["skipped"] for one in found):
        skipped = (f"{one['skipped']:,}" for one in found)
        rows.append(("left out, as users corrected them", *skipped))
    for name in ("precision", "recall", "f1"):
        rows.append((name, *(f"{one[name]:.4f}" for one in found)))
    rows.append(("false-positive rate", *(f"{one['false_positive_rate']:.4%}" for one in found)))
    rows.append((
        "recall at 0.1 % false positives", *(f"{one['recall_at_fpr_0_001']:.4f}" for one in found),
    ))  # fmt: skip
    rows.append((
        "expected calibration error",
        *(f"{one['expected_calibration_error']:.4f}" for one in found),
    ))  # fmt: skip
    head = ("", *(names if len(found) == 2 else [""]))
    print_table(how, head, rows, numeric=tuple(range(1, len(found) + 1)))
    if note:
        say(note)
    for name, one in zip(names, found, strict=True):
        _show_confusion(name, one)
    return 0


def _show_confusion(name: str, found: dict[str, Any]) -> None:
    """Spam or not, then the five categories of the messages that have a label of theirs."""
    confusion, classes = found["confusion"], found["classes"]
    rows = [
        (kind, *(f"{confusion[kind][called]:,}" for called in ("ham", "spam")),
         *(f"{classes[kind][key]:.4f}" for key in ("precision", "recall")))
        for kind in ("ham", "spam")
    ]  # fmt: skip
    say("")
    head = ("is", "called ham", "called spam", "precision", "recall")
    print_table(name, head, rows, numeric=(1, 2, 3, 4))
    kinds = found["kinds"]
    if not kinds["labelled"]:
        return
    rows = [
        (one, *(f"{n:,}" for n in counts), *(
            "" if kinds["classes"][one][key] is None else f"{kinds['classes'][one][key]:.4f}"
            for key in ("precision", "recall")
        ))
        for one, counts in zip(kinds["names"], kinds["confusion"], strict=True)
    ]  # fmt: skip
    say("")
    print_table(
        f"five categories, {kinds['labelled']:,} labelled messages; called 0 Legitimate, "
        "1 Marketing, 2 Commercial, 3 Scams, 4 Dangerous",
        ("is", "0", "1", "2", "3", "4", "precision", "recall"), rows, numeric=tuple(range(1, 8)),
    )  # fmt: skip
    say(kinds["note"])
