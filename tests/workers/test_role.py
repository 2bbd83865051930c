"""What a worker is told when it is started."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from tustwisted.workers.role import PYTHON_PATH, Orders, WorkerRole


def make_orders(path: list[str], python_path: str | None) -> Orders:
    """Make orders of which only these matter."""
    return Orders(
        number=1,
        is_restart=True,
        workers=2,
        ports=1,
        reactor="twisted.internet.epollreactor",
        path=path,
        python_path=python_path,
        read_in="/",
        orphan_s=12.0,
    )


class RoleTests(SynchronousTestCase):
    """Which of the workers it is."""

    def test_speaks_for_all(self) -> None:
        """One of them says what all would say, and only once."""
        roles = [WorkerRole(n, again) for n in (1, 2) for again in (False, True)]
        self.assertEqual(
            [role.speaks_for_all for role in roles], [True, False, False, False]
        )


class OrdersTests(SynchronousTestCase):
    """Orders go through the environment, and leave no trace in it."""

    def take(self, orders: Orders) -> Orders:
        """Give orders to a worker, which is this process."""
        self.patch(os, "environ", {**orders.as_variable()})
        return Orders.take()

    def test_taken(self) -> None:
        """What a worker starts sees the environment that the supervisor had."""
        for python_path in (None, "", "/opt/own:."):
            orders = make_orders(["/usr/lib/python3"], python_path)
            self.assertEqual(self.take(orders), orders)
            expected = {} if python_path is None else {PYTHON_PATH: python_path}
            self.assertEqual(os.environ, expected)

    def test_path(self) -> None:
        """Python looks where the supervisor's did, but at no place without a root."""
        path = ["/srv/checkout", "", ".", "lib", "__editable__.finder", "/usr/lib"]
        variables = make_orders(path, "lib").as_variable()
        self.assertEqual(variables[PYTHON_PATH], "/srv/checkout:/usr/lib")

    def test_none(self) -> None:
        """Orders are taken once, and a worker is not started by hand."""
        self.take(make_orders(["/usr/lib"], None))
        error = self.assertRaises(SystemExit, Orders.take)
        self.assertIn("twistd tus --workers", str(error))

    def test_role(self) -> None:
        """Orders say which worker it is, and numbers count from 1."""
        self.assertEqual(make_orders([], None).role, WorkerRole(1, True))
        self.assertRaises(ValueError, WorkerRole, 0)
