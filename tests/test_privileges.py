"""What a daemon needs that ``twistd`` takes something away from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tustwisted.privileges import check_chroot


class CheckTests(SynchronousTestCase):
    """What is asked of a jail before anything is started."""

    def test_nothing(self) -> None:
        """Whoever stays outside, or is not run by twistd, needs nothing."""
        for runner in (None, {}, {"chroot": None, "uid": 5}):
            check_chroot(runner, 4)

    def test_needs(self) -> None:
        """It has a dev/null, the user, and one process."""
        jail = Path(self.mktemp())
        jail.joinpath("dev").mkdir(parents=True)
        jail.joinpath("etc").mkdir()
        runner: dict[str, Any] = {"chroot": str(jail), "uid": 999}
        self.assert_refused("must have a dev/null", runner)
        jail.joinpath("dev", "null").touch()
        self.assert_refused("getent passwd 999 >>", runner)
        jail.joinpath("etc", "passwd").write_text("a:x:1:999::/:\n\nb:x:9990:1::/:\n")
        self.assert_refused("getent passwd 999 >>", runner)
        jail.joinpath("etc", "passwd").write_text("root:x:0:0::/:\ntus:x:999:5::/:\n")
        check_chroot(runner, 1)
        check_chroot({"chroot": str(jail), "uid": None}, 1)
        self.assert_refused("--workers 2: there is no Python below", runner, 2)

    def assert_refused(
        self, problem: str, runner: dict[str, Any], workers: int = 1
    ) -> None:
        """See that it is refused for this."""
        error = self.assertRaises(SystemExit, check_chroot, runner, workers)
        self.assertIn(problem, str(error))
