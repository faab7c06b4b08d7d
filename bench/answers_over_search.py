#!/usr/bin/env python3
"""Tables and constants from the lines of bench/answers_over_search (docs/quality.md).

    answers_over_search.py LINES.jsonl [--base first5]

Prints how right answers are by prompt (means of the data sets' means, paired differences with 95 %
bootstrap intervals), how often a sentence is found for them, and logistic regressions of right answers
against those over documents without the answer, of short and of long answers apart: fitted on every
other question and reported on the rest, both ways, and fitted on all.
Not here: asking (answers_over_search.cc). Needs numpy.
"""

import argparse
import collections
import json
import random

import numpy

SHORT = 12  # tokens
SIGNS = {"short": ("coverage", "least_logprob", "sentence_support"),
         "long": ("coverage", "mean_logprob")}
FLAGGED = 0.05  # of right answers, at the threshold


def mean_of_sets(by_set):
    return sum(sum(values) / len(values) for values in by_set.values()) / len(by_set)


def interval(by_set, draws=2000):
    rng = random.Random(1)
    means = sorted(mean_of_sets({name: rng.choices(values, k=len(values))
                                 for name, values in by_set.items()}) for _ in range(draws))
    return means[int(0.025 * draws)], means[int(0.975 * draws)]


def print_prompts(lines, base):
    by_prompt = collections.defaultdict(dict)
    for line in lines:
        if line["prompt"] != "absent":
            by_prompt[line["method"], line["prompt"]][line["dataset"], line["id"]] = line
    for (method, prompt), asked in by_prompt.items():
        other = by_prompt.get((method, base), {})
        both = [key for key in asked if key in other]
        row = [f"{method:14} {prompt:8} {len(both):5}"]
        for measure in ("em", "f1", "subspan_em"):
            values, differences = collections.defaultdict(list), collections.defaultdict(list)
            for key in both:
                values[key[0]].append(asked[key][measure])
                differences[key[0]].append(asked[key][measure] - other[key][measure])
            low, high = interval(differences)
            row.append(f"{measure} {100 * mean_of_sets(values):5.1f} "
                       f"{100 * mean_of_sets(differences):+5.1f} [{100 * low:.1f}, {100 * high:.1f}]")
        tokens = sum(asked[key]["prompt_tokens"] for key in both) / max(1, len(both))
        print("  ".join(row), f"tokens {tokens:.0f}")


def print_evidence(lines):
    for right in (True, False):
        some = [line for line in lines
                if line["prompt"] == "chosen" and (line["subspan_em"] > 0) == right]
        found = [line for line in some if line["evidence"]]
        has = sum(line["evidence_has_answer"] for line in found)
        print(f"{'right' if right else 'wrong'} answers: {len(some)}, with a sentence "
              f"{len(found)}, with a right answer in it {has:.0f}")


def fit(x, y, ridge=0.01):
    weights = numpy.zeros(x.shape[1])
    for _ in range(100):  # Newton's method
        p = 1 / (1 + numpy.exp(-x @ weights))
        gradient = x.T @ (y - p) - ridge * weights
        hessian = (x.T * (p * (1 - p))) @ x + ridge * numpy.eye(x.shape[1])
        weights += numpy.linalg.solve(hessian, gradient)
    return weights


def auc(right, wrong):
    return float((right[:, None] > wrong[None]).mean() + (right[:, None] == wrong[None]).mean() / 2)


def print_grounding(lines, signs):
    ids = {key: n for n, key in enumerate(sorted({(l["dataset"], l["id"]) for l in lines}))}

    def sides(half):  # 0, 1, or None: all
        rows = [l for l in lines if half is None or ids[l["dataset"], l["id"]] % 2 == half]
        matrix = lambda some: numpy.array([[1] + [l[sign] for sign in signs] for l in some])
        return [matrix([l for l in rows if l["prompt"] == "chosen" and l["subspan_em"] > 0]),
                matrix([l for l in rows if l["prompt"] == "absent"]),
                matrix([l for l in rows if l["prompt"] == "chosen" and l["subspan_em"] == 0])]

    if min(len(rows) for half in (0, 1) for rows in sides(half)) < 5:
        print("too few answers to fit anything")
        return
    for fitted, reported, name in ((0, 1, "one half"), (1, 0, "the other"), (None, None, "all")):
        right, absent, _ = sides(fitted)
        weights = fit(numpy.vstack([right, absent]),
                      numpy.array([1] * len(right) + [0] * len(absent), float))
        threshold = numpy.quantile(right @ weights, FLAGGED)
        rest = sides(reported)
        scores = [x @ weights for x in rest]
        flagged = [100 * (x < threshold).mean() for x in scores]
        alone = [auc(rest[0][:, i + 1], rest[1][:, i + 1]) for i in range(len(signs))]
        print(f"fitted on {name}: constant, {', '.join(signs)}: {numpy.round(weights, 2)}, least score "
              f"{1 / (1 + numpy.exp(-threshold)):.3f}\n  on {'all' if reported is None else 'the rest'}: "
              f"AUC {auc(scores[0], scores[1]):.3f} (each alone "
              + ", ".join(f"{a:.3f}" for a in alone)
              + f"); flagged: right {flagged[0]:.1f} %, answer absent {flagged[1]:.1f} %, "
              f"wrong though present {flagged[2]:.1f} %  (n {[len(x) for x in scores]})")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lines")
    parser.add_argument("--base", default="first5", help="the prompt that others are compared with")
    arguments = parser.parse_args()
    with open(arguments.lines, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    print_prompts(lines, arguments.base)
    for method in sorted({line["method"] for line in lines}):
        print(f"\n{method}")
        some = [line for line in lines if line["method"] == method]
        print_evidence(some)
    print()
    for length, signs in SIGNS.items():
        some = [line for line in lines if (line["tokens"] <= SHORT) == (length == "short")]
        if any(line["prompt"] == "absent" for line in some):
            print(f"{length} answers")
            print_grounding(some, signs)


if __name__ == "__main__":
    main()
