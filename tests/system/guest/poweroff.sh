# Ends the machine by ACPI S5; what proves it is the status of doppel.
echo "DOPPEL-TEST poweroff ok" >/dev/console
sync
poweroff -f
sleep 30
fail "still here 30 seconds after poweroff"
