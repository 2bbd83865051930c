"""``python -m tustwisted``: the same as the command ``tustwisted``."""

from tustwisted.admin import main

main()
