"""The rules of the protocol: pure functions and values, no reactor and no I/O."""
