"""Model files: finding, describing, adding them; every kind that is refused."""

import json
import pathlib
import struct

import harness


class Model(harness.CliTest):

    def info(self, path):
        return self.good("model", "info", "--json", path).json()

    def test_info(self):
        info = self.info(self.model)
        self.assertEqual(info["architecture"], "llama")
        self.assertEqual((info["layers"], info["heads"], info["kv_heads"], info["head_dim"]),
                         (2, 4, 2, 16))
        # K and V of every layer and KV head, for one token.
        self.assertEqual(info["kv_bytes_per_token"], {"bf16": 2 * 2 * 2 * 16 * 2,
                                                      "f32": 2 * 2 * 2 * 16 * 4})
        self.assertRegex(info["fingerprint"], "^[0-9a-f]{64}$")
        self.assertTrue(info["linkable"])
        text = self.good("model", "info").out  # KVLINK_MODEL's
        self.assertIn(info["fingerprint"], text)
        self.assertRegex(text, r"can be linked\s+yes")

    def test_info_of_a_link_file(self):
        links = harness.write_links(self.model, self.dir / "links.safetensors", k=3)
        info = self.info(links)
        self.assertEqual(info["k"], "3")
        self.assertEqual(info["base"], self.info(self.model)["fingerprint"])
        self.assertEqual(info["provenance"], {})
        self.assertIsNone(info["adapter"])
        text = self.good("model", "info", links).out
        self.assertRegex(text, r"link tokens\s+3 after each document")
        self.assertIn("not measured", text)
        other = self.write("other.safetensors", b"\x02" + bytes(7) + b"{}")
        self.bad("model", "info", other, says=["other.safetensors", "link file"])
        self.bad("model", "info", self.dir / "no.safetensors", says="no.safetensors")

    def test_fingerprint_is_of_the_weights(self):
        same = harness.write_model(self.dir, "same", seed=1)
        other = harness.write_model(self.dir, "other", seed=2)
        self.assertEqual(self.info(same)["fingerprint"], self.info(self.model)["fingerprint"])
        self.assertNotEqual(self.info(other)["fingerprint"], self.info(self.model)["fingerprint"])

    def test_a_rotation_that_depends_on_the_prompt_is_not_linked(self):
        yarn = harness.write_model(self.dir, "yarn", rope_scaling="yarn")
        info = self.info(yarn)
        self.assertFalse(info["linkable"])
        self.assertIn("yarn", info["why_not_linkable"])
        self.write_notes()
        self.bad("index", "notes", "--model", yarn, says="yarn")

    def test_unsupported_models_are_named(self):
        cases = [(harness.write_model(self.dir, "arch", architecture="mamba"), "mamba"),
                 (harness.write_model(self.dir, "pre", pre="cuneiform"), "cuneiform")]
        notes = self.write_notes()
        for path, name in cases:
            with self.subTest(model=path):
                self.bad("model", "info", path, says=name)
                self.bad("model", "add", path, says=name)
                self.bad("index", notes, "--model", path, says=name)
                self.bad("ask", "q", "--top-k", "0", "--model", path, says=name)

    def test_files_that_are_no_models(self):
        whole = pathlib.Path(self.model).read_bytes()
        notes = self.write_notes()
        cases = {
            "missing": self.dir / "missing.gguf",
            "empty": self.write("empty.gguf", b""),
            "text": self.write("text.gguf", "not a model at all, but long enough to be read\n" * 9),
            "folder": self.dir / "notes",
        }
        for cut in (3, 4, 20, 100, 5000, len(whole) // 2, len(whole) - 1):
            cases[f"cut at {cut}"] = self.write(f"cut{cut}.gguf", whole[:cut])
        for name, path in cases.items():
            with self.subTest(kind=name):
                self.bad("model", "info", path, says=str(path))
                self.bad("model", "add", path, says=str(path))
                self.bad("index", notes, "--model", path, says=str(path))
        self.assertEqual(self.good("model", "list", "--json").json()["models"], [])

    def test_info_of_links_shows_no_control_characters(self):
        links = pathlib.Path(harness.write_links(self.model, self.dir / "odd.safetensors", k=1))
        image = links.read_bytes()
        length, = struct.unpack_from("<Q", image)
        header = json.loads(image[8:8 + length])
        header["__metadata__"]["provenance"] = '{"a\\u001b[2J": "\\u009b", "b\\u009b2J": 1}'
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        links.write_bytes(struct.pack("<Q", len(text)) + text + image[8 + length:])
        out = self.good("model", "info", links).out
        self.assertIn("  a [2J", out)
        self.assertIn("  b 2J", out)
        self.assertNotRegex(out, "[\x00-\x09\x0b-\x1f\x7f-\x9f]")

    def test_no_model_says_how_to_get_one(self):
        self.bad("index", self.write_notes(), env={"KVLINK_MODEL": None},
                 says=["./quickstart", "kvlink model add PATH", "SmolLM2-135M-Instruct.Q4_1.gguf"])
        self.bad("model", "info", "nobody", says=["nobody", "kvlink model list"])

    def test_add_replaces_another_model_only_when_told_so(self):
        self.good("model", "add", self.model)
        self.good("model", "add", self.model)  # the same bytes
        folder = pathlib.Path(self.good("model", "list", "--json").json()["directory"])
        (self.dir / "other").mkdir()
        other = harness.write_model(self.dir / "other", "tiny", seed=2)
        self.bad("model", "add", other, says=["tiny.gguf", "--replace"])
        self.assertEqual((folder / "tiny.gguf").read_bytes(),
                         pathlib.Path(self.model).read_bytes())
        self.good("model", "add", "--replace", other)
        self.assertEqual((folder / "tiny.gguf").read_bytes(), pathlib.Path(other).read_bytes())

    def test_add_list_and_use_by_name(self):
        self.assertIn("kvlink model add PATH", self.good("model", "list").out)
        default = self.write("SmolLM2-135M-Instruct.Q4_1.gguf",
                             pathlib.Path(self.model).read_bytes())
        self.good("model", "add", self.model)
        self.good("model", "add", default)
        listing = self.good("model", "list", "--json").json()
        folder = pathlib.Path(listing["directory"])
        (folder / "broken.gguf").write_bytes(b"GGUF")
        models = {model["name"]: model
                  for model in self.good("model", "list", "--json").json()["models"]}
        self.assertEqual(set(models), {"tiny.gguf", default.name, "broken.gguf"})
        self.assertTrue(models[default.name]["default"])
        self.assertFalse(models["tiny.gguf"]["default"])
        self.assertIn("broken.gguf", models["broken.gguf"]["error"])
        self.assertEqual((folder / "tiny.gguf").read_bytes(),
                         pathlib.Path(self.model).read_bytes())
        self.assertEqual(sorted(path.name for path in folder.iterdir()), sorted(models))

        by_name = self.good("model", "info", "--json", "--model", "tiny").json()
        self.assertEqual(by_name["path"], str(folder / "tiny.gguf"))
        by_default = self.good("model", "info", "--json", env={"KVLINK_MODEL": None}).json()
        self.assertEqual(by_default["path"], str(folder / default.name))
        self.good("model", "add", folder / "tiny.gguf")  # itself: nothing to do
        self.assertEqual((folder / "tiny.gguf").read_bytes(),
                         pathlib.Path(self.model).read_bytes())

    def test_links_of_another_model(self):
        other = harness.write_model(self.dir, "other", seed=2)
        links = harness.write_links(other, self.dir / "other.links")
        self.index(self.write_notes())
        self.bad("ask", "Velmora", "--links", links, says="other.links")
        self.bad("ask", "Velmora", "--links", self.dir / "none.links", says="none.links")
        self.bad("ask", "Velmora", "--links", self.write("bad.links", "x" * 100), says="bad.links")
        self.ask("Velmora", "--links", "none")


if __name__ == "__main__":
    harness.main()
