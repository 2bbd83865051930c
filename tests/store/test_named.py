"""A store by the name of its factory, and all that may be wrong with that."""

from __future__ import annotations

import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tustwisted.named import check_name
from tustwisted.store.memory import MemoryStore
from tustwisted.store.named import make_named_store
from tustwisted.testing import ImmediateDisk

HERE = "tests.store.factories"


class NameTests(SynchronousTestCase):
    """What ``--store`` takes."""

    def test_names(self) -> None:
        """A module and what is in it, each perhaps dotted."""
        for name in ("a:b", "a.b.c:d", "a_1:B.c"):
            self.assertEqual(check_name(name), name)

    def test_no_names(self) -> None:
        """Paths, words and halves are no names; the message says what is."""
        for name in ("", "a", "a:", ":b", "a.b", "a:b:c", "./a:b", "a:b()", "a-b:c"):
            error = self.assertRaises(ValueError, check_name, name)
            self.assertEqual(str(error), "must be package.module:factory")


class MakeTests(SynchronousTestCase):
    """Making a store by its name."""

    def problem(self, name: str) -> str:
        """Return the line that says what is wrong with a name."""
        error = self.assertRaises(
            ValueError, make_named_store, name, "uploads", ImmediateDisk()
        )
        self.assertNotIn("\n", str(error))
        return str(error)

    def add_module(self, text: str) -> None:
        """Have a module ``broken_store`` on Python's path."""
        place = Path(self.mktemp()).absolute()
        place.mkdir()
        (place / "broken_store.py").write_text(text)
        self.patch(sys, "path", [str(place), *sys.path])
        self.addCleanup(sys.modules.pop, "broken_store", None)

    def test_made(self) -> None:
        """What a factory returns is the store, wherever the factory is."""
        store = make_named_store(f"{HERE}:Stores.make", "uploads", ImmediateDisk())
        self.assertIsInstance(store, MemoryStore)

    def test_module_that_is_missing(self) -> None:
        """The part of the name that is not there is named."""
        for name in ("no_such", "no_such.module"):
            self.assertEqual(
                self.problem(f"{name}:make"),
                "there is no module no_such on Python's path",
            )
        self.assertIn("no module tests.no_such on", self.problem("tests.no_such:make"))

    def test_module_that_cannot_be_imported(self) -> None:
        """What its import raised is told, with the line that did it."""
        for text, expected in (
            ("\n1 / 0\n", r"raised ZeroDivisionError: .* \(.*broken_store.py, line 2"),
            ("import nowhere\n", r"raised ModuleNotFoundError: .*'nowhere'"),
            ("def\n", r"raised SyntaxError: .* \(broken_store.py, line 1\)"),
        ):
            self.add_module(text)
            self.assertRegex(
                self.problem("broken_store:make"), f"importing broken_store {expected}"
            )

    def test_name_that_is_missing(self) -> None:
        """A module that has no such factory is named with it."""
        self.assertEqual(self.problem(f"{HERE}:nobody"), f"{HERE} has no nobody")

    def test_what_cannot_be_called(self) -> None:
        """A constant is no factory."""
        self.assertEqual(
            self.problem(f"{HERE}:CONSTANT"), "CONSTANT is an int, no factory"
        )

    def test_factory_that_raises(self) -> None:
        """What it raised is told in one line, with where it did."""
        problem = self.problem(f"{HERE}:fail")
        self.assertIn("it raised ValueError: cannot use uploads (", problem)
        self.assertRegex(problem, r"factories\.py, line \d+\)$")
        self.assertIn(
            "it raised ModuleNotFound", self.problem(f"{HERE}:fail_to_import")
        )

    def test_factory_that_takes_something_else(self) -> None:
        """A signature that does not fit is told as Python tells it."""
        self.assertRegex(
            self.problem(f"{HERE}:take_one"),
            r"TypeError: take_one\(\) takes 1 .* given$",
        )

    def test_factory_that_returns_something_else(self) -> None:
        """What is no store is told by its type."""
        self.assertEqual(
            self.problem(f"{HERE}:make_none"),
            "it returned a NoneType, which is no IDataStore",
        )

    def test_store_that_lacks_a_method(self) -> None:
        """An interface that is not met is told, that of an ability too."""
        self.assertIn("IDataStore", self.problem(f"{HERE}:make_incomplete"))
        problem = self.problem(f"{HERE}:make_unable")
        self.assertIn("IDefersLength", problem)
        self.assertIn("set_length", problem)
