"""Plans made by hand live beside the renderers' tests; `pytest` alone does not put the checkout on the path."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))
