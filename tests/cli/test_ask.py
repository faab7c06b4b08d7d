"""`ask`: what it prints, what it reuses, what it refuses."""

import json
import os
import pty
import subprocess

import harness


class Ask(harness.CliTest):

    def setUp(self):
        super().setUp()
        self.notes = self.write_notes()
        self.documents = {d["title"]: d for d in self.index(self.notes)}

    def doc_words(self, *titles):
        words = []
        for title in titles:
            words += ["--doc", self.documents[title]["id"]]
        return words

    def test_a_prompt_is_written_as_the_model_file_says(self):
        def first(model, *words):
            ask = self.ask("--top-k", "0", "--model", model, *words, "hello")
            return ask["prompt"][0]["id"], ask["warnings"]

        self.assertEqual(first(self.model), (1, []))
        with_bos = harness.write_model(self.dir, "bos", adds_bos=1)
        self.assertEqual(first(with_bos), (0, []))
        unread = harness.write_model(self.dir, "unread", chat_template="{{ x() }}")
        bos, (warning,) = first(unread)
        self.assertEqual(bos, 1)
        for says in ("chat template", "chatml", "--template"):
            self.assertIn(says, warning)
        self.assertEqual(self.good("model", "info", "--json", unread).json()["template_concern"],
                         warning)
        self.assertEqual(first(unread, "--template", "chatml"), (1, []))

    def test_template_by_name_or_file(self):
        template = {"name": "plain", "system": "<|endoftext|>{system}\n",
                    "document": "{title} {text}\n", "untitled_document": "{text}\n",
                    "question": "{question}", "answer": "\nA:"}
        path = self.write("plain.json", json.dumps(template))
        for words, env in ((("--template", path), {}), ((), {"KVLINK_TEMPLATE": path})):
            ask = self.good("ask", "--json", "--top-k", "0", "--max-tokens", "1", *words, "hello",
                            env=env).json()
            self.assertEqual(ask["prompt"][0]["id"], 0)
        self.bad("ask", "--top-k", "0", "--template", "chatmel", "hello",
                 says=["chatmel", "chatml, llama3 or a JSON file"])
        del template["answer"]
        self.write("plain.json", json.dumps(template))
        self.bad("ask", "--top-k", "0", "--template", path, "hello", says=["plain.json", "answer"])

    def test_what_cannot_be_asked(self):
        self.bad("ask", "", says="the question is empty")
        self.bad("ask", "-", stdin="\n", says="standard input is empty")
        self.assertIn("--json", self.good("ask", "How many cranes?", "--top-logprobs", "3").err)
        void = self.dir / "void"
        self.bad("index", self.write("blank.txt", ""), "--store", void, says="nothing to index")
        self.bad("ask", "How many cranes?", "--store", void, says="kvlink index PATH")

    def test_shape(self):
        answer = self.ask("How many cranes has the harbour?", "--top-logprobs", "3")
        self.assertEqual(list(answer), ["answer", "finish_reason", "prompt", "generated",
                                        "documents", "usage", "timings", "seed", "model",
                                        "warnings", "evidence", "grounded"])
        self.assertIn(answer["finish_reason"], ("stop", "length"))
        self.assertEqual(list(answer["prompt"][0]), ["id", "position", "segment", "source"])
        self.assertEqual([t["position"] for t in answer["prompt"]],
                         list(range(len(answer["prompt"]))))
        self.assertEqual({t["source"] for t in answer["prompt"]},
                         {"system", "document", "question"})
        for token in answer["generated"]:
            self.assertEqual(list(token), ["id", "text", "bytes", "logprob", "top"])
            self.assertEqual([list(choice) for choice in token["top"]], [["id", "text", "bytes", "logprob"]] * 3)
            # Greedy: the token is the likeliest, and the alternatives fall.
            self.assertEqual(token["top"][0]["id"], token["id"])
            falling = [choice["logprob"] for choice in token["top"]]
            self.assertEqual(falling, sorted(falling, reverse=True))
        for document in answer["documents"]:
            self.assertEqual(list(document), ["id", "title", "source", "source_state", "heading",
                                              "begin_line", "end_line", "place", "tokens", "status",
                                              "why"])
            self.assertTrue(document["title"], document)
            self.assertTrue(document["source"].startswith("/"), document)
        usage = answer["usage"]
        self.assertEqual(list(usage), ["prompt_tokens", "computed_tokens", "exact_tokens",
                                       "linked_tokens", "completion_tokens"])
        self.assertEqual(usage["prompt_tokens"], usage["computed_tokens"] + usage["exact_tokens"] +
                         usage["linked_tokens"])
        self.assertEqual(usage["prompt_tokens"], len(answer["prompt"]))
        self.assertEqual(usage["completion_tokens"], len(answer["generated"]))
        self.assertEqual(usage["linked_tokens"],
                         sum(t["source"] == "document" for t in answer["prompt"]))
        self.assertEqual(list(answer["timings"]), ["ttft_ms", "load_ms", "encode_ms", "prefill_ms",
                                                   "decode_ms"])
        self.assertGreater(answer["timings"]["ttft_ms"], 0)
        self.assertTrue(answer["model"])
        self.assertTrue(any("measured" in warning for warning in answer["warnings"]),
                        answer["warnings"])

    def test_segments_are_the_documents_in_prompt_order(self):
        answer = self.ask("Who?", *self.doc_words("Lighthouse", "garden", "Bo Marn"))
        self.assertEqual([d["id"] for d in answer["documents"]],
                         [self.documents[t]["id"] for t in ("Lighthouse", "garden", "Bo Marn")])
        for token in answer["prompt"]:
            self.assertEqual(token["segment"] > 0, token["source"] == "document")
        self.assertEqual([t["segment"] for t in answer["prompt"] if t["segment"]],
                         [i + 1 for i, d in enumerate(answer["documents"])
                          for _ in range(d["tokens"])])

    def test_another_order_computes_nothing_of_the_documents(self):
        titles = ["Harbour", "Lighthouse", "garden", "Ida Quell", "Bo Marn"]
        first = self.ask("Who keeps bees?", *self.doc_words(*titles))
        second = self.ask("Who keeps bees?", *self.doc_words(*reversed(titles)))
        self.assertEqual({d["status"] for d in second["documents"]}, {"linked"})
        self.assertEqual(second["usage"]["linked_tokens"], first["usage"]["linked_tokens"])
        question = sum(t["source"] == "question" for t in second["prompt"])
        system = sum(t["source"] == "system" for t in second["prompt"])
        self.assertEqual(second["usage"]["exact_tokens"], system)
        self.assertEqual(second["usage"]["computed_tokens"], question)

    def test_full_mode_links_nothing(self):
        answer = self.ask("Velmora", "--mode", "full")
        self.assertEqual(answer["usage"]["linked_tokens"], 0)
        self.assertEqual({t["segment"] for t in answer["prompt"]}, {0})

    def test_a_method_by_its_name(self):
        words = ["Velmora harbour", *self.doc_words("Harbour", "Lighthouse")]
        self.ask(*words, "--mode", "reuse")
        answer = self.ask(*words, "--mode", "epic:3")
        again = [t for t in answer["prompt"] if t["source"] == "document" and t["segment"] == 0]
        self.assertEqual(len(again), 6)
        documents = sum(d["tokens"] for d in answer["documents"])
        self.assertEqual(answer["usage"]["linked_tokens"], documents - 6)
        self.assertIn("method epic:3: for comparison, see docs/methods.md", answer["warnings"])
        lines = self.good("ask", *words, "--mode", "epic:3", "--explain", "--max-tokens", "1")
        work = [line.split(None, 5)[2:5] for line in lines.out.splitlines()]
        self.assertEqual(work.count(["0", "document", "computed"]), 6)
        self.bad("ask", *words, "--mode", "epic", says=["unknown method", "docs/methods.md"], code=2)

    def test_documents_by_their_files(self):
        answer = self.ask("Who?", "--doc", "notes/people.jsonl", "--doc", "harbour.*")
        self.assertEqual([d["title"] for d in answer["documents"]],
                         ["Ida Quell", "Bo Marn", "Harbour", "Lighthouse"])
        answer = self.ask("Who?", "--doc", self.documents["Bo Marn"]["id"], "--doc", "notes")
        self.assertEqual([d["title"] for d in answer["documents"]][0], "Bo Marn")
        self.assertEqual(len(answer["documents"]), 5)
        self.bad("ask", "Who?", "--doc", "nowhere.md", says=["--doc nowhere.md"])

    def test_strict_needs_a_word_of_the_question(self):
        self.bad("ask", "Xylophones?", "--strict", "--quiet", "--mode", "full",
                 says="no document has a word of the question")
        self.good("ask", "Xylophones?", "--quiet", "--mode", "full", "--max-tokens", "2")

    def test_top_k_and_search(self):
        answer = self.ask("What does the lighthouse of Velmora burn?", "--top-k", "1")
        self.assertEqual([d["id"] for d in answer["documents"]],
                         [self.documents["Lighthouse"]["id"]])
        self.assertEqual(self.ask("anything", "--top-k", "0")["documents"], [])

    def test_the_best_passage_stands_last(self):
        path = self.write("moths.jsonl", "".join(
            f'{{"title": "{name}", "text": "{text}"}}\n' for name, text in (
                ("All", "The umber moth of Tarsim eats silver thistle."),
                ("Copy", "the umber moth of Tarsim, eats silver thistle"),
                ("Two", "A moth eats all night, and it is not umber, said a man who saw it."),
                ("One", "This text is about a thistle and about very many other things too."))))
        self.index(path)
        titles = lambda *words: [d["title"] for d in self.ask(
            "Does the umber moth of Tarsim eat silver thistle?", *words)["documents"]]
        # "Copy" says nothing that "All" does not say.
        self.assertEqual([t for t in titles("--top-k", "9") if t in ("Two", "Copy", "All")],
                         ["Two", "All"])
        self.assertEqual(titles("--top-k", "9")[-1], "All")
        self.assertEqual(titles("--top-k", "1"), ["All"])
        # Left to itself, no passage far behind the best one.
        self.assertEqual(titles()[-1], "All")
        self.assertNotIn("One", titles())

    def test_beyond_the_context_the_best_passage_stays(self):
        small = harness.write_model(self.dir, "small", context=256)
        path = self.write("big.jsonl", "".join(
            f'{{"title": "T{n}", "text": "{"Velmora " * (n + 1)}{"and more words " * 5}{n}."}}\n'
            for n in range(8)))
        words = ["--model", small, "--store", self.dir / "s2"]
        self.good("index", *words, path)
        answer = self.good("ask", "--json", "Where is Velmora?", *words, "--top-k", "8",
                           "--max-tokens", "8").json()
        status = [d["status"] for d in answer["documents"]]
        self.assertEqual(len(status), 8)
        self.assertEqual(status[0], "dropped")
        self.assertEqual(status[-1], "linked")
        self.assertEqual(status, sorted(status))  # "dropped" before "linked": the least went first

    def test_what_the_documents_do_not_seem_to_answer(self):
        # The tiny model's words are noise: no document has them.
        answer = self.ask("Who keeps bees?")
        self.assertEqual(list(answer["grounded"]), ["score", "verdict", "why"])
        self.assertEqual(answer["grounded"]["verdict"], "not_found")
        self.assertLess(answer["grounded"]["score"], 0.101)
        why = answer["grounded"]["why"]
        self.assertIn("of the answer's words stand in the passages", why)
        warning = "the documents do not seem to answer this: " + why
        self.assertIn(warning, answer["warnings"])
        run = self.good("ask", "Who keeps bees?", "--max-tokens", "8", "--sources", "none")
        self.assertIn(warning, run.err)
        self.assertEqual(run.out, answer["answer"] + "\n")
        self.bad("ask", "Who keeps bees?", "--strict", "--mode", "full", "--quiet", "--max-tokens", "8",
                 says=["do not seem to answer", "without --strict"])
        both = self.good("ask", "--json", "Who keeps bees?", "--compare").json()
        self.assertEqual({both[way]["grounded"]["verdict"] for way in ("linked", "full")},
                         {"not_found"})
        # Documents that were named are the user's own choice, and none is judged.
        words = ["Who keeps bees?", *self.doc_words("Bo Marn")]
        named = self.ask(*words)
        self.assertIsNone(named["grounded"])
        self.assertFalse(any("do not seem" in warning for warning in named["warnings"]))
        self.good("ask", *words, "--strict", "--mode", "full")
        self.assertIsNone(self.ask("Who keeps bees?", "--top-k", "0")["grounded"])

    def test_question_words_are_not_search_syntax(self):
        for question in ('"Velmora', "Velmora AND (", "Velmora*", "title:Velmora -x",
                         "NEAR(Velmora"):
            self.assertTrue(self.ask(question)["documents"], question)

    def test_special_tokens_in_a_question_are_text(self):
        answer = self.ask("<|im_end|>", "--top-k", "0")
        plain = self.ask("x", "--top-k", "0")
        self.assertGreater(len(answer["prompt"]), len(plain["prompt"]) + 3)

    def test_question_from_standard_input(self):
        given = self.ask("Who keeps bees on the roof?")
        piped = self.ask("-", stdin="Who keeps bees on the roof?\n")
        self.assertEqual(piped["prompt"], given["prompt"])
        self.bad("ask", "-", stdin="\n", says="empty")

    def test_a_pipe_gets_the_answer_only(self):
        run = self.good("ask", "Who keeps bees?", "--max-tokens", "8", "--quiet")
        self.assertEqual(run.err, "")
        self.assertEqual(run.out, self.ask("Who keeps bees?")["answer"] + "\n")
        run = self.good("ask", "Who keeps bees?", "--max-tokens", "8")
        self.assertTrue(run.out.startswith(self.ask("Who keeps bees?")["answer"] + "\n\nSources:\n"))
        self.assertTrue(all(line.startswith("kvlink: warning: ") for line in run.err_lines()), run)
        self.assertEqual(len(run.err_lines()), len(set(run.err_lines())))

    def places(self, answer):
        return {d["title"]: (d["heading"], d["begin_line"], d["end_line"])
                for d in answer["documents"]}

    def test_sources(self):
        words = ["Velmora?", *self.doc_words("Harbour", "Lighthouse", "garden", "Bo Marn")]
        self.assertEqual(self.places(self.ask(*words)), {
            "Harbour": ("Harbour", 3, 3), "Lighthouse": ("Lighthouse", 7, 7),
            "garden": ("", 1, 1), "Bo Marn": ("Bo Marn", 2, 2)})
        answer = self.good("ask", *words, "--sources", "none", "--max-tokens", "4").out
        sources = ("\nSources:\n  1. notes/harbour.md, line 3: Harbour\n"
                   "  2. notes/harbour.md, line 7: Lighthouse\n"
                   "  3. notes/garden.txt, line 1\n  4. notes/people.jsonl, line 2: Bo Marn\n")
        short = ["--max-tokens", "4"]
        self.assertEqual(self.good("ask", *words, *short).out, answer + sources)
        self.assertEqual(self.good("ask", *words, *short, "--quiet").out, answer)
        self.assertEqual(self.good("ask", *words, *short, "--quiet", "--sources", "short").out,
                         answer + sources)
        full = self.good("ask", *words, *short, "--sources", "full").out
        self.assertEqual(full, answer + sources.replace("notes/", f"{self.notes}/"))
        elsewhere = subprocess.run(self.arguments("ask", *words, *short), cwd="/",
                                   env={**self.env, "HOME": str(self.dir)}, check=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        self.assertIn(b"  1. ~/notes/harbour.md, line 3", elsewhere)
        compared = self.good("ask", *words, *short, "--compare").out
        self.assertIn("  3. notes/garden.txt, line 1 (", compared)
        self.assertNotIn("Sources", self.good("ask", "Velmora?", "--top-k", "0", *short).out)
        self.bad("ask", "q", "--sources", "all", says="--sources", code=2)

    def test_lines_are_those_of_the_file_or_none(self):
        path = self.write("three.md", "\ufeff# One\r\n\r\nFirst text.\r\n\r\n# Two\r\n\r\nA second\r\ntext.\r\n")
        ids = [d["id"] for d in self.index(path)]
        self.assertEqual(list(self.places(self.ask("q", "--doc", ids[0], "--doc", ids[1])).values()),
                         [("One", 3, 3), ("Two", 7, 8)])
        # Changed since: not said to stand where it does not.
        path.write_text("# One\n\n" + "Something else. " * 20)
        self.assertEqual(list(self.places(self.ask("q", "--doc", ids[1])).values()),
                         [("Two", None, None)])
        path.unlink()
        run = self.good("ask", "q", "--doc", ids[1], "--max-tokens", "2")
        self.assertIn("  1. three.md: Two\n", run.out)
        piped = self.index("-", stdin="Piped text of Velmora.\n")[0]["id"]
        self.assertIn("  1. standard input\n", self.good("ask", "q", "--doc", piped).out)

    def test_log_probabilities_only_if_asked_for(self):
        plain = self.ask("Velmora?")["generated"][0]
        self.assertNotIn("logprob", plain)
        self.assertNotIn("top", plain)
        asked = self.ask("Velmora?", "--logprobs")["generated"][0]
        self.assertLess(asked["logprob"], 0)
        self.assertEqual(asked["top"], [])
        self.assertEqual(asked["id"], plain["id"])
        self.assertIn("--logprobs are reported by --json alone",
                      self.good("ask", "Velmora?", "--logprobs").err)

    def test_an_answer_that_was_cut_says_so(self):
        run = self.good("ask", "Velmora?", "--max-tokens", "1")
        self.assertIn("warning: the answer was cut at --max-tokens 1", run.err)
        cut = self.good("ask", "Velmora?", "--max-tokens", "1", "--json").json()
        self.assertEqual(cut["finish_reason"], "length")
        compared = self.good("ask", "Velmora?", "--max-tokens", "1", "--compare")
        self.assertEqual(compared.out.count(" [cut]\n"), 2)
        self.assertIn("cut at --max-tokens 1", compared.err)

    def test_a_system_text_that_links_were_not_trained_with(self):
        links = harness.write_links(self.model, self.dir / "tiny.links", k=2)
        words = ["Velmora?", "--system", "Answer in French."]
        warned = lambda answer: any("--system: the links" in w for w in answer["warnings"])
        self.assertTrue(warned(self.ask(*words, "--links", links)))
        self.assertFalse(warned(self.ask(*words, "--links", links, "--mode", "full")))
        self.assertFalse(warned(self.ask(*words, "--links", "none")))
        self.assertFalse(warned(self.ask("Velmora?", "--links", links)))

    def test_comparison_is_of_like_with_like(self):
        run = self.good("ask", "Velmora?", "--compare", "--links", "none", "--max-tokens", "2")
        self.assertIn("full attention, base model:\n", run.out)
        self.assertIn("linked, base model:\n", run.out)
        links = harness.write_links(self.model, self.dir / "adapted.links", k=1, adapter=1)
        words = ["Velmora?", "--links", links, "--max-tokens", "4"]
        run = self.good("ask", *words, "--compare")
        self.assertIn("full attention, with the links' adapter:\n", run.out)
        both = self.good("ask", *words, "--compare", "--json").json()
        self.assertEqual(both["full_method"], "full+adapter")
        alone = self.good("ask", *words, "--mode", "full+adapter", "--json").json()
        self.assertEqual(both["full"]["answer"], alone["answer"])

    def test_explain(self):
        words = ["Who keeps bees?", *self.doc_words("Bo Marn")]
        answer = self.ask(*words)
        lines = self.good("ask", *words, "--explain", "--max-tokens", "8").out.splitlines()
        self.assertEqual(lines[0].split(),
                         ["POSITION", "ID", "SEGMENT", "SOURCE", "WORK", "TOKEN"])
        rows = [line.split(None, 5) for line in lines[1:1 + len(answer["prompt"])]]
        self.assertEqual([[int(r[0]), int(r[1]), int(r[2]), r[3]] for r in rows],
                         [[t["position"], t["id"], t["segment"], t["source"]]
                          for t in answer["prompt"]])
        work = {(r[3], r[4]) for r in rows}
        self.assertIn(("document", "reused"), work)
        self.assertIn(("question", "computed"), work)
        self.assertNotIn(("document", "computed"), work)
        self.assertTrue(any(r[3] == "system" and "<|im_start|>" in r[5] for r in rows), rows[:3])

    def on_terminal(self, *words, stdout=None):
        """What a terminal shows; `stdout`, if given, goes elsewhere."""
        leader, follower = pty.openpty()
        process = subprocess.Popen(
            self.arguments(*words), stdin=subprocess.DEVNULL,
            env={**self.env, "NO_COLOR": "1"}, stdout=stdout or follower, stderr=follower)
        os.close(follower)
        seen = b"".join(harness.chunks_of(leader))
        self.assertEqual(process.wait(timeout=harness.TIMEOUT_S), 0)
        self.assertNotIn(b"\x1b", seen)
        return seen.decode()

    def test_a_terminal_sees_the_answer_and_the_tables(self):
        expected = self.ask("Who keeps bees?")
        text = self.on_terminal("ask", "Who keeps bees?", "--max-tokens", "8")
        self.assertRegex(text, r"PROMPT TOKENS +COMPUTED +REUSED LINKED")
        self.assertIn(expected["documents"][0]["id"], text)

    def test_a_terminal_sees_the_tables_of_an_answer_that_is_piped(self):
        expected = self.ask("Who keeps bees?")
        with open(self.dir / "answer", "wb") as out:
            text = self.on_terminal("ask", "Who keeps bees?", "--max-tokens", "8", stdout=out)
        self.assertTrue((self.dir / "answer").read_text().startswith(
            expected["answer"] + "\n\nSources:\n"))
        self.assertRegex(text, r"PROMPT TOKENS +COMPUTED +REUSED LINKED")
        self.assertIn(expected["documents"][0]["id"], text)

    def test_sampling(self):
        words = ["Who keeps bees?", "--temperature", "1.5", "--seed"]
        once, again, other = self.ask(*words, "7"), self.ask(*words, "7"), self.ask(*words, "8")
        ids = [[t["id"] for t in answer["generated"]] for answer in (once, again, other)]
        self.assertEqual(ids[0], ids[1])
        self.assertNotEqual(ids[0], ids[2])
        greedy = self.ask("Who keeps bees?")
        for setting in (["--sample-top-k", "1"], ["--top-p", "0.000001"], ["--min-p", "1"]):
            picked = self.ask("Who keeps bees?", "--temperature", "2", *setting)
            self.assertEqual([t["id"] for t in picked["generated"]],
                             [t["id"] for t in greedy["generated"]], setting)

    def test_a_seed_is_drawn_and_reported(self):
        words = ["Who keeps bees?", "--temperature", "1.5"]
        drawn, other = self.ask(*words), self.ask(*words)
        self.assertNotEqual(drawn["seed"], other["seed"])
        self.assertLess(drawn["seed"], 1 << 53)  # exact in every reader of JSON
        again = self.ask(*words, "--seed", drawn["seed"])
        self.assertEqual(again["seed"], drawn["seed"])
        self.assertEqual([t["id"] for t in again["generated"]],
                         [t["id"] for t in drawn["generated"]])
        self.assertIsNone(self.ask("Who keeps bees?")["seed"])
        self.assertEqual(drawn["warnings"], again["warnings"])

    def test_tokens_have_their_bytes(self):
        answer = self.good("ask", "--json", "--max-tokens", "64", "--temperature", "50", "--seed",
                           "3", "--top-logprobs", "2", "Who keeps bees?").json()
        parts = 0
        for token in answer["generated"]:
            for each in (token, *token["top"]):
                self.assertEqual(bytes(each["bytes"]).decode("utf-8", "replace"), each["text"])
            parts += "\ufffd" in token["text"]
        self.assertGreater(parts, 0)  # tokens that are a part of a character
        whole = b"".join(bytes(t["bytes"]) for t in answer["generated"])
        self.assertTrue(whole.decode("utf-8", "replace").startswith(answer["answer"]))

    def test_a_question_from_standard_input_has_an_end(self):
        self.bad("ask", "-", stdin="a" * ((1 << 20) + 1), says=["1.0 MiB", "kvlink index -"])

    def test_a_link_file_adds_its_tokens(self):
        links = harness.write_links(self.model, self.dir / "tiny.links", k=2)
        answer = self.ask("Velmora harbour lighthouse", "--links", links)
        link_tokens = [t for t in answer["prompt"] if t["source"] == "link"]
        self.assertEqual(len(link_tokens), 2 * len(answer["documents"]))
        self.assertEqual({t["segment"] for t in link_tokens}, {0})
        self.assertEqual({d["status"] for d in answer["documents"]}, {"linked"})

    def test_nothing_to_answer_from(self):
        for question in ("zzz qqq", "?!"):  # the most recent documents, and it says so
            run = self.good("ask", question, "--max-tokens", "1")
            self.assertIn("no document has a word of the question", run.err)
        self.bad("ask", "who", "--store", self.dir / "nowhere", says="kvlink index PATH")
        self.assertFalse((self.dir / "nowhere").exists())

    def test_unknown_and_ambiguous_documents(self):
        self.bad("ask", "who", "--doc", "ffffffff", says=["--doc ffffffff", "kvlink docs list"])
        self.bad("ask", "who", *self.doc_words("Harbour"), "--doc", "nope", says="nope")
        path = self.write("many.jsonl", "".join(f'{{"text": "Fact number {n}."}}\n'
                                                for n in range(40)))
        first = [d["id"][0] for d in self.index(path)]
        letter = next(c for c in first if first.count(c) > 1)
        self.bad("ask", "who", "--doc", letter, says=f"--doc {letter}")

    def test_a_prompt_beyond_the_context(self):
        small = harness.write_model(self.dir, "small", context=256)
        path = self.write("big.jsonl", "".join(
            f'{{"title": "T{n}", "text": "Velmora {"and more words " * 5}{n}."}}\n'
            for n in range(8)))
        run = self.good("index", "--json", "--model", small, "--store", self.dir / "s2", path)
        ids = [d["id"] for d in run.json()["documents"]]
        words = ["Where is Velmora?", "--model", small, "--store", self.dir / "s2", "--max-tokens",
                 "8"]
        for doc in ids:
            words += ["--doc", doc]
        answer = self.good("ask", "--json", *words).json()
        by_status = {}
        for document in answer["documents"]:
            by_status.setdefault(document["status"], []).append(document["id"])
        self.assertTrue(by_status["dropped"])
        self.assertTrue(by_status["linked"])
        self.assertEqual(sorted(by_status["dropped"] + by_status["linked"]), sorted(ids))
        self.assertLessEqual(len(answer["prompt"]) + 8, 256)
        self.assertTrue(any("dropped" in w or "context" in w for w in answer["warnings"]), answer)
        self.bad("ask", *words, "--strict", "--quiet", says="context")
        self.bad("ask", "word " * 500, "--model", small, "--top-k", "0", "--quiet", says="context")

    def test_failures_leave_standard_output_empty(self):
        run = self.bad("ask", "--json", "zzz", "--doc", "nosuch", says="nosuch")
        self.assertEqual(run.out, "")


if __name__ == "__main__":
    harness.main()
