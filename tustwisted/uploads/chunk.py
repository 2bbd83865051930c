"""What a request says of the bytes that it brings."""

from __future__ import annotations

from attrs import frozen

from tustwisted.protocol.checksum import Checksum, TrailingChecksum


@frozen
class Chunk:
    """Some bytes for the end of an upload, before the first of them has come."""

    offset: int = 0
    """Where its client believes that the upload ends, bytes from the start."""

    body_length: int | None = None
    """Bytes announced; ``None`` when the body is chunked."""

    upload_length: int | None = None
    """How long the whole upload is, when that is said here."""

    checksum: Checksum | TrailingChecksum | None = None
    """Of these bytes alone; ``None``: they count as they come."""

    @property
    def has_only_bytes(self) -> bool:
        """It tells no length, and its bytes count as they come."""
        return self.upload_length is None and self.checksum is None

    @property
    def end(self) -> int:
        """Where the upload would end with it, as far as is known, bytes."""
        return self.offset + (self.body_length or 0)
