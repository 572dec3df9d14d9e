"""Tests of `results`: what it writes it accepts, and what is malformed it refuses. `make test-bench` runs them."""

import json
import pathlib
import tempfile
import unittest
from unittest import mock

import results
from results import Malformed, Row

ROWS = [
    Row("quick", 0.5, "s", goal="< 1"),
    Row("slow", 2, "s", against="the same yesterday", goal="< 1"),
    Row("free", 12_345.6, "1/s"),
]


class Results(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "results" / "some.json"

    def test_what_is_written_is_read_again(self):
        results.write(self.path, "make some", ROWS)
        document = results.read(self.path)
        self.assertEqual(results.validate(document), ROWS)
        self.assertEqual([row["met"] for row in document["rows"]], [True, False, None])
        self.assertEqual(document["command"], "make some")
        names = sorted(path.name for path in self.path.parent.iterdir())
        self.assertEqual(names, ["some.json", "some.svg"], "nothing else is left behind")

    def test_the_same_rows_draw_the_same_plot(self):
        results.write(self.path, "make some", ROWS)
        document = results.read(self.path)
        plot = self.path.with_suffix(".svg").read_bytes()
        self.assertEqual(results.draw(document, "some"), plot)
        text = plot.decode()
        self.assertIn("goal &lt; 1, missed", text)
        self.assertIn("12,346", text)

    def test_a_failed_write_leaves_the_old_file(self):
        results.write(self.path, "make some", ROWS)
        before = self.path.read_bytes()
        with mock.patch("os.replace", side_effect=OSError("full")), self.assertRaises(OSError):
            results.write(self.path, "make other", ROWS[:1])
        self.assertEqual(self.path.read_bytes(), before)
        self.assertEqual(len(list(self.path.parent.iterdir())), 2, "nor half of a new one")

    def test_what_is_malformed_is_refused(self):
        results.write(self.path, "make some", ROWS)
        good = results.read(self.path)

        def refused(change):
            document = json.loads(json.dumps(good))
            change(document)
            with self.assertRaises(Malformed):
                results.validate(document)

        refused(lambda document: document.pop("machine"))
        refused(lambda document: document.update(extra=1))
        refused(lambda document: document.update(rows=[]))
        refused(lambda document: document.update(date="today"))
        refused(lambda document: document.update(command=" "))
        refused(lambda document: document["rows"][0].pop("against"))
        refused(lambda document: document["rows"][0].update(value="0.5"))
        refused(lambda document: document["rows"][0].update(value=float("nan")))
        refused(lambda document: document["rows"][0].update(value=True))
        refused(lambda document: document["rows"][0].update(unit=""))
        refused(lambda document: document["rows"][0].update(goal="about 1"))
        refused(lambda document: document["rows"][0].update(met=False))
        refused(lambda document: document["rows"][2].update(met=True))
        refused(lambda document: document["rows"][1].update(name="quick"))

    def test_goals_are_bounds(self):
        for goal, value, met in [("< 1", 1, False), ("<= 1", 1, True), (">= 10", 9.9, False), ("> -2.5", 0, True)]:
            self.assertIs(Row("some", value, "s", goal=goal).met, met)

    def test_numbers_have_three_digits(self):
        for value, text in [(0, "0.00"), (0.01234, "0.0123"), (1.234, "1.23"), (123.4, "123"), (1e-7, "1.00e-07")]:
            self.assertEqual(results.number(value), text)


if __name__ == "__main__":
    unittest.main()
