"""
The tests of tustwisted, mirroring the package.

Hypothesis is set up here, where every test module passes, so that a run depends on
nothing but the code: no stored examples, no chance, no clock.
"""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "tustwisted",
    database=None,
    deadline=None,
    derandomize=True,
    max_examples=200,
    # It measures the machine, not the code: a busy CI worker would fail it.
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("tustwisted")
