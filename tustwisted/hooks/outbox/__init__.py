"""The outbox: what keeps durable events until they were delivered (DESIGN D10)."""
