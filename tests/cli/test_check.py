"""`check` and `bench` on a tiny model, and `ask --compare`: they run, and their JSON has its keys."""

import pathlib

import harness


class Check(harness.CliTest):

    def test_check(self):
        report = self.good("check", "--json").json()
        self.assertTrue(report["passed"])
        self.assertIn("no link file", report["gate_note"])
        gates = [item for item in report["items"] if item["is_gate"]]
        self.assertGreaterEqual(len(gates), 3)  # masked pass, slow reference, disk
        for item in gates:
            self.assertTrue(item["passed"], item)
            self.assertLessEqual(item["value"], item["limit"], item)
        self.assertTrue([item for item in report["items"] if not item["is_gate"]])
        text = self.good("check", "--dtype", "f32").out
        self.assertEqual(text.count("passed  "), len(gates))
        self.assertFalse(self.store.exists())  # it works in a folder of its own

    def test_check_of_a_link_file(self):
        links = harness.write_links(self.model, self.dir / "tiny.links", k=2)
        self.assertTrue(self.good("check", "--json", "--links", links).json()["passed"])

    def test_bench(self):
        report = self.good("bench", "--json", "--quick").json()
        for key in ("prefill_512", "link_64_on_2048", "decode", "ttft_full_ms", "ttft_linked_ms"):
            self.assertGreater(report[key], 0, key)
            self.assertGreater(report["best"][key], 0, key)
        self.assertTrue(report["machine"]["cpu"])
        self.assertEqual(report["machine"]["threads"], 1)
        self.bad("bench", "--only", "decode,decodes", code=2,
                 says="--only: decodes not in {prefill_512,")
        only = self.good("bench", "--json", "--quick", "--only", "decode").json()
        self.assertEqual(list(only["best"]), ["decode"])

    def test_bench_outlives_a_damaged_link_file_beside_the_model(self):
        links = pathlib.Path(self.model.removesuffix(".gguf") + ".links.safetensors")
        links.write_bytes(b"damaged")
        try:
            run = self.good("bench", "--json", "--quick", "--only", "decode,ttft_link_file_ms")
        finally:
            links.unlink()
        self.assertEqual(list(run.json()["best"]), ["decode"])
        self.assertIn("warning: ttft_link_file_ms was not measured: ", run.err)

    def test_compare(self):
        self.index(self.write_notes())
        words = ["Who keeps bees?", "--max-tokens", "4"]
        self.good("ask", *words)  # the system text's block is there from now on
        both = self.good("ask", "--json", "--compare", *words).json()
        self.assertEqual(both["linked"], {**self.good("ask", "--json", *words).json(),
                                          "timings": both["linked"]["timings"]})
        self.assertEqual(both["full"]["usage"]["linked_tokens"], 0)
        text = self.good("ask", "--compare", "--quiet", *words).out
        self.assertRegex(text, "TOKENS COMPUTED +TOKENS REUSED")


if __name__ == "__main__":
    harness.main()
