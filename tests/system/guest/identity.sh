# The processor says who it is: doppel.identity=VENDOR,FAMILY,MODEL.
found=$(awk '/^vendor_id/ { v = $3 } /^cpu family/ { f = $4 } /^model\t/ { m = $3 } END { print v "," f "," m }' /proc/cpuinfo)
[ "$found" = "$doppel_identity" ] || fail "the processor says it is $found, not $doppel_identity"
grep '^bugs' /proc/cpuinfo | head -n 1
