"""`index` streams: its peak memory does not grow with what it indexes."""

import os
import random

import harness

MIB = 1 << 20
SMALL_FILES, LARGE_FILES = 50, 1000
FILE_BYTES = 10 << 10


class IndexMemory(harness.CliTest):

    def text(self, rng, size):
        words = []
        while size > 0:
            words.append(rng.choice(["velmora", "harbour", "crane", "garden", "of", "the", "a"])
                         + str(rng.randrange(100)) + rng.choice([" ", " ", ".\n\n"]))
            size -= len(words[-1])
        return "".join(words)

    def peak(self, *words):
        """Peak resident memory of a run, in bytes."""
        pid = os.posix_spawn(harness.KVLINK, self.arguments(*words), self.env)
        _, status, usage = os.wait4(pid, 0)
        self.assertEqual(status, 0)
        return usage.ru_maxrss << 10

    def grown(self, write):
        """How much more a corpus of LARGE_FILES takes than one of SMALL_FILES, and their sizes."""
        peaks, sizes = [], []
        for count in (SMALL_FILES, LARGE_FILES):
            folder = self.dir / f"corpus{count}"
            folder.mkdir()
            write(folder, count)
            sizes.append(sum(path.stat().st_size for path in folder.iterdir()))
            peaks.append(self.peak("index", "--quiet", "--blocks", "none", "--max-tokens",
                                   "2000", folder, "--store",
                                   self.dir / f"store{count}"))
        return peaks[1] - peaks[0], sizes[1] - sizes[0]

    def test_many_files(self):
        rng = random.Random(1)

        def write(folder, count):
            for n in range(count):
                (folder / f"{n}.txt").write_text(self.text(rng, FILE_BYTES))

        grown, more = self.grown(write)
        self.assertGreater(more, 9 * MIB)
        self.assertLess(grown, 0.8 * more)  # texts that were kept would be in it at least once

    def test_one_large_file_of_lines(self):
        rng = random.Random(2)

        def write(folder, count):
            with open(folder / "all.jsonl", "w", encoding="utf-8") as lines:
                for _ in range(count):
                    text = self.text(rng, FILE_BYTES)
                    lines.write(harness.json.dumps({"text": text}) + "\n")

        grown, more = self.grown(write)
        self.assertGreater(more, 9 * MIB)
        self.assertLess(grown, 0.8 * more)


if __name__ == "__main__":
    harness.main()
