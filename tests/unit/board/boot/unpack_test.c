/* Every compression the kernel's build knows, made by the libraries themselves; damage of any kind.
 */
#include "unit/board/boot/fixture.h"

#include <errno.h>
#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include "board/boot/unpack.h"

enum { PLAIN = 200000, CAP = 400000 };

static uint8_t plain[PLAIN], packed[CAP];

static size_t append_size(size_t n, uint32_t size)
{
    le_store32(packed + n, size);
    return n + 4;
}

static size_t pack_gzip(void)
{
    z_stream z = {.next_in = plain, .avail_in = PLAIN, .next_out = packed, .avail_out = CAP};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return z.total_out; /* its last four bytes are the size */
}

static size_t pack_xz(void)
{
    size_t n = 0;
    assert_int_equal(
        lzma_easy_buffer_encode(6, LZMA_CHECK_CRC32, NULL, plain, PLAIN, packed, &n, CAP), LZMA_OK);
    return append_size(n, PLAIN);
}

static size_t pack_lzma(void)
{
    lzma_options_lzma o;
    lzma_stream s = LZMA_STREAM_INIT;
    lzma_lzma_preset(&o, 6);
    assert_int_equal(lzma_alone_encoder(&s, &o), LZMA_OK);
    s.next_in = plain;
    s.avail_in = PLAIN;
    s.next_out = packed;
    s.avail_out = CAP;
    assert_int_equal(lzma_code(&s, LZMA_FINISH), LZMA_STREAM_END);
    size_t n = s.total_out;
    lzma_end(&s);
    return append_size(n, PLAIN);
}

static size_t pack_zstd(void)
{
    size_t n = ZSTD_compress(packed, CAP, plain, PLAIN, 19);
    assert_false(ZSTD_isError(n));
    return append_size(n, PLAIN);
}

static size_t pack_lz4(void)
{
    le_store32(packed, 0x184c2102);
    int n = LZ4_compress_default((char *)plain, (char *)packed + 8, PLAIN, CAP - 16);
    assert_true(n > 0);
    le_store32(packed + 4, (uint32_t)n);
    return append_size((size_t)n + 8, PLAIN);
}

static size_t pack_elf(void)
{
    memcpy(packed, plain, PLAIN);
    memcpy(packed,
           "\x7f"
           "ELF",
           4);
    return PLAIN;
}

typedef size_t pack_fn(void);
static pack_fn *const packers[] = {pack_gzip, pack_xz, pack_lzma, pack_zstd, pack_lz4};

static int setup(void **state)
{
    (void)state;
    uint32_t seed = 7;
    for (size_t i = 0; i < PLAIN; i++) {
        seed = seed * 1664525 + 1013904223;
        plain[i] = (uint8_t)(seed >> 30); /* compresses, but not to nothing */
    }
    return 0;
}

static void unpacks_every_format(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(packers); i++) {
        struct unpacked u;
        struct error err = {0};
        assert_int_equal(unpack(packed, packers[i](), &u, &err), 0);
        assert_int_equal(u.len, PLAIN);
        assert_memory_equal(u.data, plain, PLAIN);
        unpacked_free(&u);
    }
    struct unpacked u;
    assert_int_equal(unpack(packed, pack_elf(), &u, NULL), 0);
    assert_int_equal(u.len, PLAIN);
    unpacked_free(&u);
}

static void truncation_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(packers); i++) {
        size_t n = packers[i]();
        for (size_t cut = 17; cut < n - 4; cut += 997) {
            struct unpacked u = {0};
            struct error err = {0};
            uint32_t was = le_load32(packed + cut);
            le_store32(packed + cut, PLAIN); /* the size is where it should be, the rest is not */
            assert_int_equal(unpack(packed, cut + 4, &u, &err), -ENOEXEC);
            assert_non_null(strstr(err.text, "corrupt"));
            le_store32(packed + cut, was);
        }
    }
}

/* Damage that a format cannot notice may pass; crashing or overrunning may not. */
static void damage_does_no_harm(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(packers); i++) {
        size_t n = packers[i]();
        for (size_t at = 0; at < n - 4; at += n / 97) {
            packed[at] ^= 0x5a;
            struct unpacked u = {0};
            int rc = unpack(packed, n, &u, NULL);
            assert_true(rc == 0 || rc == -ENOEXEC || (rc == -ENOTSUP && at < 8));
            unpacked_free(&u);
            packed[at] ^= 0x5a;
        }
    }
}

static void sizes_are_checked(void **state)
{
    (void)state;
    struct unpacked u;
    struct error err = {0};
    size_t n = pack_zstd();
    le_store32(packed + n - 4, PLAIN - 1);
    assert_int_equal(unpack(packed, n, &u, &err), -ENOEXEC);
    le_store32(packed + n - 4, PLAIN + 1);
    assert_int_equal(unpack(packed, n, &u, &err), -ENOEXEC);
    le_store32(packed + n - 4, 0);
    assert_int_equal(unpack(packed, n, &u, &err), -ENOEXEC);
    le_store32(packed + n - 4, UINT32_MAX);
    assert_int_equal(unpack(packed, n, &u, &err), -ENOEXEC);
    assert_int_equal(unpack(packed, 8, &u, &err), -ENOTSUP);
    memcpy(packed, "BZh9", 4);
    assert_int_equal(unpack(packed, n, &u, &err), -ENOTSUP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(unpacks_every_format, setup),
        cmocka_unit_test_setup(truncation_is_refused, setup),
        cmocka_unit_test_setup(damage_does_no_harm, setup),
        cmocka_unit_test_setup(sizes_are_checked, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
