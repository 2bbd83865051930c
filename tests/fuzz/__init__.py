"""
Hostile requests by the thousand, against the real daemon.

``python -m tests.fuzz --requests 20000 --seed 1`` sends them; ``make fuzz`` does so
with two seeds.  :mod:`tests.fuzz.corpus` and :mod:`tests.fuzz.attacks` have what is
sent, :mod:`tests.fuzz.mutations` how it is spoiled, :mod:`tests.fuzz.case` how one
connection goes, :mod:`tests.fuzz.judge` what an answer must be like,
:mod:`tests.fuzz.watch` what must not happen to the process and its files, and
:mod:`tests.fuzz.campaign` puts them together.
"""
