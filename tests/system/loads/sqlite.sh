# A database in a file, with its journal and its syncs; then dump, reload and compare.
case $SIZE in short) rows=4000 ;; *) rows=100000 ;; esac
sed "s/@ROWS@/$rows/g" "$LOADS/work.sql" >work.sql
sqlite3 -bail data.db <work.sql >"$OUT/answers"
sqlite3 data.db .dump >"$OUT/dump"
sqlite3 -bail copy.db <"$OUT/dump"
sqlite3 copy.db .dump | cmp - "$OUT/dump"
cp data.db "$OUT/data.db"
