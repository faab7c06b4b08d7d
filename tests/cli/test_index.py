"""`index` and `docs`: statuses, incremental runs, sources that cannot be taken, budgets."""

import os
import pty
import signal
import subprocess
import time

import harness


class Index(harness.CliTest):

    def listed(self):
        return self.good("docs", "list", "--json").json()["documents"]

    def test_shape_and_order(self):
        notes = self.write_notes()
        run = self.good("index", "--json", notes / "people.jsonl", notes)
        self.assertEqual(run.err, "")
        documents = run.json()["documents"]
        self.assertEqual(list(run.json()),
                         ["documents", "store_bytes", "without_block", "failures"])
        self.assertEqual((run.json()["without_block"], run.json()["failures"]), (0, []))
        for document in documents:
            self.assertEqual(list(document), ["id", "title", "tokens", "status"])
            self.assertRegex(document["id"], "^[0-9a-f]{16}$")
            self.assertGreater(document["tokens"], 0)
        # The file named first comes first, and once; the folder's others follow by name.
        self.assertEqual([document["title"] for document in documents],
                         ["Ida Quell", "Bo Marn", "garden", "Harbour", "Lighthouse"])
        self.assertEqual(set(self.statuses(documents)), {"computed"})
        self.assertEqual(len(self.listed()), 5)

    def test_a_second_run_computes_nothing(self):
        notes = self.write_notes()
        first = self.index(notes)
        second = self.index(notes)
        self.assertEqual(set(self.statuses(second)), {"unchanged"})
        self.assertEqual([(d["id"], d["title"], d["tokens"]) for d in first],
                         [(d["id"], d["title"], d["tokens"]) for d in second])

    def test_only_what_changed_is_computed_and_what_went_is_removed(self):
        notes = self.write_notes()
        before = {d["title"]: d for d in self.index(notes)}
        blocks = self.good("store", "stats", "--json").json()["blocks"]
        self.write("notes/harbour.md", "# Harbour\n\nThe harbour of Velmora has ten cranes.\n\n"
                                       "# Lighthouse\n\nThe lighthouse of Velmora burns green "
                                       "oil.\n")
        documents = self.index(notes)
        by_status = {}
        for document in documents:
            by_status.setdefault(document["status"], []).append(document)
        self.assertEqual([d["title"] for d in by_status["computed"]], ["Harbour"])
        self.assertEqual([d["id"] for d in by_status["removed"]], [before["Harbour"]["id"]])
        self.assertEqual(len(by_status["unchanged"]), 4)
        self.assertEqual(len(self.listed()), 5)
        self.assertEqual(self.good("store", "stats", "--json").json()["blocks"], blocks)

    def test_prune_forgets_only_below_the_given_paths(self):
        notes = self.write_notes()
        self.write("elsewhere/a.txt", "Something that lies elsewhere.\n")
        self.index(notes, self.dir / "elsewhere")
        (notes / "people.jsonl").unlink()
        (self.dir / "elsewhere" / "a.txt").unlink()
        self.assertEqual(set(self.statuses(self.index(notes))), {"unchanged"})
        self.assertEqual(len(self.listed()), 6)
        documents = self.index("--prune", notes)
        self.assertEqual(sorted(d["title"] for d in documents if d["status"] == "removed"),
                         ["Bo Marn", "Ida Quell"])
        self.assertEqual(len(self.listed()), 4)
        self.index("--prune", self.dir / "elsewhere" / "a.txt")  # named, and gone
        self.assertEqual(len(self.listed()), 3)

    def test_another_model_computes_again_and_keeps_both(self):
        notes = self.write_notes()
        self.index(notes)
        other = harness.write_model(self.dir, "other", seed=2)
        self.assertEqual(set(self.statuses(self.index("--model", other, notes))), {"computed"})
        stats = self.good("store", "stats", "--json").json()
        self.assertEqual(stats["models"], 2)
        self.assertEqual(set(self.statuses(self.index("--model", other, notes))), {"unchanged"})
        answer = self.ask("Velmora harbour")  # the first model's blocks are still its own
        self.assertEqual({d["status"] for d in answer["documents"]}, {"linked"})

    def test_a_lost_block_is_computed_again(self):
        notes = self.write_notes()
        self.index(notes)
        self.good("store", "gc", "--budget", "0")
        self.assertEqual(self.good("store", "stats", "--json").json()["blocks"], 0)
        self.assertEqual(set(self.statuses(self.index(notes))), {"computed"})
        self.assertEqual(set(self.statuses(self.index(notes))), {"unchanged"})

    def test_standard_input(self):
        text = "The mill of Corvane grinds blue flour.\n"
        documents = self.index("-", stdin=text)
        self.assertEqual(self.statuses(documents), ["computed"])
        self.assertEqual(self.statuses(self.index("-", stdin=text)), ["unchanged"])
        self.assertEqual(self.listed()[0]["source"], "-")
        documents = self.index("-", stdin='{"title": "T", "text": "Other words."}\n')
        self.assertEqual(self.statuses(documents), ["computed", "removed"])
        # What feeds the pipe has failed, most likely: nothing is forgotten for that.
        self.bad("index", "-", stdin="", says="standard input")
        self.assertEqual([d["title"] for d in self.listed()], ["T"])

    def test_an_earlier_text_of_standard_input_is_replaced(self):
        self.assertEqual(self.good("index", "-", stdin="The mill grinds.\n").err, "")
        self.assertEqual(self.good("index", "-", stdin="The mill grinds.\n").err, "")
        self.assertIn("earlier text of standard input is replaced; --name NAME",
                      self.good("index", "-", stdin="The mill burned.\n").err)

    def test_standard_input_by_name(self):
        self.index("-", "--name", "mill.md", stdin="The mill of Corvane grinds blue flour.\n")
        self.index("-", "--name", "inn.md", stdin="The inn of Corvane has six rooms.\n")
        self.assertEqual([d["source"] for d in self.listed()], ["inn.md", "mill.md"])
        documents = self.index("-", "--name", "inn.md", stdin="The inn of Corvane burned down.\n")
        self.assertEqual(self.statuses(documents), ["computed", "removed"])
        # No file's path: pruning leaves it.
        self.index("--prune", self.write_notes())
        self.assertIn("mill.md", [d["source"] for d in self.listed()])
        self.bad("index", "x.txt", "--name", "x", code=2, says="expected - among")
        self.bad("index", "-", "--name", "/x", code=2, says="--name")
        self.bad("index", "-", "--name", "", code=2, says="--name")
        self.assertIn("mill", [d["title"] for d in self.listed()])

    def test_long_documents_are_cut(self):
        sentence = "The river Ansel runs past mill number {} and turns its wheel. "
        path = self.write("long.txt", "".join(sentence.format(n) for n in range(400)))
        documents = self.index("--max-tokens", "50", path)
        self.assertGreater(len(documents), 100)
        # The template's own tokens come on top of the text's 50.
        self.assertLess(max(d["tokens"] for d in documents), 80)
        self.assertEqual(set(self.statuses(self.index("--max-tokens", "50", path))), {"unchanged"})
        self.assertIn("computed", self.statuses(self.index("--max-tokens", "100", path)))

    def test_documents_never_fill_the_context(self):
        small = harness.write_model(self.dir, "small", context=128)
        path = self.write("long.txt", "Every word of this is read. " * 200)
        run = self.good("index", "--json", "--model", small, path)
        self.assertIn("context of 128 tokens", run.err)
        self.assertLess(max(d["tokens"] for d in run.json()["documents"]), 128)

    def test_sources_that_cannot_be_taken(self):
        self.bad("index", self.dir / "missing.txt", says="missing.txt")
        self.bad("index", self.write("picture.png", "x"), says="picture.png")
        (self.dir / "void").mkdir()
        self.bad("index", self.dir / "void", says="nothing to index")
        self.bad("index", self.write("binary.txt", b"a\0b"), says="binary.txt")
        self.bad("index", self.write("bad.jsonl", '{"text": \n'), says=["bad.jsonl", "line 1"])
        self.assertEqual(self.listed(), [])

    def test_one_bad_source_leaves_the_others(self):
        notes = self.write_notes()
        self.write("notes/binary.txt", b"\0\1\2")
        run = self.kvlink("index", "--json", notes)
        self.assertEqual(run.code, 1)
        self.assertEqual(len(run.err_lines()), 1, run)
        self.assertIn("binary.txt", run.err)
        self.assertEqual(self.statuses(run.json()["documents"]), ["computed"] * 5)
        self.assertEqual(len(self.listed()), 5)

    def test_empty_and_not_utf8_are_said(self):
        empty = self.write("empty.txt", "")
        run = self.kvlink("index", empty)
        self.assertEqual(run.code, 1)
        self.assertIn("empty.txt", run.err)
        other = self.write("latin.txt", b"The caf\xe9 of Velmora is closed.\n")
        run = self.good("index", "--json", empty, other)
        self.assertIn("latin.txt: is not UTF-8 and was read as windows-1252", run.err)
        self.assertEqual(self.statuses(run.json()["documents"]), ["empty", "computed"])
        shown = self.good("docs", "show", "--json", run.json()["documents"][1]["id"]).json()
        self.assertIn("caf\u00e9", shown["text"])

    def test_other_kinds_are_told_by_their_bytes(self):
        pdf = "%PDF-1.7\nwords in between\n"
        self.bad("index", "-", stdin=pdf, says="-: is a damaged PDF")
        self.bad("index", self.write("a.txt", pdf), says="a.txt: is a damaged PDF")
        self.bad("index", self.write("a.pdf", "x"), says="a.pdf: is a damaged PDF")
        self.bad("index", self.write("a.docx", "x"), says="a.docx: is a damaged ZIP file")
        self.bad("index", "-", stdin="{\\rtf1 Words.}", says="is RTF")
        for text in ("<!DOCTYPE html>\n<p>The mill.</p>\n", "\n <HTML><p>The inn.</p></HTML>\n"):
            self.assertIn("page.txt: is HTML, whose tags are taken as text",
                          self.good("index", self.write("page.txt", text)).err)
        self.index("-", "--name", "page", stdin="<!doctype html><title>Mill</title><p>It grinds.")
        self.assertIn("Mill", [d["title"] for d in self.listed()])

    def test_places_are_told_in_what_a_format_has(self):
        self.write("d/fares.pdf", harness.make_pdf(["The ferry to Oru costs ten euros.",
                                                    "The ferry to Alma costs six euros."]))
        self.write("d/times.html", "<!doctype html>\n<title>Times</title>\n<nav>Home</nav>\n"
                                   "<h1>Winter</h1>\n<p>The ferry to Bryn\nleaves at <b>nine</b>.\n")
        self.write("d/crew.csv", "name,office\nIda,captain\nBo,cook\n")
        self.index("d")
        places = {d["source"].rsplit("/")[-1]: (d["unit"], d["begin"], d["end"])
                  for d in self.listed()}
        self.assertEqual(places["fares.pdf"], ("page", 1, 3))
        self.assertEqual(places["crew.csv"], ("byte", 0, 31))
        self.assertEqual(places["times.html"][0], "byte")
        for question, place in (("What does the ferry to Oru cost?", "d/fares.pdf, pages 1-2"),
                                ("When does the ferry to Bryn leave?",
                                 "d/times.html, lines 5-6: Times > Winter"),
                                ("What office has Ida?", "d/crew.csv, lines 1-3")):
            self.assertIn(place, self.good("ask", question, "--max-tokens", "2").out, question)
        answer = self.good("ask", "What does the ferry to Oru cost?", "--json", "--top-k", "1",
                           "--max-tokens", "2").json()
        self.assertEqual(answer["documents"][0]["place"], "pages 1-2")
        self.assertIsNone(answer["documents"][0]["begin_line"])
        # The list is made again from the blocks, places and all.
        (self.store / "documents.sqlite").unlink()
        self.good("store", "verify")
        self.assertEqual({d["source"].rsplit("/")[-1]: (d["unit"], d["begin"], d["end"])
                          for d in self.listed()}, places)

    def test_endings_of_texts(self):
        self.write("d/a.markdown", "# Mill\n\nIt grinds.\n")
        self.write("d/b.text", "The inn has six rooms.\n")
        self.assertEqual([d["title"] for d in self.index("d")], ["Mill", "b"])

    def test_files_of_other_kinds_are_counted(self):
        notes = self.write_notes()
        for name in ["a.png", "sub/b.PNG", "c.exe", "LICENSE", ".git/d.png"]:
            self.write("notes/" + name, "x")
        run = self.good("index", notes)
        self.assertIn("left out 4 other files (2 .png, 1 without ending, 1 .exe): of no format that "
                      "is read (text, Markdown, ", run.err)
        self.assertEqual(len(run.err_lines()), 1, run)
        self.write("papers/a.exe", "x")
        self.bad("index", self.dir / "papers", says="only 1 other file (1 .exe)")

    def test_a_file_that_became_empty_loses_its_documents(self):
        path = self.write("a.txt", "Here be words.\n")
        keep = self.write("b.txt", "Here be others.\n")
        self.index(path, keep)
        self.write("a.txt", "")
        self.assertEqual(self.statuses(self.index(path, keep)), ["empty", "removed", "unchanged"])
        self.assertEqual(len(self.listed()), 1)

    def test_docs_show_rm_pin(self):
        notes = self.write_notes()
        documents = self.index(notes)
        ida = next(d for d in documents if d["title"] == "Ida Quell")
        self.assertIn("repairs clocks", self.good("docs", "show", ida["id"][:8]).out)
        self.bad("docs", "show", "ffffffff", says="ffffffff")
        # One wrong id, and nothing is touched.
        self.bad("docs", "rm", ida["id"], "ffffffff", says="ffffffff")
        self.assertEqual(len(self.listed()), 5)

        self.good("docs", "pin", ida["id"])
        self.assertEqual([d["title"] for d in self.listed() if d["pinned"]], ["Ida Quell"])
        self.good("store", "gc", "--budget", "0")
        self.assertEqual(self.good("store", "stats", "--json").json()["blocks"], 1)
        self.good("docs", "unpin", ida["id"])
        self.good("store", "gc", "--budget", "0")
        self.assertEqual(self.good("store", "stats", "--json").json()["blocks"], 0)

        self.index(notes)
        self.good("docs", "rm", ida["id"])
        self.assertEqual(self.good("store", "stats", "--json").json()["blocks"], 4)
        self.assertNotIn("Ida Quell", [d["title"] for d in self.listed()])

    def test_ambiguous_id(self):
        path = self.write("many.jsonl", "".join(f'{{"text": "Fact number {n}."}}\n'
                                                for n in range(40)))
        ids = [d["id"] for d in self.index(path)]
        first = [i[0] for i in ids]
        letter = next(c for c in first if first.count(c) > 1)  # 40 ids, 16 digits
        self.bad("docs", "show", letter, says=letter)

    def test_a_budget_holds(self):
        path = self.write("many.jsonl", "".join(f'{{"text": "Fact number {n} is short."}}\n'
                                                for n in range(30)))
        budget = 64 << 10
        run = self.good("index", "--json", "--budget", "64k", path)
        stats = self.good("store", "stats", "--json").json()
        self.assertLessEqual(stats["bytes"], budget)
        self.assertGreater(stats["blocks"], 0)
        # What would not be kept is not computed, only to throw out the others.
        kept = stats["blocks"]
        self.assertEqual(self.statuses(run.json()["documents"]),
                         ["computed"] * kept + ["listed"] * (30 - kept))
        self.assertEqual(run.json()["without_block"], 30 - kept)
        self.assertIn(f"has no room for {30 - kept} new blocks", run.err)
        again = self.good("index", "--json", "--budget", "64k", path)
        self.assertEqual(self.statuses(again.json()["documents"]), ["unchanged"] * 30)
        self.assertEqual(again.json()["without_block"], 30 - kept)
        self.assertEqual(again.err, "")
        # They are found, and computed when they are asked for.
        last = run.json()["documents"][-1]["id"]
        answer = self.ask("What is it?", "--doc", last, "--budget", "64k")
        self.assertEqual(self.statuses(answer["documents"]), ["computed"])
        # With more room the others get theirs.
        more = self.good("index", "--json", path).json()
        self.assertEqual(more["without_block"], 0)
        self.assertEqual({d["status"] for d in more["documents"]}, {"computed", "unchanged"})
        self.assertEqual(self.statuses(self.index(path)), ["unchanged"] * 30)

    def test_blocks_are_computed_at_first_use(self):
        path = self.write("many.jsonl", "".join(f'{{"text": "Fact number {n} is short."}}\n'
                                                for n in range(9)))
        run = self.good("index", "--json", "--blocks", "none", path)
        self.assertEqual(self.statuses(run.json()["documents"]), ["listed"] * 9)
        self.assertEqual((run.json()["without_block"], run.err), (9, ""))
        self.assertEqual(self.good("store", "stats", "--json").json()["blocks"], 0)
        answer = self.ask("Fact number 3", "--top-k", "1")
        self.assertEqual(self.statuses(answer["documents"]), ["computed"])
        again = self.good("index", "--blocks", "none", path)
        self.assertIn("9 documents: 0 computed, 9 unchanged, 8 without a block", again.out)
        some = self.good("index", "--json", "--blocks", "3", path).json()
        self.assertEqual(self.statuses(some["documents"]).count("computed"), 3)
        self.assertEqual(some["without_block"], 5)
        self.assertEqual(self.statuses(self.index(path)).count("computed"), 5)
        for wrong in ("some", "-1", "1.5", ""):
            self.bad("index", "--blocks", wrong, path, code=2, says="--blocks")

    def test_human_summary(self):
        notes = self.write_notes()
        self.assertRegex(self.good("index", notes).out, r"^5 documents: 5 computed \(.* tokens")
        self.assertRegex(self.good("index", notes).out,
                         r"^5 documents: 0 computed, 5 unchanged; the store takes [0-9.]+ KiB\n$")
        self.assertEqual(self.good("index", "--quiet", notes).out, "")

    def test_two_processes_into_one_store(self):
        path = self.write("many.jsonl", "".join(f'{{"text": "Fact number {n} of many."}}\n'
                                                for n in range(120)))
        running = [subprocess.Popen(self.arguments("index", "--json", path), env=self.env,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                   for _ in range(2)]
        for process in running:
            _, err = process.communicate(timeout=harness.TIMEOUT_S)
            self.assertEqual((process.returncode, err), (0, b""))
        self.assertEqual(len(self.listed()), 120)
        self.assertEqual(self.good("store", "stats", "--json").json()["blocks"], 120)
        self.assertEqual(self.good("store", "verify", "--json").json()["quarantined"], 0)


class Interrupt(harness.CliTest):

    def start(self, count):
        path = self.write("many.jsonl", "".join(
            f'{{"text": "Fact {n}. {"It is long. " * 8}"}}\n' for n in range(count)))
        return path, subprocess.Popen(self.arguments("index", "--json", path), env=self.env,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def wait_for_blocks(self, process):
        deadline = time.monotonic() + harness.TIMEOUT_S
        while process.poll() is None and time.monotonic() < deadline:
            if list(self.store.glob("blocks/*/*.kvb")):
                return
            time.sleep(0.002)
        self.fail(f"no block was written: exit {process.poll()}, {process.stderr.read()}")

    def test_ctrl_c_stops_between_documents_and_the_next_run_goes_on(self):
        path, process = self.start(600)
        self.wait_for_blocks(process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=harness.TIMEOUT_S)
        self.assertEqual(process.returncode, 130, err)
        self.assertEqual(len(err.splitlines()), 1, err)
        self.assertIn(b"goes on where it stopped", err)
        done = self.statuses(harness.json.loads(out)["documents"])
        self.assertGreater(len(done), 0)
        self.assertLess(len(done), 600)
        self.assertEqual(self.good("store", "verify", "--json").json()["checked"], len(done))
        # The rest is computed, and only the rest.
        again = self.statuses(self.index(path))
        self.assertEqual(again, ["unchanged"] * len(done) + ["computed"] * (600 - len(done)))

    def test_what_is_removed_meanwhile_leaves_no_block(self):
        def on_disk(word):
            return [str(path) for path in self.store.rglob("*")
                    if path.is_file() and word.encode() in path.read_bytes()]

        path, process = self.start(600)
        self.wait_for_blocks(process)
        first = self.good("docs", "list", "--json").json()["documents"][0]["id"]
        self.good("docs", "rm", first)
        out, err = process.communicate(timeout=harness.TIMEOUT_S)
        self.assertEqual((process.returncode, err), (0, b""), out)
        self.assertEqual(on_disk("Fact 0."), [])
        self.assertEqual(self.statuses(self.index(path)).count("computed"), 1)  # back again
        # The same where its block alone is missing.
        self.good("store", "gc", "--budget", "0")
        last = self.good("docs", "list", "--json").json()["documents"][-1]["id"]
        process = self.start(600)[1]
        self.wait_for_blocks(process)
        self.good("docs", "rm", last)
        self.assertIsNone(process.poll(), "too fast for what it is to show")
        out, err = process.communicate(timeout=harness.TIMEOUT_S)
        self.assertEqual((process.returncode, err), (0, b""), out)
        self.assertEqual(on_disk("Fact 599."), [])
        self.assertEqual(self.good("store", "stats", "--json").json()["blocks"], 599)

    def test_progress_is_drawn_on_a_terminal_only(self):
        path = self.write("many.jsonl", "".join(
            f'{{"text": "Fact {n}. {"It is long. " * 8}"}}\n' for n in range(100)))
        leader, follower = pty.openpty()
        process = subprocess.Popen(self.arguments("index", path), env=self.env, stdout=follower,
                                   stderr=follower)
        os.close(follower)
        seen = b"".join(harness.chunks_of(leader))
        self.assertEqual(process.wait(timeout=harness.TIMEOUT_S), 0)
        self.assertRegex(seen.decode(), r"indexing \[#*\.*\] \d+/100 documents")
        self.assertIn("100 documents: 100 computed", seen.decode())
        self.assertNotIn("\x1b", self.good("index", path).out)


if __name__ == "__main__":
    harness.main()
