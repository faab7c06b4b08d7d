"""Usage, help, and where an option's value comes from."""

import os
import subprocess

import harness


class Arguments(harness.CliTest):

    def test_version(self):
        self.assertRegex(self.good("version").out, r"^kvlink \d+\.\d+\.\d+\n$")
        self.assertRegex(self.good("version", "--json").json()["version"], r"^\d+\.\d+\.\d+$")

    def test_help_needs_nothing(self):
        for words in (["--help"], ["ask", "--help"], ["store", "gc", "--help"], ["--help-all"]):
            run = self.good(*words, env={"HOME": None, "KVLINK_MODEL": None})
            self.assertIn("Usage", run.out)
            self.assertEqual(run.err, "")

    def test_wrong_usage_is_one_line_and_exit_2(self):
        for words, says in [
            ([], "subcommand"),
            (["nonsense"], "nonsense"),
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
            (["docs"], "subcommand"),
            (["docs", "show"], "ID"),
            (["model", "add"], "PATH"),
        ]:
            with self.subTest(words=words):
                self.bad(*words, code=2, says=says)

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

    def test_configuration_file_mistakes(self):
        path = self.write("config.toml", "stor = 1\n")
        self.bad("--config", path, "version", code=2, says=["configuration file " + str(path), "there is no setting 'stor'"])
        self.bad("--config", self.dir / "none.toml", "version", code=2, says="none.toml")

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

    def test_standard_output_that_cannot_be_written(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("skipped: there is no /dev/full")
        with open("/dev/full", "wb") as full:
            run = subprocess.run(self.arguments("version"), stdout=full, stderr=subprocess.PIPE,
                                 env=self.env, check=False)
        self.assertEqual(run.returncode, 1)
        self.assertIn(b"kvlink: cannot write to standard output", run.stderr)


if __name__ == "__main__":
    harness.main()
