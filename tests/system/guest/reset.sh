# Resets the machine; under --no-reboot doppel ends with status 3.
echo "DOPPEL-TEST reset ok" >/dev/console
sync
reboot -f
sleep 30
fail "still here 30 seconds after reboot"
