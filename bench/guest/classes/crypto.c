/*
 * The class `crypto`: the instructions made for it, and what ciphers do without them. The kernels
 * have the instruction mix of the real thing; that their results mean something is not needed, only
 * that they agree.
 */
#include <immintrin.h>
#include <string.h>

#include "workload.h"

enum { BLOCK = 4096, ROUND_KEYS = 11, LIMBS = 16 };

static uint8_t data[BLOCK] __attribute__((aligned(64)));

static void prepare(void)
{
    fill_random(data, sizeof(data), 12);
}

static uint64_t check_vector(uint64_t sum, __m128i v)
{
    return mix(mix(sum, (uint64_t)_mm_cvtsi128_si64(v)),
               (uint64_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(v, v)));
}

static void make_keys(__m128i *keys)
{
    for (long long i = 0; i < ROUND_KEYS; i++)
        keys[i] = _mm_set_epi64x(0x123456789ab * (i + 1), 0x2545f4914f6cdd1d ^ i);
}

/* CBC: every block waits for the one before it. */
__attribute__((target("aes"))) static uint64_t aes_cbc(unsigned units)
{
    __m128i keys[ROUND_KEYS], state = _mm_setzero_si128();

    make_keys(keys);
    for (unsigned u = 0; u < units; u++) {
        for (unsigned i = 0; i < BLOCK; i += 16) {
            state = _mm_xor_si128(state, _mm_load_si128((const __m128i *)(data + i)));
            state = _mm_xor_si128(state, keys[0]);
            for (unsigned k = 1; k < ROUND_KEYS - 1; k++)
                state = _mm_aesenc_si128(state, keys[k]);
            state = _mm_aesenclast_si128(state, keys[ROUND_KEYS - 1]);
        }
    }
    return check_vector(0, state);
}

/* CTR: four blocks at a time. */
__attribute__((target("aes"))) static uint64_t aes_ctr(unsigned units)
{
    __m128i keys[ROUND_KEYS], counter = _mm_setzero_si128(), total = counter;
    const __m128i one = _mm_set_epi64x(0, 1);

    make_keys(keys);
    for (unsigned u = 0; u < units; u++) {
        for (unsigned i = 0; i < BLOCK; i += 64) {
            __m128i s[4];

            for (unsigned j = 0; j < 4; j++) {
                s[j] = _mm_xor_si128(counter, keys[0]);
                counter = _mm_add_epi64(counter, one);
            }
            for (unsigned k = 1; k < ROUND_KEYS - 1; k++) {
                for (unsigned j = 0; j < 4; j++)
                    s[j] = _mm_aesenc_si128(s[j], keys[k]);
            }
            for (unsigned j = 0; j < 4; j++) {
                s[j] = _mm_aesenclast_si128(s[j], keys[ROUND_KEYS - 1]);
                s[j] = _mm_xor_si128(s[j], _mm_load_si128((__m128i *)(data + i + 16 * j)));
                total = _mm_xor_si128(total, s[j]);
            }
        }
    }
    return check_vector(0, total);
}

static uint32_t rotate(uint32_t x, unsigned by)
{
    return x >> by | x << (32 - by);
}

/* One block of the compression function [FIPS 180-4 6.2.2], with constants of our own. */
static void sha_block(uint32_t *h, const uint8_t *block)
{
    uint32_t w[64], v[8];

    memcpy(w, block, 64);
    memcpy(v, h, sizeof(v));
    for (unsigned i = 16; i < 64; i++) {
        uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;

        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    /* Instead of moving the eight variables on, their names do: that keeps them in registers. */
#define V(n) v[((n)-j) & 7]
    for (unsigned i = 0; i < 64; i += 8) {
#pragma GCC unroll 8
        for (unsigned j = 0; j < 8; j++) {
            uint32_t s1 = rotate(V(4), 6) ^ rotate(V(4), 11) ^ rotate(V(4), 25);
            uint32_t choice = (V(4) & V(5)) ^ (~V(4) & V(6));
            uint32_t t1 = V(7) + s1 + choice + (i + j) * 0x428a2f98 + w[i + j];
            uint32_t s0 = rotate(V(0), 2) ^ rotate(V(0), 13) ^ rotate(V(0), 22);

            V(3) += t1;
            V(7) = t1 + s0 + ((V(0) & V(1)) ^ (V(0) & V(2)) ^ (V(1) & V(2)));
        }
    }
#undef V
    for (unsigned i = 0; i < 8; i++)
        h[i] += v[i];
}

static uint64_t sha256(unsigned units)
{
    uint32_t h[8] = {1, 2, 3, 4, 5, 6, 7, 8};

    for (unsigned u = 0; u < units; u++) {
        for (unsigned i = 0; i < BLOCK; i += 64)
            sha_block(h, data + i);
    }
    return (uint64_t)h[0] << 32 | h[7];
}

/* Folding by carry-less multiplication, as the kernel's CRC and GHASH do. */
__attribute__((target("pclmul"))) static uint64_t clmul(unsigned units)
{
    const __m128i factors = _mm_set_epi64x(0x1c6e41596, 0x154442bd4);
    __m128i fold = _mm_setzero_si128();

    for (unsigned u = 0; u < units; u++) {
        for (unsigned i = 0; i < BLOCK; i += 16) {
            __m128i low = _mm_clmulepi64_si128(fold, factors, 0x00);
            __m128i high = _mm_clmulepi64_si128(fold, factors, 0x11);

            fold = _mm_xor_si128(_mm_xor_si128(low, high),
                                 _mm_load_si128((const __m128i *)(data + i)));
        }
    }
    return check_vector(0, fold);
}

static inline __m128i rotate_lanes(__m128i v, int by)
{
    return _mm_or_si128(_mm_slli_epi32(v, by), _mm_srli_epi32(v, 32 - by));
}

/* The double round of ChaCha, [RFC 8439 2.3], one row of the state in each register. */
static void chacha_round(__m128i *s)
{
    s[0] = _mm_add_epi32(s[0], s[1]);
    s[3] = rotate_lanes(_mm_xor_si128(s[3], s[0]), 16);
    s[2] = _mm_add_epi32(s[2], s[3]);
    s[1] = rotate_lanes(_mm_xor_si128(s[1], s[2]), 12);
    s[0] = _mm_add_epi32(s[0], s[1]);
    s[3] = rotate_lanes(_mm_xor_si128(s[3], s[0]), 8);
    s[2] = _mm_add_epi32(s[2], s[3]);
    s[1] = rotate_lanes(_mm_xor_si128(s[1], s[2]), 7);
    s[1] = _mm_shuffle_epi32(s[1], 0x39);
    s[2] = _mm_shuffle_epi32(s[2], 0x4e);
    s[3] = _mm_shuffle_epi32(s[3], 0x93);
}

static uint64_t chacha(unsigned units)
{
    __m128i start[4], total = _mm_setzero_si128();

    for (int i = 0; i < 4; i++)
        start[i] = _mm_set_epi32(i, 0x3320646e, 0x79622d32 ^ i, 0x6b206574);
    for (unsigned u = 0; u < units; u++) {
        __m128i s[4];

        memcpy(s, start, sizeof(s));
        for (unsigned i = 0; i < 20; i++)
            chacha_round(s);
        for (unsigned i = 0; i < 4; i++)
            total = _mm_xor_si128(total, _mm_add_epi32(s[i], start[i]));
        start[3] = _mm_add_epi32(start[3], _mm_set_epi32(0, 0, 0, 1));
    }
    return check_vector(0, total);
}

/* One row of a long multiplication with two carry chains; returns what spills over. */
__attribute__((target("bmi2,adx"))) static uint64_t row_adx(uint64_t *sum, const uint64_t *a,
                                                            uint64_t factor)
{
    uint64_t low, high, spill = 0, count = LIMBS;

    /* In assembly, since the compiler keeps no two chains of carries apart; lea and jrcxz leave
     * both alone. */
    __asm__ volatile("   xor %k[low], %k[low]\n"
                     "1: mulxq (%[a]), %[low], %[high]\n"
                     "   adcxq %[spill], %[low]\n"
                     "   adoxq (%[sum]), %[low]\n"
                     "   movq %[low], (%[sum])\n"
                     "   movq %[high], %[spill]\n"
                     "   leaq 8(%[a]), %[a]\n"
                     "   leaq 8(%[sum]), %[sum]\n"
                     "   leaq -1(%[count]), %[count]\n"
                     "   jrcxz 2f\n"
                     "   jmp 1b\n"
                     "2: movl $0, %k[low]\n"
                     "   adcxq %[low], %[spill]\n"
                     "   adoxq %[low], %[spill]\n"
                     : [low] "=&r"(low), [high] "=&r"(high), [spill] "+r"(spill), [a] "+r"(a),
                       [sum] "+r"(sum), [count] "+c"(count)
                     : "d"(factor)
                     : "cc", "memory");
    return spill;
}

static uint64_t bignum(unsigned units)
{
    uint64_t a[LIMBS], b[LIMBS], product[2 * LIMBS], sum = 0;

    fill_random(a, sizeof(a), 21);
    fill_random(b, sizeof(b), 22);
    for (unsigned u = 0; u < units; u++) {
        memset(product, 0, sizeof(product));
        for (unsigned i = 0; i < LIMBS; i++)
            product[i + LIMBS] = row_adx(product + i, a, b[i]);
        a[u % LIMBS] ^= product[LIMBS];
        sum = mix(sum, product[2 * LIMBS - 1]);
    }
    return sum;
}

/* Additions with the carry from limb to limb. */
static uint64_t carry(unsigned units)
{
    unsigned long long a[LIMBS], b[LIMBS];
    uint64_t sum = 0;

    fill_random(a, sizeof(a), 31);
    fill_random(b, sizeof(b), 32);
    for (unsigned u = 0; u < units; u++) {
        unsigned char c = 0;

        for (unsigned i = 0; i < LIMBS; i++)
            c = _addcarry_u64(c, a[i], b[i], &a[i]);
        b[u % LIMBS] += c + a[0];
        sum += c;
    }
    return mix(sum, a[LIMBS - 1]);
}

const struct workload crypto_workloads[] = {
    {.name = "aes-cbc", .run = aes_cbc, .units = 900, .prepare = prepare, .needs = NEED_AES},
    {.name = "aes-ctr", .run = aes_ctr, .units = 900, .prepare = prepare, .needs = NEED_AES},
    {.name = "sha256", .run = sha256, .units = 250, .prepare = prepare},
    {.name = "clmul", .run = clmul, .units = 4000, .prepare = prepare, .needs = NEED_PCLMUL},
    {.name = "chacha-sse", .run = chacha, .units = 30000},
    {.name = "bignum-adx", .run = bignum, .units = 10000, .needs = NEED_BMI2_ADX},
    {.name = "carry", .run = carry, .units = 400000},
    {0},
};
