"""The tests of the documentation's examples, which are modules of their own."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "docs" / "examples"))
