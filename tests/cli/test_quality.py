"""`check --quality`: measures, says what fell short, and records it where `ask` looks."""

import json
import struct

import harness

OWN = {"id": "q1", "question": "Who repairs clocks?", "answers": ["Ida Quell"], "gold": [0],
       "documents": [{"title": "Ida Quell", "text": "Ida Quell repairs clocks in Tarsim."},
                     {"title": "Bo Marn", "text": "Bo Marn keeps bees on the roof."}]}


def gate_of(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    gate = header["__metadata__"].get("gate")
    return None if gate is None else json.loads(gate)


class Quality(harness.CliTest):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Ten documents of a vocabulary of bytes are long.
        cls.model = harness.write_model(cls.class_dir, "long", context=32768)

    def setUp(self):
        super().setUp()
        self.links = harness.write_links(self.model, self.dir / "tiny.links", k=2)

    def check(self, *words, code=1, sample=False):
        """An untrained tiny model falls short: exit status 1, and one line that says so."""
        limit = [] if sample or "--limit" in words else ["--limit", "1"]
        words = ["check", "--quality", "--json", *limit, *words]
        return self.bad(*words, says="check: quality fell short: gate: ", code=code).json()

    def test_records_in_the_link_file(self):
        report = self.check("--links", self.links, "--record", "--limit", "30")
        self.assertFalse(report["passed"])
        self.assertTrue(report["recorded"])
        self.assertEqual([row["method"] for row in report["rows"]], ["none", "full", "link"])
        for row in report["rows"]:
            self.assertEqual(row["n"], 30)
            self.assertIn("gold_loss", row["ci"])
        gate = gate_of(self.links)
        self.assertEqual([gate["passed"], gate["summary"], gate["data"]],
                         [False, report["summary"], report["data"]])
        self.assertEqual(gate["figures"]["limits"], report["limits"])
        documents = self.index(self.write_notes())
        words = ["Velmora harbour", "--doc", documents[0]["id"]]
        warnings = self.ask(*words, "--links", self.links)["warnings"]
        self.assertEqual(warnings, [f"the quality gate of {self.links} fell short: "
                                    f"{report['summary']}"])
        # A record that was copied to other links is not believed there.
        other = harness.write_links(self.model, self.dir / "other.links", k=2, seed=2)
        self.copy_gate(self.links, other)
        warnings = self.ask(*words, "--links", other)["warnings"]
        self.assertEqual(len(warnings), 1, warnings)
        self.assertIn("it speaks of other links", warnings[0])

    def test_strict_refuses_what_was_not_gated(self):
        document = self.index(self.write_notes())[0]["id"]
        words = ["ask", "Velmora harbour", "--strict", "--quiet", "--max-tokens", "2"]
        for links in ("none", self.links):
            run = self.bad(*words, "--links", links,
                           says=["a passed quality gate is required", "kvlink check --quality"])
            self.assertEqual(run.out, "")
        self.check("--links", self.links, "--record", "--limit", "30")
        self.bad(*words, "--links", self.links, says="fell short")
        self.good(*words, "--links", "none", "--mode", "full", "--doc", document)
        self.good(*words, "--links", "none", "--top-k", "0")

    def copy_gate(self, source, target):
        with open(target, "rb") as file:
            header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
            rest = file.read()
        header["__metadata__"]["gate"] = json.dumps(gate_of(source))
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with open(target, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text + rest)

    def test_says_why_it_is_not_recorded(self):
        for words, why in ((["--links", self.links], "--limit 1 says too little: at least 30"),
                           (["--links", self.links, "--limit", "30"], "--limit left questions out"),
                           (["--links", self.links, "--no-record"], "--no-record was given"),
                           (["--links", "none"], "there is no link file to record it in")):
            report = self.check(*words)
            self.assertFalse(report["recorded"])
            self.assertIn(why, report["why_not_recorded"])
        self.assertIsNone(gate_of(self.links))
        text = self.kvlink("check", "--quality", "--limit", "1", "--links", "none").out
        self.assertIn("no link file is in use", text)
        self.assertRegex(text, r"\nasked +1 of 120 questions, the first of each data set \(--full asks")
        # Full attention against links, in pairs.
        self.assertRegex(text, "full \u2212 link")
        self.assertNotIn("nan", text)
        self.assertIn("\nfell short: gate: ", text)
        self.assertIn("\nnot recorded: there is no link file to record it in\n", text)

    def test_links_with_an_adapter_are_measured_by_it(self):
        links = harness.write_links(self.model, self.dir / "adapted.links", k=1, adapter=1)
        rows = self.check("--links", links)["rows"]
        self.assertEqual([row["method"] for row in rows], ["none", "full", "full+adapter", "link"])
        self.assertNotEqual(rows[1]["gold_loss"], rows[2]["gold_loss"])
        # A share of what documents are worth, which on a random model may be nothing.
        worth = rows[0]["gold_loss"] - rows[2]["gold_loss"]
        self.assertEqual(rows[2]["recovered"], 1 if worth > 0 else None)

    def test_record_is_refused_where_the_file_cannot_be_written(self):
        if harness.os.geteuid() == 0:
            self.skipTest("root may write everywhere")
        folder = self.dir / "shut"
        folder.mkdir()
        links = harness.write_links(self.model, folder / "tiny.links", k=2)
        folder.chmod(0o500)
        try:
            self.bad("check", "--quality", "--record", "--links", links, says="cannot be written")
        finally:
            folder.chmod(0o700)

    def test_own_questions_stand_beside_the_built_in_ones(self):
        first = self.write("notes.jsonl", json.dumps(OWN) + "\n")
        # Neither a name that the program uses nor the id of another file's question loses one.
        second = self.write("gate.jsonl", json.dumps(OWN) + "\n")
        report = self.check("--links", self.links, "--data", first, second)
        self.assertEqual([(row["dataset"], row["n"]) for row in report["rows"]
                          if row["method"] == "link" and not row["dataset"].startswith("mean")],
                         [("gate", 1), ("own notes", 1), ("own gate", 1)])
        means = [row for row in report["rows"] if row["dataset"] == "mean"]
        self.assertEqual([(row["method"], row["n"]) for row in means],
                         [("none", 3), ("full", 3), ("link", 3)])
        text = self.kvlink("check", "--quality", "--limit", "1", "--links", "none", "--data",
                           first, second).out
        self.assertEqual(text.count("\nmean "), 3, text)
        self.assertNotEqual(report["data"], self.check("--links", self.links)["data"])

    def test_a_sample_is_recorded_where_nothing_better_is(self):
        report = self.check("--links", self.links, sample=True)
        self.assertEqual(report["questions"], {"asked": 30, "of": 120})
        self.assertTrue(report["recorded"], report)
        sets = gate_of(self.links)["figures"]["sets"]
        self.assertEqual([(s["dataset"], s["n"]) for s in sets], [("gate", 30)])
        # A record of more questions stays.
        gate = gate_of(self.links)
        gate["figures"]["sets"][0]["n"] = 120
        better = self.dir / "better.links"
        self.rewrite_gate(self.links, better, gate)
        report = self.check("--links", better, sample=True)
        self.assertIn("records what 120 questions say", report["why_not_recorded"])
        self.assertEqual(gate_of(better), gate)

    def rewrite_gate(self, source, target, gate):
        with open(source, "rb") as file:
            header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
            rest = file.read()
        header["__metadata__"]["gate"] = json.dumps(gate)
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with open(target, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text + rest)

    def test_refusals(self):
        words = ["check", "--quality"]
        self.bad(*words, "--links", "none", "--record", says=["--record", "--links FILE"])
        few = ["--links", self.links, "--record"]
        self.bad(*words, *few, "--limit", "29", says="--limit 29 says too little: at least 30")
        own = self.write("notes.jsonl", json.dumps(OWN) + "\n")
        self.bad(*words, *few, "--data", own, says='"notes" with 1 question says too little')
        self.assertIsNone(gate_of(self.links))
        self.bad(*words, "--data", self.dir / "nowhere", says="nowhere")
        bad = self.write("bad.jsonl", json.dumps({**OWN, "documents": []}) + "\n")
        self.bad(*words, "--data", bad, says="documents")
        self.bad("check", "--limit", "1", says="--quality", code=2)
        self.bad("check", "--quality", "--limit", "-1", says="--limit", code=2)
        self.bad("check", "--quality", "--limit", "3", "--full", says="--full", code=2)


if __name__ == "__main__":
    harness.main()
