/*
 * Sums, products, quotients and roots.
 */
#include "isa/riscv/fp_parts.h"

/* For operations on two operands of which one at least is a NaN. */
static uint64_t nan_of(enum riscv_fp_format fmt, struct riscv_fp_env *env, const struct fp_parts *a,
                       const struct fp_parts *b)
{
    if (a->class == FP_SNAN || b->class == FP_SNAN)
        env->flags |= RISCV_NV;
    return fp_special(fmt, FP_QNAN, false);
}

/* Of two numbers: bit 127 is set, the value is the result / 2^127 * 2^*exp. At least 21 bits at the
 * low end are zero. */
static fp_wide product(const struct fp_parts *a, const struct fp_parts *b, int *exp)
{
    fp_wide p = (fp_wide)a->sig * b->sig;

    *exp = a->exp + b->exp + 1;
    if (p >> 127)
        return p;
    *exp -= 1;
    return p << 1;
}

uint64_t riscv_fp_mul(enum riscv_fp_format fmt, struct riscv_fp_env *env, uint64_t abits,
                      uint64_t bbits)
{
    struct fp_parts a = fp_unpack(fmt, abits), b = fp_unpack(fmt, bbits);
    struct fp_parts r = {.class = FP_NUMBER, .sign = a.sign != b.sign};

    if (fp_is_nan(&a) || fp_is_nan(&b))
        return nan_of(fmt, env, &a, &b);
    if (a.class == FP_INF || b.class == FP_INF) {
        if (a.class == FP_ZERO || b.class == FP_ZERO)
            return fp_invalid(fmt, env);
        return fp_special(fmt, FP_INF, r.sign);
    }
    if (a.class == FP_ZERO || b.class == FP_ZERO)
        return fp_special(fmt, FP_ZERO, r.sign);
    r.sig = fp_wide_top(product(&a, &b, &r.exp));
    return fp_round(fmt, env, &r);
}

/*
 * The sum of two magnitudes of either sign, both with bit 127 set. Two bits are dropped for the
 * carry, which is exact: the low 21 are zero in both.
 */
static uint64_t sum(enum riscv_fp_format fmt, struct riscv_fp_env *env, fp_wide p, fp_wide c,
                    const struct fp_parts *pp, const struct fp_parts *cp)
{
    struct fp_parts r = {
        .class = FP_NUMBER, .sign = pp->sign, .exp = pp->exp > cp->exp ? pp->exp : cp->exp};
    fp_wide s;
    int zeros;

    p = fp_wide_shift_jam(p >> 2, (unsigned)(r.exp - pp->exp));
    c = fp_wide_shift_jam(c >> 2, (unsigned)(r.exp - cp->exp));
    if (pp->sign == cp->sign) {
        s = p + c;
    } else if (p >= c) {
        s = p - c;
    } else {
        s = c - p;
        r.sign = cp->sign;
    }
    if (!s) /* x - x is +0, or -0 when rounding down [IEEE 754 6.3] */
        return fp_special(fmt, FP_ZERO, env->rm == RISCV_RDN);
    zeros = s >> 64 ? __builtin_clzll((uint64_t)(s >> 64)) : 64 + __builtin_clzll((uint64_t)s);
    r.exp += 2 - zeros;
    r.sig = fp_wide_top(s << zeros);
    return fp_round(fmt, env, &r);
}

/* Where an operand is a NaN, an infinity or a zero product. */
static uint64_t fma_special(enum riscv_fp_format fmt, struct riscv_fp_env *env,
                            const struct fp_parts *a, const struct fp_parts *b,
                            const struct fp_parts *c)
{
    bool sign = a->sign != b->sign;
    bool zero = a->class == FP_ZERO || b->class == FP_ZERO;
    bool inf = a->class == FP_INF || b->class == FP_INF;

    if (a->class == FP_SNAN || b->class == FP_SNAN || c->class == FP_SNAN)
        return fp_invalid(fmt, env);
    if (inf && zero) /* even with a quiet NaN added [RISC-V unpriv 20.6] */
        return fp_invalid(fmt, env);
    if (fp_is_nan(a) || fp_is_nan(b) || fp_is_nan(c))
        return fp_special(fmt, FP_QNAN, false);
    if (inf) {
        if (c->class == FP_INF && c->sign != sign)
            return fp_invalid(fmt, env);
        return fp_special(fmt, FP_INF, sign);
    }
    if (c->class != FP_ZERO)
        return c->class == FP_INF ? fp_special(fmt, FP_INF, c->sign) : fp_round(fmt, env, c);
    return fp_special(fmt, FP_ZERO, sign == c->sign ? sign : env->rm == RISCV_RDN);
}

uint64_t riscv_fp_fma(enum riscv_fp_format fmt, struct riscv_fp_env *env, uint64_t abits,
                      uint64_t bbits, uint64_t cbits)
{
    struct fp_parts a = fp_unpack(fmt, abits), b = fp_unpack(fmt, bbits), c = fp_unpack(fmt, cbits);
    struct fp_parts p = {.class = FP_NUMBER, .sign = a.sign != b.sign};
    fp_wide wide;

    if (a.class != FP_NUMBER || b.class != FP_NUMBER || c.class > FP_NUMBER)
        return fma_special(fmt, env, &a, &b, &c);
    wide = product(&a, &b, &p.exp);
    if (c.class == FP_ZERO) {
        p.sig = fp_wide_top(wide);
        return fp_round(fmt, env, &p);
    }
    return sum(fmt, env, wide, (fp_wide)c.sig << 64, &p, &c);
}

uint64_t riscv_fp_add(enum riscv_fp_format fmt, struct riscv_fp_env *env, uint64_t a, uint64_t b)
{
    const struct fp_layout *l = &fp_layouts[fmt];

    return riscv_fp_fma(fmt, env, a, (uint64_t)l->bias << l->frac_bits, b); /* a * 1 + b */
}

uint64_t riscv_fp_sub(enum riscv_fp_format fmt, struct riscv_fp_env *env, uint64_t a, uint64_t b)
{
    return riscv_fp_add(fmt, env, a, riscv_fp_negate(fmt, b));
}

static uint64_t div_special(enum riscv_fp_format fmt, struct riscv_fp_env *env,
                            const struct fp_parts *a, const struct fp_parts *b)
{
    bool sign = a->sign != b->sign;

    if (fp_is_nan(a) || fp_is_nan(b))
        return nan_of(fmt, env, a, b);
    if (a->class == b->class) /* 0 / 0, inf / inf */
        return fp_invalid(fmt, env);
    if (a->class == FP_INF)
        return fp_special(fmt, FP_INF, sign);
    if (b->class == FP_ZERO) {
        env->flags |= RISCV_DZ;
        return fp_special(fmt, FP_INF, sign);
    }
    return fp_special(fmt, FP_ZERO, sign);
}

uint64_t riscv_fp_div(enum riscv_fp_format fmt, struct riscv_fp_env *env, uint64_t abits,
                      uint64_t bbits)
{
    struct fp_parts a = fp_unpack(fmt, abits), b = fp_unpack(fmt, bbits);
    struct fp_parts r = {.class = FP_NUMBER, .sign = a.sign != b.sign, .exp = a.exp - b.exp};
    fp_wide n;

    if (a.class != FP_NUMBER || b.class != FP_NUMBER)
        return div_special(fmt, env, &a, &b);
    n = (fp_wide)a.sig << 63;
    if (a.sig < b.sig) {
        n <<= 1;
        r.exp--;
    }
    r.sig = (uint64_t)(n / b.sig) | (n % b.sig != 0);
    return fp_round(fmt, env, &r);
}

/* Of n in [2^126, 2^128): the root's integer part, which has 64 bits, jammed. */
static uint64_t root_jam(fp_wide n)
{
    uint64_t r = 0;

    for (uint64_t bit = UINT64_C(1) << 63; bit; bit >>= 1) {
        if ((fp_wide)(r | bit) * (r | bit) <= n)
            r |= bit;
    }
    return r | ((fp_wide)r * r != n);
}

uint64_t riscv_fp_sqrt(enum riscv_fp_format fmt, struct riscv_fp_env *env, uint64_t abits)
{
    struct fp_parts a = fp_unpack(fmt, abits);
    unsigned odd = (unsigned)a.exp & 1;

    if (fp_is_nan(&a))
        return nan_of(fmt, env, &a, &a);
    if (a.class == FP_ZERO)
        return abits;
    if (a.sign)
        return fp_invalid(fmt, env);
    if (a.class == FP_INF)
        return abits;
    a.sig = root_jam((fp_wide)a.sig << (63 + odd));
    a.exp = (a.exp - (int)odd) / 2;
    return fp_round(fmt, env, &a);
}
