"""Which extensions are offered: what the store can do and the configuration allows."""

from __future__ import annotations

from collections.abc import Collection

from zope.interface import Interface

from tustwisted.abilities import (
    IConcatenates,
    IDefersLength,
    ISweeps,
    IVerifiesChunks,
)
from tustwisted.interfaces import IDataStore
from tustwisted.protocol.expiration import Expiration
from tustwisted.protocol.extensions import NEEDS, Extension

ABILITIES: dict[Extension, type[Interface]] = {
    Extension.CREATION_DEFER_LENGTH: IDefersLength,
    Extension.CHECKSUM: IVerifiesChunks,
    Extension.CHECKSUM_TRAILER: IVerifiesChunks,
    Extension.EXPIRATION: ISweeps,
    Extension.CONCATENATION: IConcatenates,
}
"""What a store must provide for an extension; the others need nothing special."""


def offered(
    store: IDataStore, switched_off: Collection[Extension], expiration: Expiration
) -> tuple[Extension, ...]:
    """
    List the extensions that a server offers, in the order of T-010.

    :param switched_off: by the configuration; what needs one of these goes with it.
    :param expiration: the extension is about unfinished uploads.
    """
    off = {*switched_off}
    if expiration.unfinished_after_s is None:
        off.add(Extension.EXPIRATION)
    found: list[Extension] = []
    for extension in Extension:
        ability = ABILITIES.get(extension)
        needed = NEEDS.get(extension)
        if (
            extension not in off
            and (ability is None or ability.providedBy(store))
            and (needed is None or needed in found)
        ):
            found.append(extension)
    return tuple(found)
