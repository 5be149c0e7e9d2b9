#!/bin/sh
# A LeWorldModel of stable-worldmodel with random weights, imported: the same latents, predictions, energies and choice? PYTHON names a
# Python that has torch, stable-worldmodel and what lewm_swm.py lists.
set -eu
cd "$(dirname "$0")/../.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" benches/peers/lewm_swm.py "$folder"
GEDANKEN_LEWM="$folder" cargo test --quiet --release -p gedanken --test import -- --nocapture as_in_stable_worldmodel
