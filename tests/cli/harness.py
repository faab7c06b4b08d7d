"""Runs the kvlink program in a temporary home, on a tiny model.

Not here: what is expected of it (test_*.py).
"""

import json
import os
import pathlib
import pty
import shutil
import signal
import subprocess
import tempfile
import unittest

KVLINK = os.environ.get("KVLINK_BIN", "")
WRITE_TINY = os.environ.get("KVLINK_WRITE_TINY", "")
TIMEOUT_S = 120

NOTES = {
    "harbour.md": "# Harbour\n\nThe harbour of Velmora has nine cranes.\n\n"
                  "# Lighthouse\n\nThe lighthouse of Velmora burns green oil.\n",
    "garden.txt": "The garden of Ostrin holds four hundred orchids and one blue tortoise.\n",
    "people.jsonl": '{"title": "Ida Quell", "text": "Ida Quell repairs clocks in Tarsim."}\n'
                    '{"title": "Bo Marn", "text": "Bo Marn keeps bees on the roof."}\n',
}


class Run:
    """What one run of the program left."""

    def __init__(self, process):
        self.code = process.returncode
        self.out = process.stdout.decode("utf-8")  # must always be UTF-8
        self.err = process.stderr.decode("utf-8")

    def json(self):
        return json.loads(self.out)

    def err_lines(self):
        return self.err.splitlines()

    def __repr__(self):
        return f"exit {self.code}\nstdout: {self.out}\nstderr: {self.err}"


def write_model(directory, name="tiny", **settings):
    words = [f"{key}={value}" for key, value in settings.items()]
    made = subprocess.run([WRITE_TINY, "model", str(directory), name, *words], check=True,
                          stdout=subprocess.PIPE)
    return made.stdout.decode().strip()


def write_links(model, path, **settings):
    words = [f"{key}={value}" for key, value in settings.items()]
    subprocess.run([WRITE_TINY, "links", str(model), str(path), *words], check=True)
    return str(path)


def make_pdf(pages):
    """A PDF of one page a text, each of one line without brackets."""
    bodies = [b"<</Type/Catalog/Pages 2 0 R>>",
              b"<</Type/Pages/Count %d/Kids[%s]>>" % (
                  len(pages), b" ".join(b"%d 0 R" % (4 + 2 * i) for i in range(len(pages)))),
              b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"]
    for i, page in enumerate(pages):
        content = b"BT /F1 12 Tf 72 720 Td (%s) Tj ET" % page.encode("latin-1")
        bodies += [b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents %d 0 R"
                   b"/Resources<</Font<</F1 3 0 R>>>>>>" % (5 + 2 * i),
                   b"<</Length %d>>\nstream\n%s\nendstream" % (len(content), content)]
    pdf, table = b"%PDF-1.4\n", b"0000000000 65535 f \n"
    for number, body in enumerate(bodies, 1):
        table += b"%010d 00000 n \n" % len(pdf)
        pdf += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    return pdf + b"xref\n0 %d\n%strailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (
        len(bodies) + 1, table, len(bodies) + 1, len(pdf))


def chunks_of(leader):
    """What is shown on a terminal, piece by piece, until the other side is closed."""
    try:
        while chunk := os.read(leader, 4096):
            yield chunk
    except OSError:  # how Linux says that the other side is closed
        pass
    finally:
        os.close(leader)


class CliTest(unittest.TestCase):
    """A home of its own for every test; one tiny model for all tests of a class."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.class_dir = pathlib.Path(tempfile.mkdtemp(prefix="kvlink-cli-"))
        cls.model = write_model(cls.class_dir)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.class_dir, ignore_errors=True)

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="case-", dir=self.class_dir))
        self.store = self.dir / "store"
        self.env = {key: value for key, value in os.environ.items()
                    if not key.startswith(("KVLINK_", "XDG_"))}
        self.env.update(HOME=str(self.dir / "home"), KVLINK_MODEL=self.model,
                        KVLINK_STORE=str(self.store), KVLINK_THREADS="1")

    def arguments(self, *words):
        return [KVLINK, *[str(word) for word in words]]

    def kvlink(self, *words, stdin=None, env=None, **more):
        environment = dict(self.env)
        for key, value in (env or {}).items():
            if value is None:
                environment.pop(key, None)
            else:
                environment[key] = str(value)
        data = stdin.encode() if isinstance(stdin, str) else stdin
        return Run(subprocess.run(self.arguments(*words), input=data if data is not None else b"",
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
                                  timeout=TIMEOUT_S, cwd=self.dir, **more))

    def good(self, *words, **more):
        run = self.kvlink(*words, **more)
        self.assertEqual(run.code, 0, f"{words}: {run}")
        return run

    def bad(self, *words, says=(), code=1, **more):
        """Fails with exactly one line on stderr that holds every text of `says`."""
        run = self.kvlink(*words, **more)
        self.assertEqual(run.code, code, f"{words}: {run}")
        lines = run.err_lines()
        self.assertEqual(len(lines), 1, f"{words}: {run}")
        self.assertTrue(lines[0].startswith("kvlink: "), run)
        for text in [says] if isinstance(says, str) else says:
            self.assertIn(text, lines[0], f"{words}: {run}")
        return run

    def asked_on_a_terminal(self, words, question, answer):
        """Exit status, and all that was shown. `answer`: what is typed at the question, or a
        signal."""
        leader, follower = pty.openpty()
        process = subprocess.Popen(self.arguments(*words), env=self.env, cwd=self.dir,
                                   stdin=follower, stdout=follower, stderr=follower)
        os.close(follower)
        shown = b""
        answered = False
        for chunk in chunks_of(leader):
            shown += chunk
            if answered or question.encode() not in shown:
                continue
            answered = True
            if isinstance(answer, signal.Signals):
                process.send_signal(answer)
            else:
                os.write(leader, answer)
        return process.wait(timeout=TIMEOUT_S), shown.decode()

    def write(self, name, contents):
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents.encode() if isinstance(contents, str) else contents)
        return path

    def write_notes(self):
        for name, text in NOTES.items():
            self.write("notes/" + name, text)
        return self.dir / "notes"

    def index(self, *words, **more):
        return self.good("index", "--json", *words, **more).json()["documents"]

    def ask(self, *words, **more):
        return self.good("ask", "--json", "--max-tokens", "8", *words, **more).json()

    def statuses(self, documents):
        return [document["status"] for document in documents]


def main():
    if not os.access(KVLINK, os.X_OK) or not os.access(WRITE_TINY, os.X_OK):
        raise SystemExit("set KVLINK_BIN and KVLINK_WRITE_TINY to the built programs")
    unittest.main(verbosity=2)
