"""Clients that are never the bottleneck."""
