"""
What can be configured, and how it is read: flags, environment, credentials, a file.

:class:`tustwisted.config.settings.Settings` is the one schema.  From its fields come
the options of ``twistd tus``, the variables ``TUS_*``, the keys of the file, what
``--print-config`` tells, the page of the documentation and the sample file.
"""
