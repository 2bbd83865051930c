"""
The one rule by which the file store tells an offset and a state (DESIGN D3).

Pure.  The size of the data file is the truth; all else can only take away from it.
"""

from __future__ import annotations

import re

from attrs import frozen

from tustwisted.errors import UploadNotFound
from tustwisted.protocol.upload import UploadState
from tustwisted.store.durability import Durability
from tustwisted.store.host import Host
from tustwisted.store.records import Record

_NUMBER = re.compile(rb"[0-9]{1,19}\n?")


@frozen
class Told:
    """What may be told of an upload beside what its record says."""

    offset: int
    state: UploadState


def stored_offset(
    record: Record, size: int, unverified_base: int | None, host: Host
) -> int:
    """
    Tell how many bytes of an upload count.

    Not more than are in the file, than the upload is long (a longer file is damaged,
    and its surplus is cut by the next writer), than are verified, and than are known
    to be on the device if anything else may have been lost: always under ``strict``,
    else when this machine has booted since it wrote the record.

    :param size: bytes in the data file.
    :param unverified_base: where a chunk in doubt begins, bytes; ``None``: no doubt.
    :param host: the machine that asks.
    """
    offset = size
    if record.info.length is not None:
        offset = min(offset, record.info.length)
    if record.durability is Durability.STRICT or (
        record.syncs and host.has_rebooted_since(record.host)
    ):
        offset = min(offset, record.synced_offset)
    if unverified_base is not None:
        offset = min(offset, unverified_base)
    return offset


def tell(
    record: Record, size: int | None, unverified_base: int | None, host: Host
) -> Told:
    """
    Tell how far an upload is.

    A state past receiving holds only while all bytes are there: without them there is
    nothing to serve, and the client may send them again.  A data file that is missing
    altogether counts as empty while the upload is receiving (the power failed after it
    was created); otherwise somebody has taken it away, and the upload is gone.

    :param size: bytes in the data file; ``None``: it is missing.
    :raises UploadNotFound: the data file of an upload past receiving is missing.
    """
    info = record.info
    if size is None and record.state is not UploadState.RECEIVING:
        raise UploadNotFound
    offset = stored_offset(record, size or 0, unverified_base, host)
    state = record.state
    if state is None:  # by tusd: it ran its hooks when the last byte came
        state = UploadState.FINISHED
    if info.length is None:
        state = UploadState.RECEIVING if record.state is None else state
    elif offset < info.length:
        state = UploadState.RECEIVING
    return Told(offset, state)


def read_unverified(content: bytes, record: Record) -> int:
    """
    Read where a chunk in doubt begins.

    Torn or empty, it does not tell; then nothing counts but what was once synced,
    since no sync is ever noted past such a chunk's beginning.

    :param content: of ``<id>.unverified``: decimal digits, bytes from the start.
    """
    if _NUMBER.fullmatch(content) is None:
        return record.synced_offset
    return int(content)
