"""examples/two_agents: each turn computes its question only, whatever was said before it."""

import pathlib
import subprocess
import sys

import harness

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "examples" / "two_agents" / "two_agents.py"


class TwoAgents(harness.CliTest):

    def run_script(self, *words):
        return harness.Run(subprocess.run(
            [sys.executable, "-B", SCRIPT, "Describe the harbour of Velmora", "--kvlink",
             harness.KVLINK, "--texts", self.write_notes(), "--top-k", "2", "--max-tokens", "12",
             *words], env=self.env, cwd=self.dir, timeout=harness.TIMEOUT_S,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False))

    def test_each_turn_links_the_answers_before_it(self):
        self.env["KVLINK_LINKS"] = harness.write_links(self.model, self.dir / "tiny.links", k=2)
        run = self.run_script("--json")
        self.assertEqual(run.code, 0, run)
        self.assertFalse(self.store.exists())  # it works in a store of its own
        result = run.json()
        draft, critique, revision = result["turns"]
        self.assertEqual([t["turn"] for t in result["turns"]], ["Draft", "Critique", "Revision"])
        self.assertEqual(critique["documents"], draft["documents"] + [draft["kept"]])
        self.assertEqual(revision["documents"], critique["documents"] + [critique["kept"]])
        for turn in result["turns"]:
            links = 2 * len(turn["documents"])
            self.assertEqual(turn["computed"] + turn["reused"], turn["without_reuse"] + links)
            self.assertGreater(turn["keeping"], 0)
        # What an answer adds to the next prompt is reused, every token of it.
        self.assertEqual(revision["reused"], critique["reused"] + critique["keeping"])
        self.assertEqual(critique["reused"] - draft["keeping"],
                         draft["reused"] + self.head_tokens(draft))
        spent = sum(t["computed"] + t["keeping"] for t in result["turns"])
        without = sum(t["without_reuse"] for t in result["turns"])
        self.assertEqual([result["computed"], result["without_reuse"], result["saved"]],
                         [spent, without, without - spent])

    def head_tokens(self, draft):
        """The system text is computed by the first prompt of a store, and reused from then on."""
        self.index(self.dir / "notes")
        words = []
        for document in draft["documents"]:
            words += ["--doc", document]
        prompt = self.ask("x", *words, "--links", "none")["prompt"]
        return sum(token["source"] == "system" for token in prompt)

    def test_for_people(self):
        run = self.run_script()
        self.assertEqual(run.code, 0, run)
        self.assertRegex(run.out, r"TURN +COMPUTED +REUSED +KEEPING ANSWER +WITHOUT REUSE\n"
                                  r"Draft .*\nCritique .*\nRevision .*\n\n"
                                  r"tokens computed: \d+; encoding every prompt anew: \d+; saved: ")

    def test_failures_are_one_line(self):
        self.env["KVLINK_MODEL"] = str(self.dir / "nowhere.gguf")
        run = self.run_script()
        self.assertEqual(run.code, 1, run)
        self.assertEqual(len(run.err_lines()), 1, run)
        self.assertIn("nowhere.gguf", run.err)


if __name__ == "__main__":
    harness.main()
