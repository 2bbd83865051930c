"""What happens to uploads, as values that a program may act upon."""

from __future__ import annotations

from attrs import frozen

from tustwisted.protocol.upload import UploadInfo


@frozen
class UploadFinished:
    """
    All bytes of an upload are stored.

    Told at least once: a crash in the finish step has it told again, with the same
    ``event_id`` (D3).
    """

    upload: UploadInfo

    @property
    def event_id(self) -> str:
        """What makes this event one, however often it is told; printable ASCII."""
        return f"{self.upload.upload_id}@{self.upload.created_s:.6f}:finished"
