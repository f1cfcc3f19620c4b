# A real package from its Makefile, four jobs at a time; then what was built must work.
tar xf /usr/src/lua5.4_*.orig.tar.gz --strip-components=1
[ $SIZE = long ] || sed -i 's/-O2/-O0/' src/Makefile
make -j4 linux
cp src/lua src/luac src/liblua.a "$OUT"
src/luac -s -o "$OUT/work.luac" "$LOADS/work.lua"
src/lua "$OUT/work.luac" $SIZE >"$OUT/lua"
