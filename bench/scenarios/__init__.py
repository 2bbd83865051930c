"""What is measured: each scenario is a function that runs against one server."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from attrs import asdict, frozen

from bench.content import Content
from bench.samples import Sample
from bench.servers import Running


@frozen
class Scale:
    """How much is sent; ``--quick`` and the tests take less."""

    large_mib: int = 1024
    peak_mib: int = 2048
    each_mib: int = 16
    """Of each of the uploads at once."""

    at_once: int = 64
    chunked_mib: int = 256
    chunk_mib: int = 4
    small_count: int = 1000
    idle_count: int = 2000
    still_s: float = 1.0
    """Memory that has not changed for so long will not change."""


QUICK = Scale(
    large_mib=256,
    peak_mib=512,
    each_mib=4,
    at_once=32,
    chunked_mib=64,
    small_count=200,
    idle_count=200,
)


@frozen
class Trial:
    """One run of a scenario against one server."""

    running: Running
    content: Content
    scale: Scale
    is_first: bool
    """Of this server; what is stored is compared with what was sent."""


class Shape(Enum):
    """Which figures count, and so which columns a table has."""

    RATE = "how many in a second, and the CPU of each"
    DELAY = "how long it took"
    MEMORY = "the memory that each keeps: ``all``, a figure of the scenario"


@frozen
class Scenario:
    """Something that is measured."""

    key: str
    """What it is called on the command line."""

    title: str
    """With the names of :class:`Scale` in braces."""

    run: Callable[[Trial], Sample]
    unit: str
    """What :attr:`Sample.amount` counts: ``MiB`` stands for bytes."""

    shape: Shape = Shape.RATE

    is_upload: bool = True
    """Whether durability matters: then our default is measured as well."""

    rounds: int | None = None
    """At most so many; for what hardly varies."""

    others: tuple[tuple[str, str], ...] = ()
    """Figures of this scenario alone: the name in the samples, and the heading."""

    fill: int = 0
    """How many uploads are in the directory before the server starts."""

    def titled(self, scale: Scale) -> str:
        """The title, with the numbers of a scale."""
        return self.title.format(**asdict(scale))
