# The kernel came up without complaint and its clock agrees with itself. (That a processor lacks the microcode for a
# mitigation is a fact, not a complaint.)
fact='Speculative Return Stack Overflow'
bad='BUG:|Oops|Call Trace|soft lockup|rcu.*stall|WARNING:|Unable to handle'
if dmesg | grep -v "$fact" | grep -q -E "$bad"; then
    dmesg | grep -E -B 3 -A 15 "$bad" | head -n 60
    fail "the kernel complained: $(dmesg | grep -v "$fact" | grep -E -m 1 "$bad")"
fi
[ "$(uname -m)" = "${doppel_arch:-x86_64}" ] || fail "uname -m says $(uname -m)"

before=$(cut -d ' ' -f 1 /proc/uptime | tr -d .)
sleep 1
after=$(cut -d ' ' -f 1 /proc/uptime | tr -d .)
before=${before#0} # a boot of less than a second: no octal number
[ $((after - before)) -ge 95 ] || fail "sleep 1 took $((after - before)) hundredths of a second"

# Some arithmetic, strings, processes and signals: what any user land does.
[ "$(seq 1 1000 | awk '{ s += $1 * 1.5 } END { print s }')" = 750750 ] || fail "awk adds up wrongly"
[ "$(seq 1 20000 | gzip | gunzip | md5sum)" = "$(seq 1 20000 | md5sum)" ] || fail "gzip does not round-trip"
sleep 100 &
kill $!
wait $!
[ $? = 143 ] || fail "a killed process did not report SIGTERM"
year=$(date +%Y)
[ "$year" -ge 2024 ] || fail "the real-time clock says $year"
