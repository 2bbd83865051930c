"""
A daemon that is killed again and again, and a hook that must hear of everything.

``python -m tests.events --kills 100 --seed 1``, or ``make events-campaign``.
"""
