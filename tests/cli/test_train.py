"""kvlink-train: kill -9 at random moments and --resume end as if nothing had happened; usage and
refusals are one line."""

import json
import os
import random
import subprocess
import time
import unittest

import harness

TRAIN = os.environ.get("KVLINK_TRAIN_BIN", "")
ROUNDS = 4
MOST_KILLS = 12  # of one run; it may then end, however slow the machine is


def examples(name, count, rng):
    words = "mill tower lamp river paper town".split()
    lines = []
    for i in range(count):
        answer = rng.choice(words)
        documents = [{"title": f"D{j}", "text": " ".join(rng.choices(words, k=6))}
                     for j in range(3)]
        documents[1]["text"] += f" the key is {answer}"
        lines.append(json.dumps({"id": f"{name}{i}", "question": "What is the key?",
                                 "answers": [answer], "documents": documents, "gold": [1]}))
    return "\n".join(lines) + "\n"


@unittest.skipUnless(os.access(TRAIN, os.X_OK), "skipped: kvlink-train was not built (no Torch)")
class Train(harness.CliTest):

    def setUp(self):
        super().setUp()
        rng = random.Random(1)
        self.write("train.jsonl", examples("t", 22, rng))
        self.write("valid.jsonl", examples("v", 4, rng))

    def command(self, out, *words):
        return [TRAIN, "--model", self.model, "--data", "train.jsonl", "--valid", "valid.jsonl",
                "--k", "2", "--rank", "2", "--batch", "4", "--micro-batch", "2", "--epochs", "4",
                "--valid-every", "5", "--checkpoint-every", "2", "--threads", "1", "--out", out,
                *words]

    def train(self, out, *words):
        return harness.Run(subprocess.run(
            self.command(out, *words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=self.env, cwd=self.dir, timeout=harness.TIMEOUT_S))

    def log(self, run):
        lines = [json.loads(line)
                 for line in (self.dir / run / "log.jsonl").read_text().splitlines()]
        for line in lines:
            del line["seconds"]
        return lines

    def refused(self, out, *words, says, code=1):
        run = self.train(out, *words)
        self.assertEqual(run.code, code, run)
        self.assertEqual(len(run.err_lines()), 1, run)
        self.assertTrue(run.err.startswith("kvlink-train: "), run)
        self.assertIn(says, run.err)

    def test_kill_and_resume(self):
        seed = int(os.environ.get("KVLINK_TEST_SEED", random.SystemRandom().randrange(2**32)))
        print(f"seed {seed} (KVLINK_TEST_SEED sets it)", flush=True)
        rng = random.Random(seed)
        before = time.monotonic()
        whole = self.train("whole.safetensors")
        whole_s = time.monotonic() - before
        self.assertEqual(whole.code, 0, whole)
        # A line at the start, one a validation, one at the end: no bar where there is no terminal.
        self.assertEqual(len(whole.err_lines()), 2 + 5, whole)
        self.assertNotIn("\r", whole.err)
        log = self.log("whole.run")
        self.assertEqual([line["step"] for line in log if "loss" in line], list(range(1, 25)))
        self.assertTrue((self.dir / "whole.run/curve.svg").read_text().startswith("<svg"))
        links = (self.dir / "whole.safetensors").read_bytes()

        all_kills = resumed = 0
        for number in range(ROUNDS):
            run, out = f"r{number}.run", f"r{number}.safetensors"
            kills, done = 0, False
            while not done:
                limit_s = rng.uniform(0, 1.3 * whole_s) if kills < MOST_KILLS else None
                go_on = (self.dir / run / "checkpoint").exists()
                process = subprocess.Popen(
                    self.command(out, *(["--resume", run] if go_on else ["--run", run])),
                    stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=self.env, cwd=self.dir)
                try:
                    _, err = process.communicate(timeout=limit_s)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.communicate()
                    kills += 1
                    continue
                self.assertEqual(process.returncode, 0, err)
                resumed += go_on
                done = True
            all_kills += kills
            self.assertEqual(self.log(run), log)
            self.assertEqual((self.dir / out).read_bytes(), links)
        print(f"{all_kills} kills, {resumed} of {ROUNDS} runs ended by --resume", flush=True)
        self.assertGreater(all_kills, 0)

    def test_refusals_are_one_line(self):
        run = self.train("links.safetensors")
        self.assertEqual(run.code, 0, run)
        self.refused("links.safetensors", says="links.run holds a run already: --resume links.run")
        self.refused("links.safetensors", "--resume", "links.run", "--seed", "2",
                     says="cannot resume: --seed was 1 and is 2 now")
        self.refused("links.safetensors", "--resume", "none.run", says="no checkpoint there")
        self.write("train.jsonl", '{"question": "q", "documents": [{"text": "t"}]}\n')
        self.refused("other.safetensors", says='train.jsonl:1: field "answers"')

    def test_usage(self):
        for words, says in ((["--resume", "a.run", "--run", "b.run"], "--run excludes --resume"),
                            (["--mix", "mix.json"], " excludes "),
                            (["--average", "a"], "--average trains nothing"),
                            (["--k", "x"], "--k"),
                            (["--mode", "most"], "--mode: most not in {links,full}"),
                            (["--limit", "-3"], "--limit: expected a whole number from 0 to "
                                                "9223372036854775807, found -3"),
                            (["--clip", "-1"], "--clip: at least 0 expected, -1 found")):
            self.refused("links.safetensors", *words, says=says, code=2)
        self.refused("links.safetensors", "--device", "gpu", says='expected cpu, cuda or cuda:N',
                     code=2)
        # On a machine with GPUs too there are fewer than that.
        self.env["LOCAL_RANK"] = "1000"
        self.refused("links.safetensors", "--device", "cuda", says="--device cuda:1000: ")
        self.env["LOCAL_RANK"] = "one"
        self.refused("links.safetensors", "--device", "cuda", says="LOCAL_RANK", code=2)
        del self.env["LOCAL_RANK"]
        help_text = subprocess.run([TRAIN, "--help"], check=True, stdout=subprocess.PIPE)
        for flag in (b"--data", b"--mix", b"--resume", b"--patience", b"--checkpoint-every"):
            self.assertIn(flag, help_text.stdout)

    def test_average(self):
        for seed in ("1", "2"):
            run = self.train(f"run{seed}.safetensors", "--seed", seed, "--run", f"{seed}.run")
            self.assertEqual(run.code, 0, run)
        run = harness.Run(subprocess.run(
            [TRAIN, "--model", self.model, "--average", "run1.safetensors", "run2.safetensors",
             "--rank", "1", "--out", "new/mean.safetensors"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env, cwd=self.dir,
            timeout=harness.TIMEOUT_S))
        self.assertEqual(run.code, 0, run)
        self.assertRegex(run.err, r"^rank 1, which holds [0-9.]+ % of the mean adapter\n$")
        self.index(self.write_notes())
        asked = self.ask("--links", self.dir / "new/mean.safetensors", "How many cranes?")
        self.assertIn("link", {token["source"] for token in asked["prompt"]})

    def test_present_names_of_flags_go_on(self):
        run = subprocess.run(
            [TRAIN, "--model", self.model, "--train", "train.jsonl", "-k", "1", "--limit", "4",
             "--rank", "0", "--out", "sub/links.safetensors"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env, cwd=self.dir,
            timeout=harness.TIMEOUT_S)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.index(self.write_notes())
        asked = self.ask("--links", self.dir / "sub/links.safetensors", "How many cranes?")
        self.assertIn("link", {token["source"] for token in asked["prompt"]})


if __name__ == "__main__":
    harness.main()
