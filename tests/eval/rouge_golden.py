#!/usr/bin/env python3
"""Writes rouge_golden.h: pairs of texts invented for it, stems of words, and what PyPI's rouge-score
0.1.2 and its NLTK make of them.

    pip install rouge-score==0.1.2
    python3 tests/eval/rouge_golden.py | clang-format --assume-filename=x.h > tests/eval/rouge_golden.h
"""
import json
import random

from nltk.stem.porter import PorterStemmer
from rouge_score import rouge_scorer

SENTENCES = [
    "The harbour master counted seventeen boats before the fog rolled in.",
    "Before the fog came, the harbour master had counted boats: seventeen of them!",
    "Nobody's bicycle was stolen; it was borrowed, ridden and returned.",
    "Her grandmother's recipes relied on generalizations about ripening plums.",
    "Geologists hesitantly agreed that the valley was formed by retreating glaciers.",
    "The geology of that valley, agreed the hesitating geologists, is glacial.",
    "Skies cleared at 06:45, and the ferry's 2nd departure was cancelled.",
    "Ma\u00f1ana \u00c9lodie drinks caf\u00e9 at 300\u212a, na\u00efvely.",
    "",
    "!!! --- ...",
    "dying lying tying news innings",
    "Conditional rationality and relational digitizers, radically and hopefully.",
    "The ferry departs at quarter to seven if the sky has cleared.",
    "Plum recipes were generally her grandmother's, and they relied on ripeness.",
    "A borrowed bicycle, ridden by nobody, was returned to its owners yesterday.",
    "the the the the fog fog boats",
]
WORDS = """caresses ponies ties caress cats feed agreed plastered bled motoring sing conflated troubled
sized hopping tanned falling hissing fizzed failing filing happy sky relational conditional rational
valenci hesitanci digitizer conformabli radicalli differentli vileli analogousli vietnamization
predication operator feudalism decisiveness hopefulness callousness formaliti sensitiviti sensibiliti
triplicate formative formalize electriciti electrical hopeful goodness revival allowance inference
airliner gyroscopic adjustable defensible irritant replacement adjustment dependent adoption
homologou communism activate angulariti homologous effective bowdlerize probate rate cease controll
roll skies dying lying news innings outing canning howe proceed exceed succeed died spied dies flies
enjoy enjoyment spy fly try geology theology archaeology philology fully wonderfully radically
generally really ably nobly using aged oed ying eying yyyy syzygy toy employ 2nd 1960s mp3s a1ing
b2ed x yes is ies ied eed ing ed""".split()


def main():
    rng = random.Random(20250217)
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=True)
    texts = SENTENCES + [" ".join(rng.choices(SENTENCES, k=rng.randint(2, 6))) for _ in range(24)]
    pairs = [(i, j) for i in range(len(SENTENCES)) for j in range(len(SENTENCES))]
    pairs += [(i, rng.randrange(len(texts))) for i in range(len(SENTENCES), len(texts))]
    print("// Made by rouge_golden.py: texts of its own, and what rouge-score 0.1.2 and NLTK make of them.")
    print("#pragma once\n\nnamespace kvlink {\n")
    print("inline constexpr const char* kRougeTexts[] = {")
    for text in texts:
        print(f"    {literal(text)},")
    print("};\n\n// Indices into kRougeTexts, and their scores.")
    print("struct RougeGolden {\n  int reference;\n  int prediction;\n  double precision;\n"
          "  double recall;\n  double f1;\n};\n")
    print("inline constexpr RougeGolden kRougeGolden[] = {")
    for reference, prediction in pairs:
        score = scorer.score(texts[reference], texts[prediction])["rougeL"]
        numbers = ", ".join(repr(float(x)) for x in score)
        print(f"    {{{reference}, {prediction}, {numbers}}},")
    print("};\n\nstruct StemGolden {\n  const char* word;\n  const char* stem;\n};\n")
    print("inline constexpr StemGolden kStemGolden[] = {")
    stemmer = PorterStemmer()
    for word in WORDS:
        print(f"    {{{literal(word)}, {literal(stemmer.stem(word))}}},")
    print("};\n\n}  // namespace kvlink")


def literal(text):
    return json.dumps(text, ensure_ascii=False)


if __name__ == "__main__":
    main()
