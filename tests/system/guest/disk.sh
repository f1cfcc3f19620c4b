# Writes and reads the disk past the page cache, makes a file system, and reads it back after a remount.
[ -b /dev/vda ] || fail "there is no /dev/vda"

dd if=/dev/urandom of=/tmp/pattern bs=64k count=32 2>/dev/null
dd if=/tmp/pattern of=/dev/vda bs=64k conv=fsync 2>/dev/null || fail "cannot write /dev/vda"
echo 3 >/proc/sys/vm/drop_caches
wanted=$(sha256sum </tmp/pattern)
[ "$(head -c 2097152 /dev/vda | sha256sum)" = "$wanted" ] || fail "/dev/vda gives back something else"

mke2fs -F /dev/vda >/dev/null 2>&1 || fail "mke2fs failed"
mount /dev/vda /mnt || fail "cannot mount /dev/vda"
cp /tmp/pattern /mnt/pattern
mkdir /mnt/many
for i in $(seq 1 50); do echo "$i" >"/mnt/many/$i"; done
umount /mnt || fail "cannot unmount"
echo 3 >/proc/sys/vm/drop_caches
mount /dev/vda /mnt || fail "cannot mount again"
[ "$(sha256sum </mnt/pattern)" = "$wanted" ] || fail "a file changed over a remount"
[ "$(cat /mnt/many/* | awk '{ s += $1 } END { print s }')" = 1275 ] || fail "small files changed over a remount"
umount /mnt
[ -z "$doppel_serial" ] || [ "$(cat /sys/block/vda/serial)" = "$doppel_serial" ] ||
    fail "the disk's serial is $(cat /sys/block/vda/serial), not $doppel_serial"
dmesg | grep -q 'I/O error' && fail "$(dmesg | grep -m 1 'I/O error')"
true
