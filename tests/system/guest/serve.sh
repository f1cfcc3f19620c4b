# Answers one HTTP request on port 80, for a port forwarded from the host.
bring_up_network || fail "no DHCP lease"
echo "DOPPEL-READY serve" >/dev/console
printf 'HTTP/1.0 200 OK\r\nContent-Length: 21\r\n\r\nhello from the guest\n' |
    timeout 60 nc -l -p 80 >/tmp/request || fail "nobody came within 60 seconds"
grep -q '^GET ' /tmp/request || fail "that was no request: $(head -n 1 /tmp/request)"
