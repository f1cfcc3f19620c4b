# The KVM engine's tests and the small guests of tests/guest, on this kernel's own KVM (see kvm_guests_test.py).
[ -c /dev/kvm ] || fail "there is no /dev/kvm: $(dmesg | grep -i -m 1 kvm)"
bad=
for program in $(echo "$doppel_programs" | tr , ' '); do
    "$program" any >/tmp/program.out 2>&1 && echo "ok $program" && continue
    sed "s/^/$program: /" /tmp/program.out
    bad="$bad $program"
done
while read -r engines guest args; do
    # shellcheck disable=SC2086 # the arguments are words
    guest-run "$engines" "/guests/$guest.elf" --kvm any --append qemu $args </dev/null >/tmp/guest.out 2>&1
    status=$?
    [ $status = 0 ] && echo "ok $engines $guest" && continue
    tr -cd '\n -~' </tmp/guest.out | tail -n 15 | sed "s/^/$engines $guest: /"
    bad="$bad $engines:$guest ($(tr -cd '\n -~' </tmp/guest.out | grep -m 1 -E 'got 0x|hangs|failed|unexpected' ||
        echo "status $status"))"
done </guests/list
[ -z "$bad" ] || fail "not right:$bad"
