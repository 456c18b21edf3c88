"""So that the tests run without the package being installed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
