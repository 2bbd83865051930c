"""How the bytes of a body reach a store's writer; back-pressure lives here."""
