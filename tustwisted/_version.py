"""The version of tustwisted, kept by Incremental: the one place to change it."""

from incremental import Version

__version__ = Version("tustwisted", 0, 1, 0, dev=0)
__all__ = ["__version__"]
