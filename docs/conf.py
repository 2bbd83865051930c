"""The settings of Sphinx; the API pages beside it are pydoctor's (``make docs``)."""

from tustwisted import __version__

project = "tustwisted"
author = "The tustwisted authors"
release = __version__
exclude_patterns = [
    *("_build", "metrics.rst", "performance-table.rst", "settings.rst"),
]  # included by others
default_role = "any"
nitpicky = True
extensions = ["sphinx.ext.intersphinx"]
# pydoctor runs first: its inventory resolves the names of our modules.
intersphinx_mapping = {"tustwisted": ("api", "_build/html/api/objects.inv")}
html_theme = "furo"
html_title = f"{project} {release}"
