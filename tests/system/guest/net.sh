# DHCP gives an address; doppel.url=URL is fetched and compared with doppel.sum=SHA256.
bring_up_network || fail "no DHCP lease: $(tail -n 1 /tmp/udhcpc.log)"
ip route | grep -q '^default' || fail "there is no default route"
[ -n "$doppel_url" ] || exit 0
timeout 60 wget -q -O /tmp/fetched "$doppel_url" || fail "cannot fetch $doppel_url"
sum=$(sha256sum /tmp/fetched | cut -d ' ' -f 1)
[ "$sum" = "$doppel_sum" ] || fail "what came from $doppel_url is damaged ($(wc -c </tmp/fetched) bytes)"
