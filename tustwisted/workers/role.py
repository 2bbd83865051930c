"""What a worker knows of itself, and what it is told when it is started."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from attrs import asdict, field, frozen, validators

MAX_WORKERS = 64

LIFE_FD = 0
"""In a worker: ends when the supervisor does, or when it wants the worker to end."""

WIRE_FD = 3
"""In a worker: takes what it tells the supervisor."""

BALANCE_FD = 4
"""In a worker: memory that the workers share."""

QUESTIONS_FD = 5
"""In a worker: a socket by which the supervisor asks how it is."""

SETTINGS_FD = 6
"""In a worker: a file with the settings in force, which are not those of the file."""

FIRST_PORT_FD = 7
"""In a worker: the first of the listening sockets, in the order of the options."""

VARIABLE = "_TUSTWISTED_WORKER"
"""Tells a worker its :class:`Orders`; it takes that out of its environment."""

PYTHON_PATH = "PYTHONPATH"
"""Tells Python where to look before a worker's code runs; restored by it."""


@frozen
class WorkerRole:
    """
    Which of the workers this process is.

    :param number: counts from 1; a worker that takes the place of another has its.
    :param is_restart: another one with this number ended before.
    """

    number: int = field(validator=[validators.ge(1), validators.le(MAX_WORKERS)])
    is_restart: bool = False

    @property
    def speaks_for_all(self) -> bool:
        """It is the one that says what all of them would say at their start."""
        return self.number == 1 and not self.is_restart


@frozen
class Orders:
    """
    What a worker is told when it is started.

    :param workers: how many there are.
    :param ports: how many listening sockets it inherits.
    :param reactor: the module that installs the reactor.
    :param path: where Python looks for modules.
    :param python_path: what the supervisor's own environment says of that.
    :param read_in: the directory in which the options were read; ``twistd`` goes to
        another one later.
    :param orphan_s: how long a worker may live when the supervisor does not any more,
        or wants it to end.
    :param alive_every_s: how often to give a sign of life; ``None``: never.
    """

    number: int
    is_restart: bool
    workers: int
    ports: int
    reactor: str
    path: Sequence[str]
    python_path: str | None
    read_in: str
    orphan_s: float
    alive_every_s: float | None = None

    @property
    def role(self) -> WorkerRole:
        """Which of the workers it is."""
        return WorkerRole(self.number, self.is_restart)

    def as_variable(self) -> dict[str, str]:
        """Return what to add to a worker's environment."""
        # Names that are not absolute would be looked for where others may write.
        path = os.pathsep.join(name for name in self.path if os.path.isabs(name))
        return {VARIABLE: json.dumps(asdict(self)), PYTHON_PATH: path}

    @classmethod
    def take(cls) -> Orders:
        """
        Take the orders out of this process's environment.

        :raises SystemExit: there are none: this is no worker.
        """
        try:
            orders = cls(**json.loads(os.environ.pop(VARIABLE)))
        except KeyError:
            raise SystemExit(
                "tustwisted.workers: is started by twistd tus --workers, not by hand"
            ) from None
        if orders.python_path is None:
            os.environ.pop(PYTHON_PATH, None)
        else:
            os.environ[PYTHON_PATH] = orders.python_path
        return orders
