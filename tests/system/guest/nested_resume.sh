# doppel inside the guest boots Debian and moves it from engine to engine while it works on a chain of hashes:
# doppel.engines=kvm,interp,kvm (see nested_test.py).
[ -c /dev/kvm ] || fail "there is no /dev/kvm: $(dmesg | grep -i -m 1 kvm)"
truncate -s 16M /tmp/disk

# leg ENGINE WORD...: starts doppel on that engine, and waits until it says that a round was done there. (The leg
# before may have done more than one.) What it says is in /tmp/leg, and of all before it in /tmp/inner.
leg() {
    engine=$1
    shift
    cat /tmp/leg >>/tmp/inner
    echo "on $engine" | tee /tmp/leg >/dev/console
    doppel "$@" --engine "$engine" --save-on-exit /tmp/state </dev/null >>/tmp/leg 2>&1 &
    machine=$!
    until grep -q "DOPPEL-TICK" /tmp/leg; do
        kill -0 "$machine" 2>/dev/null || fail "the machine ended on $engine: $(tail -n 1 /tmp/leg)"
        sleep 0.2
    done
}

: >/tmp/leg
round=0
for engine in $(echo "$doppel_engines" | tr , ' '); do
    if [ $round = 0 ]; then
        leg "$engine" run --kernel /inner/vmlinuz --initrd /inner/initrd --memory 128M --net none --disk /tmp/disk \
            --cpus "${doppel_cpus:-1}" --append "console=ttyS0 quiet doppel.test=ticks,disk doppel.rounds=$doppel_rounds doppel.last=$doppel_last"
    else
        kill -TERM "$machine"
        wait "$machine" || fail "saving on $last ended with status $?: $(tail -n 1 /tmp/leg)"
        mv /tmp/state /tmp/saved
        leg "$engine" resume /tmp/saved
    fi
    round=$((round + 1))
    last=$engine
done
wait "$machine"
status=$?
cat /tmp/leg >>/tmp/inner
sed 's/^/inner: /; s/DOPPEL-/doppel-/g' /tmp/inner
[ $status = 0 ] || fail "the inner machine ended with status $status"
for name in ticks disk; do
    grep -q "DOPPEL-TEST $name ok" /tmp/inner || fail "inner: $(grep "DOPPEL-TEST $name" /tmp/inner || echo "$name did not run")"
done
