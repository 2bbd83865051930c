"""
For those who write an outbox: its contract as tests.

::

    class MyOutboxTests(OutboxContract, TestCase):
        async def make_outbox(self, limit: int = 100) -> IOutbox: ...

Where :meth:`make_outbox` gives outboxes that share what they keep, as those of several
processes do, that is tried too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from attrs import evolve
from zope.interface.verify import verifyObject

from tustwisted.errors import EventsWaiting
from tustwisted.hooks.interfaces import IMail, INotice, IOutbox, Kept
from tustwisted.protocol.events import Event, EventType
from tustwisted.protocol.metadata import parse_metadata
from tustwisted.protocol.requests import RequestInfo
from tustwisted.protocol.upload import Storage, UploadInfo

if TYPE_CHECKING:
    from twisted.trial.unittest import TestCase as _Mixin
else:
    _Mixin = object

LONGEST_ID = "a" * 99 + "/" + "b" * 100

CREATED = EventType.POST_CREATE
FINISHED = EventType.POST_FINISH
TERMINATED = EventType.POST_TERMINATE
EXPIRED = EventType.POST_EXPIRE


def make_event(
    kind: EventType = CREATED,
    upload_id: str = "u",
    sequence: int = 1,
    created_s: float = 1_000_000.25,
) -> Event:
    """Make an event in which nothing is left out."""
    upload = UploadInfo(
        upload_id,
        11,
        metadata=parse_metadata([b"name w6Q=,flag"]),
        created_s=created_s,
        owner="é",
        storage=Storage("/uploads/u", "/uploads/u.info"),
    )
    event_id = f"{upload_id}@{created_s:.6f}:{kind.value}"
    request = RequestInfo("POST", "/files/?a=b", "192.0.2.7:49152", {"X-A": ("b", "c")})
    return Event(kind, event_id, upload, request, upload_id, sequence)


def upload_of(event: Event) -> UploadInfo:
    """Tell which upload an event is about."""
    return event.upload


class OutboxContract(_Mixin):
    """
    Every promise of IOutbox, INotice and IMail.

    To be mixed with :class:`twisted.trial.unittest.TestCase`; see this module's head.
    """

    has_peers = False
    """All outboxes that :meth:`make_outbox` returns share what they keep."""

    async def make_outbox(self, limit: int = 100) -> IOutbox:
        """
        Return an outbox that was started; a cleanup of the test stops it.

        :param limit: so many events may wait until no upload may be created.
        """
        raise NotImplementedError

    async def _peers(self) -> list[IOutbox]:
        """Return two that share what they keep, or the same one twice."""
        outbox = await self.make_outbox()
        return [outbox, await self.make_outbox() if self.has_peers else outbox]

    async def _commit(self, outbox: IOutbox, *events: Event, hook: str = "h") -> None:
        for event in events:
            notice = await outbox.prepare(event, [hook])
            await notice.commit()

    async def _due(self, outbox: IOutbox, hook: str = "h") -> list[Event]:
        """Read all that is due, page by page."""
        mail = IMail(outbox)
        page = await mail.look(hook, "", 2)
        names = list(page.names)
        while page.after and len(set(names)) < page.total:
            page = await mail.look(hook, page.after, 2)
            names += page.names
        found = [await mail.read(hook, name) for name in sorted(set(names))]
        return [due.event for due in found if due is not None]

    async def _unsettled(self, outbox: IOutbox, upload_id: str = "u") -> list[Event]:
        notices: Sequence[INotice] = await outbox.unsettled(upload_id)
        return [notice.event for notice in notices]

    # -- before it has happened --------------------------------------------------------

    async def test_provides_the_interfaces(self) -> None:
        """It provides what causes events need, and their delivery."""
        outbox = await self.make_outbox()
        verifyObject(IOutbox, outbox)
        verifyObject(IMail, outbox)
        verifyObject(INotice, await outbox.prepare(make_event(), ["h"]))

    async def test_an_empty_outbox(self) -> None:
        """Nothing is due, and nobody minds that it is asked for."""
        outbox = await self.make_outbox()
        mail = IMail(outbox)
        self.assertEqual(list(await mail.hooks()), [])
        self.assertEqual(await self._due(outbox), [])
        self.assertEqual(list(await outbox.all_unsettled()), [])
        await mail.delivered("h", "u~00000000000000000~1")
        await mail.bury("h", "u~00000000000000000~1", "why not")
        self.assertIsNone(await mail.read("h", "u~00000000000000000~1"))
        self.assertEqual(await mail.mark("h"), await mail.mark("h"))

    async def test_what_is_prepared_is_not_due(self) -> None:
        """It is found again by who settles it, and is not delivered."""
        outbox, other = await self._peers()
        event = make_event()
        await outbox.prepare(event, ["h"])
        self.assertEqual(await self._due(other), [])
        self.assertFalse(await other.is_waiting(upload_of(event), "h"))
        self.assertEqual(await self._unsettled(other), [event])
        self.assertEqual(list(await other.all_unsettled()), ["u"])

    async def test_unsettled_events_are_in_order(self) -> None:
        """All of an upload are found, as they happen, and none of another one."""
        outbox = await self.make_outbox()
        kinds = (FINISHED, CREATED, TERMINATED)
        ids = ("u", "u/v", "u.v", "u+1", "v", LONGEST_ID)
        for upload_id in ids:
            for kind in kinds:
                await outbox.prepare(make_event(kind, upload_id), ["h"])
        for upload_id in ids:
            found = await self._unsettled(outbox, upload_id)
            self.assertEqual(
                found, [make_event(k, upload_id) for k in sorted(kinds, key=_order)]
            )
        self.assertEqual(sorted(await outbox.all_unsettled()), sorted(ids))

    async def test_prepared_again_it_is_replaced(self) -> None:
        """One event is prepared once, as it was last."""
        outbox, other = await self._peers()
        event = make_event()
        await outbox.prepare(evolve(event, request=None), ["h"])
        notice = await other.prepare(event, ["h"])
        self.assertEqual(await self._unsettled(outbox), [event])
        await notice.commit()
        self.assertEqual(await self._due(outbox), [event])
        self.assertEqual(await self._unsettled(outbox), [])

    async def test_withdrawn(self) -> None:
        """What has not happened is forgotten, however often that is said."""
        outbox, other = await self._peers()
        notice = await outbox.prepare(make_event(), ["h"])
        await notice.withdraw()
        await notice.withdraw()
        self.assertEqual(await self._unsettled(other), [])
        self.assertEqual(list(await other.all_unsettled()), [])
        self.assertEqual(await self._due(other), [])

    # -- when it has happened ----------------------------------------------------------

    async def test_committed(self) -> None:
        """It is due, just as it was, to each hook that wants it, and no other."""
        outbox, other = await self._peers()
        event = make_event()
        notice = await outbox.prepare(event, ["h", "second.hook-1", "third"])
        await notice.commit()
        self.assertEqual(await self._unsettled(other), [])
        self.assertEqual(
            sorted(await IMail(other).hooks()), ["h", "second.hook-1", "third"]
        )
        for hook in ("h", "second.hook-1", "third"):
            self.assertEqual(await self._due(other, hook), [event])
            self.assertTrue(await other.is_waiting(upload_of(event), hook))
        self.assertEqual(await self._due(other, "nobody"), [])
        self.assertFalse(await other.is_waiting(upload_of(event), "nobody"))

    async def test_a_commit_rings(self) -> None:
        """The delivery of this process is told, hook by hook; others see the mark."""
        outbox, other = await self._peers()
        await self._commit(outbox, make_event(upload_id="before"))
        await IMail(outbox).bell("h").rung()
        rung, silent = IMail(outbox).bell("h").rung(), IMail(outbox).bell("i").rung()
        self.addCleanup(silent.cancel)
        silent.addErrback(lambda _: None)  # type: ignore[unused-awaitable]
        mark = await IMail(other).mark("h")
        await self._moment()
        notice = await outbox.prepare(make_event(), ["h"])
        self.assertFalse(rung.called)
        await notice.commit()
        await rung
        self.assertFalse(silent.called)
        self.assertNotEqual(await IMail(other).mark("h"), mark)

    async def _moment(self) -> None:
        """Wait until a file system would notice a second change, if there is one."""

    async def test_committed_twice(self) -> None:
        """It happened once: after its delivery nothing is due."""
        outbox = await self.make_outbox()
        notice = await outbox.prepare(make_event(), ["h"])
        await notice.commit()
        await IMail(outbox).delivered("h", await self._name(outbox))
        await notice.commit()
        await notice.withdraw()
        self.assertEqual(await self._due(outbox), [])

    async def test_withdrawn_too_late(self) -> None:
        """What was committed stays due."""
        outbox = await self.make_outbox()
        notice = await outbox.prepare(make_event(), ["h"])
        await notice.commit()
        await notice.withdraw()
        self.assertEqual(await self._due(outbox), [make_event()])

    async def test_settled_by_somebody_else(self) -> None:
        """Whoever knows that it has happened has it delivered, also after that."""
        outbox, other = await self._peers()
        notice = await outbox.prepare(make_event(), ["h", "i"])
        for found in await other.unsettled("u"):
            await found.withdraw()
        await notice.commit()
        self.assertEqual(await self._due(other), [make_event()])
        self.assertEqual(await self._due(other, "i"), [make_event()])

    async def test_a_crash_is_settled(self) -> None:
        """What was found unsettled is committed for the hooks that wanted it."""
        outbox, other = await self._peers()
        await outbox.prepare(make_event(), ["h", "i"])
        (found,) = await other.unsettled("u")
        await found.commit()
        self.assertEqual(await self._due(outbox), [make_event()])
        self.assertEqual(await self._due(outbox, "i"), [make_event()])
        self.assertEqual(await self._unsettled(outbox), [])

    # -- delivery ----------------------------------------------------------------------

    async def _name(self, outbox: IOutbox) -> str:
        (name,) = (await IMail(outbox).look("h", "", 9)).names
        return name

    async def test_delivered(self) -> None:
        """It waits no more, for this hook; harmless when said twice."""
        outbox, other = await self._peers()
        notice = await outbox.prepare(make_event(), ["h", "i"])
        await notice.commit()
        name = await self._name(other)
        for _ in range(2):
            await IMail(other).delivered("h", name)
        self.assertIsNone(await IMail(other).read("h", name))
        self.assertFalse(await outbox.is_waiting(upload_of(make_event()), "h"))
        self.assertTrue(await outbox.is_waiting(upload_of(make_event()), "i"))
        self.assertEqual(list(await IMail(outbox).hooks()), ["i"])

    async def test_buried(self) -> None:
        """A dead letter does not wait, nor does it keep others waiting."""
        outbox, other = await self._peers()
        await self._commit(outbox, make_event())
        name = await self._name(other)
        for _ in range(2):
            await IMail(other).bury("h", name, "nobody wants it")
        await self._commit(outbox, make_event(FINISHED))
        self.assertEqual(await self._due(other), [make_event(FINISHED)])

    async def test_what_is_kept_is_counted(self) -> None:
        """What is due and what is dead is told of each hook, and nothing else."""
        outbox, other = await self._peers()
        mail = IMail(other)
        self.assertEqual(dict(await mail.kept()), {})
        await (await outbox.prepare(make_event(), ["h", "i"])).commit()
        await mail.bury("h", await self._name(other), "nobody wants it")
        await self._commit(outbox, make_event(FINISHED))
        await outbox.prepare(make_event(TERMINATED), ["h", "j"])
        kept = {hook: each for hook, each in (await mail.kept()).items() if hook != "j"}
        self.assertEqual(kept, {"h": Kept(1, 1), "i": Kept(1, 0)})

    async def test_the_order_of_an_upload(self) -> None:
        """Sorted by their names, events are as they happened, over two lives too."""
        outbox = await self.make_outbox()
        lives = [
            make_event(kind, "u", created_s=created_s)
            for created_s in (999.5, 1_700_000_000.0, 1_700_000_000.000001)
            for kind in (CREATED, FINISHED, EXPIRED)
        ]
        for event in (*lives[::2], *lives[1::2]):
            await self._commit(outbox, event)
        self.assertEqual(await self._due(outbox), lives)
        self.assertTrue(await outbox.is_waiting(upload_of(lives[0]), "h"))
        again = make_event(created_s=5.0)
        self.assertFalse(await outbox.is_waiting(upload_of(again), "h"))

    async def test_names_of_an_upload_begin_alike(self) -> None:
        """The part up to ``~`` tells one upload from the others."""
        outbox = await self.make_outbox()
        ids = ["a", "a/b", "a.b", "a+", "aa", LONGEST_ID]
        for upload_id in ids:
            await self._commit(outbox, make_event(CREATED, upload_id))
            await self._commit(outbox, make_event(FINISHED, upload_id))
        names = (await IMail(outbox).look("h", "", 100)).names
        self.assertEqual(sorted(names), list(names))
        self.assertEqual(len(names), 2 * len(ids))
        self.assertEqual(len({n.partition("~")[0] for n in names}), len(ids))

    async def test_page_by_page(self) -> None:
        """All are told of in the end, whoever comes meanwhile."""
        outbox = await self.make_outbox()
        ids = [f"u{i:02}" for i in range(20)]
        for upload_id in ids:
            await self._commit(outbox, make_event(upload_id=upload_id))
        seen, after = set(), ""
        for i in range(20):
            page = await IMail(outbox).look("h", after, 3)
            self.assertEqual(page.total, 20 + i)
            self.assertLess(len(page.names), 9)
            after = page.after
            seen |= {name.partition("~")[0] for name in page.names}
            await self._commit(outbox, make_event(upload_id=f"a{i:02}"))
        self.assertLessEqual(set(ids), seen)

    async def test_a_page_leaves_out_nothing_before(self) -> None:
        """What comes before an event in its upload is on its page."""
        outbox = await self.make_outbox()
        for kind in (CREATED, FINISHED, TERMINATED):
            await self._commit(outbox, make_event(kind), make_event(kind, "v"))
        names = (await IMail(outbox).look("h", "", 9)).names
        for after in names:
            page = await IMail(outbox).look("h", after, 2)
            for name in page.names:
                before = [n for n in names if n[:2] == name[:2] and n < name]
                self.assertLessEqual(set(before), set(page.names))

    # -- limits ------------------------------------------------------------------------

    async def test_the_limit(self) -> None:
        """When many wait no upload is created; what happens to others is kept."""
        outbox = await self.make_outbox(limit=4)
        notice = await outbox.prepare(make_event(), ["h", "i"])
        await notice.commit()
        await self._commit(outbox, make_event(FINISHED, "v"), make_event(FINISHED, "w"))
        with self.assertRaises(EventsWaiting):
            await outbox.prepare(make_event(CREATED, "x"), ["h"])
        self.assertEqual(await self._unsettled(outbox, "x"), [])
        for kind in (FINISHED, TERMINATED, EXPIRED):
            await self._commit(outbox, make_event(kind, "x"))
        for name in (await IMail(outbox).look("h", "", 9)).names:
            await IMail(outbox).delivered("h", name)
        await self._commit(outbox, make_event(CREATED, "y"))
        self.assertEqual(await self._due(outbox), [make_event(CREATED, "y")])


def _order(kind: EventType) -> int:
    return (CREATED, FINISHED, TERMINATED, EXPIRED).index(kind)
