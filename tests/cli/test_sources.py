"""`index` over files as they are found: odd entries, names, links, what changes and goes."""

import json
import os
import re
import signal
import socket
import subprocess
import time

import harness

NOBODY = 65534


def as_nobody():
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


class Sources(harness.CliTest):

    def listed(self, *words, **more):
        return self.good("docs", "list", "--json", *words, **more).json()["documents"]

    def folder(self):
        self.write("d/good.txt", "A good text.\n")
        return self.dir / "d"

    def index_but(self, path, *says, code=1, **more):
        """The good file is indexed, the bad entry named once in the lines and once in --json."""
        run = self.kvlink("index", "--json", path, **more)
        self.assertEqual(run.code, code, run)
        self.assertEqual(self.statuses(run.json()["documents"]), ["computed"], run)
        failures = run.json()["failures"]
        self.assertEqual(len(failures), 1, run)
        self.assertEqual(run.err_lines(), ["kvlink: " + failures[0]])
        for text in says:
            self.assertIn(text, failures[0])
        self.assertEqual([d["title"] for d in self.listed(**more)], ["good"])

    def test_a_link_to_itself(self):
        os.symlink("loop.txt", self.folder() / "loop.txt")
        self.index_but(self.dir / "d", "loop.txt")

    def test_a_pipe_a_socket_a_device(self):
        os.mkfifo(self.folder() / "pipe.txt")
        self.index_but(self.dir / "d", "pipe.txt", "is a pipe")

    def test_a_socket(self):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.folder() / "socket.md"))
            self.index_but(self.dir / "d", "socket.md")

    def test_a_device(self):
        if os.geteuid() != 0:
            self.skipTest("skipped: only root makes devices")
        os.mknod(self.folder() / "zero.txt", 0o600 | 0o020000, os.makedev(1, 5))
        self.index_but(self.dir / "d", "zero.txt")

    def test_pipes_given_by_name(self):
        os.mkfifo(self.dir / "pipe.txt")
        self.bad("index", self.dir / "pipe.txt", says=["pipe.txt", "is a pipe"])

    def nobodys(self):
        """Runs as somebody whom permissions hold."""
        if os.geteuid() != 0:
            return {}
        for path in (self.class_dir, self.dir):
            os.chmod(path, 0o755)
        os.chmod(self.model, 0o644)
        self.store.mkdir()
        os.chown(self.store, NOBODY, NOBODY)
        try:
            probe = subprocess.run(self.arguments("version"), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, check=False, env=self.env,
                                   preexec_fn=as_nobody)
        except PermissionError:
            probe = None
        if probe is None or probe.returncode != 0:
            self.skipTest("skipped: another user cannot run the program where it lies")
        return {"preexec_fn": as_nobody}

    def test_a_closed_file_and_a_closed_folder(self):
        more = self.nobodys()
        self.write("d/closed.txt", "x").chmod(0)
        self.folder().chmod(0o755)
        self.index_but(self.dir / "d", "closed.txt", "ermission", **more)
        os.remove(self.dir / "d/closed.txt")
        self.write("d/locked/a.txt", "x")
        (self.dir / "d/locked").chmod(0)
        self.write("d/good.txt", "Another good text.\n")
        run = self.kvlink("index", "--json", self.dir / "d", **more)
        (self.dir / "d/locked").chmod(0o755)
        self.assertEqual(run.code, 1, run)
        self.assertEqual(self.statuses(run.json()["documents"]), ["computed", "removed"])
        self.assertIn("locked", run.json()["failures"][0])

    def test_what_cannot_be_looked_at_is_not_gone(self):
        more = self.nobodys()
        folder = self.folder()
        inner = self.write("d/sub/a.txt", "Not to be lost.\n").parent
        for path in (folder, inner):
            path.chmod(0o755)
        self.good("index", folder, **more)
        inner.chmod(0)
        run = self.kvlink("index", "--json", "--prune", folder, **more)
        inner.chmod(0o755)
        self.assertEqual(run.code, 1, run)
        self.assertNotIn("removed", self.statuses(run.json()["documents"]))
        self.assertIn("kept in the list", " ".join(run.json()["failures"]))
        self.assertEqual(len(self.listed(**more)), 2)
        os.remove(inner / "a.txt")  # now it is
        self.assertIn("removed", self.statuses(
            self.good("index", "--json", "--prune", folder, **more).json()["documents"]))

    def test_ctrl_c_ends_a_run_that_meets_a_pipe(self):
        os.mkfifo(self.folder() / "pipe.txt")
        process = subprocess.Popen(self.arguments("index", self.dir / "d"), env=self.env,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        _, err = process.communicate(timeout=harness.TIMEOUT_S)
        self.assertEqual(process.returncode, 1, err)

    def test_ctrl_c_while_standard_input_is_read(self):
        process = subprocess.Popen(self.arguments("index", "-"), env=self.env,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        process.stdin.write(b"half a text")
        process.stdin.flush()
        deadline = time.monotonic() + harness.TIMEOUT_S
        while not (self.store / "documents.sqlite").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=harness.TIMEOUT_S), 130)
        self.assertIn(b"stopped", process.stderr.read())
        for pipe in (process.stdin, process.stdout, process.stderr):
            pipe.close()

    def test_ctrl_c_while_a_question_is_read(self):
        process = subprocess.Popen(self.arguments("ask", "-"), env=self.env,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        self.assertIn(process.wait(timeout=harness.TIMEOUT_S), (130, -signal.SIGINT))
        for pipe in (process.stdin, process.stdout, process.stderr):
            pipe.close()

    def test_dot_dot_behind_a_link(self):
        self.write("real/sub/y.txt", "y")
        self.write("real/x.txt", "in real\n")
        self.write("x.txt", "in the folder of the link\n")
        os.symlink("real/sub", self.dir / "link")
        self.good("index", "link/../x.txt")
        documents = self.listed()
        self.assertEqual([d["source"] for d in documents], [str(self.dir / "real/x.txt")])
        shown = self.good("docs", "show", "--json", documents[0]["id"]).json()
        self.assertEqual(shown["text"], "in real")
        self.good("index", "x.txt", "--store", "link/../store2")
        self.assertTrue((self.dir / "real/store2/FORMAT").exists())

    def test_names_that_are_not_utf8(self):
        path = os.fsencode(self.dir) + b"/d/caf\xe9.txt"
        os.mkdir(self.dir / "d")
        with open(path, "wb") as file:
            file.write(b"A text of its own.\n")
        first = self.index("d")
        self.assertEqual([d["title"] for d in first], ["caf\ufffd"])
        for database in self.store.glob("documents.sqlite*"):
            database.unlink()
        self.good("store", "verify")
        again = self.good("index", "--json", "d")
        self.assertEqual(self.statuses(again.json()["documents"]), ["unchanged"], again)
        self.assertEqual(again.err, "")
        self.assertEqual(len(self.listed()), 1)
        os.remove(path)
        self.assertEqual(self.statuses(self.index("--prune", "d")), ["removed"])

    def test_long_titles_are_cut(self):
        small = harness.write_model(self.dir, "small", context=256)
        lines = [("Good", "The first."), ("word " * 900, "The second."), ("Third", "The third.")]
        self.write("d/a.jsonl", "".join(json.dumps({"title": title, "text": text}) + "\n"
                                        for title, text in lines))
        self.write("d/b.txt", "Another file.\n")
        run = self.good("index", "--json", "--model", small, "d")
        self.assertEqual(self.statuses(run.json()["documents"]), ["computed"] * 4)
        self.assertIn("1 title", run.err)
        self.assertLess(max(d["tokens"] for d in run.json()["documents"]), 128)
        self.assertEqual(self.statuses(self.index("--model", small, "d")), ["unchanged"] * 4)

    def test_a_wrong_line_is_left_out(self):
        path = self.write("a.jsonl", '{"text": "one"}\n{"text": \n[]\n{"text": "four"}\n')
        run = self.kvlink("index", "--json", path)
        self.assertEqual(run.code, 1, run)
        self.assertEqual(self.statuses(run.json()["documents"]), ["computed"] * 2)
        self.assertEqual(len(run.json()["failures"]), 2)
        self.assertIn("a.jsonl: line 2, column 9:", run.json()["failures"][0])
        self.assertIn("a.jsonl: line 3:", run.json()["failures"][1])
        # They are named as long as they are wrong.
        self.assertEqual(len(self.kvlink("index", "--json", path).json()["failures"]), 2)

    def test_keys_of_lines(self):
        path = self.write("a.jsonl", '{"body": "one", "name": "N", "text": "no"}\n')
        self.index(path, "--text-key", "body", "--title-key", "name")
        document = self.listed()[0]
        self.assertEqual(document["title"], "N")
        self.assertEqual(
            self.good("docs", "show", "--json", document["id"]).json()["text"], "one")
        self.bad("index", path, "--text-key", "nobody", says='no "nobody"')

    def test_many_failures_are_counted(self):
        for n in range(30):
            self.write(f"d/{n:02}.txt", b"a\0b")
        run = self.kvlink("index", self.dir / "d")
        self.assertEqual(run.code, 1)
        self.assertEqual(len(run.err_lines()), 20, run)
        self.assertIn("11 more were left out", run.err_lines()[-1])

    def test_json_says_so_where_nothing_is_left(self):
        for path in (self.dir / "gone.txt", self.write("binary.txt", b"a\0b")):
            run = self.kvlink("index", "--json", path)
            self.assertEqual(run.code, 1, run)
            self.assertEqual(run.json()["documents"], [])
            self.assertEqual(len(run.json()["failures"]), 1)
            self.assertIsNone(run.json()["store_bytes"])

    def test_the_rest_of_a_glob_goes_on(self):
        good = self.folder() / "good.txt"
        run = self.kvlink("index", "--json", self.dir / "gone.txt", good,
                          self.write("p.png", "x"))
        self.assertEqual(run.code, 1, run)
        self.assertEqual(self.statuses(run.json()["documents"]), ["computed"])
        self.assertEqual(len(run.json()["failures"]), 2)
        self.assertIn("gone.txt", run.json()["failures"][0])
        self.assertIn("p.png", run.json()["failures"][1])


class Stale(harness.CliTest):

    def setUp(self):
        super().setUp()
        self.notes = self.write_notes()
        self.index(self.notes)

    def test_answers_say_when_a_source_changed_or_went(self):
        answer = self.ask("Velmora harbour")
        self.assertEqual({d["source_state"] for d in answer["documents"]}, {"same"})
        self.assertFalse([w for w in answer["warnings"] if "since it was indexed" in w])
        os.utime(self.notes / "harbour.md", (1, 1))  # touched: the bytes are the same
        self.assertEqual({d["source_state"] for d in self.ask("Velmora harbour")["documents"]},
                         {"same"})
        self.write("notes/harbour.md", "Nothing of that.\n")
        answer = self.ask("Velmora harbour")
        self.assertIn("changed", {d["source_state"] for d in answer["documents"]})
        self.assertTrue([w for w in answer["warnings"]
                         if "harbour.md changed since it was indexed" in w], answer["warnings"])
        (self.notes / "harbour.md").unlink()
        answer = self.ask("Velmora harbour")
        self.assertIn("gone", {d["source_state"] for d in answer["documents"]})
        self.assertTrue([w for w in answer["warnings"] if "harbour.md is gone" in w])

    def test_index_names_the_stale_ones(self):
        other = self.write("other/a.txt", "Something else.\n")
        self.write("notes/garden.txt", "No longer a garden.\n")
        (self.notes / "people.jsonl").unlink()
        run = self.good("index", other)
        self.assertRegex(run.err, "1 indexed file changed .*garden.txt")
        self.assertRegex(run.err, "1 indexed file is gone: .*people.jsonl.*--prune")
        run = self.good("index", self.notes)
        self.assertNotIn("garden", run.err)
        self.assertIn("1 indexed file is gone", run.err)
        self.assertEqual(self.good("index", "--prune", self.notes).err, "")
        self.assertEqual(self.good("index", self.notes).err, "")

    def test_pruning_what_was_never_there_stops(self):
        self.bad("index", "--prune", self.dir / "nots", says=["--prune", "nots"])
        self.bad("index", "--prune", self.notes, self.dir / "nots", says=["--prune", "nots"])
        self.assertEqual(len(self.good("docs", "list", "--json").json()["documents"]), 5)

    def test_a_folder_that_vanished_is_not_forgotten_unasked(self):
        self.notes.rename(self.dir / "elsewhere")
        self.bad("index", "--prune", self.notes,
                 says=["is not there", "3 indexed files", "--yes"])
        self.assertEqual(len(self.good("docs", "list", "--json").json()["documents"]), 5)
        self.assertEqual(self.statuses(self.index("--prune", "--yes", self.notes)),
                         ["removed"] * 5)

    def test_an_empty_mount_point(self):
        for n in range(12):
            self.write(f"many/{n}.txt", f"Text number {n}.\n")
        self.index(self.dir / "many")
        for n in range(12):
            (self.dir / f"many/{n}.txt").unlink()
        self.bad("index", "--prune", self.dir / "many", says=["is empty", "12 indexed files"])
        self.assertEqual(self.statuses(self.index("--prune", "--yes", self.dir / "many")),
                         ["removed"] * 12)

    def test_a_file_that_became_a_folder(self):
        self.write("d/a.txt", "A file.\n")
        self.index(self.dir / "d")
        (self.dir / "d/a.txt").unlink()
        self.write("d/a.txt/b.txt", "A file in a folder.\n")
        self.assertEqual(self.statuses(self.index("--prune", self.dir / "d")),
                         ["computed", "removed"])

    def test_a_folder_that_lost_two_files(self):
        for n in range(2):
            self.write(f"two/{n}.txt", f"Text number {n}.\n")
        self.index(self.dir / "two")
        (self.dir / "two/0.txt").unlink()
        self.assertEqual(self.statuses(self.index("--prune", self.dir / "two")),
                         ["unchanged", "removed"])
        (self.dir / "two/1.txt").unlink()  # one, in a folder that is still there
        self.assertEqual(self.statuses(self.index("--prune", self.dir / "two")), ["removed"])
        for n in range(2):
            self.write(f"two/{n}.txt", f"Text number {n}.\n")
        self.index(self.dir / "two")
        for n in range(2):
            (self.dir / f"two/{n}.txt").unlink()
        self.bad("index", "--prune", self.dir / "two", says=["is empty", "2 indexed files", "--yes"])

    def test_an_empty_path_is_not_the_folder_one_stands_in(self):
        for words in ([""], ["", self.notes], [self.notes, ""]):
            self.bad("index", "--prune", "--yes", *words, says="a path is empty")
        self.assertEqual(len(self.good("docs", "list", "--json").json()["documents"]), 5)

    def test_a_disk_that_is_not_mounted(self):
        mount = self.dir / "mount"
        mount.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", mount],
                              stderr=subprocess.PIPE, check=False) if os.geteuid() == 0 else None
        if done is None or done.returncode != 0:
            self.skipTest("skipped: a file system cannot be mounted here")
        try:
            self.write("mount/a.txt", "On a disk of its own.\n")
            self.index(mount)
        finally:
            subprocess.run(["umount", mount], check=True)
        run = self.kvlink("index", "--prune", "--json", mount)
        self.assertEqual(run.code, 1, run)
        self.assertIn("disk that is not there", run.json()["failures"][0])
        self.assertEqual(len(self.good("docs", "list", "--json").json()["documents"]), 6)
        self.assertEqual(self.statuses(self.index("--prune", "--yes", mount)), ["removed"])


class Cost(harness.CliTest):

    def setUp(self):
        super().setUp()
        self.mount = self.dir / "mount"
        self.mount.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", self.mount],
                              stderr=subprocess.PIPE, check=False) if os.geteuid() == 0 else None
        if done is None or done.returncode != 0:
            self.skipTest("skipped: a file system cannot be mounted here")
        self.addCleanup(subprocess.run, ["umount", self.mount], check=True)

    def ask_on_a_terminal(self, path, answer):
        return self.asked_on_a_terminal(["index", path, "--store", self.mount / "store"],
                                        "go on? [y/N]", answer)

    def test_people_are_asked(self):
        path = self.write("many.jsonl", "".join(f'{{"text": "Fact {n}. {f"It is long, {n}. " * 24}"}}\n'
                                                for n in range(80)))
        code, shown = self.ask_on_a_terminal(path, b"\n")
        self.assertEqual(code, 130, shown)
        self.assertRegex(shown, r"index: \d+ documents, some [0-9,]+ tokens: about .* on disk .*"
                                r"free\).* and ")
        self.assertIn("stopped before any document was computed", shown)
        self.assertEqual(list(self.mount.glob("store/blocks/*/*.kvb")), [])
        small = self.write("few.jsonl", '{"text": "One short fact."}\n')
        code, shown = self.ask_on_a_terminal(small, b"")
        self.assertEqual((code, "go on?" in shown), (0, False), shown)
        more = self.write("some.jsonl", "".join(f'{{"text": "It {n}. {f"It is long, {n}. " * 24}"}}\n'
                                                for n in range(60)))
        code, shown = self.ask_on_a_terminal(more, b"y\n")
        self.assertIn("go on?", shown)
        self.assertNotIn("stopped", shown)
        self.assertGreater(len(list(self.mount.glob("store/blocks/*/*.kvb"))), 30)

    def test_ctrl_c_at_the_question(self):
        path = self.write("many.jsonl", "".join(f'{{"text": "Fact {n}. {f"It is long, {n}. " * 24}"}}\n'
                                                for n in range(80)))
        code, shown = self.ask_on_a_terminal(path, signal.SIGINT)
        self.assertEqual(code, 130, shown)
        self.assertIn("stopped before any document was computed", shown)

    def test_blocks_that_are_there_cost_nothing_though_the_list_was_lost(self):
        path = self.write("many.jsonl", "".join(f'{{"text": "Fact {n}. {f"It is long, {n}. " * 24}"}}\n'
                                                for n in range(50)))
        words = [path, "--store", self.mount / "store"]
        self.index("--yes", *words)
        for database in self.mount.glob("store/documents.sqlite*"):
            database.unlink()
        # For all of them there would be too little room.
        self.assertEqual(set(self.statuses(self.index(*words))), {"unchanged"})

    def test_more_than_is_free_gets_what_blocks_the_disk_has_room_for(self):
        path = self.write("many.jsonl", "".join(f'{{"text": "Fact {n}. {f"It is long, {n}. " * 24}"}}\n'
                                                for n in range(220)))
        store = self.mount / "store"
        run = self.good("index", path, "--store", store)
        said = re.search(r"index: (\d+) documents, some [0-9,]+ tokens: about .* on disk .* free\); "
                         r"(\d+) of them get blocks now", run.err)
        self.assertTrue(said, run)
        self.assertIn("the store's disk has no room for", run.err)
        blocks = len(list(store.glob("blocks/*/*.kvb")))
        self.assertGreater(blocks, 50)
        self.assertLessEqual(blocks, int(said[2]))
        self.assertIn(f": {blocks} computed", run.out)
        self.assertIn(f"{int(said[1]) - blocks} without a block", run.out)
        self.good("store", "gc", "--budget", "0", "--store", store)
        more = self.write("more.jsonl", "".join(f'{{"text": "It {n}. {f"It is long, {n}. " * 24}"}}\n'
                                                for n in range(220)))
        path = more
        # A budget that fits is agreed to by whoever gave it.
        run = self.good("index", "--json", path, "--store", store, "--budget", "1m")
        done = self.statuses(run.json()["documents"])
        self.assertGreater(done.count("computed"), 0)
        self.assertGreater(done.count("listed"), 0)
        self.assertLessEqual(set(done), {"computed", "listed", "unchanged"})
        self.assertEqual(run.json()["without_block"], done.count("listed"))


if __name__ == "__main__":
    harness.main()
