"""Clients that others wrote, against the daemon, and what goes over the wire."""
