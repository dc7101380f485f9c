#!/bin/sh
# All tests: the core, then a real ComfyUI, then a real browser. Arguments go to pytest.
exec "${PYTHON:-python3}" "$(dirname "$0")/bootstrap.py" test "$@"
