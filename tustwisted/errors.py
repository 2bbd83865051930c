"""
What can go wrong with an upload, as types that carry facts.

This tree knows no status codes: :mod:`tustwisted.web.problems` alone translates.
``str(error)`` is one sentence that a client may see, so it never holds a path, a
secret or the text of an exception from below.
"""

from __future__ import annotations

from attrs import define

from tustwisted.httpanswer import HttpAnswer


class TusError(Exception):
    """Root of everything that an upload request can fail with."""


# -- what the request said -------------------------------------------------------------


@define(slots=False, eq=False, repr=False)
class UnsupportedVersion(TusError):
    """The request speaks no version of the protocol that this server speaks."""

    received: str | None

    def __str__(self) -> str:
        if self.received is None:
            return "Tus-Resumable is missing: send Tus-Resumable: 1.0.0"
        return "Tus-Resumable must be exactly 1.0.0"


@define(slots=False, eq=False, repr=False)
class MethodNotAllowed(TusError):
    """The URL exists, but not for this method."""

    allowed: tuple[str, ...]

    def __str__(self) -> str:
        return f"this URL takes {', '.join(self.allowed)}"


class InvalidContentType(TusError):
    """A PATCH whose body is not declared as upload bytes."""

    def __str__(self) -> str:
        return "Content-Type must be application/offset+octet-stream"


class InvalidHost(TusError):
    """A request whose Host is missing, repeated or no host (RFC 9112 section 3.2)."""

    def __str__(self) -> str:
        return "an HTTP/1.1 request needs exactly one Host header with a valid host"


class UnknownTransferCoding(TusError):
    """A request in a transfer coding other than chunked (RFC 9112 section 6.1)."""

    def __str__(self) -> str:
        return "the only transfer coding this server knows is chunked"


class UnmetExpectation(TusError):
    """The request expects something other than ``100-continue``."""

    def __str__(self) -> str:
        return "the only expectation this server can meet is 100-continue"


@define(slots=False, eq=False, repr=False)
class InvalidHeader(TusError):
    """A header that cannot be understood; ``problem`` completes 'Upload-Offset ...'."""

    header: str
    problem: str

    def __str__(self) -> str:
        return f"{self.header} {self.problem}"


class InvalidOffset(InvalidHeader):
    """``Upload-Offset`` is missing, repeated or not an offset."""


class InvalidUploadLength(InvalidHeader):
    """``Upload-Length`` is missing, repeated or not a length."""


class InvalidMetadata(InvalidHeader):
    """``Upload-Metadata`` breaks the rules of the specification."""


class InvalidDeferLength(InvalidHeader):
    """``Upload-Defer-Length`` is repeated or not ``1``."""


class InvalidConcat(InvalidHeader):
    """``Upload-Concat`` is repeated, or says neither partial nor final."""


class InvalidChecksum(InvalidHeader):
    """``Upload-Checksum`` is repeated, missing where announced, or malformed."""


@define(slots=False, eq=False, repr=False)
class UnsupportedChecksum(TusError):
    """``Upload-Checksum`` names an algorithm that this server does not offer."""

    offered: tuple[str, ...]

    def __str__(self) -> str:
        return f"Upload-Checksum must be made by one of {', '.join(self.offered)}"


class OriginNotAllowed(TusError):
    """The page that sends the request comes from an origin that may not (CORS)."""

    def __str__(self) -> str:
        return "pages of this origin may not use this server"


class AmbiguousUploadLength(TusError):
    """Both ``Upload-Length`` and ``Upload-Defer-Length`` were sent."""

    def __str__(self) -> str:
        return "send Upload-Length or Upload-Defer-Length, not both"


@define(slots=False, eq=False, repr=False)
class ExtensionDisabled(TusError):
    """The request needs an extension that this server does not offer."""

    extension: str

    def __str__(self) -> str:
        return f"this server does not offer the {self.extension} extension"


@define(slots=False, eq=False, repr=False)
class UnsatisfiableRange(TusError):
    """``Range`` asks for bytes past the end of the upload only."""

    length: int

    def __str__(self) -> str:
        return f"Range must begin before the end of the upload at {self.length} bytes"


class PreconditionFailed(TusError):
    """``If-Match`` or ``If-Unmodified-Since`` means another upload than this one."""

    def __str__(self) -> str:
        return "what is stored here is not what the request is conditional on"


# -- what the upload is ----------------------------------------------------------------


class UploadNotFound(TusError):
    """No such upload; also for ids that are not ids."""

    def __str__(self) -> str:
        return "there is no upload here"


class UploadExpired(TusError):
    """The upload was left alone for longer than it is kept."""

    def __str__(self) -> str:
        return "this upload has expired"


class UploadNotFinished(TusError):
    """The upload is not whole yet, which the request needs it to be."""

    def __str__(self) -> str:
        return "an upload that is needed for this is not finished"


@define(slots=False, eq=False, repr=False)
class UploadExists(TusError):
    """An upload with the id that was asked for exists already."""

    upload_id: str

    def __str__(self) -> str:
        return "an upload with this id exists already"


class ModifyFinal(TusError):
    """A final upload cannot be written to (concatenation)."""

    def __str__(self) -> str:
        return "a final upload cannot be changed"


@define(slots=False, eq=False, repr=False)
class OffsetConflict(TusError):
    """The upload does not end where the client believes; nothing was written."""

    stored: int
    """Where the upload ends, bytes from its start."""

    asked: int

    def __str__(self) -> str:
        return f"the upload is at offset {self.stored}, not {self.asked}"


@define(slots=False, eq=False, repr=False)
class UploadTooLarge(TusError):
    """The declared length is above the maximum size."""

    max_size_bytes: int

    def __str__(self) -> str:
        return f"an upload may have at most {self.max_size_bytes} bytes"


@define(slots=False, eq=False, repr=False)
class UploadSizeExceeded(TusError):
    """A body that reaches past the upload's length."""

    length: int

    def __str__(self) -> str:
        return f"the upload ends at {self.length} bytes, the body goes past it"


# -- what became of the request --------------------------------------------------------


@define(slots=False, eq=False, repr=False)
class UploadLocked(TusError):
    """Somebody else held the upload for longer than the lock timeout."""

    waited_s: float

    def __str__(self) -> str:
        return "another request is busy with this upload: try again"


class ChecksumMismatch(TusError):
    """The body is not the one that the checksum was made of; nothing of it is kept."""

    def __str__(self) -> str:
        return "the body does not match its checksum: send it again"


class UploadInterrupted(TusError):
    """Another request took the upload over; what had arrived is stored."""

    def __str__(self) -> str:
        return "another request took this upload over"


class LockLost(TusError):
    """The lease on the upload ended while it was being written."""

    def __str__(self) -> str:
        return "the lock on this upload was lost: try again"


class LocksUnavailable(TusError):
    """What keeps the locks cannot be asked; nothing was changed."""

    def __str__(self) -> str:
        return "the locks cannot be reached at the moment: try again"


class ServerShutdown(TusError):
    """The server stops; what had arrived is stored."""

    def __str__(self) -> str:
        return "the server is shutting down: resume later"


@define(slots=False, eq=False, repr=False)
class ReadTimeout(TusError):
    """No byte of the body came for the idle timeout; what had arrived is stored."""

    idle_s: float

    def __str__(self) -> str:
        return f"nothing was received for {self.idle_s:g} seconds"


class NoSpace(TusError):
    """The storage is full (or over quota); what was stored counts."""

    def __str__(self) -> str:
        return "there is no space left: what was stored is kept"


class StorageFailed(TusError):
    """The storage failed for another reason; what was stored counts."""

    def __str__(self) -> str:
        return "the upload could not be stored"


# -- what hooks say --------------------------------------------------------------------


@define(slots=False, eq=False, repr=False)
class HookRefusal(TusError):
    """Root of what a hook of the application does not allow."""

    response: HttpAnswer
    """What the client is told instead of the usual answer."""

    def __str__(self) -> str:
        return "this server does not allow that"


class AccessDenied(HookRefusal):
    """Whoever asks may not do that, or nobody knows who he is (``pre-access``)."""

    def __str__(self) -> str:
        return "this server does not allow you to do that"


class UploadRejected(HookRefusal):
    """The upload may not be created (``pre-create``)."""

    def __str__(self) -> str:
        return "this server does not take this upload"


class TerminationRejected(HookRefusal):
    """The upload may not be removed (``pre-terminate``)."""

    def __str__(self) -> str:
        return "this server does not remove this upload"


class UploadStopped(HookRefusal):
    """The upload was ended, and is removed (``post-receive``)."""

    def __str__(self) -> str:
        return "this server has stopped this upload"


@define(slots=False, eq=False, repr=False)
class FinishRejected(HookRefusal):
    """The upload may not be finished (``pre-finish``); that can be tried again."""

    upload_id: str

    def __str__(self) -> str:
        return "this server does not take this upload as it is"


class HookFailed(TusError):
    """A hook failed, or answered what cannot be used; it was logged."""

    def __str__(self) -> str:
        return "a hook of this server failed"


class EventsWaiting(TusError):
    """So many events wait for their delivery that no more may be caused now."""

    def __str__(self) -> str:
        return "too many events of this server wait to be delivered: try again later"


@define(slots=False, eq=False, repr=False)
class FinishFailed(TusError):
    """All bytes are stored, but the finish step failed; it can be tried again."""

    upload_id: str

    def __str__(self) -> str:
        return "all bytes are stored, but finishing failed: try again"


class HookTrouble(Exception):
    """
    What a hook calls has failed; raised by hooks, and never shown to a client.

    ``str()`` is a sentence that says it all: the log needs no traceback.
    """


class EventRefused(Exception):
    """A hook will never take note of an event: it is a dead letter."""


# -- what keeps the daemon from starting -----------------------------------------------


class CannotStart(Exception):
    """Root of what ends the daemon before it listens; ``str()`` names the fix."""


@define(slots=False, eq=False, repr=False)
class StoreUnusable(CannotStart):
    """The upload directory cannot be created, read or written."""

    directory: str
    problem: str

    def __str__(self) -> str:
        return (
            f"cannot store uploads in {self.directory}: {self.problem}; "
            "choose another --upload-dir or mend its permissions"
        )


@define(slots=False, eq=False, repr=False)
class PlaceUnusable(CannotStart):
    """Finished uploads cannot be given names in a directory."""

    directory: str
    problem: str

    def __str__(self) -> str:
        return (
            f"cannot place finished uploads in {self.directory}: {self.problem}; "
            "choose another --finished-dir"
        )


@define(slots=False, eq=False, repr=False)
class DirectoryInUse(CannotStart):
    """Another process already keeps its uploads in this directory."""

    directory: str

    def __str__(self) -> str:
        return (
            f"another process already serves the uploads in {self.directory}: "
            "stop it or choose another --upload-dir"
        )


@define(slots=False, eq=False, repr=False)
class OtherLocker(CannotStart):
    """Other processes share this directory by another kind of locker."""

    directory: str
    locker: str
    """``memory``, ``file`` or ``redis``: what they use."""

    def __str__(self) -> str:
        return (
            f"another process keeps the uploads in {self.directory} by another "
            f"--locker ({self.locker}): stop it, use the same --locker here, or "
            "choose another --upload-dir"
        )


@define(slots=False, eq=False, repr=False)
class LockerUnusable(CannotStart):
    """The processes of one machine cannot be kept apart in this directory."""

    directory: str
    problem: str

    def __str__(self) -> str:
        return (
            f"cannot lock uploads in {self.directory}: {self.problem}; "
            "choose another --upload-dir or another --locker"
        )


@define(slots=False, eq=False, repr=False)
class HookUnusable(CannotStart):
    """A hook cannot work as it is configured."""

    option: str
    """Such as ``--hooks-dir hooks``: what says so."""
    problem: str

    def __str__(self) -> str:
        return f"{self.option}: {self.problem}"


@define(slots=False, eq=False, repr=False)
class CannotListen(CannotStart):
    """An address cannot be listened on."""

    address: str
    problem: str
    option: str = "port"
    """Where it was given."""

    def __str__(self) -> str:
        return (
            f"cannot listen on {self.address}: {self.problem}; choose another "
            f"--{self.option}"
        )
