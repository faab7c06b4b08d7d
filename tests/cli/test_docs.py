"""`docs` by id, path and pattern; that what is removed is nowhere any more."""

import harness

SECRET = "xylophone77"


class Docs(harness.CliTest):

    def listed(self, *words):
        return self.good("docs", "list", "--json", *words).json()["documents"]

    def titles(self, *words):
        return [d["title"] for d in self.listed(*words)]

    def on_disk(self, word):
        """Files of the store that hold the word, in whatever case."""
        return [str(path) for path in self.store.rglob("*")
                if path.is_file() and word.lower().encode() in path.read_bytes().lower()]

    def test_list_by_path_and_pattern(self):
        self.index(self.write_notes())
        self.assertEqual(self.titles("notes/garden.txt"), ["garden"])
        self.assertEqual(len(self.titles("notes")), 5)
        self.assertEqual(len(self.titles("notes/")), 5)
        self.assertEqual(self.titles("*.md"), ["Harbour", "Lighthouse"])
        self.assertEqual(self.titles("notes/*.jsonl"), ["Ida Quell", "Bo Marn"])
        self.assertEqual(self.titles("./notes/../notes/g*", "*.md"),
                         ["garden", "Harbour", "Lighthouse"])
        for words in (["nowhere.md"], ["*.pdf"], ["notes/x"]):
            self.bad("docs", "list", *words, says=words[0])

    def test_list_by_file(self):
        notes = self.write_notes()
        self.index(notes)
        self.good("docs", "pin", "notes/people.jsonl")
        (notes / "harbour.md").unlink()
        files = self.good("docs", "list", "--by-file", "--json").json()["files"]
        self.assertEqual([(f["source"].rsplit("/", 1)[1], f["documents"], f["pinned"], f["state"])
                          for f in files],
                         [("garden.txt", 1, 0, "same"), ("harbour.md", 2, 0, "gone"),
                          ("people.jsonl", 2, 2, "same")])
        out = self.good("docs", "list", "--by-file", "*.md").out
        self.assertRegex(out, r"2 .* gone .*harbour\.md")
        self.assertNotIn("garden", out)

    def test_show_by_path(self):
        self.index(self.write_notes())
        self.assertIn("blue tortoise", self.good("docs", "show", "notes/garden.txt").out)
        out = self.good("docs", "show", "notes/harbour.md").out
        self.assertIn("nine cranes", out)
        self.assertIn("green oil", out)
        shown = self.good("docs", "show", "--json", "*.jsonl").json()["documents"]
        self.assertEqual([d["title"] for d in shown], ["Ida Quell", "Bo Marn"])

    def test_rm_by_path_keeps_what_another_file_has(self):
        self.write("a.txt", "A text in two files.\n")
        self.write("same/a.txt", "A text in two files.\n")
        self.index("a.txt", "same")
        self.assertEqual(len({d["id"] for d in self.listed()}), 1)
        run = self.good("docs", "rm", "--json", "a.txt").json()
        self.assertEqual((run["removed"], run["blocks"]), ([], 0))
        self.assertEqual([d["source"] for d in self.listed()], [str(self.dir / "same/a.txt")])
        self.assertEqual(self.good("store", "stats", "--json").json()["blocks"], 1)
        run = self.good("docs", "rm", "--json", "same").json()
        self.assertEqual((len(run["removed"]), run["blocks"]), (1, 1))
        self.assertEqual(self.good("store", "stats", "--json").json()["blocks"], 0)
        self.assertEqual(self.statuses(self.index("a.txt")), ["computed"])

    def test_pin_by_path(self):
        self.index(self.write_notes())
        self.good("docs", "pin", "notes/harbour.md")
        self.good("store", "gc", "--budget", "0")
        self.assertEqual(self.good("store", "stats", "--json").json()["blocks"], 2)

    def make_secret(self):
        """Under two models and two dtypes."""
        self.write("d/t.txt", f"The word is {SECRET}, says {SECRET.upper()}.\n")
        self.write("d/other.txt", "Something harmless.\n")
        self.other = harness.write_model(self.dir, "other", seed=2)
        self.index("d")
        self.index("--model", self.other, "d")
        self.index("--dtype", "f32", "d")
        self.ask(SECRET)
        self.assertTrue(self.on_disk(SECRET))

    def gone_for_good(self):
        self.assertEqual(self.on_disk(SECRET), [])
        self.assertTrue(self.on_disk("harmless"))
        for database in self.store.glob("documents.sqlite*"):
            database.unlink()
        self.good("store", "verify")
        self.assertEqual(self.on_disk(SECRET), [])
        self.assertEqual(self.titles(), ["other"])

    def test_a_changed_text_is_nowhere_any_more(self):
        self.make_secret()
        self.write("d/t.txt", "Something harmless too.\n")
        self.index("d")  # under one model
        self.assertEqual(self.on_disk(SECRET), [])
        self.good("docs", "rm", "d/t.txt")
        self.gone_for_good()

    def test_a_pruned_text_is_nowhere_any_more(self):
        self.make_secret()
        (self.dir / "d/t.txt").unlink()
        self.index("--dtype", "f32", "--prune", "d")
        self.gone_for_good()

    def test_a_removed_text_is_nowhere_any_more(self):
        self.make_secret()
        self.good("docs", "pin", "d/t.txt")
        identity = self.listed("d/t.txt")[0]["id"]
        self.assertEqual(self.good("docs", "rm", "--json", identity).json()["blocks"], 3)
        self.gone_for_good()

    def test_what_was_set_aside_goes_too(self):
        self.make_secret()
        for path in self.store.glob("blocks/*/*.kvb"):
            data = bytearray(path.read_bytes())
            data[-70] ^= 0x40
            path.write_bytes(data)
        self.assertEqual(self.kvlink("store", "verify").code, 1)
        self.assertTrue([p for p in self.on_disk(SECRET) if "quarantine" in p])
        (self.store / "documents.sqlite.damaged").write_text(f"pages with {SECRET}")
        self.good("docs", "rm", "d/t.txt")
        self.assertEqual(self.on_disk(SECRET), [])
        self.assertTrue([p for p in self.on_disk("harmless") if "quarantine" in p])

    def test_blocks_of_an_older_index_are_learnt(self):
        self.make_secret()
        for database in self.store.glob("documents.sqlite*"):
            database.unlink()
        self.index("d")  # a new list beside an old store
        (self.dir / "d/t.txt").unlink()
        self.index("--prune", "d")
        self.gone_for_good()

    def test_a_block_that_a_question_made_goes_too(self):
        self.make_secret()
        third = harness.write_model(self.dir, "third", seed=3)
        answer = self.ask(SECRET, "--model", third)
        self.assertIn("computed", self.statuses(answer["documents"]))
        (self.dir / "d/t.txt").unlink()
        self.index("--prune", "d")
        self.gone_for_good()


if __name__ == "__main__":
    harness.main()
