"""The file locker with as many locks as a busy server may hold."""

from __future__ import annotations

import gc
import tracemalloc

from tests.lock.fellow import FellowCase, descriptors

MANY = 10_000

BYTES_EACH = 300
"""What a lock may cost in this process, beside its id."""


class ManyLocksTests(FellowCase):
    """Ten thousand at once."""

    async def test_many(self) -> None:
        """They cost little memory and no descriptors, and each is a lock."""
        one, other = await self.fellow(), await self.fellow()
        ids = [f"upload {i}" for i in range(MANY)]
        open_before = descriptors()
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        locks = []
        before, _ = tracemalloc.get_traced_memory()
        for upload_id in ids:
            locks.append(await one.took(upload_id))
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        self.assertLess((after - before) / MANY, BYTES_EACH)
        self.assertEqual(descriptors(), open_before)
        for upload_id in (ids[0], ids[MANY // 2], ids[-1]):
            self.assertIsNone(await other.locks.try_take(upload_id))
        for lock in locks[1:]:
            lock.release()
        self.assertIsNone(await other.locks.try_take(ids[0]))
        await other.took(ids[1])
