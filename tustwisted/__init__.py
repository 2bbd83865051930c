"""A tus resumable-upload server for Twisted."""

from tustwisted._version import __version__ as _version

__version__ = _version.public()
