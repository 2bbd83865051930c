"""What can be configured, and how it is read."""
