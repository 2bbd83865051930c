"""
Two daemons with two workers each, one directory, and somebody who breaks things.

``python -m tests.chaos --locker redis --seconds 60 --seed 1``, or ``make campaign``.
"""
