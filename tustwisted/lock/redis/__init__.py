"""Locks of several machines, kept by one Redis; the wiring calls ``make``."""
