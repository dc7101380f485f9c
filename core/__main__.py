"""``python -m core`` in a clone, ``python -m attention_drag`` when installed."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
