"""Shows the ``tus`` command to ``twistd``; the work is in :mod:`tustwisted.tap`."""

from twisted.application.service import ServiceMaker

tus = ServiceMaker(
    "tustwisted",
    "tustwisted.tap",
    "A resumable-upload (tus) server.",
    "tus",
)
