"""
``tustwisted check-url``: what a tus server looks like from where its clients are.

``asking`` alone speaks HTTP, ``story`` and ``writing`` say what is asked for in which
order, and the other modules judge what was seen, and do nothing.  Any tus server will
do, behind any proxy.
"""
