"""Tests of the benchmark: its arithmetic, and that it still runs."""
