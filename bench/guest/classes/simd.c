/* The class `simd`: vector instructions of SSE2 to AVX2, on data that stays in the caches. */
#include <immintrin.h>

#include "workload.h"

enum { FLOATS = 4096, BYTES = 16384, PIXELS = 4096 };

static float a[FLOATS] __attribute__((aligned(64))), b[FLOATS] __attribute__((aligned(64)));
static uint8_t from[BYTES] __attribute__((aligned(64))), to[BYTES] __attribute__((aligned(64)));
static int32_t ints[64] __attribute__((aligned(64)));

/* Whole numbers below 2^11: sums of their products are exact in whatever order. */
static void prepare_floats(void)
{
    for (unsigned i = 0; i < FLOATS; i++) {
        a[i] = (float)(i % 61);
        b[i] = (float)(i % 17);
    }
}

static void prepare_bytes(void)
{
    fill_random(from, sizeof(from), 3);
    /* 0 is what the searches look for. */
    for (unsigned i = 0; i < BYTES; i++)
        from[i] = from[i] ? from[i] : 1;
}

static uint64_t check_bytes(const uint8_t *bytes)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < BYTES; i += 97)
        sum = mix(sum, bytes[i]);
    return sum;
}

static uint64_t copy_sse(unsigned units)
{
    for (unsigned u = 0; u < units; u++) {
        const __m128i change = _mm_set1_epi8((char)u);

        for (unsigned i = 0; i < BYTES; i += 16) {
            __m128i v = _mm_load_si128((const __m128i *)(from + i));

            _mm_store_si128((__m128i *)(to + i), _mm_xor_si128(v, change));
        }
    }
    return check_bytes(to);
}

static uint64_t dot_sse(unsigned units)
{
    float lanes[4];
    uint64_t sum = 0;

    for (unsigned u = 0; u < units; u++) {
        __m128 total = _mm_setzero_ps();

        a[u % FLOATS] += 1;
        for (unsigned i = 0; i < FLOATS; i += 4)
            total = _mm_add_ps(total, _mm_mul_ps(_mm_load_ps(a + i), _mm_load_ps(b + i)));
        a[u % FLOATS] -= 1;
        _mm_storeu_ps(lanes, total);
        sum = mix_double(sum, (double)(lanes[0] + lanes[1] + lanes[2] + lanes[3]));
    }
    return sum;
}

__attribute__((target("avx2,fma"))) static uint64_t dot_avx(unsigned units)
{
    float lanes[8];
    uint64_t sum = 0;

    for (unsigned u = 0; u < units; u++) {
        __m256 total = _mm256_setzero_ps();

        a[u % FLOATS] += 1;
        for (unsigned i = 0; i < FLOATS; i += 8)
            total = _mm256_fmadd_ps(_mm256_load_ps(a + i), _mm256_load_ps(b + i), total);
        a[u % FLOATS] -= 1;
        _mm256_storeu_ps(lanes, total);
        sum = mix_double(sum, (double)(lanes[0] + lanes[1] + lanes[6] + lanes[7]));
    }
    return sum;
}

static uint64_t check_floats(const float *floats)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < FLOATS; i += 61)
        sum = mix_double(sum, (double)floats[i]);
    return sum;
}

static float y[FLOATS] __attribute__((aligned(64)));

static uint64_t saxpy_sse(unsigned units)
{
    for (unsigned i = 0; i < FLOATS; i++)
        y[i] = b[i];
    for (unsigned u = 0; u < units; u++) {
        const __m128 factor = _mm_set1_ps((float)(u % 3) - 1);

        for (unsigned i = 0; i < FLOATS; i += 4) {
            __m128 v = _mm_add_ps(_mm_load_ps(y + i), _mm_mul_ps(factor, _mm_load_ps(a + i)));

            _mm_store_ps(y + i, v);
        }
    }
    return check_floats(y);
}

__attribute__((target("avx2,fma"))) static uint64_t saxpy_avx(unsigned units)
{
    for (unsigned i = 0; i < FLOATS; i++)
        y[i] = b[i];
    for (unsigned u = 0; u < units; u++) {
        const __m256 factor = _mm256_set1_ps((float)(u % 3) - 1);

        for (unsigned i = 0; i < FLOATS; i += 8) {
            __m256 v = _mm256_fmadd_ps(factor, _mm256_load_ps(a + i), _mm256_load_ps(y + i));

            _mm256_store_ps(y + i, v);
        }
    }
    return check_floats(y);
}

/* Where the byte is; memory must have it. */
static unsigned find_sse(const uint8_t *bytes, uint8_t byte)
{
    const __m128i wanted = _mm_set1_epi8((char)byte);

    for (unsigned i = 0;; i += 16) {
        __m128i v = _mm_load_si128((const __m128i *)(bytes + i));
        int mask = _mm_movemask_epi8(_mm_cmpeq_epi8(v, wanted));

        if (mask)
            return i + (unsigned)__builtin_ctz((unsigned)mask);
    }
}

__attribute__((target("avx2"))) static unsigned find_avx(const uint8_t *bytes, uint8_t byte)
{
    const __m256i wanted = _mm256_set1_epi8((char)byte);

    for (unsigned i = 0;; i += 32) {
        __m256i v = _mm256_load_si256((const __m256i *)(bytes + i));
        unsigned mask = (unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, wanted));

        if (mask)
            return i + (unsigned)__builtin_ctz(mask);
    }
}

static uint64_t search(unsigned units, unsigned (*find)(const uint8_t *, uint8_t))
{
    uint64_t sum = 0;

    for (unsigned u = 0; u < units; u++) {
        unsigned at = BYTES / 2 + u * 31 % (BYTES / 2);
        uint8_t byte = from[at];

        from[at] = 0;
        sum = mix(sum, find(from, 0));
        from[at] = byte;
    }
    return sum;
}

static uint64_t search_sse(unsigned units)
{
    return search(units, find_sse);
}

static uint64_t search_avx(unsigned units)
{
    return search(units, find_avx);
}

/* Two pictures of 8-bit channels laid over each other. */
static uint64_t blend(unsigned units)
{
    const __m128i zero = _mm_setzero_si128(), round = _mm_set1_epi16(128);

    for (unsigned u = 0; u < units; u++) {
        const __m128i alpha = _mm_set1_epi16((short)(u % 256)),
                      rest = _mm_set1_epi16((short)(256 - u % 256));

        for (unsigned i = 0; i < BYTES / 2; i += 8) {
            __m128i p = _mm_loadl_epi64((const __m128i *)(from + i));
            __m128i q = _mm_loadl_epi64((const __m128i *)(from + BYTES / 2 + i));

            p = _mm_mullo_epi16(_mm_unpacklo_epi8(p, zero), alpha);
            q = _mm_mullo_epi16(_mm_unpacklo_epi8(q, zero), rest);
            p = _mm_srli_epi16(_mm_add_epi16(_mm_add_epi16(p, q), round), 8);
            _mm_storel_epi64((__m128i *)(to + i), _mm_packus_epi16(p, p));
        }
    }
    return check_bytes(to);
}

/* The sum of absolute differences, as motion estimation in video needs it. */
__attribute__((target("avx2"))) static uint64_t difference(unsigned units)
{
    uint64_t lanes[4], sum = 0;

    for (unsigned u = 0; u < units; u++) {
        const uint8_t *other = from + BYTES / 2 - u % 64;
        __m256i total = _mm256_setzero_si256();

        for (unsigned i = 0; i < BYTES / 2; i += 32) {
            __m256i v = _mm256_load_si256((const __m256i *)(from + i));
            __m256i w = _mm256_loadu_si256((const __m256i *)(other + i));

            total = _mm256_add_epi64(total, _mm256_sad_epu8(v, w));
        }
        _mm256_storeu_si256((__m256i *)lanes, total);
        sum = mix(sum, lanes[0] + lanes[1] + lanes[2] + lanes[3]);
    }
    return sum;
}

/* Bytes reversed, then looked up nibble by nibble. */
__attribute__((target("ssse3"))) static uint64_t shuffle(unsigned units)
{
    const __m128i reverse = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m128i bits = _mm_set_epi8(4, 3, 3, 2, 3, 2, 2, 1, 3, 2, 2, 1, 2, 1, 1, 0);
    const __m128i nibble = _mm_set1_epi8(15);

    for (unsigned u = 0; u < units; u++) {
        for (unsigned i = 0; i < BYTES; i += 16) {
            __m128i v = _mm_load_si128((const __m128i *)(from + i)), low, high;

            v = _mm_shuffle_epi8(_mm_add_epi8(v, _mm_set1_epi8((char)u)), reverse);
            low = _mm_shuffle_epi8(bits, _mm_and_si128(v, nibble));
            high = _mm_shuffle_epi8(bits, _mm_and_si128(_mm_srli_epi16(v, 4), nibble));
            _mm_store_si128((__m128i *)(to + i), _mm_add_epi8(low, high));
        }
    }
    return check_bytes(to);
}

/* An 8x8 integer transform, as picture formats use them. */
__attribute__((target("sse4.1"))) static uint64_t transform(unsigned units)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < 64; i++)
        ints[i] = (int32_t)(i * 2654435761u >> 20);
    for (unsigned u = 0; u < units; u++) {
        for (unsigned i = 0; i < 64; i += 8) {
            __m128i low = _mm_load_si128((const __m128i *)(ints + i));
            __m128i high = _mm_load_si128((const __m128i *)(ints + i + 4));
            __m128i plus = _mm_add_epi32(low, _mm_shuffle_epi32(high, 0x1b));
            __m128i minus = _mm_sub_epi32(low, high);

            plus = _mm_srai_epi32(_mm_mullo_epi32(plus, _mm_set1_epi32(181)), 8);
            minus = _mm_max_epi32(minus, _mm_sub_epi32(_mm_setzero_si128(), minus));
            _mm_store_si128((__m128i *)(ints + i), _mm_unpacklo_epi32(plus, minus));
            _mm_store_si128((__m128i *)(ints + i + 4), _mm_blend_epi16(plus, minus, 0xf0));
        }
        ints[u % 64] += (int32_t)u;
    }
    for (unsigned i = 0; i < 64; i++)
        sum = mix(sum, (uint64_t)ints[i]);
    return sum;
}

const struct workload simd_workloads[] = {
    {.name = "copy-sse", .run = copy_sse, .units = 8000, .prepare = prepare_bytes},
    {.name = "dot-sse", .run = dot_sse, .units = 3000, .prepare = prepare_floats},
    {.name = "dot-avx",
     .run = dot_avx,
     .units = 5500,
     .prepare = prepare_floats,
     .needs = NEED_AVX2},
    {.name = "saxpy-sse", .run = saxpy_sse, .units = 5000, .prepare = prepare_floats},
    {.name = "saxpy-avx",
     .run = saxpy_avx,
     .units = 9000,
     .prepare = prepare_floats,
     .needs = NEED_AVX2},
    {.name = "search-sse", .run = search_sse, .units = 12000, .prepare = prepare_bytes},
    {.name = "search-avx",
     .run = search_avx,
     .units = 20000,
     .prepare = prepare_bytes,
     .needs = NEED_AVX2},
    {.name = "blend-sse", .run = blend, .units = 2500, .prepare = prepare_bytes},
    {.name = "difference-avx",
     .run = difference,
     .units = 24000,
     .prepare = prepare_bytes,
     .needs = NEED_AVX2},
    {.name = "shuffle-ssse3",
     .run = shuffle,
     .units = 4000,
     .prepare = prepare_bytes,
     .needs = NEED_SSSE3},
    {.name = "transform-sse4", .run = transform, .units = 100000, .needs = NEED_SSE41},
    {0},
};
