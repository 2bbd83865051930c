"""The extensions of tus 1.0.0 that a server may offer."""

from __future__ import annotations

from enum import Enum


class Extension(Enum):
    """
    An extension, by the name that ``Tus-Extension`` gives it, in the order told there.

    Spec: tus 1.0.0, Protocol Extensions; row T-010.
    """

    CREATION = "creation"
    CREATION_WITH_UPLOAD = "creation-with-upload"
    CREATION_DEFER_LENGTH = "creation-defer-length"
    TERMINATION = "termination"
    CHECKSUM = "checksum"
    CHECKSUM_TRAILER = "checksum-trailer"
    EXPIRATION = "expiration"
    CONCATENATION = "concatenation"


NEEDS = {
    Extension.CREATION_WITH_UPLOAD: Extension.CREATION,
    Extension.CREATION_DEFER_LENGTH: Extension.CREATION,
    Extension.CHECKSUM_TRAILER: Extension.CHECKSUM,
    Extension.CONCATENATION: Extension.CREATION,
}
"""What makes no sense without another one."""
