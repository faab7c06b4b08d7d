#!/usr/bin/env python3
"""The metrics of answers, written with Python's own strings, regular expressions and counters.

Reads lines [prediction, [answer, ..]]; writes [normalised prediction, best subspan, exact match, F1].
"""
import collections
import json
import re
import string
import sys


def normalize(text):
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def f1(prediction, answer):
    predicted, wanted = normalize(prediction).split(), normalize(answer).split()
    if not predicted or not wanted:
        return float(predicted == wanted)
    same = sum((collections.Counter(predicted) & collections.Counter(wanted)).values())
    return 2 * same / (len(predicted) + len(wanted))


for line in sys.stdin:
    prediction, answers = json.loads(line)
    normalized = normalize(prediction)
    print(json.dumps([
        normalized,
        float(any(normalize(a) in normalized for a in answers)),
        float(any(normalize(a) == normalized for a in answers)),
        max(f1(prediction, a) for a in answers),
    ]))
