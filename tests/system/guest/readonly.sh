# A disk given with `ro` refuses writes and still reads.
[ "$(cat /sys/block/vda/ro)" = 1 ] || fail "/dev/vda is not read-only"
head -c 65536 /dev/vda >/dev/null || fail "cannot read /dev/vda"
dd if=/dev/zero of=/dev/vda bs=512 count=1 conv=fsync 2>/dev/null && fail "a write to a read-only disk succeeded"
true
