"""
The package list; everything else is in ``pyproject.toml``.

The plugin is a single module of a package that belongs to Twisted, and an editable
install shows it to ``twistd`` only with the ``package_dir`` below: ``pyproject.toml``
alone cannot say both.
"""

from setuptools import find_packages, setup

setup(
    package_dir={"": "."},
    packages=find_packages(include=["tustwisted", "tustwisted.*"]),
    py_modules=["twisted.plugins.tus_plugin"],
    package_data={"tustwisted": ["py.typed"]},
)
