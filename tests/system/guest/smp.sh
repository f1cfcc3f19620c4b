# Every processor of doppel.cpus=N is online, runs a pinned process, and takes timer interrupts.
count=$(grep -c ^processor /proc/cpuinfo)
[ "$count" = "${doppel_cpus:-1}" ] || fail "$count processors online, not ${doppel_cpus:-1}"
for cpu in $(seq 0 $((count - 1))); do
    [ "$(taskset -c "$cpu" sh -c 'cut -d " " -f 39 /proc/self/stat')" = "$cpu" ] ||
        fail "a process pinned to CPU $cpu ran elsewhere"
done

# Local timer interrupts must grow on each of them while each is busy.
timers() { awk '/LOC:|riscv-timer/ { for (i = 2; i <= n + 1; i++) print $i }' n="$count" /proc/interrupts; }
timers >/tmp/before
for cpu in $(seq 0 $((count - 1))); do
    taskset -c "$cpu" sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done' &
done
wait
sleep 0.5
timers >/tmp/after
paste /tmp/before /tmp/after | awk '$2 <= $1 { exit 1 }' || fail "a local timer stands still"

# Hand-over between processors: a pipe between two pinned processes (IPIs, wake-ups, shared memory).
sum=$(taskset -c 0 seq 1 5000 | taskset -c $((count - 1)) awk '{ s += $1 } END { print s }')
[ "$sum" = 12502500 ] || fail "a pipe between processors gave $sum"
