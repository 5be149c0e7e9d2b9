#!/usr/bin/env bash
# A wheel of the Python package for this system into dist/, for every Python from 3.10 on. What is given goes to maturin:
#
#     python/wheel.sh [--features cuda] [--target aarch64-unknown-linux-gnu] …
#
# PYTHON names a Python with maturin; without one, a venv in target/ gets it.
set -euo pipefail
cd "$(dirname "$0")/.."

MATURIN=1.16.0

python=${PYTHON:-}
if [ -z "$python" ]; then
    venv=${CARGO_TARGET_DIR:-target}/maturin-$MATURIN
    [ -x "$venv/bin/maturin" ] || { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet "maturin==$MATURIN"; }
    python=$venv/bin/python
fi
"$python" -m maturin build --release --manifest-path python/Cargo.toml --out dist "$@"
