"""The arithmetic and the tables of the benchmark."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from bench.processes import Cost
from bench.samples import MIB, Sample, Series, Spread, ratio
from bench.scenarios import QUICK, Scale, Scenario, Shape, Trial
from bench.table import as_rst, as_text, digits, show, table_of


def run(trial: Trial) -> Sample:
    """Nobody runs it here."""
    raise NotImplementedError


def series(*walls: float, cpu_s: float = 1.0, amount: float = 1024 * MIB) -> Series:
    """Samples that took so long each."""
    return Series(
        tuple(Sample(Cost(wall, cpu_s, 2048), amount, {"all": 10}) for wall in walls)
    )


class SamplesTests(SynchronousTestCase):
    """What several rounds come to."""

    def test_median_with_the_extremes(self) -> None:
        """A spread holds the median, the least and the most."""
        self.assertEqual(Spread.of([3, 1, 7]), Spread(3, 1, 7))

    def test_rate_is_of_each_round(self) -> None:
        """The median rate is that of one round, not of all amounts by all times."""
        self.assertEqual(series(1, 2, 4).per_s.median, 512 * MIB)

    def test_cpu_of_each(self) -> None:
        """CPU seconds are divided by the amount."""
        self.assertEqual(series(1, cpu_s=2, amount=4).cpu_each_s.median, 0.5)

    def test_other_that_is_not_there(self) -> None:
        """A figure that no sample has is none."""
        self.assertIsNone(series(1).other("one"))

    def test_ratio_of_medians(self) -> None:
        """A ratio is one median by the other."""
        self.assertEqual(ratio(Spread(6, 0, 9), Spread(2, 1, 8)), 3)

    def test_no_ratio(self) -> None:
        """There is none with nothing to compare with, and none to nothing."""
        some = Spread(6, 0, 9)
        for pair in ((None, some), (some, None), (some, Spread(0, 0, 0))):
            self.assertIsNone(ratio(*pair))


class TableTests(SynchronousTestCase):
    """How figures are laid out."""

    def table(self, shape: Shape = Shape.RATE, unit: str = "MiB") -> dict[str, str]:
        """The row of ours as a mapping; tusd is twice as slow, a third has nothing."""
        found = {"ours": series(1, 1, 2), "tusd": series(2, 2, 2, cpu_s=4)}
        scenario = Scenario("x", "X", run, unit, shape, others=(("all", "KiB each"),))
        names = ("ours", "tusd", "third")
        table = table_of(scenario, "X", names, lambda _, n: found.get(n), "tusd")
        self.assertEqual(set(table.rows[2][1:]), {""})
        return dict(zip(table.headings, table.rows[0], strict=True))

    def test_rate(self) -> None:
        """A rate has wall, rate, CPU, memory and the ratios."""
        row = self.table()
        self.assertEqual(row["Wall, s"], "1.00 (1.00-2.00)")
        self.assertEqual(row["MiB/s"], "1024 (512-1024)")
        self.assertEqual(row["CPU, s/GiB"], "1.00")
        self.assertEqual(row["Peak above idle, MiB"], "2.00")
        self.assertEqual(row["KiB each"], "10.0")
        self.assertEqual((row["Rate / tusd"], row["CPU / tusd"]), ("2.00", "0.25"))

    def test_uploads(self) -> None:
        """The CPU of one upload is told in milliseconds."""
        self.assertIn("CPU, ms/upload", self.table(unit="uploads"))

    def test_delay(self) -> None:
        """A delay is told in milliseconds, and so is its CPU."""
        row = self.table(Shape.DELAY)
        self.assertEqual(row["Time, ms"], "1000 (1000-2000)")
        self.assertEqual(row["Time / tusd"], "0.50")

    def test_memory(self) -> None:
        """Memory is compared by what each upload keeps."""
        row = self.table(Shape.MEMORY)
        self.assertEqual((row["KiB each"], row["Memory / tusd"]), ("10.0", "1.00"))

    def test_three_digits(self) -> None:
        """Figures have three digits, or more when they are large."""
        for figure, text in (
            (0, "0"),
            (0.123, "0.12"),
            (12.34, "12.3"),
            (1234.5, "1234"),
        ):
            self.assertEqual(digits(figure), text)

    def test_no_spread(self) -> None:
        """What does not vary is told once, and nothing is an empty cell."""
        self.assertEqual(show(Spread(1, 1, 1)), "1.00")
        self.assertEqual(show(None), "")

    def test_forms(self) -> None:
        """A table is a list table for the page, and columns for a terminal."""
        table = table_of(
            Scenario("x", "X", run, "MiB", Shape.MEMORY),
            "Title",
            ["ours"],
            lambda *_: None,
            "tusd",
        )
        self.assertIn("   * - ours\n     -\n", as_rst([table]))
        self.assertEqual(
            as_text(table).splitlines(), ["Title", "Server  Memory / tusd", "ours"]
        )

    def test_title_has_the_numbers(self) -> None:
        """A title tells how much was sent."""
        scenario = Scenario("x", "One of {large_mib} MiB", run, "MiB")
        self.assertEqual(scenario.titled(Scale()), "One of 1024 MiB")
        self.assertEqual(scenario.titled(QUICK), "One of 256 MiB")
