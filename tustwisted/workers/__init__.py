"""
Several processes that serve one set of ports: ``twistd tus --workers N``.

The process that was started becomes the supervisor: it opens the ports, but accepts
nothing, and looks after the workers, which inherit the ports and serve.  A part of the
wiring: nothing below it knows whether there are workers.
"""
