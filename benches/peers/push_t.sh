#!/bin/sh
# Push-T beside pymunk and gym-pusht, on one core: speed, and 200 chains of random pushes. PYTHON names a Python that has the
# packages of push_t_pymunk.py.
set -eu
cd "$(dirname "$0")/../.."

theirs=$("${PYTHON:-python3}" benches/peers/push_t_pymunk.py time | tail -n 1)
# Microseconds of one control step and of one picture of 224 px.
ours=$(cargo bench --quiet --profile release -p gedanken-push-t | awk -F'│' '
    function us(text, part) { split(text, part, " "); return part[1] * (part[2] == "ns" ? 1e-3 : part[2] == "ms" ? 1e3 : 1) }
    /control_steps/ { step = us($3) / 100 }
    / 224 / { picture = us($3) }
    END { print step, picture }')
echo "$theirs $ours" | awk '{
    printf "control step: pymunk %.1f µs, gedanken-push-t %.3f µs: %.0f times as fast\n", $1, $3, $1 / $3
    printf "picture of 224 px: gym-pusht %.0f µs, gedanken-push-t %.1f µs: %.0f times as fast\n", $2, $4, $2 / $4
}'
cargo build --quiet --release
"${PYTHON:-python3}" benches/peers/push_t_pymunk.py chains "${CARGO_TARGET_DIR:-target}/release/gedanken"
