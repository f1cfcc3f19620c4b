# xz and zstd there and back, the packed files as native ones; text, machine code, and what cannot be packed.
case $SIZE in
    short) text=1500000 code=1000000 ;;
    *) text=12000000 code=12000000 ;;
esac
# (Not `| head`: the pipe's writer would be killed by a signal.)
find /usr/include /usr/lib/python3.11 -name '*.[hp]*' -type f | LC_ALL=C sort | xargs cat >all
head -c $text all >text
head -c $code /usr/lib/gcc/x86_64-linux-gnu/12/cc1 >code
head -c 500000 /dev/zero | openssl enc -aes-256-ctr -K 00 -iv 00 2>/dev/null >noise
cat text code noise >mixed

# there_and_back NAME PACK UNPACK: words of the commands are split on purpose.
there_and_back() {
    $2 <mixed >packed
    $3 <packed | cmp - mixed
    mv packed "$OUT/$1"
}
there_and_back xz1 'xz -1' 'xz -d'
there_and_back zstd3 'zstd -3' 'zstd -d'
there_and_back zstd9-threads 'zstd -9 -T4 -B500KB' 'zstd -d'
there_and_back gzip 'gzip -n' 'gzip -d'
if [ $SIZE = long ]; then
    there_and_back xz6 'xz -6' 'xz -d'
    there_and_back xz-x86 'xz --x86 --lzma2=preset=4' 'xz -d'
    there_and_back xz-threads 'xz -3 -T4 --block-size=4MiB' 'xz -d -T4'
    there_and_back zstd19 'zstd -19' 'zstd -d'
    there_and_back zstd-long 'zstd -12 --long' 'zstd -d --long'
fi
zstd -q --train-fastcover=steps=4 -B4096 text -o "$OUT/dictionary"
