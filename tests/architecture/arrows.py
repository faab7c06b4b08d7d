#!/usr/bin/env python3
"""Checks the shape of the source tree: who includes whom, and that files open with what they are.

    arrows.py ROOT
    arrows.py --table

Reads src/, apps/ and include/ under ROOT (for lengths and heads also tests/, bench/, fuzz/), prints
one line a finding and exits 1 if there is any. --table prints ARCHITECTURE.md's table of rooms.
"""
import pathlib
import re
import sys

# The one list of rooms: which others a room's files may include, and what it does. A room may include
# what those may include, too; every room its own, the public headers (kvlink) and base.
# ARCHITECTURE.md's table is made from it (arrows.py --table).
ROOMS = {
    "kvlink": ((), "the public interface: `Library`, `Engine`, `Request`, `Answer`, `Status`; no library's types"),
    "base": ((), "status, hashes (OpenSSL, xxHash), files, clock, SQLite behind `Status`, random numbers, "
             "quoting, figures, bounded JSON"),
    "chart": ((), "SVG plots, for reports of evaluation and training"),
    "text": ((), "tokenizer (byte-level BPE, PCRE2, ICU), prompt templates, UTF-8, Unicode's properties and "
             "breaks (ICU)"),
    "tensor": ((), "linear layers (oneDNN; generated rows by the file's own codes), attention over segments, RoPE, "
               "kernels (Highway), GGML's codes"),
    "formats": ((), "GGUF and safetensors: files to named tensors"),
    "kv": ((), "the block and its format, stores: memory, disk (SQLite catalogue)"),
    "retrieval": (("text",), "reading files of many formats (cmark-gfm, gumbo, poppler, libarchive, pugixml), splitting "
                  "them, the documents' full-text index (FTS5, by our own analysis: docs/search.md)"),
    "data": (("text",), "examples to measure and train on: readers of published layouts (zlib), arranging"),
    "model": (("formats", "tensor", "text"), "configuration, weights, the forward pass, the slow reference"),
    "links": (("model",), "the link file: read, write, its recorded gate"),
    "link": (("links", "kv"), "link plan, indexer, linker, methods, what is computed again"),
    "engine": (("link",), "requests, answers, sampler"),
    "capi": (("engine",), "the C interface (`kvlink/kvlink.h`), a shared library"),
    "library": (("engine", "retrieval"), "documents as users have them: listed, found, asked over, kept, "
                "pinned, forgotten; owns the list, the store and the engine"),
    "diagnose": (("engine",), "`check` and `bench`: whether linking holds here, and how fast it is"),
    "eval": (("engine", "data", "chart"), "metrics of answers and summaries, bootstrap intervals, reports, the "
             "quality gate"),
    "train": (("link", "data", "chart"), "the trainer (Torch): a frozen base over cached blocks, or every "
              "parameter; the run and its folder; the mean of runs"),
    "apps": (("library", "diagnose", "eval", "train"),
             "the program `kvlink`: one file a command; `kvlink-train`"),
}

# <header> prefix -> the rooms that may include it. Every other <header> is C++'s own, which has
# neither a dot nor a slash in its name.
LIBRARIES = {
    "oneapi/dnnl/": {"tensor"},
    "hwy/": {"tensor"},
    "omp.h": {"tensor", "model"},
    "openssl/": {"base"},
    "xxhash.h": {"base"},
    "sqlite3.h": {"base"},
    "pcre2.h": {"text"},
    "unicode/": {"text"},
    "libstemmer.h": {"retrieval"},
    "cmark-gfm.h": {"retrieval"},
    "cmark-gfm-core-extensions.h": {"retrieval"},
    "gumbo.h": {"retrieval"},
    "poppler-document.h": {"retrieval"},
    "poppler-global.h": {"retrieval"},
    "poppler-page.h": {"retrieval"},
    "archive.h": {"retrieval"},
    "archive_entry.h": {"retrieval"},
    "pugixml.hpp": {"retrieval"},
    "nlohmann/": {"text", "formats", "model", "retrieval", "data", "links", "library", "eval", "train", "apps"},
    "zlib.h": {"data"},
    "torch/": {"train"},
    "CLI/": {"apps"},
    "spdlog/": {"apps"},
    "toml++/": {"apps"},
    # C's own names of headers, for kvlink/kvlink.h.
    "stddef.h": {"kvlink"},
    "stdint.h": {"kvlink"},
}
# The operating system. Mapping, locking and walking files is base's alone: it is the seam that tests
# fake. Small questions may be asked elsewhere, but not by the rooms that only compute.
ASKING = {"base", "kv", "engine", "library", "diagnose", "apps"}
SYSTEM = {
    "dirent.h": {"base"},
    "sys/file.h": {"base"},
    "sys/mman.h": {"base"},
    "sys/prctl.h": {"base"},
    "sys/random.h": {"base"},
    "sys/syscall.h": {"base"},
    "sys/wait.h": {"base"},
    "fcntl.h": ASKING,
    "fnmatch.h": ASKING,
    "poll.h": ASKING,
    "pwd.h": ASKING,
    "stdlib.h": ASKING,
    "sys/ioctl.h": ASKING,
    "sys/resource.h": ASKING,
    "pthread.h": {"tensor"},  # the OpenMP team
    "sched.h": {"base"},
    "xmmintrin.h": {"tensor"},
    "sys/stat.h": ASKING,
    "unistd.h": ASKING,
    "wchar.h": ASKING,
}
# Libraries whose exceptions or macros stop in the one .cc file that includes them.
NOT_IN_HEADERS = ("nlohmann/", "openssl/", "xxhash.h", "sqlite3.h", "pcre2.h", "toml++/", "cmark-gfm", "gumbo.h",
                  "poppler-", "archive.h", "archive_entry.h", "pugixml.hpp")

MAX_LINES = 600
SOURCE = {".cc", ".h"}
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>|(\S+))')
# A Highway file includes itself once for each instruction set, by this macro.
HIGHWAY_SELF = re.compile(r'^\s*#\s*define\s+HWY_TARGET_INCLUDE\s+"([^"]+)"')


def strip_comments(text):
    """The text with comments blanked, lines kept, so that an include in a comment does not count."""
    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"'
    return re.sub(
        pattern,
        lambda m: m[0] if m[0].startswith('"') else re.sub(r"[^\n]", " ", m[0]),
        text,
        flags=re.S,
    )


def may_include(room):
    """The rooms whose files a file of this room may include."""
    allowed = {room} | ({"kvlink"} if room in ("kvlink", "base") else {"kvlink", "base"})
    for other in ROOMS[room][0]:
        allowed |= may_include(other)
    return allowed


def table():
    """ARCHITECTURE.md's table of rooms."""
    lines = ["| room | what it does | may include, with what that may |", "|---|---|---|"]
    for room, (others, what) in ROOMS.items():
        place = {"kvlink": "include/kvlink", "apps": "apps"}.get(room, f"src/{room}")
        names = ", ".join(others) or {"kvlink": "nothing", "base": "kvlink"}.get(room, "base")
        lines.append(f"| `{place}` | {what} | {names} |")
    return "\n".join(lines) + "\n"


class Tree:
    """The sources under a root, and what is wrong with them."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.findings = []
        self.graph = {}  # file -> [(line, included file)]

    def say(self, path, line, text):
        self.findings.append(f"{path.relative_to(self.root)}:{line}: {text}")

    def files(self, *folders):
        for folder in folders:
            for path in sorted((self.root / folder).rglob("*")):
                if path.suffix in SOURCE and path.is_file():
                    yield path

    def room(self, path):
        parts = path.relative_to(self.root).parts
        if parts[0] == "src":
            return parts[1] if len(parts) > 2 else None
        return "kvlink" if parts[0] == "include" else "apps"

    def resolve(self, name):
        for folder in ("src", "include", "apps"):
            path = self.root / folder / name
            if path.is_file():
                return path
        return None

    def check_quoted(self, path, line, name):
        room, target = self.room(path), self.resolve(name)
        if target is None:
            where = " (say its room: \"room/file.h\")" if "/" not in name else ""
            self.say(path, line, f'"{name}" is in no room of src/, include/ or apps/{where}')
            return
        self.graph[path].append((line, target))
        other = self.room(target)
        if other not in may_include(room):
            self.say(path, line, f'"{name}" goes against the arrows: {room} may include only '
                     + ", ".join(sorted(may_include(room))))

    def check_angled(self, path, line, name):
        room = self.room(path)
        if "." not in name and "/" not in name:
            return
        for prefix, rooms in (LIBRARIES | SYSTEM).items():
            if not (name == prefix or (prefix.endswith("/") and name.startswith(prefix))):
                continue
            if room not in rooms:
                self.say(path, line, f"<{name}> is for {', '.join(sorted(rooms))} only, not {room}")
            elif path.suffix == ".h" and prefix in NOT_IN_HEADERS and room != "apps":
                self.say(path, line, f"<{name}> stops in a .cc file; a header may not include it")
            return
        self.say(path, line, f"<{name}> is not a known library: add it to tests/architecture/arrows.py"
                 " with the rooms that may include it, or write a room's header in quotes")

    def check_includes(self):
        for path in self.files("src", "include", "apps"):
            self.graph[path] = []
            room = self.room(path)
            if room not in ROOMS:
                self.say(path, 1, f"{room or 'src/ itself'} is not a room: add it and its arrows to "
                         "tests/architecture/arrows.py")
                continue
            text = strip_comments(path.read_text(encoding="utf-8"))
            own = {m[1] for m in map(HIGHWAY_SELF.match, text.splitlines()) if m}
            for number, line in enumerate(text.splitlines(), 1):
                match = INCLUDE.match(line)
                if not match:
                    continue
                quoted, angled, macro = match.groups()
                if quoted:
                    self.check_quoted(path, number, quoted)
                elif angled:
                    self.check_angled(path, number, angled)
                else:
                    self.say(path, number, f"#include {macro} cannot be checked: write the name")
            for name in own:
                if self.resolve(name) != path:
                    self.say(path, 1, f'HWY_TARGET_INCLUDE "{name}" is not this file')

    def check_cycles(self):
        """Depth-first; a file met again while it is still open closes a cycle."""
        done, open_files = set(), []

        def visit(path):
            if path in open_files:
                cycle = open_files[open_files.index(path):] + [path]
                names = " -> ".join(str(p.relative_to(self.root)) for p in cycle)
                self.say(path, 1, f"an include cycle: {names}")
                return
            if path in done:
                return
            open_files.append(path)
            for _, target in self.graph.get(path, []):
                visit(target)
            open_files.pop()
            done.add(path)

        for path in self.graph:
            visit(path)

    def check_links(self):
        """The rooms' libraries link along the arrows too."""
        cmake = self.root / "CMakeLists.txt"
        if not cmake.is_file():
            return
        for number, line in enumerate(cmake.read_text(encoding="utf-8").splitlines(), 1):
            match = re.match(r"\s*kvlink_room\((\w+)\s+LINKS\s+([^)]*)\)", line)
            if not match:
                continue
            room = match[1]
            for other in re.findall(r"\bkvlink_(\w+)", match[2]):
                if room not in ROOMS or other not in may_include(room):
                    self.say(cmake, number, f"kvlink_{room} links kvlink_{other} against the arrows")

    def check_table(self):
        """ARCHITECTURE.md shows the rooms as they are."""
        page = self.root / "ARCHITECTURE.md"
        if page.is_file() and table() not in page.read_text(encoding="utf-8"):
            self.say(page, 1, "its table of rooms is not what arrows.py --table prints")

    def check_heads(self):
        """Headers open with what they are; a long file says why it is long."""
        for path in self.files("src", "include", "apps", "tests", "bench", "fuzz"):
            lines = path.read_text(encoding="utf-8").splitlines()
            head = []
            for line in lines:
                if not line.startswith("//"):
                    break
                head.append(line)
            if path.suffix == ".h" and not head and not lines[0].startswith("/*"):
                self.say(path, 1, "a header opens with a comment: what it is, what it is not")
            if len(lines) > MAX_LINES and not re.search(r"\blines\b.*\bbecause\b", " ".join(head)):
                self.say(path, 1, f"{len(lines)} lines, more than {MAX_LINES}: split it, or say in its"
                         f' head "More than {MAX_LINES} lines because ..."')

    def check(self):
        self.check_includes()
        self.check_cycles()
        self.check_links()
        self.check_table()
        self.check_heads()
        return self.findings


def main():
    if sys.argv[1:] == ["--table"]:
        print(table(), end="")
        return 0
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    tree = Tree(sys.argv[1])
    findings = tree.check()
    for finding in findings:
        print(finding)
    if not tree.graph:
        print(f"{sys.argv[1]}: no sources found under src/, apps/ or include/", file=sys.stderr)
        return 2
    print(f"{len(tree.graph)} files, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
