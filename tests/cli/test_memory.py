"""Too little memory, at any point: a status and one line, never a signal or an abort."""

import resource
import subprocess

import harness

MIB = 1 << 20


class Memory(harness.CliTest):

    def run_within(self, limit, *words, stdin=b""):
        def limit_it():
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

        return subprocess.run(self.arguments(*words), input=stdin, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=self.env, cwd=self.dir,
                              preexec_fn=limit_it, timeout=harness.TIMEOUT_S)

    def sweep(self, *words, stdin=b""):
        """From what cannot even load to what is enough; how many limits failed on our side."""
        failed, limit = 0, 24 * MIB
        while True:
            run = self.run_within(limit, *words, stdin=stdin)
            error = run.stderr.decode()
            if run.returncode == 0:
                return failed
            if not error.startswith("kvlink:"):  # the loader or libgomp, before we are asked
                self.assertIn(run.returncode, (1, 126, 127), (limit, run))
            else:
                self.assertEqual(run.returncode, 1, (limit, run))
                # index says of each document why it was left out.
                for line in error.splitlines():
                    self.assertTrue(line.startswith("kvlink: "), (limit, error))
                failed += 1
            self.assertLess(limit, 4096 * MIB, run)
            limit += max(MIB // 2, limit // 60)

    def test_every_limit_ends_with_a_line(self):
        path = self.write_notes()
        self.assertGreater(self.sweep("index", path), 0)
        self.assertGreater(self.sweep("ask", "--max-tokens", "2", "Who keeps bees?"), 0)

    def test_a_question_that_is_too_long_for_memory(self):
        run = self.run_within(2048 * MIB, "ask", "-", stdin=b"a" * (64 * MIB))
        self.assertEqual(run.returncode, 1, run)
        self.assertEqual(len(run.stderr.decode().splitlines()), 1, run)


if __name__ == "__main__":
    harness.main()
