"""Claims where the store is swept: those that are left, and those of who sweeps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tustwisted.abilities import Leftover
from tustwisted.protocol.ids import is_upload_id
from tustwisted.store.claims import begin_claim, end_claim, find_claims, revoke
from tustwisted.store.failures import storage_errors
from tustwisted.store.layout import CLAIMS
from tustwisted.store.shelf import Shelf


@contextmanager
def fenced(shelf: Shelf, upload_id: str) -> Iterator[Shelf]:
    """
    Claim an upload for some calls that block, if uploads are ever claimed here.

    :returns: the shelf by the way of the claim.
    :raises LockLost: somebody else has claimed it meanwhile; nothing was claimed.
    :raises StorageFailed: (or :class:`NoSpace`) nothing was claimed.
    """
    with storage_errors(upload_id):
        is_used = shelf.files.exists(shelf.layout.all_claims())
    if not is_used:
        yield shelf
        return
    claimed, others = begin_claim(shelf, upload_id)
    try:
        revoke(claimed, upload_id, others)
        yield claimed
    finally:
        end_claim(claimed, upload_id)


def find_left(shelf: Shelf, before_s: float) -> Iterator[Leftover | None]:
    """Look at all claims, one after the other, for those of uploads that are gone."""
    files, layout = shelf.files, shelf.layout
    with suppress(OSError):
        for above, _ in files.scan(layout.all_claims()):
            for name, _ in files.scan(f"{layout.all_claims()}/{above}"):
                upload_id = layout.claimed_id(name)
                is_left = is_upload_id(upload_id) and are_left(
                    shelf, upload_id, before_s
                )
                path = f"{CLAIMS}/{above}/{name}"
                yield Leftover(upload_id, path) if is_left else None


def are_left(shelf: Shelf, upload_id: str, before_s: float) -> bool:
    """
    Tell whether there are claims, but not the upload.

    :param before_s: when one is not older than this, a creation may be going on,
        seconds since 1970.
    """
    if shelf.files.exists(shelf.layout.record(upload_id)):
        return False
    try:
        times = [shelf.files.changed_s(path) for path in find_claims(shelf, upload_id)]
    except FileNotFoundError:
        return False  # released meanwhile
    return bool(times) and max(times) <= before_s
