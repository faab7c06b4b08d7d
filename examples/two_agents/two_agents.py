#!/usr/bin/env python3
"""Two agents over the same documents: a writer drafts, a critic criticises, the writer revises.

    two_agents.py [TASK] [--texts PATH] [--top-k N] [--max-tokens N] [--json]

Each answer is kept as a document (kvlink ask --keep-answer), so that the next agent's prompt links
it. Prints what each turn computed and reused, and what encoding every prompt anew would have cost.
Python's standard library and the program kvlink; --kvlink or KVLINK_BIN says where that is.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

TASK = "Describe the ferry connections of the Orvane Republic for a visitor."
TURNS = (  # title of the kept answer, the prompt; each sees the documents and all answers before it
    ("Draft", "{task}"),
    ("Critique", "The draft answers this task: {task} Say what in the draft is wrong or missing."),
    ("Revision", "Revise the draft as the critique asks. The task was: {task}"),
)
TREE = pathlib.Path(__file__).resolve().parent.parent.parent


def kvlink(program, *words):
    """What `kvlink WORDS --json` prints. Its error, one line, ends this program too."""
    run = subprocess.run([program, *map(str, words), "--json", "--quiet"], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, check=False)
    if run.returncode != 0:
        raise SystemExit(f"two_agents: {words[0]}: {run.stderr.decode(errors='replace').strip()}")
    return json.loads(run.stdout)


def take_turn(options, store, title, question, documents):
    """Asks and keeps the answer. `documents`: ids, or empty: whatever a search finds."""
    words = ["ask", question, "--store", store, "--max-tokens", options.max_tokens,
             "--keep-answer", "--answer-title", title,
             "--repetition-penalty", 1.2]  # small models repeat themselves
    for document in documents:
        words += ["--doc", document]
    if not documents:
        words += ["--top-k", options.top_k]
    answer = kvlink(options.kvlink, *words)
    usage, kept = answer["usage"], answer["kept"]
    links = sum(token["source"] == "link" for token in answer["prompt"])
    return {
        "turn": title,
        "answer": answer["answer"],
        "kept": kept["id"],
        "documents": [document["id"] for document in answer["documents"]],
        "computed": usage["computed_tokens"],
        "reused": usage["exact_tokens"] + usage["linked_tokens"],
        # Keeping the answer is a pass over it, once.
        "keeping": kept["tokens"] if kept["status"] == "computed" else 0,
        # Without reuse every token of the prompt is computed, but there are no link tokens.
        "without_reuse": usage["prompt_tokens"] - links,
    }


def work(options, store):
    indexed = kvlink(options.kvlink, "index", options.texts, "--store", store)["documents"]
    documents, turns = [], []
    for title, prompt in TURNS:
        turns.append(take_turn(options, store, title, prompt.format(task=options.task), documents))
        documents = turns[-1]["documents"] + [turns[-1]["kept"]]
    spent = sum(turn["computed"] + turn["keeping"] for turn in turns)
    without = sum(turn["without_reuse"] for turn in turns)
    return {"indexed": {"documents": len(indexed), "tokens": sum(d["tokens"] for d in indexed)},
            "turns": turns, "computed": spent, "without_reuse": without, "saved": without - spent}


def show(result):
    print("encoded beforehand: {documents} documents, {tokens} tokens".format(**result["indexed"]))
    for turn in result["turns"]:
        print("\n-- {turn} (kept as document {kept})\n{answer}".format(**turn))
    row = "{:<10}{:>10}{:>10}{:>18}{:>16}"
    print("\n" + row.format("TURN", "COMPUTED", "REUSED", "KEEPING ANSWER", "WITHOUT REUSE"))
    for turn in result["turns"]:
        print(row.format(turn["turn"], turn["computed"], turn["reused"], turn["keeping"],
                         turn["without_reuse"]))
    print("\ntokens computed: {computed}; encoding every prompt anew: {without_reuse}; "
          "saved: {saved} ({share:.0f} %)".format(
              share=100 * result["saved"] / result["without_reuse"], **result))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", nargs="?", default=TASK)
    parser.add_argument("--texts", default=TREE / "examples" / "texts", metavar="PATH")
    parser.add_argument("--top-k", type=int, default=4, metavar="N", help="documents to search for")
    parser.add_argument("--max-tokens", type=int, default=120, metavar="N", help="of each answer")
    parser.add_argument("--kvlink", default=os.environ.get("KVLINK_BIN", "kvlink"), metavar="FILE")
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    options = parser.parse_args()
    # A store of its own: kept answers would turn up in searches of the user's store.
    with tempfile.TemporaryDirectory(prefix="kvlink-two-agents-") as store:
        try:
            result = work(options, store)
        except FileNotFoundError:
            raise SystemExit(f"two_agents: there is no program {options.kvlink}; build it with "
                             "./quickstart and name it with --kvlink FILE") from None
    if options.json:
        print(json.dumps(result))
    else:
        show(result)


if __name__ == "__main__":
    sys.exit(main())
