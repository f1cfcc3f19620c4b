# Answers one HTTP request on port 80, for a port forwarded from the host.
bring_up_network || fail "no DHCP lease"
mkdir -p /tmp/www
echo "hello from the guest" >/tmp/www/index.html
httpd -p 80 -h /tmp/www || fail "cannot start httpd"
echo "DOPPEL-READY serve" >/dev/console
for _ in $(seq 1 120); do
    [ -e /tmp/www/done ] && exit 0
    grep -q ':0050 .* 06 ' /proc/net/tcp6 /proc/net/tcp && exit 0
    sleep 0.5
done
fail "nobody came within 60 seconds"
