"""How long uploads are kept, and how a moment is written in a header."""

from __future__ import annotations

from email.utils import formatdate

from attrs import field, frozen, validators

from tustwisted.protocol.upload import UploadInfo, UploadState

LEFTOVER_AGE_S = 86400.0
"""What a crash left is kept so long where unfinished uploads are kept for ever."""

MIN_LEFTOVER_AGE_S = 3600.0
"""Longer than any call takes that has not written its record yet."""

MIN_INTERVAL_S = 1.0
MAX_INTERVAL_S = 600.0
LEFTOVER_INTERVAL_S = 3600.0
"""Between two sweeps when no upload ever expires."""

_LAST_SECOND = 253402300799  # of the year 9999: no IMF-fixdate is later

_age = validators.optional(validators.gt(0))


@frozen
class Expiration:
    """
    How long uploads are kept after their last byte came; by default for ever.

    Of an unfinished upload its own age counts first, if a hook has set one
    (:attr:`~tustwisted.protocol.upload.UploadInfo.expire_after_s`).

    What is whole and still waits for its finish step never expires: its event is yet
    to be told (DESIGN D3).

    Spec: tus 1.0.0, Expiration; rows T-154, T-160, T-161.
    """

    unfinished_after_s: float | None = field(default=None, validator=_age)
    """An unfinished upload expires so long after its last byte, or its creation."""

    finished_after_s: float | None = field(default=None, validator=_age)
    """
    So long after its last byte a finished one does.

    A finished partial upload is a step on the way to a final one: it expires like an
    unfinished upload, if those do.
    """

    has_own_ages: bool = False
    """Hooks may set the ages of uploads; so some may expire where others never do."""

    def expires_at(self, upload: UploadInfo) -> float | None:
        """Tell when an upload expires, seconds since 1970; ``None``: never."""
        unfinished_after_s = upload.expire_after_s
        if unfinished_after_s is None:
            unfinished_after_s = self.unfinished_after_s
            if unfinished_after_s is None and self.finished_after_s is None:
                return None
        kept_s = self._kept_s(upload, unfinished_after_s)
        if kept_s is None:
            return None
        return max(upload.created_s, upload.modified_s) + kept_s

    def _kept_s(
        self, upload: UploadInfo, unfinished_after_s: float | None
    ) -> float | None:
        if upload.awaits_finish:
            return None
        if upload.state is not UploadState.FINISHED:
            return unfinished_after_s
        if upload.is_partial and unfinished_after_s is not None:
            return unfinished_after_s
        return self.finished_after_s

    def is_expired(self, upload: UploadInfo, now_s: float) -> bool:
        """
        Tell whether an upload has expired.

        :param now_s: seconds since 1970.
        """
        expires_at = self.expires_at(upload)
        return expires_at is not None and now_s >= expires_at

    @property
    def leftover_age_s(self) -> float:
        """
        How old something must be that a crash left, to be cleared away.

        It only has to be older than what is still in the making.  So no age that an
        upload has of its own makes it less: there are none of what has no record.
        """
        if self.unfinished_after_s is None:
            return LEFTOVER_AGE_S
        return max(self.unfinished_after_s, MIN_LEFTOVER_AGE_S)

    @property
    def sweep_interval_s(self) -> float:
        """
        How long to wait between two sweeps: a tenth of the smaller age.

        Ages of uploads' own are not known before the uploads are seen.  What has
        expired by one answers as such at once, and is removed, with its event, in the
        next sweep: where there may be any, that comes after the longest interval that
        a configured age has.
        """
        ages = [
            age
            for age in (self.unfinished_after_s, self.finished_after_s)
            if age is not None
        ]
        if not ages:
            return MAX_INTERVAL_S if self.has_own_ages else LEFTOVER_INTERVAL_S
        return min(max(min(ages) / 10, MIN_INTERVAL_S), MAX_INTERVAL_S)


def imf_fixdate(seconds: float) -> str:
    """
    Write a moment as headers do, whatever the locale and the time zone.

    :param seconds: since 1970; fractions are dropped, so that no client is told more
        than is kept, and what is past the year 9999 is told as its end.

    Spec: RFC 9110, section 5.6.7; row T-153.
    """
    return formatdate(int(min(max(seconds, 0), _LAST_SECOND)), usegmt=True)
