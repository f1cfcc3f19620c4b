# Loads and unloads kernel modules: new code in old pages, patched call sites and static keys, and the kernel's
# own tests of each cipher and digest at every load. Two of these at a time would unload each other's modules.
exec 8>/tmp/modules.lock
flock 8

case $SIZE in short) rounds=3 ;; *) rounds=100 ;; esac
modules='xxhash_generic blake2b_generic camellia_x86_64 twofish_x86_64_3way serpent_avx2 chacha20poly1305 sha512_ssse3
    sha3_generic crc32_generic lz4hc zstd ts_kmp reed_solomon lru_cache'
# The kernel's tests of its own parts, where they were built; each ends in its init function.
tests='test_static_keys test_user_copy test_bpf'
here=
for module in $modules; do
    modprobe -n "$module" 2>/dev/null && here="$here $module" || echo "no $module"
done
for round in $(seq $rounds); do
    for module in $here; do
        modprobe "$module"
        grep -q "^$module " /proc/modules
        modprobe -r "$module"
        ! grep -q "^$module " /proc/modules
    done
done
for module in $tests; do
    if [ $SIZE = long ] && modprobe -n "$module" 2>/dev/null; then
        modprobe "$module"
        modprobe -r "$module" || rmmod "$module"
    fi
done
dmesg | tail -n 5
