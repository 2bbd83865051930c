"""What measures: figures come from here, never from a timed test."""
