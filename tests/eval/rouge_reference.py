#!/usr/bin/env python3
"""What PyPI's rouge-score and NLTK make of lines: ["stem", word] -> stem, ["rouge", reference,
prediction] -> [precision, recall, F1] of ROUGE-L with stemming."""
import json
import sys

from nltk.stem.porter import PorterStemmer
from rouge_score import rouge_scorer

stemmer = PorterStemmer()
scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=True)
for line in sys.stdin:
    kind, *arguments = json.loads(line)
    if kind == "stem":
        print(json.dumps(stemmer.stem(arguments[0])))
    else:
        print(json.dumps([float(x) for x in scorer.score(*arguments)["rougeL"]]))
