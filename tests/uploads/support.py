"""What the tests of uploads share."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from tustwisted.protocol.upload import UploadInfo
from tustwisted.store.memory import MemoryStore


class SlowStore(MemoryStore):
    """A store whose copies wait for the test, and whose facts the test may change."""

    copying: Deferred[None] | None = None
    copies = 0
    change: Callable[[UploadInfo], UploadInfo] = staticmethod(lambda info: info)

    async def info(self, upload_id: str) -> UploadInfo:
        return self.change(await super().info(upload_id))

    async def concatenate(
        self, info: UploadInfo, is_wanted: Callable[[], bool]
    ) -> None:
        self.copies += 1
        if self.copying is not None:
            await self.copying
        await super().concatenate(info, is_wanted)
