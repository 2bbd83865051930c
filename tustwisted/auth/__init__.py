"""Who may use the uploads: hooks that ask each request for a token."""
