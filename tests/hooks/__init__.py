"""Tests for :mod:`tustwisted.hooks`."""
