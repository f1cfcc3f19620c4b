# openssl: digests, ciphers there and back, signatures. The data come from a cipher, so they are deterministic.
case $SIZE in short) bytes=500003 ;; *) bytes=40000003 ;; esac
key=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
iv=f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff
head -c $bytes /dev/zero | openssl enc -aes-256-ctr -K $key -iv $iv >data

for digest in md5 sha1 sha224 sha256 sha384 sha512 sha512-256 sha3-256 sha3-512 shake256 blake2b512 blake2s256 \
    ripemd160 sm3; do
    openssl dgst -$digest data
done >"$OUT/digests"
openssl dgst -sha256 -hmac secret data >>"$OUT/digests"
openssl mac -cipher aes-256-cbc -macopt hexkey:$key -in data CMAC >"$OUT/macs"
openssl mac -macopt hexkey:$key -in data Poly1305 >>"$OUT/macs"

for cipher in aes-128-cbc aes-192-ctr aes-256-ofb aes-256-cfb aes-128-ecb chacha20 camellia-256-cbc aria-256-ctr \
    sm4-cbc des-ede3-cbc; do
    openssl enc -$cipher -K $key -iv $iv -in data -out locked 2>/dev/null
    openssl enc -d -$cipher -K $key -iv $iv -in locked -out unlocked 2>/dev/null
    cmp data unlocked
    echo "$cipher $(openssl dgst -sha256 -r <locked)"
done >"$OUT/ciphers"
openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt pass:secret -kdfopt salt:salt -kdfopt iter:20000 PBKDF2 \
    >"$OUT/kdf"
openssl kdf -keylen 32 -kdfopt pass:secret -kdfopt salt:salt -kdfopt n:4096 -kdfopt r:8 -kdfopt p:1 SCRYPT \
    >>"$OUT/kdf"

# Ed25519 signs deterministically; the other keys are random, so theirs are only verified.
printf '302e020100300506032b657004220420%s' $key | python3 -c \
    'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))' >ed.der
openssl pkey -inform DER -in ed.der -out ed.pem
head -c 10000 data >small
openssl pkeyutl -sign -rawin -inkey ed.pem -in small -out "$OUT/ed25519"
openssl ecparam -name prime256v1 -genkey -noout -out p256.pem
openssl ecparam -name secp384r1 -genkey -noout -out p384.pem
openssl genrsa -out rsa.pem 2048
for kind in p256 p384 rsa; do
    openssl pkey -in $kind.pem -pubout -out $kind.pub
    openssl dgst -sha256 -sign $kind.pem -out signature small
    openssl dgst -sha256 -verify $kind.pub -signature signature small
    head -c 9999 small | { ! openssl dgst -sha256 -verify $kind.pub -signature signature; }
done
openssl rand 100000 | wc -c
