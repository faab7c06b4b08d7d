"""`ask --keep-answer`: the answer becomes a document that the next prompt links."""

import struct

import harness

SPACE = " \t\n\v\f\r"  # what index trims
QUESTION = "Who keeps bees on the roof?"


def planes(store):
    """Block id -> (token ids, K and V) of every block file (docs/block-format.md)."""
    blocks = {}
    for path in store.rglob("*.kvb"):
        image = path.read_bytes()
        n, = struct.unpack_from("<i", image, 92)
        start, = struct.unpack_from("<q", image, 112)
        blocks[image[48:80]] = (image[4096:4096 + 4 * n], image[start:])
    return blocks


class KeepAnswer(harness.CliTest):

    def setUp(self):
        super().setUp()
        self.index(self.write_notes())

    def keep(self, *words, **more):
        answer = self.ask(QUESTION, "--keep-answer", *words, **more)
        self.assertTrue(answer["answer"].strip(SPACE), answer)
        return answer, answer["kept"]

    def test_the_next_prompt_computes_nothing_of_it(self):
        answer, kept = self.keep("--answer-title", "Draft")
        self.assertEqual(list(kept), ["id", "title", "source", "tokens", "status", "encode_ms"])
        self.assertEqual([kept["title"], kept["source"], kept["status"]],
                         ["Draft", "answer:" + kept["id"], "computed"])
        other = answer["documents"][0]["id"]
        critique = self.ask("Is that right?", "--doc", other, "--doc", kept["id"])
        self.assertEqual(self.statuses(critique["documents"]), ["linked", "linked"])
        self.assertEqual(critique["documents"][1]["tokens"], kept["tokens"])
        question = sum(t["source"] == "question" for t in critique["prompt"])
        self.assertEqual(critique["usage"]["computed_tokens"], question)
        self.assertEqual(critique["usage"]["linked_tokens"],
                         kept["tokens"] + critique["documents"][0]["tokens"])

    def test_says_that_an_answer_was_cut(self):
        answer, _ = self.keep()
        self.assertIn("--keep-answer: the answer ended at --max-tokens 8 and is kept unfinished",
                      answer["warnings"])

    def test_equals_the_document_that_index_makes(self):
        answer, kept = self.keep("--answer-title", "Draft")
        before = planes(self.store)
        path = self.write("same.jsonl", harness.json.dumps(
            {"title": "Draft", "text": answer["answer"]}) + "\n")
        self.assertEqual([(d["id"], d["status"]) for d in self.index(path)],
                         [(kept["id"], "unchanged")])
        apart = self.dir / "apart"
        documents = self.index(path, "--store", apart)
        self.assertEqual([d["id"] for d in documents], [kept["id"]])
        self.assertEqual(planes(self.store).keys(), before.keys())
        alone = planes(apart)
        self.assertEqual(len(alone), 1)
        for block, (tokens, numbers) in alone.items():
            self.assertEqual(before[block][0], tokens)
            self.assertTrue(before[block][1] == numbers, "the planes differ")
            self.assertEqual(len(tokens), 4 * kept["tokens"])

    def test_is_listed_found_and_removed_like_any_document(self):
        answer, kept = self.keep()
        listed = {d["id"]: d for d in self.good("docs", "list", "--json").json()["documents"]}
        self.assertEqual(listed[kept["id"]]["source"], kept["source"])
        self.assertEqual(listed[kept["id"]]["tokens"], kept["tokens"])
        shown = self.good("docs", "show", "--json", kept["id"]).json()
        self.assertEqual(shown["text"], answer["answer"].strip(SPACE))
        # The same answer again is the same document; pruning sources leaves it.
        self.assertEqual(self.keep()[1]["status"], "unchanged")
        self.good("index", self.dir / "notes", "--prune")
        self.good("docs", "show", kept["id"])
        blocks = len(planes(self.store))
        self.good("docs", "rm", kept["id"])
        self.assertEqual(len(planes(self.store)), blocks - 1)

    def test_comes_back_when_the_index_is_lost(self):
        answer, kept = self.keep("--answer-title", "Draft")
        for path in self.store.glob("documents.sqlite*"):
            path.unlink()
        self.good("store", "verify")
        shown = self.good("docs", "show", "--json", kept["id"]).json()
        self.assertEqual([shown["title"], shown["text"], shown["source"]],
                         ["Draft", answer["answer"].strip(SPACE), kept["source"]])

    def test_without_any_document_and_for_people(self):
        empty = self.dir / "empty"
        run = self.good("ask", QUESTION, "--top-k", "0", "--keep-answer", "--max-tokens", "8",
                        "--store", empty)
        self.assertRegex(run.err, r"kept as document [0-9a-f]{16} \([0-9]+ tokens")
        self.assertEqual(len(self.good("docs", "list", "--json", "--store", empty)
                             .json()["documents"]), 1)

    def test_refusals(self):
        words = ["ask", QUESTION, "--quiet"]
        self.bad(*words, "--answer-title", "x", says="--keep-answer", code=2)
        self.bad(*words, "--keep-answer", "--compare", says="--compare", code=2)
        listed = self.good("docs", "list", "--json").json()
        run = self.bad(*words, "--keep-answer", "--json", *self.words_for_an_answer_without_text(),
                       says=["--keep-answer", "no text"])
        self.assertEqual(run.json()["kept"], None)
        self.assertEqual(self.good("docs", "list", "--json").json(), listed)

    def words_for_an_answer_without_text(self):
        for seed in range(400):
            words = ["--max-tokens", "1", "--temperature", "1", "--seed", str(seed)]
            if not self.good("ask", "--json", QUESTION, *words).json()["answer"].strip(SPACE):
                return words
        self.fail("every first token has text")


if __name__ == "__main__":
    harness.main()
