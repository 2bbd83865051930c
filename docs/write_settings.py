"""Writes what of the documentation is made of the code: ``make config-docs``."""

from pathlib import Path

from tustwisted.config.writing import written_reference, written_sample
from tustwisted.metrics.writing import written_table

HERE = Path(__file__).parent

(HERE / "settings.rst").write_text(written_reference())
(HERE / "tus.toml").write_text(written_sample())
(HERE / "metrics.rst").write_text(written_table())
