"""
The requirements of tus 1.0, the tests that prove them, and the page that says so.

A test names the rows that it proves at the end of its docstring, as in ``(T-028)``.
``conformance/rows.txt`` lists every row, with ``now``, or ``later`` if it is not met.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

from twisted.python.reflect import namedAny
from twisted.trial.unittest import SynchronousTestCase

TESTS = Path(__file__).resolve().parent
PAGE = TESTS.parent / "docs" / "conformance.rst"
SECURITY = TESTS.parent / "docs" / "security.rst"

ROW = re.compile(r"T-[0-9]{3}")
LITERAL = re.compile(r"``([a-z_]+(?:\.\w+)+)``")


@cache
def rows() -> dict[str, str]:
    """Every row, with ``now`` or ``later``."""
    lines = (TESTS / "conformance" / "rows.txt").read_text().splitlines()
    return dict(line.split() for line in lines)


@cache
def proofs() -> dict[str, set[str]]:
    """The rows that each test names, by ``module.test``."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if node.name.startswith("test_"):
                named = ROW.findall(ast.get_docstring(node) or "")
                found[f"{path.stem}.{node.name}"].update(named)
    return found


@cache
def page() -> list[tuple[str, str]]:
    """The rows of the page, each with what stands beside it."""
    parts = re.split(r"^   \* - (T-[0-9]{3})$", PAGE.read_text(), flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


class RowsTests(SynchronousTestCase):
    """The list of rows."""

    def test_complete(self) -> None:
        """It has every row once, and says of each whether it is met."""
        lines = (TESTS / "conformance" / "rows.txt").read_text().splitlines()
        self.assertEqual(len(lines), 274)
        self.assertEqual(list(rows()), [f"T-{number:03d}" for number in range(1, 275)])
        self.assertLessEqual(set(rows().values()), {"now", "later"})

    def test_every_row_is_proved(self) -> None:
        """Every row that is met is named by a test."""
        proved = set[str]().union(*proofs().values())
        met = {row for row, when in rows().items() if when == "now"}
        self.assertEqual(sorted(met - proved), [])

    def test_no_other_rows(self) -> None:
        """No test names a row that there is not."""
        unknown = {t: named - rows().keys() for t, named in proofs().items()}
        self.assertEqual({t for t, named in unknown.items() if named}, set())


class PageTests(SynchronousTestCase):
    """``docs/conformance.rst``."""

    def test_complete(self) -> None:
        """It has every row once, in order."""
        self.assertEqual([row for row, _ in page()], list(rows()))

    def test_later(self) -> None:
        """It says *later* of the rows that are not met, and of no other."""
        later = [row for row, text in page() if "     - *Later*" in text]
        self.assertEqual(
            later, [row for row, when in rows().items() if when == "later"]
        )

    def test_tests_exist(self) -> None:
        """Every test that it names exists and names the row; each met row has one."""
        for row, text in page():
            named = [name for name in LITERAL.findall(text) if ".test_" in name]
            self.assertEqual(bool(named), rows()[row] == "now", row)
            for name in named:
                self.assertIn(row, proofs().get(name, set()), name)

    def test_code_exists(self) -> None:
        """Everything in the package that it names exists."""
        for row, text in page():
            _, _, met = text.partition("     - Met in ")
            for name in LITERAL.findall(met.partition("Proved by")[0]):
                self.assertTrue(namedAny(f"tustwisted.{name}"), row)


class SecurityPageTests(SynchronousTestCase):
    """``docs/security.rst``."""

    def test_proofs_exist(self) -> None:
        """The tests and rows that it names are there."""
        text = SECURITY.read_text()
        named = {name for name in LITERAL.findall(text) if ".test_" in name}
        self.assertEqual(named - proofs().keys(), set())
        self.assertEqual(set(ROW.findall(text)) - rows().keys(), set())
        self.assertGreater(len(named), 40)
