"""`eval`: what it reports and writes, that it goes on after a kill, what it refuses.

Most on a tiny model; what a trained one must show (class RealModel), on the real one.
"""

import json
import os
import pathlib
import signal
import subprocess
import time

import harness

# Invented, so that no model knows an answer without its document.
FACTS = [
    ("Velmora Harbour", "The harbour of Velmora has nine cranes and was dug in 1874.",
     "How many cranes does the harbour of Velmora have?", ["nine", "9"]),
    ("Ostrin Garden", "The garden of Ostrin is known for its blue tortoise, called Marbel.",
     "What is the blue tortoise of Ostrin called?", ["Marbel"]),
    ("Ida Quell", "Ida Quell repairs clocks in the town of Tarsim, behind the fish market.",
     "In which town does Ida Quell repair clocks?", ["Tarsim"]),
    ("Bo Marn", "Bo Marn keeps bees on the roof of the old mint and sells lime honey.",
     "What does Bo Marn keep on the roof of the old mint?", ["bees"]),
    ("Pell Lighthouse", "The lighthouse of Pell burns green oil and stands on forty steps.",
     "What colour is the oil that the lighthouse of Pell burns?", ["green"]),
]
ROW_KEYS = ["dataset", "method", "n", "subspan_em", "em", "f1", "rouge_l", "gold_loss",
            "recovered", "answer_tokens", "computed_tokens", "ttft_ms", "ci"]
LINE_KEYS = ["id", "dataset", "method", "prediction", "gold_loss", "scores", "answer_tokens",
             "computed_tokens", "ttft_ms"]


def question(number):
    documents = [{"title": title, "text": text} for title, text, _, _ in FACTS]
    return {"id": f"q{number}", "dataset": "facts", "question": FACTS[number][2],
            "answers": FACTS[number][3], "documents": documents, "gold": [number]}


def jsonl(objects):
    return "".join(json.dumps(each) + "\n" for each in objects)


def without_times(report):
    report = json.loads(json.dumps(report))
    for row in report["rows"]:
        row["ttft_ms"] = None
    return report


class EvalTest(harness.CliTest):

    def setUp(self):
        super().setUp()
        self.file = self.write("facts.jsonl", jsonl(question(n) for n in range(5)))

    def eval(self, *words, max_tokens=6):
        return self.good("eval", self.file, "--json", "--max-tokens", max_tokens, *words).json()

    def lines(self, folder):
        path = self.dir / folder / "predictions.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]

    def check_shape(self, report, methods):
        self.assertEqual(list(report), ["rows", "paired", "model", "links", "seed", "left_out"])
        self.assertEqual(report["left_out"], [])
        self.assertEqual([row["method"] for row in report["rows"]], methods)
        for row in report["rows"]:
            self.assertEqual(list(row), ROW_KEYS)
            self.assertEqual((row["dataset"], row["n"]), ("facts", 5))
            self.assertIsNone(row["rouge_l"])  # no summaries here
            for key in ("subspan_em", "em", "f1"):
                self.assertTrue(0 <= row[key] <= 1, row)
            self.assertGreater(row["gold_loss"], 0)
            self.assertGreater(row["ttft_ms"], 0)
            for key, (low, high) in row["ci"].items():
                self.assertLessEqual(low, row[key] + 1e-9, row)
                self.assertGreaterEqual(high, row[key] - 1e-9, row)
            self.assertIn("gold_loss", row["ci"])
            self.assertNotIn("rouge_l", row["ci"])


class Eval(EvalTest):

    def test_rows_and_files(self):
        methods = ["none", "full", "reuse", "ape:0.9,0.8", "epic:4"]
        report = self.eval("--methods", ",".join(methods), "--out", "out")
        self.check_shape(report, methods)
        self.assertEqual((report["model"], report["links"], report["seed"]),
                         (pathlib.Path(self.model).name, None, 1))
        self.assertEqual(json.loads((self.dir / "out/report.json").read_text()), report)
        self.assertIn("</svg>", (self.dir / "out/report.html").read_text())
        lines = self.lines("out")
        self.assertEqual([(line["id"], line["method"]) for line in lines],
                         [(f"q{n}", method) for n in range(5) for method in methods])
        for line in lines:
            self.assertEqual(list(line), LINE_KEYS)
            self.assertEqual(list(line["scores"]), ["subspan_em", "em", "f1", "rouge_l"])
        for row in report["rows"]:
            losses = [line["gold_loss"] for line in lines if line["method"] == row["method"]]
            self.assertAlmostEqual(row["gold_loss"], sum(losses) / 5)
        computed = {row["method"]: row["computed_tokens"] for row in report["rows"]}
        self.assertEqual(computed["epic:4"], computed["reuse"] + 5 * 4)
        self.assertEqual(computed["ape:0.9,0.8"], computed["reuse"])
        self.assertGreater(computed["full"], computed["epic:4"])
        against = {(d["method"], d["against"], d["measure"]) for d in report["paired"]}
        self.assertIn(("reuse", "full", "gold_loss"), against)

    def test_only_json_on_standard_output(self):
        run = self.good("eval", self.file, "--json", "--methods", "full,link", "--max-tokens", "2")
        self.assertEqual(run.err, "")
        self.assertEqual(run.out.count("\n"), 1)
        self.assertTrue(run.out.endswith("}\n"))
        run.json()

    def test_a_reader_sees_rows_and_the_main_differences(self):
        run = self.good("eval", self.file, "--methods", "none,full,link", "--max-tokens", "2",
                        "--out", "out")
        self.assertRegex(run.out, "(?m)^facts +link +5 ")
        self.assertRegex(run.out, "(?m)^facts +full \u2212 link +5 ")
        self.assertNotIn("\u2212 full", run.out)  # those are in the files
        self.assertIn("\u2212 full", (self.dir / "out/report.html").read_text())
        self.assertIn("predictions.jsonl", run.err_lines()[-1])
        quiet = self.good("eval", self.file, "--methods", "none,full,link", "--max-tokens", "2",
                          "--out", "out", "--quiet")
        self.assertEqual((quiet.out, quiet.err), (run.out, ""))

    def test_only_the_loss(self):
        row = self.eval("--methods", "full", max_tokens=0)["rows"][0]
        self.assertEqual((row["f1"], row["em"], row["answer_tokens"]), (None, None, 0))
        self.assertGreater(row["gold_loss"], 0)

    def test_the_seed_decides_the_order(self):
        losses = [self.eval("--methods", "full", "--seed", seed, max_tokens=0)["rows"][0]
                  ["gold_loss"] for seed in (1, 1, 2)]
        self.assertEqual(losses[0], losses[1])
        self.assertNotEqual(losses[0], losses[2])

    def test_gold_positions(self):
        report = self.eval("--methods", "full", "--gold-position", "every", "--limit", "2", "--out",
                           "out", max_tokens=1)
        self.assertEqual(report["rows"][0]["n"], 2)  # questions, each the mean over its places
        self.assertEqual([(line["id"], line["gold_position"]) for line in self.lines("out")],
                         [(f"q{n}", place) for n in range(2) for place in range(5)])
        self.assertEqual([(row["gold_position"], row["n"]) for row in report["positions"]],
                         [(place, 2) for place in range(5)])
        mean = sum(row["gold_loss"] for row in report["positions"]) / 5
        self.assertAlmostEqual(mean, report["rows"][0]["gold_loss"])
        # A run goes on with the places that are not there yet.
        whole = (self.dir / "out/predictions.jsonl").read_bytes()
        part = whole.splitlines(keepends=True)[:7]
        (self.dir / "out/predictions.jsonl").write_bytes(b"".join(part))
        again = self.eval("--methods", "full", "--gold-position", "every", "--limit", "2", "--out",
                          "out", max_tokens=1)
        self.assertEqual(len(self.lines("out")), 10)
        self.assertEqual(again["rows"][0]["gold_loss"], report["rows"][0]["gold_loss"])

    def test_a_method_is_added_to_a_run(self):
        first = self.eval("--methods", "full", "--out", "out")
        both = self.eval("--methods", "reuse,full", "--out", "out")
        self.assertEqual([row["method"] for row in both["rows"]], ["reuse", "full"])
        self.assertEqual(both["rows"][1]["gold_loss"], first["rows"][0]["gold_loss"])
        self.assertEqual(len(self.lines("out")), 10)  # "full" was not asked again

    def test_method_block_is_added_to_a_run(self):
        links = harness.write_links(self.model, self.dir / "k0.links", k=0, adapter=1)
        words = ["--methods", "full,block", "--out", "out"]
        self.bad("eval", self.file, *words, says="--block-links")
        self.assertFalse((self.dir / "out").exists())  # what cannot be asked leaves no folder
        self.eval("--methods", "full", "--out", "out")
        self.eval(*words, "--block-links", links)
        self.assertEqual(len(self.lines("out")), 10)
        other = harness.write_links(self.model, self.dir / "other.links", k=0, adapter=1, seed=6)
        self.bad("eval", self.file, *words, "--block-links", other, "--max-tokens", 6,
                 says="block_links is")
        self.eval("--methods", "full", "--out", "out")  # whose answers are its own

    def test_a_folder_holds_one_evaluation(self):
        links = harness.write_links(self.model, self.dir / "tiny.links", k=2)
        words = ["eval", self.file, "--methods", "full", "--out", "out"]
        self.good(*words)
        before = (self.dir / "out/predictions.jsonl").read_bytes()
        for name, more in (("seed", ["--seed", "2"]), ("links", ["--links", links]),
                           ("limit", ["--limit", "1"]), ("documents", ["--documents", "2"]),
                           ("max_tokens", ["--max-tokens", "3"]), ("dtype", ["--dtype", "f32"]),
                           ("gold_position", ["--gold-position", "cycle"])):
            self.bad(*words, *more, says=["out holds another evaluation", f"{name} is", "--out"])
        self.write("facts.jsonl", jsonl([question(0)]))
        self.bad(*words, says=["another evaluation", "files is"])
        other = self.write("other.jsonl", jsonl([question(1)]))
        self.good("eval", self.file, other, "--methods", "full", "--out", "two")
        self.bad("eval", other, "--methods", "full", "--out", "two", says="files is")
        self.assertEqual((self.dir / "out/predictions.jsonl").read_bytes(), before)

    def test_a_damaged_log(self):
        words = ["eval", self.file, "--methods", "full", "--out", "out"]
        self.good(*words)
        path = self.dir / "out/predictions.jsonl"
        lines = path.read_text().splitlines(keepends=True)
        path.write_text(lines[0] + '{"id": 3}\n' + lines[1])
        self.bad(*words, says=["predictions.jsonl:2: not a prediction", '"id"'])
        self.write("out/run.json", "{")
        self.bad(*words, says=["another evaluation", "not there"])

    def test_bad_files(self):
        good = question(0)
        cases = [
            ({**good, "answers": []}, ["answers"]),
            ({key: value for key, value in good.items() if key != "answers"}, ["answers"]),
            ({**good, "question": 7}, ["question"]),
            ({**good, "documents": "none"}, ["documents"]),
            ({**good, "documents": [{"title": "", "text": ""}]}, ["documents"]),
            ({**good, "gold": [5]}, ["gold"]),
        ]
        for number, (line, says) in enumerate(cases):
            path = self.write(f"bad{number}.jsonl", jsonl([good, line]))
            self.bad("eval", path, says=[f"bad{number}.jsonl:2: ", *says])
        path = self.write("broken.jsonl", jsonl([good]) + '{"question": "Who?\n')
        self.bad("eval", path, says="broken.jsonl:2: ")
        self.bad("eval", self.file, self.file, says=["example q0 of facts", "two examples"])
        self.bad("eval", self.write("notes.txt", "plain text without a question\n"),
                 says=["notes", "no question"])

    def test_an_example_beyond_the_context_is_left_out(self):
        long = {**question(3), "documents": [{"title": "Bees", "text": "bees and lime " * 900}],
                "gold": [0]}
        path = self.write("long.jsonl", jsonl([question(0), long, question(1)]))
        words = ["eval", path, "--methods", "none,link,full", "--max-tokens", "2"]
        report = self.good(*words, "--json").json()
        self.assertEqual([row["n"] for row in report["rows"]], [2, 2, 2])
        self.assertEqual(len(report["left_out"]), 1)
        self.assertIn("example q3 of facts by method link: ", report["left_out"][0])
        self.assertIn("context has 4096", report["left_out"][0])
        run = self.good(*words)
        self.assertIn("1 question left out by every method", run.out)
        self.assertRegex(run.err, "(?m)^kvlink: warning: left out: example q3")
        path = self.write("only.jsonl", jsonl([long]))
        self.bad("eval", path, "--methods", "link", says=["example q3", "context has 4096"])

    def test_a_question_or_gold_answer_beyond_the_context_is_left_out(self):
        asks = {**question(3), "question": "who? " * 2000}
        gold = {**question(4), "answers": ["lime and bees " * 900]}
        path = self.write("long.jsonl", jsonl([question(0), asks, gold, question(1)]))
        report = self.good("eval", path, "--methods", "none,link", "--max-tokens", "2",
                           "--json").json()
        self.assertEqual([row["n"] for row in report["rows"]], [2, 2])
        self.assertEqual(len(report["left_out"]), 2)
        self.assertIn("example q3 of facts by method none: ", report["left_out"][0])
        self.assertIn("shorten the gold answer", report["left_out"][1])

    def test_no_examples(self):
        for name, contents in (("empty.jsonl", ""), ("blank.jsonl", "\n\n"), ("none.json", "[]")):
            self.bad("eval", self.write(name, contents), says=name)
        self.bad("eval", "missing.jsonl", says="missing.jsonl")

    def test_usage(self):
        self.bad("eval", code=2)
        for words, says in ((["--methods", "sideways"], ["--methods", "sideways"]),
                            (["--methods", "ape:0.9"], "as in ape:0.9,0.9"),
                            (["--methods", "full,full"], "named twice"),
                            (["--methods", ""], "--methods"),
                            (["--limit", "-1"], "--limit"),
                            (["--gold-position", "first"], "--gold-position"),
                            (["--seed", "x"], "--seed"),
                            (["--max-tokens", "-1"], "--max-tokens")):
            self.bad("eval", self.file, *words, says=says, code=2)
        self.bad("eval", self.file, "--methods", "block", says="--block-links")
        self.bad("eval", self.file, "--methods", "full+adapter", says="adapter")
        self.bad("eval", self.file, "--out", self.file, says="facts.jsonl")
        self.bad("eval", self.file, "--links", "missing.links", says="missing.links")

    def test_goes_on_after_a_kill(self):
        self.kill_and_go_on(signal.SIGKILL, -signal.SIGKILL)

    def test_goes_on_after_an_interrupt(self):
        self.kill_and_go_on(signal.SIGINT, 130)

    def kill_and_go_on(self, number, code, max_tokens=40, kills=2):
        words = ["eval", self.file, "--json", "--methods", "full,reuse,link", "--max-tokens",
                 max_tokens]
        whole = self.good(*words, "--out", "whole").json()
        stopped = 0
        log = self.dir / "out/predictions.jsonl"
        for _ in range(kills):
            before = len(log.read_bytes()) if log.exists() else 0
            process = subprocess.Popen(self.arguments(*words, "--out", "out"), env=self.env,
                                       cwd=self.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            deadline = time.monotonic() + harness.TIMEOUT_S
            while process.poll() is None and time.monotonic() < deadline:
                if log.exists() and len(log.read_bytes()) > before:
                    process.send_signal(number)
                    break
                time.sleep(0.001)
            out, err = process.communicate(timeout=harness.TIMEOUT_S)
            self.assertEqual(process.returncode, code, err)
            self.assertEqual(out, b"")
            if number == signal.SIGINT:
                self.assertRegex(err.decode(), r"^kvlink: evaluation: stopped after \d+ of 15 ")
            stopped += 1
        self.assertLess(len(log.read_bytes().splitlines()), 15)
        kept = log.read_bytes()
        kept = kept[:kept.rfind(b"\n") + 1]
        rest = self.good(*words, "--out", "out").json()
        self.assertEqual(without_times(rest), without_times(whole))
        self.assertTrue(log.read_bytes().startswith(kept))  # nothing was asked twice
        self.assertEqual(len(self.lines("out")), 15)


def real_model():
    path = os.environ.get("KVLINK_TEST_MODEL")
    if not path:
        data = os.environ.get("XDG_DATA_HOME") or pathlib.Path.home() / ".local/share"
        path = pathlib.Path(data) / "kvlink/models/SmolLM2-135M-Instruct.Q4_1.gguf"
    return str(path) if pathlib.Path(path).exists() else None


class RealModel(EvalTest):

    def setUp(self):
        model = real_model()
        if model is None:
            self.skipTest("skipped: no real model (KVLINK_TEST_MODEL, scripts/fetch-model)")
        super().setUp()
        self.env["KVLINK_MODEL"] = model
        self.env["KVLINK_LINKS"] = "none"  # the base model's own worth

    def test_documents_are_worth_something(self):
        methods = ["none", "full", "reuse", "epic:4", "cacheblend:0.15", "attention:0.15",
                   "ape:0.9,0.9"]
        report = self.eval("--methods", ",".join(methods), max_tokens=24)
        self.check_shape(report, methods)
        rows = {row["method"]: row for row in report["rows"]}
        self.assertLess(rows["full"]["gold_loss"], rows["none"]["gold_loss"] - 1)
        self.assertGreater(rows["full"]["subspan_em"], rows["none"]["subspan_em"])
        self.assertEqual((rows["none"]["recovered"], rows["full"]["recovered"]), (0, 1))
        # What is computed again is real: the tokens counted, and the time they take.
        question_tokens = rows["reuse"]["computed_tokens"]
        documents = rows["full"]["computed_tokens"] - question_tokens
        self.assertEqual(rows["epic:4"]["computed_tokens"], question_tokens + 20)
        for method in ("cacheblend:0.15", "attention:0.15"):
            self.assertAlmostEqual(rows[method]["computed_tokens"],
                                   question_tokens + 0.15 * documents, delta=1)
        self.assertLess(rows["none"]["computed_tokens"], question_tokens + 10)


if __name__ == "__main__":
    harness.main()
