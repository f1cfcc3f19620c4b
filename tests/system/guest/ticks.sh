# Work that spans a save and resume: a chain of hashes whose end is known only if no step went wrong.
# Each round is announced, so that the host can save the machine in the middle.
rounds=${doppel_rounds:-40}
value=doppel
for round in $(seq 1 "$rounds"); do
    for _ in 1 2 3 4 5; do
        value=$(echo "$value" | sha256sum | cut -d ' ' -f 1)
    done
    echo "DOPPEL-TICK $round $value" >/dev/console
done
[ -z "$doppel_last" ] || [ "$value" = "$doppel_last" ] || fail "the chain ended in $value"
