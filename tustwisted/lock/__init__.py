"""Lockers: what keeps two writers off one upload."""
