/*
 * Taking numbers out of their formats, and rounding them back into them.
 */
#include "isa/riscv/fp_parts.h"

const struct fp_layout fp_layouts[2] = {
    [RISCV_F32] = {23, 127, RISCV_F32_NAN},
    [RISCV_F64] = {52, 1023, RISCV_F64_NAN},
};

static unsigned sign_bit(enum riscv_fp_format fmt)
{
    return fmt == RISCV_F32 ? 31 : 63;
}

static uint64_t pack(enum riscv_fp_format fmt, bool sign, uint64_t magnitude)
{
    return magnitude | (uint64_t)sign << sign_bit(fmt);
}

struct fp_parts fp_unpack(enum riscv_fp_format fmt, uint64_t bits)
{
    const struct fp_layout *l = &fp_layouts[fmt];
    int exp_max = 2 * l->bias + 1;
    uint64_t frac = bits & ((UINT64_C(1) << l->frac_bits) - 1);
    int exp = (int)(bits >> l->frac_bits & (unsigned)exp_max);
    struct fp_parts p = {.class = FP_NUMBER, .sign = bits >> sign_bit(fmt) & 1};
    unsigned up = 63 - l->frac_bits;

    if (exp == exp_max) {
        p.class = !frac ? FP_INF : frac >> (l->frac_bits - 1) ? FP_QNAN : FP_SNAN;
    } else if (exp) {
        p.exp = exp - l->bias;
        p.sig = frac << up | UINT64_C(1) << 63;
    } else if (frac) {
        int zeros = __builtin_clzll(frac << up);
        p.exp = 1 - l->bias - zeros;
        p.sig = frac << up << zeros;
    } else {
        p.class = FP_ZERO;
    }
    return p;
}

uint64_t fp_special(enum riscv_fp_format fmt, enum fp_class class, bool sign)
{
    const struct fp_layout *l = &fp_layouts[fmt];

    if (class >= FP_QNAN)
        return l->nan;
    return pack(fmt, sign, class == FP_INF ? (uint64_t)(2 * l->bias + 1) << l->frac_bits : 0);
}

uint64_t fp_invalid(enum riscv_fp_format fmt, struct riscv_fp_env *env)
{
    env->flags |= RISCV_NV;
    return fp_layouts[fmt].nan;
}

/* Too large for the format: infinity, or the greatest number where rounding leads back to it. */
static uint64_t overflow(enum riscv_fp_format fmt, struct riscv_fp_env *env, bool sign)
{
    bool inf = fp_rounds_up(env->rm, sign, true, 3, 2);

    env->flags |= RISCV_OF | RISCV_NX;
    return fp_special(fmt, FP_INF, sign) - !inf;
}

/* sig without its lowest `drop` bits, rounded. */
static uint64_t round_sig(struct riscv_fp_env *env, bool sign, uint64_t sig, unsigned drop)
{
    uint64_t rest = sig & ((UINT64_C(1) << drop) - 1);

    if (rest)
        env->flags |= RISCV_NX;
    sig >>= drop;
    return sig + fp_rounds_up(env->rm, sign, sig & 1, rest, UINT64_C(1) << (drop - 1));
}

/*
 * Below the least normal number. Tiny is what would be so had the exponent no limit: just under it,
 * rounding at the full precision may still reach it. [RISC-V unpriv 20.2: after rounding]
 */
static uint64_t round_tiny(enum riscv_fp_format fmt, struct riscv_fp_env *env,
                           const struct fp_parts *p)
{
    const struct fp_layout *l = &fp_layouts[fmt];
    unsigned drop = 63 - l->frac_bits;
    int below = 1 - l->bias - p->exp;
    struct riscv_fp_env unlimited = {.rm = env->rm};
    struct riscv_fp_env here = {.rm = env->rm};
    bool reaches = below == 1 && round_sig(&unlimited, p->sign, p->sig, drop) >> (l->frac_bits + 1);
    uint64_t frac = round_sig(&here, p->sign, fp_shift_jam(p->sig, (unsigned)below), drop);

    env->flags |= here.flags;
    if (here.flags && !reaches)
        env->flags |= RISCV_UF;
    return pack(fmt, p->sign, frac); /* a carry makes it the least normal number */
}

uint64_t fp_round(enum riscv_fp_format fmt, struct riscv_fp_env *env, const struct fp_parts *p)
{
    const struct fp_layout *l = &fp_layouts[fmt];
    uint64_t sig;

    if (p->exp < 1 - l->bias)
        return round_tiny(fmt, env, p);
    if (p->exp > l->bias)
        return overflow(fmt, env, p->sign);
    sig = round_sig(env, p->sign, p->sig, 63 - l->frac_bits);
    if (p->exp == l->bias && sig >> (l->frac_bits + 1))
        return overflow(fmt, env, p->sign);
    /* The leading one of sig, and a carry, add to the exponent. */
    return pack(fmt, p->sign, sig + ((uint64_t)(p->exp + l->bias - 1) << l->frac_bits));
}
