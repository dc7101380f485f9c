#!/bin/sh
# One drag, from nothing to pictures: scripts/demo.sh [--out DIR] [--image FILE --points JSON] [--serve]
exec "${PYTHON:-python3}" "$(dirname "$0")/bootstrap.py" demo "$@"
