"""Tests of ``tustwisted check-url``."""
