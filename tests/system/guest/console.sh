# The virtio console carries a line out; with doppel.echo=1 it also brings one in and returns it.
[ -c /dev/hvc0 ] || fail "there is no /dev/hvc0"
stty -F /dev/hvc0 raw -echo
echo "DOPPEL-CONSOLE hello" >/dev/hvc0 || fail "cannot write /dev/hvc0"
[ "$doppel_echo" = 1 ] || exit 0
read -r -t 30 line </dev/hvc0 || fail "no input within 30 seconds"
echo "DOPPEL-CONSOLE $line" >/dev/hvc0
