"""The store under trouble: damage, loss, read-only, newer versions, a full disk."""

import contextlib
import fcntl
import json
import os
import pathlib
import resource
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time

import harness

NOBODY = 65534


def as_nobody():
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


class Store(harness.CliTest):

    def setUp(self):
        super().setUp()
        self.notes = self.write_notes()
        self.documents = self.index(self.notes)

    def blocks(self):
        return sorted(self.store.glob("blocks/*/*.kvb"))

    def stats(self):
        return self.good("store", "stats", "--json").json()

    def verify(self):
        return self.good("store", "verify", "--json").json()

    def test_stats_and_verify_of_a_sound_store(self):
        stats = self.stats()
        self.assertEqual((stats["blocks"], stats["quarantined_files"]), (5, 0))
        self.assertEqual(stats["bytes"], sum(path.stat().st_size for path in self.blocks()))
        self.assertEqual(stats["tokens"], sum(d["tokens"] for d in self.documents))
        report = self.verify()
        self.assertEqual(report, {"checked": 5, "bytes": stats["bytes"], "quarantined": 0,
                                  "damaged": 0, "adopted": 0, "forgotten": 0,
                                  "unreadable": 0, "restored_documents": 0})
        self.assertGreater(stats["database_bytes"], 4096)
        self.assertRegex(self.good("store", "stats").out, r"blocks +5")
        self.assertIn("0 damaged", self.good("store", "verify").out)

    def damage(self, path):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0x40
        path.write_bytes(data)

    def test_a_damaged_block_is_found_set_aside_and_computed_again(self):
        self.damage(self.blocks()[2])
        run = self.bad("store", "verify", "--json", "--log-level", "off", says="quarantine")
        self.assertEqual(run.json()["quarantined"], 1)
        self.assertEqual(len(self.blocks()), 4)
        self.assertEqual(self.stats()["quarantined_files"], 1)
        self.assertEqual(sorted(self.statuses(self.index(self.notes))),
                         ["computed"] + ["unchanged"] * 4)
        self.good("store", "gc")
        self.assertEqual(self.stats()["quarantined_files"], 0)
        self.assertEqual(self.stats()["blocks"], 5)

    def test_damaged_blocks_never_reach_an_answer(self):
        words = ["Velmora bees clocks garden"]
        before = self.ask(*words)
        for path in self.blocks():
            self.damage(path)
        after = self.ask(*words)
        self.assertEqual({d["status"] for d in after["documents"]}, {"computed"})
        self.assertEqual([t["id"] for t in after["generated"]],
                         [t["id"] for t in before["generated"]])

    def test_a_lost_catalogue_is_rebuilt(self):
        for path in self.store.glob("catalogue.sqlite*"):
            path.unlink()
        self.assertEqual(self.stats()["blocks"], 5)
        self.assertEqual({d["status"] for d in self.ask("Velmora")["documents"]}, {"linked"})

    def test_a_lost_document_list_is_restored_from_the_blocks(self):
        before = self.good("docs", "list", "--json").json()["documents"]
        for path in self.store.glob("documents.sqlite*"):
            path.unlink()
        self.bad("ask", "Velmora", says="kvlink store verify")
        run = self.good("store", "verify")
        self.assertIn("5 documents restored", run.out)
        after = self.good("docs", "list", "--json").json()["documents"]
        self.assertEqual(after, before)
        self.assertEqual({d["status"] for d in self.ask("Velmora")["documents"]}, {"linked"})
        self.assertEqual(set(self.statuses(self.index(self.notes))), {"unchanged"})

    def test_a_damaged_document_list_is_moved_aside_and_restored(self):
        for path in self.store.glob("documents.sqlite-*"):
            path.unlink()
        (self.store / "documents.sqlite").write_bytes(b"this is no database at all " * 99)
        self.bad("ask", "Velmora", says="documents.sqlite")
        run = self.good("store", "verify", "--json")
        self.assertEqual(run.json()["restored_documents"], 5)
        self.assertIn("documents.sqlite.damaged", run.err)
        self.assertTrue(self.ask("Velmora")["documents"])

    def test_a_restoring_that_was_cut_short_is_begun_again(self):
        before = self.good("docs", "list", "--json").json()["documents"]
        for path in self.store.glob("documents.sqlite*"):
            path.unlink()
        # No file may grow beyond what a list's first pages take: the program is killed midway.
        run = self.kvlink("store", "verify", preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_FSIZE, (48 << 10, 48 << 10)))
        self.assertEqual(run.code, -signal.SIGXFSZ, run)
        self.assertFalse((self.store / "documents.sqlite").exists())
        self.assertNotEqual(list(self.store.glob("documents.sqlite.tmp-*")), [])
        self.assertIn("5 documents restored", self.good("store", "verify").out)
        self.assertEqual(list(self.store.glob("documents.sqlite.tmp-*")), [])
        after = self.good("docs", "list", "--json").json()["documents"]
        self.assertEqual(after, before)

    def test_an_empty_document_list_file_is_a_lost_one(self):
        for path in self.store.glob("documents.sqlite-*"):
            path.unlink()
        os.truncate(self.store / "documents.sqlite", 0)
        self.assertEqual(self.verify()["restored_documents"], 5)
        self.assertTrue(self.ask("Velmora")["documents"])

    def test_damaged_words_are_indexed_again(self):
        with contextlib.closing(sqlite3.connect(self.store / "documents.sqlite")) as database:
            database.execute("UPDATE documents_fts_data SET block = zeroblob(9) WHERE id > 10")
            database.commit()
        run = self.good("store", "verify", "--json")
        self.assertEqual(run.json()["restored_documents"], 0)
        self.assertIn("indexed again", run.err)
        self.assertEqual(self.good("store", "verify").err, "")
        self.assertEqual(self.ask("Velmora cranes")["documents"][0]["status"], "linked")

    def test_blocks_that_a_removal_left_go(self):
        for words in (["gc"], ["verify"]):
            with self.subTest(words=words):
                before = self.stats()
                with contextlib.closing(
                        sqlite3.connect(self.store / "documents.sqlite")) as database:
                    # As `docs rm` leaves it when it is killed before it removes blocks.
                    database.execute("INSERT INTO leftover_blocks SELECT max(block) FROM blocks")
                    database.execute("DELETE FROM blocks WHERE block IN leftover_blocks")
                    database.commit()
                report = self.good("store", *words, "--json").json()
                after = self.stats()
                self.assertEqual(after["blocks"], before["blocks"] - 1)
                if words == ["gc"]:
                    self.assertEqual(report["freed_bytes"], before["bytes"] - after["bytes"])

    def test_gc_with_a_budget_for_all_says_what_went(self):
        before = self.stats()
        report = self.good("store", "gc", "--budget", "0", "--json",
                           env={"KVLINK_BUDGET": "1"}).json()
        self.assertEqual(report["freed_bytes"], before["bytes"])
        self.assertEqual(report["blocks"], 0)

    def test_a_closed_folder_of_blocks_stops_nothing_else(self):
        if os.geteuid() == 0:  # permissions do not hold root: become somebody else
            os.chmod(self.class_dir, 0o755)
            os.chmod(self.model, 0o644)
            for path in [self.dir, *self.dir.rglob("*")]:
                os.chown(path, NOBODY, NOBODY)
        more = {"preexec_fn": as_nobody} if os.geteuid() == 0 else {}
        shard = self.blocks()[0].parent
        inside = len(list(shard.iterdir()))
        shard.chmod(0)
        try:
            try:
                run = self.kvlink("store", "verify", "--json", "--log-level", "off", **more)
            except PermissionError as error:
                self.skipTest(f"skipped: another user cannot run the program: {error}")
            self.assertEqual(run.code, 1, run)
            self.assertIn(str(shard), run.err)
            self.assertEqual(run.json()["unreadable"], 1)
            self.assertEqual(run.json()["checked"], 5 - inside)
            new = self.write("new.txt", "Words that nobody has seen.")
            new.chmod(0o644)
            run = self.kvlink("index", new, "--json", **more)
            self.assertEqual(self.statuses(run.json()["documents"]), ["computed"], run)
        finally:
            shard.chmod(0o700)
        report = self.good("store", "verify", "--json", **more).json()  # the rows stayed
        self.assertEqual((report["checked"], report["adopted"], report["forgotten"]), (6, 0, 0))

    def test_locks_that_are_held_delay_an_answer_once(self):
        for name in ("documents.sqlite", "catalogue.sqlite", "lock"):
            with self.subTest(name=name):
                for path in self.blocks():
                    path.unlink()  # so that each document of the answer is to be kept
                self.good("store", "verify")
                with contextlib.ExitStack() as held:
                    if name == "lock":
                        lock = held.enter_context(open(self.store / name, "rb"))
                        fcntl.flock(lock, fcntl.LOCK_EX)
                    else:
                        database = sqlite3.connect(self.store / name)
                        held.callback(database.close)
                        database.execute("BEGIN IMMEDIATE")
                    begin = time.monotonic()
                    answer = self.ask("Velmora bees clocks garden")
                    self.assertLess(time.monotonic() - begin, 8)
                self.assertEqual({d["status"] for d in answer["documents"]}, {"computed"})

    def test_a_newer_store_is_refused(self):
        (self.store / "FORMAT").write_text("kvlink-store 999\n")
        for words in (["store", "stats"], ["index", self.notes], ["ask", "Velmora"],
                      ["store", "verify"]):
            with self.subTest(words=words):
                self.bad(*words, says="newer")
        self.assertEqual(len(self.blocks()), 5)

    def test_a_newer_document_list_is_refused(self):
        with sqlite3.connect(self.store / "documents.sqlite") as database:
            database.execute("PRAGMA user_version = 999")
        for words in (["index", self.notes], ["ask", "Velmora"], ["docs", "list"],
                      ["store", "verify"]):
            with self.subTest(words=words):
                self.bad(*words, says="newer")

    def test_a_store_that_is_a_file(self):
        path = self.write("file", "x")
        for words in (["index", self.notes], ["ask", "Who?"], ["docs", "list"], ["store", "stats"],
                      ["store", "verify"]):
            self.bad(*words, "--store", path, says=f"the store '{path}' is not a folder")

    def test_no_store(self):
        for words in (["stats"], ["verify"], ["gc"]):
            self.bad("store", *words, "--store", self.dir / "none", says="kvlink index PATH")
        self.assertFalse((self.dir / "none").exists())

    def test_gc_keeps_the_budget(self):
        before = self.stats()
        budget = before["bytes"] // 2
        freed = self.good("store", "gc", "--budget", str(budget), "--json").json()
        self.assertLessEqual(freed["bytes"], budget)
        self.assertGreater(freed["blocks"], 0)
        self.assertEqual(freed["freed_bytes"], before["bytes"] - freed["bytes"])
        # Documents without blocks still answer: they are computed for the question.
        self.assertIn("computed", {d["status"] for d in
                                   self.ask("Velmora bees clocks garden")["documents"]})

    def test_a_read_only_store_answers_and_refuses_to_be_written(self):
        if os.geteuid() != 0:
            more = {}
        else:  # permissions do not hold root: become somebody else
            os.chmod(self.class_dir, 0o755)
            os.chmod(self.dir, 0o755)
            os.chmod(self.model, 0o644)
            more = {"preexec_fn": as_nobody}
        before = {path: path.stat().st_mtime_ns for path in self.store.rglob("*")}
        paths = [self.store, *self.store.rglob("*")]
        for path in paths:
            path.chmod(0o555 if path.is_dir() else 0o444)
        try:
            if not os.access(harness.KVLINK, os.X_OK):
                self.skipTest("skipped: the program's folder is closed to others")
            probe = subprocess.run(self.arguments("version"), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, check=False, env=self.env, **more)
            if probe.returncode != 0:
                self.skipTest("skipped: another user cannot run the program where it lies")
            self.write("new/new.txt", "Words that nobody has seen.\n").parent.chmod(0o755)
            answer = self.ask("Velmora", **more)
            self.assertEqual({d["status"] for d in answer["documents"]}, {"linked"})
            self.assertTrue(any("read-only" in w for w in answer["warnings"]), answer["warnings"])
            self.assertEqual(len(self.good("docs", "list", "--json", **more).json()["documents"]),
                             5)
            self.assertEqual(self.good("store", "stats", "--json", **more).json()["blocks"], 5)
            self.bad("index", self.dir / "new", says=str(self.store), **more)
            self.bad("docs", "rm", self.documents[0]["id"], **more)
        except PermissionError as error:
            self.skipTest(f"skipped: another user cannot run the program: {error}")
        finally:
            for path in paths:
                path.chmod(0o755 if path.is_dir() else 0o644)
        self.assertEqual({path: path.stat().st_mtime_ns for path in self.store.rglob("*")}, before)


    def test_a_list_that_may_only_be_read_is_read(self):
        more = {}
        if os.geteuid() == 0:
            more = {"preexec_fn": as_nobody}
            for path in (self.class_dir, self.dir):
                path.chmod(0o755)
            os.chmod(self.model, 0o644)
            for path in [self.store, *self.store.rglob("*")]:
                os.chown(path, NOBODY, NOBODY)
        (self.store / "documents.sqlite").chmod(0o444)
        try:
            listed = self.good("docs", "list", "--json", **more).json()["documents"]
        except PermissionError as error:
            self.skipTest(f"skipped: another user cannot run the program: {error}")
        self.assertEqual(len(listed), 5)
        self.good("docs", "show", listed[0]["id"], **more)
        answer = self.good("ask", "Velmora", "--json", "--max-tokens", "2", **more).json()
        self.assertEqual({d["status"] for d in answer["documents"]}, {"linked"})

    def test_verify_of_a_read_only_store_prints_its_report(self):
        if os.geteuid() == 0:
            os.chmod(self.class_dir, 0o755)
            os.chmod(self.dir, 0o755)
        more = {"preexec_fn": as_nobody} if os.geteuid() == 0 else {}
        self.damage(self.blocks()[0])
        paths = [self.store, *self.store.rglob("*")]
        for path in paths:
            path.chmod(0o555 if path.is_dir() else 0o444)
        try:
            try:
                run = self.kvlink("store", "verify", **more)
            except PermissionError as error:
                self.skipTest(f"skipped: another user cannot run the program: {error}")
            self.assertEqual(run.code, 1, run)
            self.assertIn("checked 5 blocks", run.out)
            self.assertIn("1 damaged", run.out)
            self.assertIn("left where they are", run.err)
        finally:
            for path in paths:
                path.chmod(0o755 if path.is_dir() else 0o644)
        self.assertEqual(len(self.blocks()), 5)

    def test_a_folder_that_is_no_store_stays_as_it_is(self):
        keep = self.dir / "keep"
        keep.mkdir()
        (keep / "precious").write_text("x")
        foreign = self.dir / "foreign"
        (foreign / "tmp").mkdir(parents=True)
        (foreign / "tmp/thesis.txt").write_text("thesis")
        (foreign / "quarantine").symlink_to("../keep")
        database = sqlite3.connect(foreign / "catalogue.sqlite")
        database.execute("CREATE TABLE mine(x)")
        database.execute("PRAGMA user_version = 1")
        database.commit()
        database.close()
        before = {path: path.stat().st_mtime_ns for path in foreign.rglob("*")}
        for words in (["store", "stats"], ["store", "gc"], ["store", "verify"], ["docs", "list"],
                      ["ask", "Velmora"], ["index", self.notes]):
            with self.subTest(words=words):
                self.bad(*words, "--store", foreign, says="not a kvlink store")
        self.assertEqual({path: path.stat().st_mtime_ns for path in foreign.rglob("*")}, before)
        self.assertTrue((keep / "precious").exists())

    def test_private_texts_stay_private(self):
        for path in [self.store, *self.store.rglob("*")]:
            self.assertEqual(path.stat().st_mode & 0o77, 0, path)

    def test_a_held_lock_stops_no_answer(self):
        with subprocess.Popen(["flock", self.store / "lock", "sleep", "20"]) as holder:
            try:
                while subprocess.run(["flock", "-n", self.store / "lock", "true"],
                                     check=False).returncode == 0:
                    time.sleep(0.01)
                begin = time.monotonic()
                answer = self.ask("Velmora")
                self.assertEqual({d["status"] for d in answer["documents"]}, {"linked"})
                self.assertEqual(self.stats()["blocks"], 5)
                self.good("docs", "list")
                self.assertLess(time.monotonic() - begin, 15)
            finally:
                holder.kill()

    def test_a_catalogue_that_cannot_be_opened_stops_no_answer(self):
        for path in self.store.glob("catalogue.sqlite*"):
            path.unlink()
        (self.store / "catalogue.sqlite").mkdir()
        answer = self.ask("Velmora")
        self.assertEqual({d["status"] for d in answer["documents"]}, {"linked"})
        self.assertEqual(self.stats()["blocks"], 5)
        self.bad("index", self.write("new.txt", "Words that nobody has seen."),
                 says="catalogue.sqlite")
        self.good("store", "gc", "--budget", "0")
        self.assertEqual(self.blocks(), [])

    def test_a_block_cut_while_an_answer_is_written(self):
        words = ["ask", "Velmora bees clocks garden", "--json", "--temperature", "2", "--seed", "1",
                 "--max-tokens", "250"]
        whole = self.good(*words).json()
        with subprocess.Popen(self.arguments(*words), env=self.env, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as process:
            while process.poll() is None:
                for path in self.blocks():
                    with contextlib.suppress(FileNotFoundError):  # set aside meanwhile
                        os.truncate(path, 0)
                time.sleep(0.002)
            out = process.stdout.read()
            err = process.stderr.read()
        # A sound answer or one line, never a signal.
        self.assertIn(process.returncode, (0, 1), err)
        if process.returncode == 0:
            self.assertEqual(json.loads(out)["answer"], whole["answer"])
        else:
            self.assertRegex(err, "changed while the answer|again and again")

    def test_a_pin_survives_damage_and_a_lost_catalogue(self):
        pinned = self.ask("Velmora")["documents"][0]["id"]
        self.good("docs", "pin", pinned)
        for path in self.blocks():
            self.damage(path)
        self.ask("Velmora")
        self.assertEqual(self.stats()["pinned"], 1)
        for path in self.store.glob("catalogue.sqlite*"):
            path.unlink()
        self.kvlink("store", "verify")  # which finds those damaged that nobody asked for
        self.assertEqual(self.stats()["pinned"], 1)
        self.good("store", "gc", "--budget", "0")
        self.assertEqual(len(self.blocks()), 1)


class FullDisk(harness.CliTest):

    def setUp(self):
        super().setUp()
        self.mount = pathlib.Path(tempfile.mkdtemp(prefix="full-", dir=self.class_dir))
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", self.mount],
                              stderr=subprocess.PIPE, check=False) if os.geteuid() == 0 else None
        if done is None or done.returncode != 0:
            self.skipTest("skipped: a small file system cannot be mounted here")
        self.addCleanup(subprocess.run, ["umount", self.mount], check=True)

    def test_a_full_disk_leaves_blocks_out_and_they_follow_when_there_is_room(self):
        path = self.write("many.jsonl", "".join(
            f'{{"text": "Fact number {n} is short."}}\n' for n in range(60)))
        store = self.mount / "store"
        run = self.kvlink("index", path, "--store", store, "--yes", "--log-level", "warning")
        self.assertEqual(run.code, 0, run)
        self.assertIn("the store's disk has no room for", run.err)
        listed = self.good("docs", "list", "--json", "--store", store).json()["documents"]
        self.assertEqual(len(listed), 60)
        report = self.good("store", "verify", "--json", "--store", store).json()
        self.assertEqual(report["quarantined"], 0)
        self.assertGreater(report["checked"], 0)
        # What was kept is good, and a copy with more room is finished from there.
        roomy = self.dir / "roomy"
        shutil.copytree(store, roomy)
        statuses = self.statuses(self.index(path, "--store", roomy))
        self.assertEqual(len(statuses), 60)
        self.assertGreaterEqual(statuses.count("unchanged"), report["checked"] - 1)

    def test_not_a_byte_left(self):
        store = self.mount / "store"
        self.index(self.write("a.txt", "the ferry leaves at six"), "--store", store)
        with open(self.mount / "fill", "wb", buffering=0) as fill:
            try:
                while True:
                    fill.write(b"x" * 1024)
            except OSError:
                pass
        words = ["--store", store]
        answer = self.ask("when does the ferry leave", *words)
        self.assertEqual({d["status"] for d in answer["documents"]}, {"linked"})
        self.assertEqual(len(self.good("docs", "list", "--json", *words).json()["documents"]), 1)
        self.assertEqual(self.good("store", "stats", "--json", *words).json()["blocks"], 1)
        run = self.kvlink("index", self.write("b.txt", "the tram leaves at seven"), *words)
        self.assertEqual(run.code, 1, run)
        self.assertIn("disk is full", run.err)
        freed = self.good("store", "gc", "--budget", "0", "--json", *words).json()
        self.assertEqual(freed["blocks"], 0)
        self.assertGreater(freed["freed_bytes"], 0)
        self.assertEqual(list(store.glob("blocks/*/*.kvb")), [])

    def test_model_add_leaves_nothing_behind(self):
        env = {"XDG_DATA_HOME": self.mount, "KVLINK_MODEL": None}
        fill = self.mount / "fill"
        fill.write_bytes(b"x" * (550 << 10))
        self.bad("model", "add", self.model, env=env)
        self.assertEqual([path for path in self.mount.rglob("*") if path.is_file()], [fill])


if __name__ == "__main__":
    harness.main()
