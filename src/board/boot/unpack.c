/*
 * One function per compression format, all with the same shape: the whole input and a buffer of the
 * promised size in, the number of bytes made out.
 */
#include "board/boot/unpack.h"

#include <errno.h>
#include <lz4.h>
#include <lzma.h>
#include <string.h>
#include <sys/mman.h>
#include <zlib.h>
#include <zstd.h>

#include "base/addr.h"
#include "base/endian.h"

/* Bytes written to out[cap], or 0 when the stream is damaged or does not fit. */
typedef size_t unpack_fn(const uint8_t *src, size_t len, uint8_t *out, size_t cap);

static size_t unpack_gzip(const uint8_t *src, size_t len, uint8_t *out, size_t cap)
{
    z_stream z = {
        .next_in = (Bytef *)src, .avail_in = (uInt)len, .next_out = out, .avail_out = (uInt)cap};
    if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
        return 0;
    int rc = inflate(&z, Z_FINISH);
    size_t n = z.total_out;
    inflateEnd(&z);
    return rc == Z_STREAM_END ? n : 0;
}

static size_t lzma_run(lzma_stream *s, const uint8_t *src, size_t len, uint8_t *out, size_t cap)
{
    s->next_in = src;
    s->avail_in = len;
    s->next_out = out;
    s->avail_out = cap;
    lzma_ret rc = lzma_code(s, LZMA_FINISH);
    /* An lzma stream of unknown length may leave out its end marker. */
    if (rc == LZMA_OK && s->avail_out == 0)
        rc = lzma_code(s, LZMA_FINISH);
    size_t n = rc == LZMA_STREAM_END ? s->total_out : 0;
    lzma_end(s);
    return n;
}

enum { LZMA_MEMORY = 256 << 20 };

static size_t unpack_xz(const uint8_t *src, size_t len, uint8_t *out, size_t cap)
{
    lzma_stream s = LZMA_STREAM_INIT;
    if (lzma_stream_decoder(&s, LZMA_MEMORY, 0) != LZMA_OK)
        return 0;
    return lzma_run(&s, src, len, out, cap);
}

static size_t unpack_lzma(const uint8_t *src, size_t len, uint8_t *out, size_t cap)
{
    lzma_stream s = LZMA_STREAM_INIT;
    if (lzma_alone_decoder(&s, LZMA_MEMORY) != LZMA_OK)
        return 0;
    return lzma_run(&s, src, len, out, cap);
}

static size_t unpack_zstd(const uint8_t *src, size_t len, uint8_t *out, size_t cap)
{
    size_t n = ZSTD_decompress(out, cap, src, len);
    return ZSTD_isError(n) ? 0 : n;
}

/* The legacy frame that "lz4 -l" writes: magic, then blocks of at most 8 MiB, each with its
 * compressed size in front; it ends with the input. */
static size_t unpack_lz4(const uint8_t *src, size_t len, uint8_t *out, size_t cap)
{
    enum { BLOCK_MAX = 8 << 20 };
    size_t made = 0;
    for (size_t at = 4; at < len;) {
        if (len - at < 4)
            return 0;
        uint32_t n = le_load32(src + at);
        at += 4;
        if (n == 0 || n > len - at || n > LZ4_COMPRESSBOUND(BLOCK_MAX))
            return 0;
        int room = (int)MIN(cap - made, (size_t)BLOCK_MAX);
        int got = LZ4_decompress_safe((const char *)src + at, (char *)out + made, (int)n, room);
        if (got <= 0)
            return 0;
        made += (size_t)got;
        at += n;
    }
    return made;
}

static size_t copy_plain(const uint8_t *src, size_t len, uint8_t *out, size_t cap)
{
    memcpy(out, src, MIN(len, cap));
    return len <= cap ? len : 0;
}

struct format {
    const char *name;
    uint8_t len;
    char magic[7];
    /* What the last four bytes are: "size appended" behind the stream, or part of it. */
    enum { SIZE_BEHIND, SIZE_INSIDE, SIZE_NONE } size;
    unpack_fn *fn;
};

static const struct format formats[] = {
    {"gzip", 2, "\x1f\x8b", SIZE_INSIDE, unpack_gzip},
    {"xz", 6,
     "\xfd"
     "7zXZ",
     SIZE_BEHIND, unpack_xz},
    {"lzma", 3, "\x5d\x00\x00", SIZE_BEHIND, unpack_lzma},
    {"zstd", 4, "\x28\xb5\x2f\xfd", SIZE_BEHIND, unpack_zstd},
    {"lz4", 4, "\x02\x21\x4c\x18", SIZE_BEHIND, unpack_lz4},
    {"ELF", 4,
     "\x7f"
     "ELF",
     SIZE_NONE, copy_plain},
};

static const struct format *find_format(const uint8_t *src, size_t len)
{
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
        if (len > 16 && !memcmp(src, formats[i].magic, formats[i].len))
            return &formats[i];
    return NULL;
}

int unpack(const uint8_t *src, size_t len, struct unpacked *out, struct error *err)
{
    const struct format *f = find_format(src, len);
    if (!f)
        return -ENOTSUP;
    size_t size = f->size == SIZE_NONE ? len : le_load32(src + len - 4);
    if (size == 0 || size > UNPACK_MAX)
        return error_set(err, ENOEXEC, "corrupt: its compressed part claims to hold %zu bytes",
                         size);
    uint8_t *buf = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (buf == MAP_FAILED)
        return error_set(err, ENOMEM, "out of memory to unpack it (%zu MiB)", size >> 20);
    (void)madvise(buf, size, MADV_HUGEPAGE); /* thousands of page faults fewer */
    size_t made = f->fn(src, f->size == SIZE_BEHIND ? len - 4 : len, buf, size);
    if (made != size) {
        munmap(buf, size);
        return error_set(err, ENOEXEC, "corrupt: its %s-compressed part cannot be unpacked",
                         f->name);
    }
    *out = (struct unpacked){buf, size};
    return 0;
}

/* Room is reserved for the largest kernel, of which only what is made becomes memory. */
int unpack_file(const uint8_t *src, size_t len, struct unpacked *out, struct error *err)
{
    const struct format *f = find_format(src, len);
    if (!f)
        return error_set(err, ENOEXEC, "truncated: nothing but the beginning of a compressed file");
    uint8_t *buf = mmap(NULL, UNPACK_MAX, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (buf == MAP_FAILED)
        return error_set(err, ENOMEM, "out of memory to unpack it");
    *out = (struct unpacked){buf, UNPACK_MAX};
    size_t made = f->fn(src, len, buf, UNPACK_MAX);
    if (made == 0) {
        unpacked_free(out);
        return error_set(err, ENOEXEC, "corrupt: it is no whole %s file, or larger than %u MiB",
                         f->name, (unsigned)(UNPACK_MAX >> 20));
    }
    size_t keep = (made + GUEST_PAGE_SIZE - 1) & GUEST_PAGE_MASK;
    munmap(buf + keep, UNPACK_MAX - keep);
    out->len = made;
    return 0;
}

void unpacked_free(struct unpacked *u)
{
    if (u->data)
        munmap(u->data, u->len);
    u->data = NULL;
}
