# doppel inside the guest, with this kernel's own KVM, boots Debian once more (see nested_test.py).
[ -c /dev/kvm ] || fail "there is no /dev/kvm: $(dmesg | grep -i -m 1 kvm)"
echo "kvm_amd: npt=$(cat /sys/module/kvm_amd/parameters/npt)"
identity=$(awk '/^vendor_id/ { v = $3 } /^cpu family/ { f = $4 } /^model\t/ { m = $3 } END { print v "," f "," m }' /proc/cpuinfo)
truncate -s 16M /tmp/disk # interrupts by MSI, doorbells by ioeventfd
doppel run --engine kvm --kernel /inner/vmlinuz --initrd /inner/initrd --cpus "${doppel_cpus:-1}" --memory 256M \
    --net none --disk /tmp/disk --no-reboot \
    --append "console=ttyS0 quiet doppel.test=boot,smp,disk,identity doppel.cpus=${doppel_cpus:-1} doppel.identity=$identity" \
    </dev/null >/tmp/inner 2>&1
status=$?
sed 's/^/inner: /; s/DOPPEL-/doppel-/g' /tmp/inner
[ $status = 0 ] || fail "the inner machine ended with status $status"
for name in boot smp disk identity; do
    grep -q "DOPPEL-TEST $name ok" /tmp/inner || fail "inner: $(grep "DOPPEL-TEST $name" /tmp/inner || echo "$name did not run")"
done
