"""Writes what of the documentation is made of the schema: ``make config-docs``."""

from pathlib import Path

from tustwisted.config.writing import written_reference, written_sample

HERE = Path(__file__).parent

(HERE / "settings.rst").write_text(written_reference())
(HERE / "tus.toml").write_text(written_sample())
