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

    def test_an_empty_word_names_nothing(self):
        self.index(self.write_notes())
        for words in (["rm", "--yes", ""], ["rm", "--yes", "notes/garden.txt", ""], ["pin", ""],
                      ["unpin", ""], ["list", ""], ["show", ""]):
            self.bad("docs", *words, says="a word is empty")
        self.bad("ask", "Who?", "--doc", "", says=["--doc", "empty"])
        self.assertEqual([d["pinned"] for d in self.listed()], [False] * 5)

    def test_a_path_before_a_pattern(self):
        self.write("q/what?.txt", "The first text.\n")
        self.write("q/whatX.txt", "The second text.\n")
        self.write("q/[ab].txt", "The third text.\n")
        self.write("q/a.txt", "The fourth text.\n")
        self.index("q")
        for word in ("q/what?.txt", self.dir / "q/what?.txt"):
            self.assertEqual(self.titles(word), ["what?"])
        self.assertEqual(self.titles("what?.txt"), ["what?", "whatX"])
        self.assertEqual(self.titles("q/[ab].txt"), ["[ab]"])
        self.assertEqual(self.titles("q/[[]ab].txt", "q/wha*"), ["[ab]", "what?", "whatX"])
        self.good("docs", "rm", "--yes", "q/what?.txt")
        # It is there, though it is not indexed: others are not meant.
        self.bad("docs", "rm", "--yes", "q/what?.txt", says="what?.txt")
        self.assertEqual(self.titles(), ["[ab]", "a", "whatX"])

    def test_patterns_of_folders(self):
        self.write("a/notes/x.txt", "One text.\n")
        self.write("notes/y.txt", "Another text.\n")
        self.write("b[1]/z.txt", "A third text.\n")
        self.index("a", "notes", "b[1]")
        self.assertEqual(self.titles("notes/*"), ["y"])
        self.assertEqual(self.titles("*/notes/*"), ["x", "y"])
        # The folder that one stands in is no pattern.
        within = {**self.env, "PWD": str(self.dir / "b[1]")}
        run = harness.subprocess.run(self.arguments("docs", "list", "--json", "./z.*"), env=within,
                                     cwd=self.dir / "b[1]", stdout=harness.subprocess.PIPE)
        self.assertEqual([d["title"] for d in harness.json.loads(run.stdout)["documents"]], ["z"])

    def test_a_pattern_matches_characters(self):
        for name in ("\u00e4", "\u00f6", "ab", "\u65e5"):
            self.write(f"q/{name}.txt", f"A text called {name}.\n")
        self.index("q")
        for locale in ("C", "C.UTF-8"):
            def titles(pattern):
                run = self.good("docs", "list", "--json", pattern, env={"LC_ALL": locale})
                return [d["title"] for d in run.json()["documents"]]
            self.assertEqual(titles("?.txt"), ["\u00e4", "\u00f6", "\u65e5"])
            self.assertEqual(titles("[\u00e4\u00f6].txt"), ["\u00e4", "\u00f6"])
            self.assertEqual(titles("??.txt"), ["ab"])

    def test_a_pattern_of_names_that_are_not_utf8(self):
        (self.dir / "q").mkdir()
        with open(harness.os.fsencode(self.dir) + b"/q/caf\xe9.txt", "wb") as file:
            file.write(b"A text of its own.\n")
        self.index("q")
        self.assertEqual(len(self.titles("caf*")), 1)

    def test_a_folder_that_is_called_as_an_id_begins(self):
        identity = self.index(self.write_notes() / "garden.txt")[0]["id"]
        word = identity[:4]
        self.write(f"{word}/x.txt", "A text in a folder.\n")
        self.index(word)
        self.assertEqual(self.titles(word), ["x"])
        for verb in ("rm", "pin", "unpin"):
            self.bad("docs", verb, word, says=["begins an id", f"{self.dir}/{word}/x.txt"])
        self.good("docs", "pin", "./" + word)
        self.good("docs", "pin", identity[:8])
        self.assertEqual(len([d for d in self.listed() if d["pinned"]]), 2)

    def test_a_file_that_is_called_as_a_text_of_standard_input(self):
        self.write("f1.md", "The text of the file.\n")
        self.index("f1.md")
        self.index("-", "--name", "f1.md", stdin="The text of standard input.\n")
        self.assertEqual(len(self.listed("f1.md")), 2)
        self.bad("docs", "rm", "--yes", "f1.md",
                 says=["standard input", str(self.dir / "f1.md"), "./f1.md"])
        self.good("docs", "rm", "./f1.md")
        self.assertEqual([d["source"] for d in self.listed()], ["f1.md"])
        self.good("docs", "rm", "f1.md")
        self.assertEqual(self.titles(), [])

    def test_four_letters_of_an_id(self):
        identity = self.index(self.write_notes() / "garden.txt")[0]["id"]
        self.assertEqual(self.titles(identity[:4]), ["garden"])
        self.bad("docs", "rm", identity[:3], says=identity[:3])
        self.assertEqual(self.titles(), ["garden"])

    def test_rm_says_what_goes_and_asks(self):
        self.index(self.write_notes())
        question = "remove these 2 documents? [y/N]"
        for answer in (b"\n", b"n\n", harness.signal.SIGINT):
            code, shown = self.asked_on_a_terminal(["docs", "rm", "notes/harbour.md"], question,
                                                   answer)
            self.assertIn("notes/harbour.md, line 3: Harbour", shown)
            self.assertIn("notes/harbour.md, line 7: Lighthouse", shown)
            if isinstance(answer, bytes):
                self.assertEqual(code, 130, shown)
                self.assertIn("nothing was removed", shown)
            else:
                self.assertIn(code, (130, -answer), shown)
            self.assertEqual(len(self.titles()), 5)
        code, shown = self.asked_on_a_terminal(["docs", "rm", "notes/harbour.md"], question, b"y\n")
        self.assertEqual((code, len(self.titles())), (0, 3), shown)
        # One document, --yes, and programs are not asked.
        code, shown = self.asked_on_a_terminal(["docs", "rm", "notes/garden.txt"], "[y/N]", b"n\n")
        self.assertEqual((code, "[y/N]" in shown, len(self.titles())), (0, False, 2), shown)
        code, shown = self.asked_on_a_terminal(["docs", "rm", "--yes", "notes"], "[y/N]", b"n\n")
        self.assertEqual((code, "[y/N]" in shown, len(self.titles())), (0, False, 0), shown)
        self.index("notes")
        run = self.good("docs", "rm", "notes")
        self.assertEqual(len(run.err_lines()), 5, run)
        self.assertIn("removed 5 documents", run.out)

    def test_nothing_is_there(self):
        self.bad("docs", "list", says=["no documents are indexed", "kvlink index PATH"])
        self.index(self.write_notes())
        self.good("docs", "rm", "--yes", "notes")
        self.bad("docs", "list", says=["no documents are indexed", "kvlink index PATH"])
        self.assertEqual(self.listed(), [])

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
