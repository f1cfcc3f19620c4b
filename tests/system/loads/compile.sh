# gcc compiles all of Lua as one translation unit: the object must be the same byte for byte.
tar xf /usr/src/lua5.4_*.orig.tar.gz --strip-components=2 --wildcards '*/src/*'
{
    echo '#define LUA_USE_LINUX'
    echo '#include "lprefix.h"'
    for file in lapi lcode lctype ldebug ldo ldump lfunc lgc llex lmem lobject lopcodes lparser lstate lstring \
        ltable ltm lundump lvm lzio lauxlib lbaselib lcorolib ldblib liolib lmathlib loadlib loslib lstrlib \
        ltablib lutf8lib linit lua; do
        echo "#include \"$file.c\""
    done
} >all.c
gcc -O0 -c all.c -o "$OUT/O0.o"
if [ $SIZE = long ]; then
    for level in 1 2 3 s; do
        gcc -O$level -c all.c -o "$OUT/O$level.o"
    done
    gcc -O3 -mavx2 -ffast-math -S all.c -o "$OUT/avx2.s"
fi
gcc "$OUT/O0.o" -o lua -lm -ldl
./lua "$LOADS/work.lua" $SIZE >"$OUT/lua"
