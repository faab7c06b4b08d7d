"""kill -9 at a random moment of `index`, many times: the store opens, verifies, and finishes."""

import os
import random
import subprocess
import time

import harness

ROUNDS = 200
BUDGET_S = 300  # a very slow machine does fewer rounds, and says so


class Kill(harness.CliTest):

    def add_source(self, name, rng, count=4):
        self.write(f"notes/{name}.jsonl", "".join(
            f'{{"title": "N{rng.randrange(10**9)}", "text": "Fact {rng.randrange(10**9)} of '
            f'{name}. {"Some words. " * rng.randrange(1, 12)}"}}\n' for _ in range(count)))

    def test_kill_at_random_moments(self):
        seed = int(os.environ.get("KVLINK_TEST_SEED", random.SystemRandom().randrange(2**32)))
        print(f"seed {seed} (KVLINK_TEST_SEED sets it)", flush=True)
        rng = random.Random(seed)
        notes = self.dir / "notes"

        whole_s = float("inf")  # what a run takes: the moment of the kill is drawn from it
        for name in ("first", "second", "third"):
            self.add_source(name, rng)
            before = time.monotonic()
            self.index(notes)
            whole_s = min(whole_s, time.monotonic() - before)

        started = time.monotonic()
        rounds = killed = 0
        while rounds < ROUNDS and time.monotonic() - started < BUDGET_S:
            if rounds % 4 == 0:  # new work, and sometimes work that is half done
                self.add_source(f"round{rounds % 48}", rng)
            process = subprocess.Popen(self.arguments("index", notes), env=self.env,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            time.sleep(rng.uniform(0, 1.1 * whole_s))
            process.kill()
            _, err = process.communicate()
            if process.returncode == -9:
                killed += 1
            else:  # it was done before
                self.assertEqual((process.returncode, err), (0, b""))
            report = self.good("store", "verify", "--json").json()
            self.assertEqual(report["quarantined"], 0, report)
            rounds += 1
        print(f"{rounds} rounds, {killed} killed before their end", flush=True)
        self.assertGreater(killed, rounds // 4)

        documents = self.index(notes)
        lines = sum(len(path.read_text().splitlines()) for path in notes.iterdir())
        present = [d for d in documents if d["status"] != "removed"]
        self.assertEqual(len(present), lines)
        listed = self.good("docs", "list", "--json").json()["documents"]
        self.assertEqual({d["id"] for d in listed}, {d["id"] for d in present})
        self.assertEqual(set(self.statuses(self.index(notes))), {"unchanged"})
        answer = self.ask("Fact words", "--top-k", "10")
        self.assertEqual({d["status"] for d in answer["documents"]}, {"linked"})
        self.assertEqual(list((self.store / "tmp").iterdir()), [])


if __name__ == "__main__":
    harness.main()
