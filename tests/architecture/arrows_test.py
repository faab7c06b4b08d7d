#!/usr/bin/env python3
"""arrows.py finds what it is there to find: small trees with one fault each, and one with none."""
import pathlib
import tempfile
import unittest

import arrows

HEAD = "// What it is.\n"


class ArrowsTest(unittest.TestCase):
    def findings(self, files):
        with tempfile.TemporaryDirectory() as root:
            for name, text in files.items():
                path = pathlib.Path(root, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            return arrows.Tree(root).check()

    def assert_finds(self, files, place, *words):
        findings = self.findings(files)
        self.assertEqual(len(findings), 1, findings)
        self.assertTrue(findings[0].startswith(place + ": "), findings[0])
        for word in words:
            self.assertIn(word, findings[0])

    def test_a_good_tree_has_no_findings(self):
        self.assertEqual(self.findings({
            "include/kvlink/status.h": HEAD + "#include <string>\n",
            "src/base/hash.h": HEAD + '#include "kvlink/status.h"\n',
            "src/base/hash.cc": '#include "base/hash.h"\n#include <openssl/evp.h>\n',
            "src/text/bpe.h": HEAD + '#include <vector>\n#include "base/hash.h"\n',
            "src/model/model.h": HEAD + '#include "text/bpe.h"\n',
            "src/model/model.cc": '#include "model/model.h"\n#include <nlohmann/json.hpp>\n',
            "src/engine/engine.cc": '// See #include "apps/x.h"\n#include "model/model.h"\n',
            "apps/cli/log.h": HEAD + '#include "text/bpe.h"\n',
            "apps/kvlink.cc": '#include "cli/log.h"\n#include <CLI/CLI.hpp>\n',
            "CMakeLists.txt": "kvlink_room(base LINKS OpenSSL::Crypto)\n"
                              "kvlink_room(model LINKS kvlink_base kvlink_text)\n",
        }), [])

    def test_an_include_against_the_arrows(self):
        model = {"src/model/model.h": HEAD}
        self.assert_finds({**model, "src/kv/block.cc": '#include <vector>\n#include "model/model.h"\n'},
                          "src/kv/block.cc:2", '"model/model.h"', "kv may include only base, kv")
        self.assert_finds({**model, "src/base/hash.cc": '  #  include "model/model.h"\n'},
                          "src/base/hash.cc:1", "base may include only base, kvlink")
        self.assert_finds({**model, "include/kvlink/engine.h": HEAD + '#include "model/model.h"\n'},
                          "include/kvlink/engine.h:2", "kvlink may include only kvlink")
        self.assert_finds({"src/engine/x.h": HEAD, "src/data/x.cc": '#include "engine/x.h"\n'},
                          "src/data/x.cc:1", "data may include only")

    def test_a_room_includes_what_the_rooms_below_it_may(self):
        self.assertEqual(self.findings({"src/formats/x.h": HEAD,
                                        "src/engine/x.cc": '#include "formats/x.h"\n'}), [])

    def test_the_page_shows_the_rooms(self):
        tree = {"src/base/x.h": HEAD}
        self.assertEqual(self.findings({**tree, "ARCHITECTURE.md": "x\n" + arrows.table()}), [])
        self.assert_finds({**tree, "ARCHITECTURE.md": arrows.table().replace("kv |", "kv, text |")},
                          "ARCHITECTURE.md:1", "arrows.py --table")

    def test_the_public_headers_include_no_room(self):
        self.assert_finds({"src/base/hash.h": HEAD,
                           "include/kvlink/engine.h": HEAD + '#include "base/hash.h"\n'},
                          "include/kvlink/engine.h:2", "against the arrows")

    def test_no_room_includes_the_programs(self):
        self.assert_finds({"apps/cli/log.h": HEAD, "src/engine/x.cc": '#include "cli/log.h"\n'},
                          "src/engine/x.cc:1", "engine may include only")

    def test_a_library_outside_its_rooms(self):
        for header, room in (("oneapi/dnnl/dnnl.hpp", "model"), ("hwy/highway.h", "kv"),
                             ("sqlite3.h", "kv"), ("openssl/evp.h", "text"), ("pcre2.h", "base"),
                             ("torch/torch.h", "engine"), ("spdlog/logger.h", "engine"),
                             ("sys/mman.h", "kv"), ("unistd.h", "model"), ("nlohmann/json.hpp", "kv")):
            self.assert_finds({f"src/{room}/x.cc": f"#include <{header}>\n"},
                              f"src/{room}/x.cc:1", f"<{header}>", f"not {room}")

    def test_a_library_that_nobody_has_named(self):
        self.assert_finds({"src/base/x.cc": "#include <boost/any.hpp>\n"},
                          "src/base/x.cc:1", "<boost/any.hpp>", "not a known library")
        self.assert_finds({"src/base/x.cc": "#include <kvlink/status.h>\n"},
                          "src/base/x.cc:1", "in quotes")

    def test_a_library_in_a_header(self):
        self.assert_finds({"src/text/x.h": HEAD + "#include <nlohmann/json.hpp>\n"},
                          "src/text/x.h:2", "stops in a .cc file")

    def test_a_file_that_is_nowhere(self):
        self.assert_finds({"src/base/x.cc": '#include "base/gone.h"\n'}, "src/base/x.cc:1",
                          '"base/gone.h"')
        self.assert_finds({"src/base/y.h": HEAD, "src/base/x.cc": '#include "y.h"\n'},
                          "src/base/x.cc:1", "say its room")

    def test_an_include_that_hides_its_name(self):
        self.assert_finds({"src/base/x.cc": "#include HEADER\n"}, "src/base/x.cc:1", "HEADER")

    def test_a_room_that_nobody_has_named(self):
        self.assert_finds({"src/util/x.cc": "int x;\n"}, "src/util/x.cc:1", "util is not a room")
        self.assert_finds({"src/x.cc": "int x;\n"}, "src/x.cc:1", "not a room")

    def test_a_cycle(self):
        self.assert_finds({"src/base/a.h": HEAD + '#include "base/b.h"\n',
                           "src/base/b.h": HEAD + '#include "base/c.h"\n',
                           "src/base/c.h": HEAD + '#include "base/a.h"\n'},
                          "src/base/a.h:1", "src/base/a.h -> src/base/b.h -> src/base/c.h -> ")

    def test_a_library_that_links_against_the_arrows(self):
        self.assert_finds({"src/kv/x.cc": "int x;\n",
                           "CMakeLists.txt": "\nkvlink_room(kv LINKS kvlink_base kvlink_model)\n"},
                          "CMakeLists.txt:2", "kvlink_kv links kvlink_model")

    def test_a_long_file_without_a_reason(self):
        self.assert_finds({"tests/base/x_test.cc": "int x;\n" * 601}, "tests/base/x_test.cc:1",
                          "601 lines")
        self.assertEqual(self.findings({"src/base/x.cc": "int x;\n" * 600}), [])
        reason = "// A table.\n// More than 600 lines because the standard's table has as many.\n"
        self.assertEqual(self.findings({"src/base/x.cc": reason + "int x;\n" * 600}), [])

    def test_a_header_without_a_head(self):
        self.assert_finds({"src/base/x.h": "#pragma once\n"}, "src/base/x.h:1", "what it is")


if __name__ == "__main__":
    unittest.main()
