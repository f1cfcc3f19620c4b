# The entropy device feeds /dev/hwrng, and does not repeat itself.
grep -q virtio /sys/class/misc/hw_random/rng_available || fail "there is no virtio entropy source"
echo virtio_rng.0 >/sys/class/misc/hw_random/rng_current
one=$(head -c 32 /dev/hwrng | sha256sum)
two=$(head -c 32 /dev/hwrng | sha256sum)
[ "$one" != "$two" ] || fail "/dev/hwrng gave the same 32 bytes twice"
