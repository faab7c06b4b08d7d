"""Usage, help, and where an option's value comes from."""

import os
import subprocess

import harness


class Arguments(harness.CliTest):

    def test_version(self):
        for words in ("version", "--version"):
            self.assertRegex(self.good(words).out, r"^kvlink \d+\.\d+\.\d+\n$")
        self.assertRegex(self.good("version", "--json").json()["version"], r"^\d+\.\d+\.\d+$")

    def test_help_needs_nothing(self):
        for words in (["--help"], ["ask", "--help"], ["store", "gc", "--help"], ["--help-all"]):
            run = self.good(*words, env={"HOME": None, "KVLINK_MODEL": None})
            self.assertIn("Usage", run.out)
            self.assertEqual(run.err, "")

    def test_wrong_usage_is_one_line_and_exit_2(self):
        for words, says in [
            (["nonsense"], ["nonsense", "there are: index, ask,"]),
            (["asc"], "did you mean ask?"),
            (["list"], "did you mean kvlink docs list?"),
            (["stor", "gc"], "did you mean store?"),
            (["docs", "lst"], "did you mean list?"),
            (["help", "indx"], "did you mean index?"),
            (["store", "stats", "more"], ["store stats", "more"]),
            (["ask", "q", "--mod", "full"], ["--mod", "did you mean --mode?", "behind --"]),
            (["ask", "q", "--top_k=3"], "did you mean --top-k?"),
            (["store", "gc", "--bugdet", "3"], "did you mean --budget?"),
            (["--jsn", "version"], "did you mean --json?"),
            (["ask"], "QUESTION"),
            (["index"], "PATH"),
            (["ask", "q", "--frobnicate"], "--frobnicate"),
            (["ask", "q", "--top-k", "many"], "--top-k"),
            (["ask", "q", "--top-k", "-1"], "--top-k"),
            (["ask", "q", "--top-p", "2"], "--top-p"),
            (["ask", "q", "--top-p", "0"], "--top-p"),
            (["ask", "q", "--top-k", "2", "--doc", "x"], "--doc"),
            (["ask", "q", "--mode", "sideways"], "--mode"),
            (["ask", "q", "--max-tokens", "0"], "--max-tokens"),
            (["version", "--dtype", "f64"], "--dtype"),
            (["version", "--threads", "-3"], "--threads"),
            (["version", "--log-level", "loud"], "--log-level"),
            (["index", "x", "--budget", "much"], "--budget"),
            (["index", "x", "--budget", "-1"], "--budget"),
            (["index", "x", "--budget", "8EB"], "--budget"),
            (["store", "gc", "--budget", "-1"], "--budget"),
            (["store", "gc", "--budget", "9EB"], "--budget"),
            (["store", "gc", "--budget", "9223372036854775808"], "--budget"),
            (["store", "gc", "--budget", "99999999999999999999"], "--budget"),
            (["store", "gc", "--budget", ""], "--budget"),
            (["ask", "q", "--seed", "-1"], "--seed"),
            (["ask", "q", "--seed", "18446744073709551616"], "--seed"),
            (["ask", "q", "--seed", "0x10"], "--seed"),
            (["eval", "x", "--seed", "-1"], "--seed"),
            (["ask", "q", "--max-tokens", "99999999999999999999"], "--max-tokens"),
            (["ask", "q", "--sample-top-k", "2147483648"], "--sample-top-k"),
            (["check", "--quality", "--limit", "99999999999999999999"], "--limit"),
            (["version", "--threads", "4294967297"], "--threads"),
            (["docs"], ["subcommand", "list, show, rm, pin, unpin"]),
            (["docs", "show"], "WHICH"),
            (["model", "add"], "PATH"),
        ]:
            with self.subTest(words=words):
                self.bad(*words, code=2, says=says)

    def test_sizes(self):
        self.write("a.txt", "Some text.")
        self.good("index", "--quiet", self.dir / "a.txt")
        for size, expected in [("0", 0), ("1500", 1500), ("2k", 2048), ("1.5 KiB", 1536),
                               ("20GB", 20 << 30), ("7EB", 7 << 60),
                               ("9223372036854775807", (1 << 63) - 1)]:
            stats = self.good("store", "stats", "--json", "--budget", size).json()
            self.assertEqual(stats["budget_bytes"], expected, size)
        for name, text in [("KVLINK_BUDGET", "-1"), ("KVLINK_BUDGET", "8EB")]:
            self.bad("store", "stats", code=2, env={name: text}, says=[name, text])

    def test_flag_beats_environment_beats_file(self):
        def settled(flag, environment, file):
            config = self.write("config/kvlink/config.toml", f'store = "{file}"\n' if file else "")
            words = ["--store", flag] if flag else []
            env = {"XDG_CONFIG_HOME": config.parent.parent, "KVLINK_STORE": environment}
            # Names the store in use, for it does not exist.
            return self.bad("store", "stats", *words, env=env).err

        self.assertIn("/from-flag;", settled("/from-flag", "/from-env", "/from-file"))
        self.assertIn("/from-env;", settled(None, "/from-env", "/from-file"))
        self.assertIn("/from-file;", settled(None, None, "/from-file"))
        self.assertIn("/.local/share/kvlink/store;", settled(None, None, None))

    def test_environment_values_are_checked(self):
        self.bad("version", env={"KVLINK_DTYPE": "f64"}, code=2, says=["KVLINK_DTYPE", "f64"])
        self.bad("version", "--dtype", "f63", env={"KVLINK_DTYPE": "f64"}, code=2, says="--dtype")
        self.bad("version", env={"KVLINK_THREADS": "two"}, code=2, says=["KVLINK_THREADS", "two"])
        self.bad("version", env={"KVLINK_JSON": "maybe"}, code=2, says=["KVLINK_JSON", "maybe"])

    def test_what_was_expected_is_said(self):
        for words, env, says in (
                (["version", "--quiet=maybe"], {}, "--quiet: true or false is expected, found maybe"),
                (["version"], {"KVLINK_QUIET": "maybe"},
                 "KVLINK_QUIET: true or false is expected, found maybe"),
                (["version"], {"KVLINK_THREADS": "1.5"},
                 "KVLINK_THREADS: a whole number from 0 to 4096 is expected, found 1.5"),
                (["ask", "q", "--top-k", "abc"], {},
                 "--top-k: a whole number from 0 to 1000 is expected, found abc"),
                (["ask", "q", "--top-p", "x"], {},
                 "--top-p: a number from 0.000001 to 1 is expected, found x")):
            self.bad(*words, env=env, code=2, says=says)
        path = self.write("config.toml", "threads = 99999\n")
        self.bad("version", "--config", path, code=2,
                 says="threads: a whole number from 0 to 4096 is expected, found 99999")

    def test_a_size_with_an_exponent(self):
        self.index(self.write_notes())
        for text, expected in (("1e3", 1000), ("1.5E6", 1500000), ("2e10", 20000000000)):
            path = self.write("config.toml", f"budget = {text}\n")
            for words in (["--config", path], ["--budget", text]):
                stats = self.good("store", "stats", "--json", *words).json()
                self.assertEqual(stats["budget_bytes"], expected, words)
        for text in ("1e30", "1e", "1e-3", "1e99999999999"):
            if text != "1e":  # an exbibyte
                self.bad("store", "stats", "--budget", text, code=2, says=["--budget", text])

    def test_an_empty_value_takes_no_other_word(self):
        notes = self.write_notes()
        self.write("fresh/a.txt", "A text.\n")
        self.index("--store=", notes, env={"KVLINK_STORE": None})
        self.assertTrue((self.dir / "home/.local/share/kvlink/store/FORMAT").exists())
        self.assertFalse((self.dir / "notes/FORMAT").exists())
        for words in (["ask", "q", "--top-k=", "3"], ["version", "--dtype="],
                      ["version", "--threads=", "1"], ["store", "gc", "--budget=", "1"]):
            option = next(word for word in words if word.endswith("="))[:-1]
            self.bad(*words, code=2, says=option)
        self.bad("docs", "rm", "--yes=", "notes", code=2, says=["--yes", "true or false"])
        self.bad("version", "--quiet=", code=2, says="--quiet")
        # Behind -- it is a word.
        self.index(notes)
        self.ask("--", "--store=", "Velmora")

    def test_a_default_configuration_file_that_may_not_be_read(self):
        config = self.write("home/.config/kvlink/config.toml", "store = '/from-file'\n")
        self.bad("store", "stats", env={"KVLINK_STORE": None}, says="/from-file;")
        run = self.bad("store", "stats", env={"KVLINK_STORE": None, "KVLINK_CONFIG": ""})
        self.assertIn("/.local/share/kvlink/store;", run.err)
        self.bad("store", "stats", "--config=", env={"KVLINK_STORE": None},
                 says="/.local/share/kvlink/store;")
        config.unlink()
        config.mkdir()  # as unreadable as a closed file is to others, whoever runs the tests
        run = self.good("version")
        self.assertEqual(len(run.err_lines()), 1, run)
        self.assertIn("going on without the configuration file", run.err)
        self.assertEqual(self.good("version", "--quiet").err, "")
        self.bad("version", "--config", config, code=2, says=str(config))

    def test_configuration_file_mistakes(self):
        for text, at, says in [
            ("stor = 1\n", "1, column 1", ["there is no setting 'stor'", "did you mean store?"]),
            ("[ask]\ntopk = 3\n", "2, column 1", ["[ask]", "did you mean top-k?"]),
            ("top-k = 3\n", "1, column 1", "belongs below [ask]"),
            ("[ask]\nstore = 's'\n", "2, column 1", "above all tables"),
            ("[aks]\n", "1, column 2", ["'aks'", "did you mean ask?"]),
            ("\nthreads = true\n", "2, column 11", "threads: a number is expected"),
            ("json = 3\n", "1, column 8", "json: true or false is expected"),
            ("store = 3\n", "1, column 9", "store: a string is expected"),
            ("store = 1979-05-27\n", "1, column 9", "a date or time found"),
            ("store = ['a']\n", "1, column 9", "an array found"),
            ("[ask]\r\ntop-k = 'x'\r\n", "2, column 9", ["top-k: ", "x"]),
            ("threads = 99999\n", "1, column 11", "threads: "),
            ("dtype = 'f64'\n", "1, column 9", ["dtype: ", "f64"]),
            ("[store.gc]\nbudget = 'much'\n", "2, column 10", ["budget: ", "much"]),
            ("store = 'a'\nstore = 'b'\n", "2, column 9", "not TOML"),
            ("store = [1,\n", "1, column", "not TOML"),
            ("store = 'a\n", "1, column", "not TOML"),
            ("store = no-quotes\n", "1, column", "not TOML"),
            (b"store = '\xff'\n", "1, column", "not TOML"),
            ("help = true\n", "1, column 1", "there is no setting 'help'"),
        ]:
            with self.subTest(text=text):
                path = self.write("config.toml", text)
                says = [says] if isinstance(says, str) else says
                self.bad("--config", path, "version", code=2,
                         says=[f"configuration file {path}, line {at}", *says])
        # Help is there all the same.
        self.assertIn("Usage", self.good("--config", path, "ask", "--help").out)
        self.bad("--config", self.dir / "none.toml", "version", code=2, says="none.toml")
        self.bad("--config", self.dir, "version", code=2, says=str(self.dir))

    def test_configuration_file_is_toml(self):
        def store(text, env=None):
            path = self.write("config.toml", text)
            run = self.bad("--config", path, "store", "stats", env={"KVLINK_STORE": None})
            return run.err.split("no store at ")[1].split("; make one")[0]

        home = self.dir / "home"
        for text, expected in [
            (b'\xef\xbb\xbf# a comment\r\nstore = "/a#b" # another\r\n', "/a#b"),
            ('store = "/tab\\u0020\\u00e9"\n', "/tab \u00e9"),
            ("store = '/C:\\new'\n", "/C:\\new"),
            ('store = """\n/many"""\n', "/many"),
            ('"store" = "/quoted"\n', "/quoted"),
            ("store = '[a, b]'\n", str(self.dir / "[a, b]")),
            ("store = '~/docs'\n", f"{home}/docs"),
            ("store = '~'\n", f"{home}"),
            ("store = './~'\n", str(self.dir / "~")),
            ("store = '~nobody-of-this-name/x'\n", str(self.dir / "~nobody-of-this-name/x")),
        ]:
            with self.subTest(text=text):
                self.assertEqual(store(text), expected)

    def test_the_home_of_paths(self):
        for words, env in ((["--store=~/s"], {}), (["--store", "~/s"], {}),
                           ([], {"KVLINK_STORE": "~/s"})):
            self.bad("store", "stats", *words, env=env, says=f"{self.dir}/home/s;")
        path = self.write("home/c.toml", "store = '/from-home'\n")
        for words, env in ((["--config=~/c.toml"], {}), ([], {"KVLINK_CONFIG": "~/c.toml"})):
            self.bad("store", "stats", *words, env={"KVLINK_STORE": None, **env},
                     says="/from-home;")
        self.assertTrue(path.exists())
        questions = self.write("q.jsonl", '{"question": "a?", "answers": ["b"], "documents": [{"text": "b"}]}\n')
        config = self.write("eval.toml", "eval.block-links = '~/block.safetensors'\n")
        self.bad("eval", questions, "--methods", "block", "--config", config,
                 says=f"{self.dir}/home/block.safetensors")

    def test_sizes_and_tables_of_commands(self):
        self.index(self.write_notes())
        for size in ('"20GB"', "21474836480", '"20 GiB"'):
            path = self.write("config.toml", f"budget = {size}\n")
            stats = self.good("store", "stats", "--json", "--config", path).json()
            self.assertEqual(stats["budget_bytes"], 20 << 30)
        path = self.write("config.toml", "ask.max-tokens = 3\nask.temperature = 0.5\nquiet = true\n")
        answer = self.good("ask", "--json", "Velmora", "--config", path).json()
        self.assertLessEqual(len(answer["generated"]), 3)
        # What stands in a file is not typed: it goes with any flag, which beats it.
        path = self.write("config.toml", "[ask]\ntop-k = 1\n")
        ids = [d["id"] for d in self.good("docs", "list", "--json").json()["documents"]]
        answer = self.ask("Velmora", "--config", path, "--doc", ids[0], "--doc", ids[1])
        self.assertEqual([d["id"] for d in answer["documents"]], ids[:2])

    def test_configuration_file_sets_command_options_without_choosing_the_command(self):
        path = self.write("config.toml", "[ask]\ntop-k = 1\n")
        self.index(self.write_notes())
        self.assertEqual(len(self.ask("Velmora harbour lighthouse", "--config", path)["documents"]),
                         1)
        self.assertRegex(self.good("--config", path, "version").out, "^kvlink")

    def test_data_directory_follows_xdg(self):
        data = self.dir / "data"
        run = self.bad("store", "stats", env={"KVLINK_STORE": None, "XDG_DATA_HOME": data})
        self.assertIn(f"{data}/kvlink/store", run.err)
        run = self.bad("store", "stats",
                       env={"KVLINK_STORE": None, "XDG_DATA_HOME": "relative/is/ignored"})
        self.assertIn("/home/.local/share/kvlink/store", run.err)
        self.bad("store", "stats", env={"KVLINK_STORE": None, "HOME": None}, says="--store")

    def test_alone_and_help(self):
        alone = self.good()
        self.assertIn("kvlink ask QUESTION", alone.out)
        self.assertEqual(alone.err, "")
        self.assertEqual(self.good("help").out, self.good("--help").out)
        self.assertEqual(self.good("help", "store", "gc").out,
                         self.good("store", "gc", "--help").out)
        for line in self.good("--help-all").out.splitlines():
            self.assertLessEqual(len(line), 100)

    def test_words_of_a_question_need_no_quotes(self):
        self.index(self.write_notes())
        quoted = self.ask("how many cranes has the harbour of Velmora?")
        words = "how many cranes has the harbour of Velmora?".split()
        self.assertEqual(self.ask(*words)["prompt"], quoted["prompt"])
        # Names of commands and options of the program are words among others.
        self.ask("help", "me", "index", "the", "store", "of", "Velmora")
        dashes = self.ask("--", "--top-k", "of Velmora")
        self.assertEqual(dashes["prompt"], self.ask("--", "--top-k of Velmora")["prompt"])
        listed = self.ask("[Velmora,", "cranes]")
        self.assertEqual(self.ask("[Velmora, cranes]")["prompt"], listed["prompt"])
        self.assertEqual(self.ask("-", stdin="\ufeffVelmora?\n")["prompt"],
                         self.ask("Velmora?")["prompt"])

    def test_a_path_in_brackets(self):
        path = self.write("[a,b].txt", "Brackets of Velmora.\n")
        self.index(path.name)
        sources = [d["source"] for d in self.good("docs", "list", "--json").json()["documents"]]
        self.assertEqual(sources, [str(path)])

    def test_standard_output_that_cannot_be_written(self):
        self.index(self.write_notes())
        for words in (["version"], ["--version"], ["--help"], ["help", "ask"], ["--help-all"], [],
                      ["docs", "list"], ["docs", "list", "--json"], ["store", "stats"],
                      ["ask", "Velmora", "--quiet"]):
            with self.subTest(words=words):
                if os.path.exists("/dev/full"):
                    with open("/dev/full", "wb") as full:
                        run = subprocess.run(self.arguments(*words), stdout=full,
                                             stderr=subprocess.PIPE, env=self.env, check=False)
                    self.assertEqual(run.returncode, 1)
                    self.assertEqual(run.stderr.count(b"\n") - run.stderr.count(b"warning"), 1)
                    self.assertIn(b"kvlink: cannot write to standard output", run.stderr)
                # Closed, and no file of the program takes its place.
                run = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", *self.arguments(*words)],
                                     stderr=subprocess.PIPE, env=self.env, check=False)
                self.assertEqual(run.returncode, 1)
                self.assertIn(b"kvlink: cannot write to standard output", run.stderr)
        self.good("store", "verify")


if __name__ == "__main__":
    harness.main()
