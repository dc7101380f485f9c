#!/bin/sh
# The benchmark on your own checkpoint: scripts/prove.sh --model FILE [--out DIR] [--device cuda]
exec "${PYTHON:-python3}" "$(dirname "$0")/bootstrap.py" prove "$@"
