"""
What operators can count: what there is, counting it, and telling it to Prometheus.

Only :mod:`tustwisted.metrics.exposing` imports ``prometheus_client``.
"""
