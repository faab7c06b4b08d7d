"""What a terminal shows: nothing that steers it, tables that fit, completion and the manual page."""

import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import termios

import harness

STEERING = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
BIDI = "\u202e\u2066"


class Terminal(harness.CliTest):

    def on_terminal(self, *words, columns=80, env=None):
        """Standard output and error as one terminal of so many columns shows them."""
        leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen(
            self.arguments(*words), stdin=subprocess.DEVNULL, cwd=self.dir,
            env={**self.env, "NO_COLOR": "1", **(env or {})}, stdout=follower, stderr=follower)
        os.close(follower)
        seen = b"".join(harness.chunks_of(leader))
        process.wait(timeout=harness.TIMEOUT_S)
        return seen.decode().replace("\r\n", "\n")

    def shown(self, text):
        """Without the line that progress wipes."""
        return re.sub("\r\x1b\\[K[^\n\r]*(?=\r\x1b\\[K)|\r\x1b\\[K", "", text)

    def test_names_and_texts_do_not_steer_it(self):
        name = "n\x1b[2J\u009b2J" + BIDI + ".txt"
        self.write("odd/" + name, b"The harbour \x1b]0;owned\x07 of Velmora " + BIDI.encode() +
                   b" \xff.\n")
        self.write("odd/other.pdf\x1b[31m", "x")
        for words in (["index", "odd"], ["docs", "list"], ["ask", "Velmora harbour"],
                      ["ask", "Velmora", "--compare"], ["ask", "Velmora", "--sources", "full"],
                      ["index", "no\x1b[2Jwhere"], ["docs", "show", "\x1b[2J"],
                      ["store", "stats", "--store", "/no\x1b[2J"], ["model", "info", "\x1b[2J"],
                      ["no\x1b[2J"], ["ask", "q", "--m\x1b[2J"], ["--config", "\x1b", "version"]):
            with self.subTest(words=words):
                self.assertNotRegex(self.shown(self.on_terminal(*words, "--max-tokens=4" if
                                                                words[0] == "ask" else "--dtype=f32")),
                                    STEERING)
                run = self.kvlink(*words)
                self.assertNotRegex(run.err, STEERING)
                if words[0] != "ask":  # a pipe gets the answer's text as it is
                    self.assertNotRegex(run.out, STEERING)
        document = self.good("docs", "list", "--json").json()["documents"][0]
        shown = self.on_terminal("docs", "show", document["id"])
        self.assertNotRegex(shown, STEERING)
        self.assertIn("harbour", shown)
        # JSON says all of it, and steers nothing either.
        text = self.good("docs", "show", document["id"], "--json")
        self.assertIn("\x1b]0;owned\x07", text.json()["text"])
        self.assertIn(BIDI, text.json()["text"])
        self.assertNotRegex(text.out, STEERING)

    def test_tables_fit(self):
        self.write("notes/" + "long" * 40 + ".md", "# " + "A heading of many words " * 6 +
                   "\n\nThe harbour of Velmora.\n")
        self.index("notes")
        for columns in (120, 80, 50, 30):
            for words in (["docs", "list"], ["ask", "Velmora", "--max-tokens", "2", "--sources",
                                             "none"], ["model", "list"]):
                with self.subTest(columns=columns, words=words):
                    lines = self.shown(self.on_terminal(*words, columns=columns)).splitlines()
                    table = [line for line in lines if "warning" not in line and "  " in line]
                    self.assertTrue(table or words[0] == "model", lines)
                    for line in table:
                        self.assertLessEqual(len(line), columns, lines)
        wide = self.on_terminal("docs", "list", columns=50, env={"COLUMNS": "40"}).splitlines()
        self.assertLessEqual(max(map(len, wide)), 40)
        self.assertIn("\u2026", wide[1])
        # A pipe has no width.
        self.assertIn("long" * 40, self.good("docs", "list", env={"COLUMNS": "40"}).out)

    def test_bash_completion(self):
        bash = shutil.which("bash")
        if bash is None:
            self.skipTest("skipped: bash is not there")
        script = self.good("completion", "bash").out
        (self.dir / "file.txt").write_text("")

        def complete(*words):
            quoted = " ".join(f"'{word}'" for word in words)
            run = subprocess.run(
                [bash, "--norc", "-c", script + f"\nCOMP_WORDS=({quoted}); "
                 f"COMP_CWORD={len(words) - 1}; _kvlink; printf '%s\\n' \"${{COMPREPLY[@]}}\""],
                cwd=self.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
            self.assertEqual(run.stderr, b"")
            return run.stdout.decode().split()

        self.assertEqual(complete("kvlink", "as"), ["ask"])
        self.assertIn("store", complete("kvlink", ""))
        self.assertNotIn("manual", complete("kvlink", ""))
        self.assertEqual(complete("kvlink", "store", ""), ["stats", "verify", "gc"])
        self.assertEqual(complete("kvlink", "ask", "why", "--comp"), ["--compare"])
        self.assertIn("--store", complete("kvlink", "docs", "list", "--s"))
        self.assertEqual(complete("kvlink", "ask", "--dtype", "b"), ["bf16"])
        self.assertEqual(complete("kvlink", "ask", "--dtype", "=", "b"), ["bf16"])
        self.assertEqual(complete("kvlink", "index", "fi"), ["file.txt"])
        self.assertEqual(complete("kvlink", "ask", "--top-k", ""), [])
        self.assertEqual(complete("kvlink", "completion", "z"), ["zsh"])

    def test_zsh_completion(self):
        zsh = shutil.which("zsh")
        if zsh is None:
            self.skipTest("skipped: zsh is not there")
        path = self.write("_kvlink", self.good("completion", "zsh").out)
        subprocess.run([zsh, "-n", path], check=True)

        def complete(*words):
            quoted = " ".join(f"'{word}'" for word in words)
            stubs = ("compdef() { :; }; compadd() { shift; print -l -- $@; }; "
                     "_files() { print files; }; _message() { print message; }; "
                     "_describe() { print -l -- ${(P)2}; }; ")
            run = subprocess.run(
                [zsh, "-f", "-c", stubs + f"source {path}; words=({quoted}); CURRENT={len(words)}; "
                 "PREFIX=${words[CURRENT]}; _kvlink"],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
            self.assertEqual(run.stderr, b"")
            return [line.split(":")[0] for line in run.stdout.decode().splitlines()]

        self.assertIn("ask", complete("kvlink", ""))
        self.assertEqual(complete("kvlink", "store", ""), ["stats", "verify", "gc"])
        self.assertIn("--compare", complete("kvlink", "ask", "--"))
        self.assertIn("--store", complete("kvlink", "ask", "--"))
        self.assertEqual(complete("kvlink", "--dtype", ""), ["auto", "bf16", "f32"])
        self.assertEqual(complete("kvlink", "index", ""), ["files"])

    def test_fish_completion(self):
        fish = shutil.which("fish")
        if fish is None:
            self.skipTest("skipped: fish is not there")
        path = self.write("kvlink.fish", self.good("completion", "fish").out)

        def complete(line):
            run = subprocess.run([fish, "--no-config", "-c", f"source {path}; complete -C '{line}'"],
                                 cwd=self.dir, env=self.env, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, check=True)
            self.assertEqual(run.stderr, b"")
            return [entry.split("\t")[0] for entry in run.stdout.decode().splitlines()]

        self.assertEqual(complete("kvlink as"), ["ask"])
        self.assertEqual(sorted(complete("kvlink store ")), ["gc", "stats", "verify"])
        self.assertEqual(complete("kvlink ask why --comp"), ["--compare"])
        self.assertEqual(sorted(complete("kvlink ask --dtype ")), ["auto", "bf16", "f32"])

    def test_manual_page(self):
        page = self.good("manual").out
        for heading in (".SH NAME", ".SS kvlink ask", ".SS kvlink store gc", ".SH EXIT STATUS"):
            self.assertIn("\n" + heading + "\n", page)
        self.assertNotIn("kvlink manual\n", page.split(".SH NAME")[1])
        # Each line is text or a macro of man(7).
        for line in page.splitlines():
            if line.startswith("."):
                self.assertRegex(line, r'^\.(\\"|TH|SH|SS|TP|PP|B|I|BR|IR|RI|nf|fi)( |$)')
        path = self.write("kvlink.1", page)
        man = shutil.which("man")
        if man is None:
            self.skipTest("skipped: man is not there")
        run = subprocess.run([man, "--warnings", "-l", "-Tutf8", path],
                             env={**self.env, "LC_ALL": "C.UTF-8", "MANWIDTH": "80"},
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
        self.assertEqual(run.stderr, b"")
        self.assertIn(b"kvlink", run.stdout)
        mandoc = shutil.which("mandoc")
        if mandoc is not None:
            run = subprocess.run([mandoc, "-Tlint", "-Wwarning", path], stdout=subprocess.PIPE)
            self.assertEqual(run.returncode, 0, run.stdout.decode())


if __name__ == "__main__":
    harness.main()
