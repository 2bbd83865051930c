"""Tests for :mod:`tustwisted.auth`."""
