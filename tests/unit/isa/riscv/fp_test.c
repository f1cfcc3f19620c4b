/*
 * The exact arithmetic of isa/riscv/fp.h against the host's FPU under each of its rounding modes,
 * results and flags; what the host has no word on - ties away from zero, canonical NaNs, saturation
 * - against the manual. (tests/isa/riscv judges the instructions by another emulator.)
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <xmmintrin.h>

#include "base/compiler.h"
#include "isa/riscv/fp_host.h"
#include "isa/riscv/fp_state.h"

enum { ROUNDS = 40000 };

static const uint64_t special64[] = {
    0x0000000000000000, 0x8000000000000000, 0x0000000000000001, 0x8000000000000001,
    0x000fffffffffffff, 0x0010000000000000, 0x8010000000000000, 0x001fffffffffffff,
    0x3ca0000000000000, 0x3fe0000000000000, 0x3fefffffffffffff, 0x3ff0000000000000,
    0x3ff0000000000001, 0xbff0000000000000, 0x3ff8000000000000, 0x4000000000000000,
    0x41dfffffffc00000, 0x41dfffffffe00000, 0xc1e0000000000000, 0xc1e0000000100000,
    0x41efffffffe00000, 0x41effffffff00000, 0x43dfffffffffffff, 0x43e0000000000000,
    0xc3e0000000000000, 0x43efffffffffffff, 0x43f0000000000000, 0x36a0000000000000,
    0x380fffffffffffff, 0x47efffffe0000000, 0x47effffff0000000, 0x7fdfffffffffffff,
    0x7fefffffffffffff, 0xffefffffffffffff, 0x7ff0000000000000, 0xfff0000000000000,
    0x7ff0000000000001, 0x7ff8000000000000, 0xfff8000000000123, 0xfff7ffffffffffff,
};

static const uint32_t special32[] = {
    0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x007fffff, 0x00800000, 0x80800000, 0x00ffffff,
    0x33800000, 0x3f000000, 0x3f7fffff, 0x3f800000, 0x3f800001, 0xbf800000, 0x3fc00000, 0x40000000,
    0x4effffff, 0x4f000000, 0xcf000000, 0xcf000001, 0x4f7fffff, 0x4f800000, 0x5effffff, 0x5f000000,
    0xdf000000, 0x5f7fffff, 0x5f800000, 0x7effffff, 0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000,
    0x7f800001, 0x7fc00000, 0xffc00123, 0xffbfffff,
};

static uint64_t random64(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* Specials, any bits, and numbers of like exponents with few digits, where ties and cancellation
 * are. */
static uint64_t operand(enum riscv_fp_format fmt, uint64_t *seed)
{
    uint64_t how = random64(seed), bits = random64(seed);
    unsigned frac = fmt == RISCV_F32 ? 23 : 52;
    uint64_t bias = fmt == RISCV_F32 ? 127 : 1023;
    uint64_t sign = (how >> 8 & 1) << (fmt == RISCV_F32 ? 31 : 63);

    switch (how & 7) {
    case 0:
    case 1:
        return fmt == RISCV_F32 ? special32[bits % ARRAY_SIZE(special32)]
                                : special64[bits % ARRAY_SIZE(special64)];
    case 2:
    case 3:
        return fmt == RISCV_F32 ? (uint32_t)bits : bits;
    case 4: /* near the least numbers */
        return sign | (bits & ((UINT64_C(1) << (frac + 1)) - 1)) >> (how >> 16) % frac;
    case 5:
        return sign | (bias + (how >> 16) % 5 - 2) << frac |
               (bits & 7) << (frac - 3 - (how >> 24) % 4);
    default:
        return sign | (bias + (how >> 16) % 70 - 2) << frac | (bits & ((UINT64_C(1) << frac) - 1));
    }
}

struct outcome {
    uint64_t bits;
    uint8_t flags;
};

/* A hart that only has what fp_state looks at. */
static void hart_begin(struct riscv_cpu *c, unsigned rm)
{
    c->mstatus = 0x6000;
    c->frm = (uint8_t)rm;
    c->fflags = 0;
    riscv_fp_enter(c);
    assert_true(c->fp_modes & RISCV_FP_DYNAMIC);
}

#define HOST(fmt, op, ...)                                                                         \
    (fmt == RISCV_F32 ? host_f32_##op(__VA_ARGS__) : host_f64_##op(__VA_ARGS__))

static uint64_t host_do(enum riscv_fp_format fmt, unsigned op, uint64_t a, uint64_t b)
{
    switch (op) {
    case 0:
        return HOST(fmt, add, a, b);
    case 1:
        return HOST(fmt, sub, a, b);
    case 2:
        return HOST(fmt, mul, a, b);
    case 3:
        return HOST(fmt, div, a, b);
    case 4:
        return HOST(fmt, sqrt, a);
    case 5:
        return fmt == RISCV_F32 ? host_f32_from_f64(a) : host_f64_from_f32(a);
    case 6:
        return HOST(fmt, from_int, (int64_t)a);
    case 7:
        return HOST(fmt, eq, a, b);
    case 8:
        return HOST(fmt, lt, a, b);
    default:
        return HOST(fmt, le, a, b);
    }
}

static uint64_t soft_do(enum riscv_fp_format fmt, struct riscv_fp_env *env, unsigned op, uint64_t a,
                        uint64_t b)
{
    switch (op) {
    case 0:
        return riscv_fp_add(fmt, env, a, b);
    case 1:
        return riscv_fp_sub(fmt, env, a, b);
    case 2:
        return riscv_fp_mul(fmt, env, a, b);
    case 3:
        return riscv_fp_div(fmt, env, a, b);
    case 4:
        return riscv_fp_sqrt(fmt, env, a);
    case 5:
        return riscv_fp_convert(fmt, env, a);
    case 6:
        return riscv_fp_from_int(fmt, env, a, RISCV_INT_L);
    case 7:
        return riscv_fp_eq(fmt, env, a, b);
    case 8:
        return riscv_fp_lt(fmt, env, a, b);
    default:
        return riscv_fp_le(fmt, env, a, b);
    }
}

static void check(struct riscv_cpu *c, enum riscv_fp_format fmt, unsigned op, uint64_t a,
                  uint64_t b)
{
    for (unsigned rm = RISCV_RNE; rm <= RISCV_RUP; rm++) {
        struct riscv_fp_env env = {.rm = (uint8_t)rm};
        uint64_t soft = soft_do(fmt, &env, op, a, b), host;

        hart_begin(c, rm);
        host = host_do(fmt, op, a, b);
        riscv_fp_leave(c);
        if (host != soft || c->fflags != env.flags)
            fail_msg("format %u op %u rm %u, %lx %lx: %lx flags %x, host %lx %x", fmt, op, rm, a, b,
                     soft, env.flags, host, c->fflags);
    }
}

static void two_operands(void **state)
{
    struct riscv_cpu c = {0};
    uint64_t seed = 1;

    (void)state;
    for (unsigned op = 0; op < 10; op++) {
        for (enum riscv_fp_format fmt = RISCV_F32; fmt <= RISCV_F64; fmt++) {
            enum riscv_fp_format from = op == 5 ? !fmt : fmt;
            for (unsigned i = 0; i < ROUNDS; i++)
                check(&c, fmt, op, operand(from, &seed), operand(from, &seed));
        }
    }
}

static void specials(void **state)
{
    struct riscv_cpu c = {0};

    (void)state;
    for (unsigned op = 0; op < 10; op++) {
        for (unsigned i = 0; i < ARRAY_SIZE(special64); i++) {
            for (unsigned j = 0; j < ARRAY_SIZE(special64); j++)
                check(&c, op == 5 ? RISCV_F32 : RISCV_F64, op, special64[i], special64[j]);
        }
        for (unsigned i = 0; i < ARRAY_SIZE(special32); i++) {
            for (unsigned j = 0; j < ARRAY_SIZE(special32); j++)
                check(&c, op == 5 ? RISCV_F64 : RISCV_F32, op, special32[i], special32[j]);
        }
    }
}

/* The host sees nothing invalid in an infinity times zero plus a quiet NaN. */
static bool infinity_times_zero(enum riscv_fp_format fmt, uint64_t a, uint64_t b)
{
    return riscv_fp_classify(fmt, a) & 0x81 && riscv_fp_classify(fmt, b) & 0x18;
}

static struct outcome host_fma(struct riscv_cpu *c, enum riscv_fp_format fmt, unsigned rm,
                               const uint64_t v[3])
{
    struct outcome o;

    hart_begin(c, rm);
    if (fmt == RISCV_F32)
        o.bits = host_f32_bits(host_f32_fmadd(v[0], v[1], v[2]));
    else
        o.bits = host_f64_bits(host_f64_fmadd(v[0], v[1], v[2]));
    riscv_fp_leave(c);
    o.flags = c->fflags;
    if (infinity_times_zero(fmt, v[0], v[1]) || infinity_times_zero(fmt, v[1], v[0]))
        o.flags |= RISCV_NV;
    return o;
}

static void fused(void **state)
{
    struct riscv_cpu c = {0};
    uint64_t seed = 2;

    (void)state;
    if (!__builtin_cpu_supports("fma"))
        skip();
    for (unsigned i = 0; i < 8 * ROUNDS; i++) {
        enum riscv_fp_format fmt = i & 1;
        uint64_t v[3] = {operand(fmt, &seed), operand(fmt, &seed), operand(fmt, &seed)};
        for (unsigned rm = RISCV_RNE; rm <= RISCV_RUP; rm++) {
            struct riscv_fp_env env = {.rm = (uint8_t)rm};
            uint64_t soft = riscv_fp_fma(fmt, &env, v[0], v[1], v[2]);
            struct outcome o = host_fma(&c, fmt, rm, v);
            if (o.bits != soft || o.flags != env.flags)
                fail_msg("format %u rm %u, %lx %lx %lx: %lx flags %x, host %lx %x", fmt, rm, v[0],
                         v[1], v[2], soft, env.flags, o.bits, o.flags);
        }
    }
}

/* Is what the host converts in range? It has 64 signed bits for the 32 unsigned ones. */
static void to_integers(void **state)
{
    struct riscv_cpu c = {0};
    uint64_t seed = 3;

    (void)state;
    for (unsigned i = 0; i < 4 * ROUNDS; i++) {
        enum riscv_fp_format fmt = i & 1;
        uint64_t a = operand(fmt, &seed);
        for (unsigned rm = RISCV_RNE; rm <= RISCV_RUP; rm++) {
            struct riscv_fp_env env = {.rm = (uint8_t)rm}, env32 = env;
            uint64_t soft = riscv_fp_to_int(fmt, &env, a, RISCV_INT_L);
            uint64_t soft32 = riscv_fp_to_int(fmt, &env32, a, RISCV_INT_W);
            int64_t host;
            int32_t host32;

            hart_begin(&c, rm);
            host = HOST(fmt, to_i64, a);
            riscv_fp_leave(&c);
            assert_int_equal(c.fflags, env.flags);
            assert_true((int64_t)soft == host || (host == INT64_MIN && env.flags == RISCV_NV));
            hart_begin(&c, rm);
            host32 = HOST(fmt, to_i32, a);
            riscv_fp_leave(&c);
            assert_int_equal(c.fflags, env32.flags);
            assert_true((int64_t)soft32 == host32 ||
                        (host32 == INT32_MIN && env32.flags == RISCV_NV));
        }
    }
}

struct to_int_case {
    double from;
    enum riscv_rm rm;
    enum riscv_fp_int kind;
    uint64_t to;
    uint8_t flags;
};

static void integers_by_the_book(void **state)
{
    static const struct to_int_case cases[] = {
        {NAN, RISCV_RNE, RISCV_INT_W, 0x7fffffff, RISCV_NV},
        {-NAN, RISCV_RNE, RISCV_INT_WU, UINT64_MAX, RISCV_NV},
        {NAN, RISCV_RNE, RISCV_INT_LU, UINT64_MAX, RISCV_NV},
        {NAN, RISCV_RNE, RISCV_INT_L, INT64_MAX, RISCV_NV},
        {-INFINITY, RISCV_RNE, RISCV_INT_W, (uint64_t)INT32_MIN, RISCV_NV},
        {-INFINITY, RISCV_RNE, RISCV_INT_LU, 0, RISCV_NV},
        {INFINITY, RISCV_RNE, RISCV_INT_WU, UINT64_MAX, RISCV_NV},
        {-0.5, RISCV_RNE, RISCV_INT_WU, 0, RISCV_NX},
        {-0.5, RISCV_RMM, RISCV_INT_WU, 0, RISCV_NV},
        {-0.5, RISCV_RDN, RISCV_INT_LU, 0, RISCV_NV},
        {-0.99, RISCV_RTZ, RISCV_INT_LU, 0, RISCV_NX},
        {-1.0, RISCV_RTZ, RISCV_INT_LU, 0, RISCV_NV},
        {0.5, RISCV_RNE, RISCV_INT_W, 0, RISCV_NX},
        {0.5, RISCV_RMM, RISCV_INT_W, 1, RISCV_NX},
        {2.5, RISCV_RNE, RISCV_INT_W, 2, RISCV_NX},
        {2.5, RISCV_RMM, RISCV_INT_W, 3, RISCV_NX},
        {-2.5, RISCV_RMM, RISCV_INT_W, (uint64_t)-3, RISCV_NX},
        {2147483647.5, RISCV_RTZ, RISCV_INT_W, 0x7fffffff, RISCV_NX},
        {2147483647.5, RISCV_RNE, RISCV_INT_W, 0x7fffffff, RISCV_NV},
        {-2147483648.5, RISCV_RNE, RISCV_INT_W, (uint64_t)INT32_MIN, RISCV_NX},
        {-2147483648.5, RISCV_RMM, RISCV_INT_W, (uint64_t)INT32_MIN, RISCV_NV},
        {4294967295.5, RISCV_RTZ, RISCV_INT_WU, UINT64_MAX, RISCV_NX},
        {4294967295.5, RISCV_RUP, RISCV_INT_WU, UINT64_MAX, RISCV_NV},
        {3000000000.0, RISCV_RNE, RISCV_INT_WU, (uint64_t)(int32_t)3000000000u, 0},
        {18446744073709549568.0, RISCV_RNE, RISCV_INT_LU, 18446744073709549568u, 0},
        {18446744073709551616.0, RISCV_RNE, RISCV_INT_LU, UINT64_MAX, RISCV_NV},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct to_int_case *t = &cases[i];
        struct riscv_fp_env env = {.rm = t->rm};
        uint64_t bits;
        memcpy(&bits, &t->from, sizeof(bits));
        assert_int_equal(riscv_fp_to_int(RISCV_F64, &env, bits, t->kind), t->to);
        assert_int_equal(env.flags, t->flags);
    }
}

/* RMM differs from RNE in ties alone, where it takes the greater magnitude. A double's sums and
 * products of singles with few digits are exact, so ties show. */
static void ties_away(void **state)
{
    uint64_t seed = 4;
    unsigned ties = 0;

    (void)state;
    for (unsigned i = 0; i < 20 * ROUNDS; i++) {
        struct riscv_fp_env mm = {.rm = RISCV_RMM}, zero = {.rm = RISCV_RTZ},
                            up = {.rm = RISCV_RMM};
        uint64_t a = operand(RISCV_F32, &seed) & ~UINT64_C(0xff);
        uint64_t b = operand(RISCV_F32, &seed) & ~UINT64_C(0xff);
        double exact = (double)host_f32(a) * (double)host_f32(b), low, high;
        uint64_t got = riscv_fp_mul(RISCV_F32, &mm, a, b);
        uint64_t cut = riscv_fp_mul(RISCV_F32, &zero, a, b);

        if (!isnormal(host_f32(cut)) || !isnormal(host_f32(cut + 1)))
            continue;
        low = fabs((double)host_f32(cut));
        high = fabs((double)host_f32(cut + 1));
        exact = fabs(exact);
        ties += exact - low == high - exact;
        assert_int_equal(got, exact - low >= high - exact ? cut + 1 : cut);
        /* The conversion of the exact product is the same rounding. */
        exact = (double)host_f32(a) * (double)host_f32(b);
        memcpy(&a, &exact, sizeof(a));
        assert_int_equal(riscv_fp_convert(RISCV_F32, &up, a), got);
    }
    assert_true(ties > 100);
}

static void least_and_greatest(void **state)
{
    static const struct {
        uint32_t a, b, min, max;
        uint8_t flags;
    } cases[] = {
        {0x3f800000, 0x40000000, 0x3f800000, 0x40000000, 0},
        {0xbf800000, 0xc0000000, 0xc0000000, 0xbf800000, 0},
        {0x00000000, 0x80000000, 0x80000000, 0x00000000, 0},
        {0x80000000, 0x00000000, 0x80000000, 0x00000000, 0},
        {0x7fc00001, 0x3f800000, 0x3f800000, 0x3f800000, 0},
        {0x3f800000, 0xffc00001, 0x3f800000, 0x3f800000, 0},
        {0x7f800001, 0x3f800000, 0x3f800000, 0x3f800000, RISCV_NV},
        {0xffc00001, 0x7fc00000, 0x7fc00000, 0x7fc00000, 0},
        {0xff800000, 0x7f800000, 0xff800000, 0x7f800000, 0},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct riscv_fp_env env = {0};
        assert_int_equal(riscv_fp_min(RISCV_F32, &env, cases[i].a, cases[i].b), cases[i].min);
        assert_int_equal(riscv_fp_max(RISCV_F32, &env, cases[i].a, cases[i].b), cases[i].max);
        assert_int_equal(env.flags, cases[i].flags);
    }
}

static void classes(void **state)
{
    static const uint32_t one_of_each[] = {0xff800000, 0xbf800000, 0x80000001, 0x80000000,
                                           0x00000000, 0x007fffff, 0x00800000, 0x7f800000,
                                           0x7fbfffff, 0xffc00000};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(one_of_each); i++)
        assert_int_equal(riscv_fp_classify(RISCV_F32, one_of_each[i]), 1 << i);
    assert_int_equal(riscv_fp_classify(RISCV_F64, 0x000fffffffffffff), 1 << 5);
    assert_int_equal(riscv_fp_unbox(0xfffffffe3f800000), RISCV_F32_NAN);
    assert_int_equal(riscv_fp_unbox(0xffffffff3f800000), 0x3f800000);
}

/* MXCSR's journey: closed while FS is not Dirty, flags gather, a new frm ends the borrowing. */
static void borrowing(void **state)
{
    struct riscv_cpu c = {.mstatus = 0x4000};

    (void)state;
    riscv_fp_changed(&c);
    assert_int_equal(c.fp_modes, 0);
    c.mstatus = 0x6000;
    riscv_fp_changed(&c);
    assert_int_equal(c.fp_modes, RISCV_FP_DIRTY);
    riscv_fp_enter(&c);
    assert_int_equal(c.fp_modes,
                     RISCV_FP_DIRTY | RISCV_FP_HOST | RISCV_FP_DYNAMIC | 1 << RISCV_RNE);
    host_f64_div(0x3ff0000000000000, 0);
    assert_int_equal(c.fflags, 0);
    assert_int_equal(riscv_fp_csr_read(&c, 1), RISCV_DZ);
    riscv_fp_csr_write(&c, 1, 0xff);
    assert_int_equal(riscv_fp_csr_read(&c, 3), 0x1f);
    riscv_fp_csr_write(&c, 3, RISCV_RDN << 5 | RISCV_NX);
    assert_int_equal(c.fp_modes, RISCV_FP_DIRTY);
    riscv_fp_enter(&c);
    assert_int_equal(c.fp_modes,
                     RISCV_FP_DIRTY | RISCV_FP_HOST | RISCV_FP_DYNAMIC | 1 << RISCV_RDN);
    riscv_fp_csr_write(&c, 2, RISCV_RMM);
    riscv_fp_enter(&c);
    assert_int_equal(c.fp_modes, RISCV_FP_DIRTY | RISCV_FP_HOST | 1 << RISCV_RNE);
    assert_int_equal(riscv_fp_csr_read(&c, 3), RISCV_RMM << 5 | RISCV_NX);
    riscv_fp_leave(&c);
    assert_int_equal(_mm_getcsr(), 0x1f80);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(specials),
        cmocka_unit_test(two_operands),
        cmocka_unit_test(fused),
        cmocka_unit_test(to_integers),
        cmocka_unit_test(integers_by_the_book),
        cmocka_unit_test(ties_away),
        cmocka_unit_test(least_and_greatest),
        cmocka_unit_test(classes),
        cmocka_unit_test(borrowing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
