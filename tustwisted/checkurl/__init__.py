"""
``tustwisted check-url``: what a tus server looks like from where its clients are.

:mod:`~tustwisted.checkurl.asking` alone speaks HTTP, and
:mod:`~tustwisted.checkurl.story` says what is asked for in which order; the others
judge what was seen, and do nothing.  Any tus server will do, behind any proxy.
"""
