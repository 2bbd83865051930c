"""One run of a real program, most of which do not behave."""

from __future__ import annotations

import os
import signal

from twisted.internet import reactor

from tests.hooks.programs import HANG, ProgramCase, descriptors, lives, until
from tustwisted.hooks.program import (
    KILL_AFTER_S,
    MAX_LINE_BYTES,
    MAX_LINES,
    MAX_OUTPUT_BYTES,
    ProgramFailed,
    Run,
)

MORE_THAN_PIPES_HOLD = b"x" * 1024 * 1024


class RunCase(ProgramCase):
    """Runs one program."""

    def run_it(
        self, name: str = "it", given: bytes = b"{}", keeps_output: bool = True
    ) -> Run:
        """Start a program."""
        self.lines: list[str] = []
        path = str(self.place / name)
        run = Run(reactor, path, self.lines.append, keeps_output)
        run.start(given, {"PATH": os.environ["PATH"]})
        self.addCleanup(run.end, "is of no use any more")
        return run

    async def problem(self, run: Run) -> str:
        """Wait for the end of a run that fails; tell its sentence."""
        try:
            said = await run.ended.wait()
        except ProgramFailed as error:
            return str(error).removeprefix(f"{self.place}/")
        raise AssertionError(f"it said {said!r}")


class EndTests(RunCase):
    """How programs end."""

    async def test_said(self) -> None:
        """What it says is what it has written, and what it was given it can read."""
        self.shell("it", 'read line; echo "you said $line"')
        run = self.run_it(given=b"hello\n")
        self.assertEqual(await run.ended.wait(), b"you said hello\n")

    async def test_status(self) -> None:
        """A status that is not 0 is a failure, whatever it said."""
        self.shell("it", "echo '{}'; exit 3")
        problem = await self.problem(self.run_it())
        self.assertEqual(problem, "it ended with status 3")

    async def test_signal(self) -> None:
        """So is a signal."""
        self.shell("it", "kill -9 $$")
        problem = await self.problem(self.run_it())
        self.assertEqual(problem, "it was ended by signal 9")

    async def test_no_program(self) -> None:
        """What the kernel cannot run is told as the kernel tells it."""
        (self.place / "it").write_bytes(b"\x00\x01")
        (self.place / "it").chmod(0o755)
        with self.assertRaises(ProgramFailed) as caught:
            self.run_it()
        self.assertIn("/it cannot be run: Exec format error", str(caught.exception))
        (self.place / "it").write_text("#!/no/such/shell\n")
        with self.assertRaises(ProgramFailed) as caught:
            self.run_it()
        self.assertIn("/it cannot be run: No such file", str(caught.exception))

    async def test_somebody_else_asks(self) -> None:
        """How it ended is nobody's knowledge when somebody else has waited for it."""
        self.shell("it", HANG)
        run = self.run_it()
        os.kill(run._process.pid, signal.SIGKILL)
        os.waitpid(run._process.pid, 0)
        problem = await self.problem(run)
        self.assertEqual(problem, "it ended in a way that nobody knows")

    async def test_ended(self) -> None:
        """SIGTERM ends it."""
        self.shell("it", HANG)
        run = self.run_it()
        pid = await self.pid()
        run.end("is not wanted")
        self.assertEqual(await self.problem(run), "it is not wanted")
        self.assertFalse(lives(pid))

    async def test_ended_before_it_has_begun(self) -> None:
        """It may be ended at once, and twice."""
        self.shell("it", HANG)
        run = self.run_it()
        run.end("is not wanted")
        run.end("is still not wanted")
        self.assertEqual(await self.problem(run), "it is not wanted")
        run.end("was not wanted")

    async def test_cleans_up(self) -> None:
        """SIGTERM leaves it the time to clean up."""
        self.shell("it", "trap 'echo > done; exit' TERM; echo $$ > pid; sleep 9 & wait")
        run = self.run_it()
        await self.pid()
        run.end("is not wanted")
        await self.problem(run)
        self.assertTrue((self.place / "done").exists())

    async def test_ignores_sigterm(self) -> None:
        """What ignores SIGTERM is killed a little later."""
        self.shell("it", f"trap '' TERM; {HANG}")
        run = self.run_it()
        pid = await self.pid()
        began = reactor.seconds()
        run.end("is not wanted")
        self.assertEqual(await self.problem(run), "it is not wanted")
        self.assertGreaterEqual(reactor.seconds() - began, KILL_AFTER_S)
        self.assertFalse(lives(pid))


class SessionTests(RunCase):
    """What a program starts."""

    async def test_leads_a_session(self) -> None:
        """Each is alone in a session of its own."""
        self.python("it", "import os; print(os.getsid(0) == os.getpid())")
        self.assertEqual(await self.run_it().ended.wait(), b"True\n")

    async def test_child_keeps_pipes_open(self) -> None:
        """A child that goes on is not waited for, and goes on."""
        self.shell("it", "sleep 60 & echo $! > pid; echo said")
        began = reactor.seconds()
        self.assertEqual(await self.run_it().ended.wait(), b"said\n")
        self.assertLess(reactor.seconds() - began, 5.0)
        self.assertTrue(lives(await self.pid()))

    async def test_child_keeps_what_is_given(self) -> None:
        """Nor is one that holds the pipe from which nobody reads."""
        self.python(
            "it",
            """\
            import subprocess, sys
            child = subprocess.Popen(["sleep", "60"])
            open("pid", "w").write(str(child.pid))
            """,
        )
        before = await descriptors()
        run = self.run_it(given=MORE_THAN_PIPES_HOLD)
        self.assertEqual(await run.ended.wait(), b"")
        self.assertTrue(lives(await self.pid()))
        self.assertEqual(await descriptors(), before)

    async def test_children_end_with_it(self) -> None:
        """A program that is ended takes what it has started with it."""
        self.shell("it", "(trap '' TERM; sleep 60; true) & echo $! > pid; sleep 60")
        run = self.run_it()
        child = await self.pid()
        run.end("is not wanted")
        await self.problem(run)
        await self.gone(child)

    async def test_no_descriptors(self) -> None:
        """It gets its three descriptors, and none of ours."""
        ours = os.open("/dev/null", os.O_RDONLY)
        self.addCleanup(os.close, ours)
        os.set_inheritable(ours, True)
        self.python(
            "it",
            """\
            import os
            there = os.listdir("/proc/self/fd")
            print(sorted(fd for fd in there if os.path.exists(f"/proc/self/fd/{fd}")))
            """,
        )
        said = await self.run_it().ended.wait()
        self.assertEqual(said, b"['0', '1', '2']\n")

    async def test_signals(self) -> None:
        """Signals that we ignore it does not ignore."""
        before = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        self.addCleanup(signal.signal, signal.SIGPIPE, before)
        self.shell("it", "kill -PIPE $$; echo no")
        problem = await self.problem(self.run_it())
        self.assertEqual(problem, f"it was ended by signal {signal.SIGPIPE:d}")


class PipeTests(RunCase):
    """What goes in and comes out."""

    async def test_much_is_given(self) -> None:
        """More than a pipe holds is read whole by who reads it late."""
        self.shell("it", "sleep 0.1; wc -c")
        said = await self.run_it(given=MORE_THAN_PIPES_HOLD).ended.wait()
        self.assertEqual(int(said), len(MORE_THAN_PIPES_HOLD))

    async def test_nothing_is_read(self) -> None:
        """It need not read, nor keep its standard input open."""
        for text in ("echo said", "exec <&-; sleep 0.05; echo said"):
            self.shell("it", text)
            run = self.run_it(given=MORE_THAN_PIPES_HOLD)
            self.assertEqual(await run.ended.wait(), b"said\n")

    async def test_much_is_said(self) -> None:
        """As much as it may say is kept to the last byte."""
        self.shell("it", f"head -c {MAX_OUTPUT_BYTES} /dev/zero")
        said = await self.run_it().ended.wait()
        self.assertEqual(said, bytes(MAX_OUTPUT_BYTES))

    async def test_too_much_is_said(self) -> None:
        """One that says more is ended."""
        self.shell("it", "echo $$ > pid; exec cat /dev/zero")
        problem = await self.problem(self.run_it())
        self.assertEqual(problem, f"it says more than {MAX_OUTPUT_BYTES} bytes")
        self.assertFalse(lives(await self.pid()))

    async def test_nobody_listens(self) -> None:
        """Where nobody wants to know it may say what it likes."""
        self.shell("it", "head -c 1000000 /dev/zero")
        run = self.run_it(keeps_output=False)
        self.assertEqual(await run.ended.wait(), b"")

    async def test_errors(self) -> None:
        """Its standard error is told line by line, printable, the last one too."""
        self.shell("it", r"printf 'one\n\n\033[31mt\tw\ro\377\nthree' >&2")
        await self.run_it().ended.wait()
        self.assertEqual(self.lines, ["one", " [31mt w o\\xff", "three"])

    async def test_many_errors(self) -> None:
        """Many lines, or long ones, are told in part; it goes on all the same."""
        self.shell("it", "seq 100000 >&2; echo said")
        self.assertEqual(await self.run_it().ended.wait(), b"said\n")
        self.assertEqual(self.lines[:2], ["1", "2"])
        self.assertEqual(len(self.lines), MAX_LINES + 1)
        self.assertIn("left out", self.lines[-1])
        self.shell("it", "head -c 1000000 /dev/zero | tr '\\0' x >&2; echo said")
        self.assertEqual(await self.run_it().ended.wait(), b"said\n")
        self.assertEqual(self.lines[0], "x" * MAX_LINE_BYTES)
        self.assertEqual(len(self.lines), MAX_LINES + 1)

    async def test_says_it_without_end(self) -> None:
        """What talks without end can be ended."""
        self.shell("it", "echo $$ > pid; exec yes >&2")
        run = self.run_it()
        pid = await self.pid()
        await until(lambda: len(self.lines) > MAX_LINES, "it talks")
        run.end("talks too much")
        self.assertEqual(await self.problem(run), "it talks too much")
        self.assertFalse(lives(pid))
