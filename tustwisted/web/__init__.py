"""HTTP: bodies that stream through Twisted Web, and the routes of the protocol."""
