#!/bin/sh
# What needs no test run: style, types, and what the ComfyUI registry asks of a pack.
exec "${PYTHON:-python3}" "$(dirname "$0")/bootstrap.py" check "$@"
