"""Tests of the supervisor and of its workers' parts, without processes."""
