/*
 * Multiplication and division, and the decimal adjustments of legacy code.
 */
#include "isa/x86/exec.h"

/* rDX:rAX <- rAX * operand; byte form AX <- AL * operand. */
#define WIDE_MUL_T(T, name, text)                                                                  \
    static void name##_##T(struct x86_cpu *c, u64 operand)                                         \
    {                                                                                              \
        T b = (T)operand, lo = REG(c, X86_REG_OFF(RAX), T), hi;                                    \
        u16 f;                                                                                     \
        __asm__(text " %[b]\n\tmovq %%rax, %%rcx" ASM_FLAGS_KEEP "\n\txchgq %%rax, %%rcx"          \
                : "+a"(lo), "=d"(hi), "=&c"(f)                                                     \
                : [b] "r"(b)                                                                       \
                : "cc");                                                                           \
        PUT_##T(c, X86_REG_OFF(RAX), lo);                                                          \
        PUT_##T(c, X86_REG_OFF(RDX), hi);                                                          \
        c->arith = f;                                                                              \
    }
#define WIDE_MUL8(name, text)                                                                      \
    static void name##_u8(struct x86_cpu *c, u64 operand)                                          \
    {                                                                                              \
        u16 ax = (u8)c->gpr[RAX], f;                                                               \
        __asm__(text " %b[b]\n\tmovq %%rax, %%rcx" ASM_FLAGS_KEEP "\n\txchgq %%rax, %%rcx"         \
                : "+a"(ax), "=&c"(f)                                                               \
                : [b] "q"((u8)operand)                                                             \
                : "cc");                                                                           \
        REG(c, X86_REG_OFF(RAX), u16) = ax;                                                        \
        c->arith = f;                                                                              \
    }
#define WIDE_MUL(name, text)                                                                       \
    WIDE_MUL8(name, text)                                                                          \
    WIDE_MUL_T(u16, name, text)                                                                    \
    WIDE_MUL_T(u32, name, text)                                                                    \
    WIDE_MUL_T(u64, name, text)                                                                    \
    static void name##_wide(struct x86_cpu *c, unsigned size, u64 b)                               \
    {                                                                                              \
        if (size == 8)                                                                             \
            name##_u64(c, b);                                                                      \
        else if (size == 4)                                                                        \
            name##_u32(c, b);                                                                      \
        else if (size == 2)                                                                        \
            name##_u16(c, b);                                                                      \
        else                                                                                       \
            name##_u8(c, b);                                                                       \
    }
WIDE_MUL(mul, "mul")
WIDE_MUL(imul, "imul")

EXEC(mul)
{
    mul_wide(c, op->size, first_op(c, op, op->size));
    return op + 1;
}
EXEC_ANY(MUL, mul);

EXEC(imul_one)
{
    imul_wide(c, op->size, first_op(c, op, op->size));
    return op + 1;
}

/* IMUL r, r/m and IMUL r, r/m, imm: truncated products. */
#define IMUL_T(T, unused)                                                                          \
    static inline T imul2_##T(T a, T b, u16 *fl)                                                   \
    {                                                                                              \
        u16 f;                                                                                     \
        __asm__("imul %[b], %[a]" ASM_FLAGS_KEEP : [a] "+r"(a), "=&a"(f) : [b] "r"(b) : "cc");     \
        *fl = f;                                                                                   \
        return a;                                                                                  \
    }                                                                                              \
    EXEC(imul_rr_##T)                                                                              \
    {                                                                                              \
        PUT_##T(c, op->dst, imul2_##T(REG(c, op->dst, T), REG(c, op->src, T), &c->arith));         \
        return op + 1;                                                                             \
    }                                                                                              \
    EXEC(imul_rm_##T)                                                                              \
    {                                                                                              \
        T b = load_##T(c, op_ea(c, op, sizeof(T), ACCESS_READ));                                   \
        PUT_##T(c, op->dst, imul2_##T(REG(c, op->dst, T), b, &c->arith));                          \
        return op + 1;                                                                             \
    }                                                                                              \
    EXEC(imul_rri_##T)                                                                             \
    {                                                                                              \
        PUT_##T(c, op->dst, imul2_##T(REG(c, op->src, T), (T)op->imm, &c->arith));                 \
        return op + 1;                                                                             \
    }                                                                                              \
    EXEC(imul_rmi_##T)                                                                             \
    {                                                                                              \
        T b = load_##T(c, op_ea(c, op, sizeof(T), ACCESS_READ));                                   \
        PUT_##T(c, op->dst, imul2_##T(b, (T)op->imm, &c->arith));                                  \
        return op + 1;                                                                             \
    }
IMUL_T(u16, 0)
IMUL_T(u32, 0)
IMUL_T(u64, 0)

#define WIDE_SIZES(prefix)                                                                         \
    {                                                                                              \
        NULL, prefix##_u16, prefix##_u32, prefix##_u64                                             \
    }
/* The three-operand forms are lowered as FORM_RI and FORM_MI. */
const struct x86_exec x86_exec_IMUL = {.any = imul_one,
                                       .f = {[FORM_RR] = WIDE_SIZES(imul_rr),
                                             [FORM_RM] = WIDE_SIZES(imul_rm),
                                             [FORM_RI] = WIDE_SIZES(imul_rri),
                                             [FORM_MI] = WIDE_SIZES(imul_rmi)}};

/*
 * Division: overflow is tested here, so that the host never takes the #DE; then the host divides,
 * for the quotient and for whatever its flags become.
 */
#define DIVIDE_T(T, S, W, SW, bits)                                                                \
    static void div_##T(struct x86_cpu *c, u64 operand)                                            \
    {                                                                                              \
        T b = (T)operand, lo = REG(c, X86_REG_OFF(RAX), T), hi = REG(c, X86_REG_OFF(RDX), T);      \
        u16 f = c->arith;                                                                          \
        if (hi >= b)                                                                               \
            x86_raise(c, VEC_DE);                                                                  \
        __asm__("div %[b]" : "+a"(lo), "+d"(hi) : [b] "r"(b) : "cc");                              \
        PUT_##T(c, X86_REG_OFF(RAX), lo);                                                          \
        PUT_##T(c, X86_REG_OFF(RDX), hi);                                                          \
        c->arith = f;                                                                              \
    }                                                                                              \
    static void idiv_##T(struct x86_cpu *c, u64 operand)                                           \
    {                                                                                              \
        S b = (S)operand;                                                                          \
        SW n = (SW)((W)REG(c, X86_REG_OFF(RDX), T) << (bits) | REG(c, X86_REG_OFF(RAX), T));       \
        /* The most negative dividend over -1 would trap the host itself. */                       \
        if (b == 0 || (b == -1 && n == (SW)((W)1 << (2 * (bits)-1))))                              \
            x86_raise(c, VEC_DE);                                                                  \
        SW q = n / b;                                                                              \
        if (q != (S)q)                                                                             \
            x86_raise(c, VEC_DE);                                                                  \
        PUT_##T(c, X86_REG_OFF(RAX), (T)q);                                                        \
        PUT_##T(c, X86_REG_OFF(RDX), (T)(n % b));                                                  \
    }
typedef unsigned __int128 u128;
typedef __int128 s128;
DIVIDE_T(u16, int16_t, u32, int32_t, 16)
DIVIDE_T(u32, int32_t, u64, int64_t, 32)
DIVIDE_T(u64, int64_t, u128, s128, 64)

static void div_u8(struct x86_cpu *c, u64 operand)
{
    u8 b = operand;
    u16 n = c->gpr[RAX];
    if (b == 0 || n / b > 0xff)
        x86_raise(c, VEC_DE);
    REG(c, X86_REG_OFF(RAX), u16) = (u16)((n % b) << 8 | n / b);
}

static void idiv_u8(struct x86_cpu *c, u64 operand)
{
    int8_t b = (int8_t)operand;
    int n = (int16_t)c->gpr[RAX];
    if (b == 0 || n / b != (int8_t)(n / b))
        x86_raise(c, VEC_DE);
    REG(c, X86_REG_OFF(RAX), u16) = (u16)((u8)(n % b) << 8 | (u8)(n / b));
}

typedef void divide_fn(struct x86_cpu *c, u64 operand);

static divide_fn *const div_fn[9] = {[1] = div_u8, [2] = div_u16, [4] = div_u32, [8] = div_u64};
static divide_fn *const idiv_fn[9] = {
    [1] = idiv_u8, [2] = idiv_u16, [4] = idiv_u32, [8] = idiv_u64};

EXEC(div)
{
    div_fn[op->size](c, first_op(c, op, op->size));
    return op + 1;
}
EXEC_ANY(DIV, div);

EXEC(idiv)
{
    idiv_fn[op->size](c, first_op(c, op, op->size));
    return op + 1;
}
EXEC_ANY(IDIV, idiv);

/* Flags of a byte result as the host's TEST sets them, with CF and AF given. */
static void adjust_flags(struct x86_cpu *c, u8 al, bool cf, bool af)
{
    u16 f;
    __asm__("testb %[a], %[a]" ASM_FLAGS_KEEP : "=a"(f) : [a] "q"(al) : "cc");
    f &= ~(ARITH_CF | ARITH_AF);
    c->arith = f | (cf ? ARITH_CF : 0) | (af ? ARITH_AF : 0);
}

static void decimal_adjust(struct x86_cpu *c, int sign)
{
    u8 al = c->gpr[RAX], old = al;
    bool cf = c->arith & ARITH_CF, af = c->arith & ARITH_AF, carry = false;
    if ((old & 15) > 9 || af) {
        carry = cf || (sign > 0 ? old > 0xf9 : old < 6);
        al += sign * 6;
        af = true;
    }
    if (old > 0x99 || cf) {
        al += sign * 0x60;
        carry = true;
    }
    REG(c, X86_REG_OFF(RAX), u8) = al;
    adjust_flags(c, al, carry, af);
}

EXEC(daa)
{
    decimal_adjust(c, 1);
    return op + 1;
}
EXEC(das)
{
    decimal_adjust(c, -1);
    return op + 1;
}
EXEC_ANY(DAA, daa);
EXEC_ANY(DAS, das);

static void ascii_adjust(struct x86_cpu *c, int sign)
{
    u16 ax = c->gpr[RAX];
    bool adjust = (ax & 15) > 9 || (c->arith & ARITH_AF);
    if (adjust)
        ax += sign * 0x106;
    REG(c, X86_REG_OFF(RAX), u16) = ax & 0xff0f;
    adjust_flags(c, ax & 0x0f, adjust, adjust);
}

EXEC(aaa)
{
    ascii_adjust(c, 1);
    return op + 1;
}
EXEC(aas)
{
    ascii_adjust(c, -1);
    return op + 1;
}
EXEC_ANY(AAA, aaa);
EXEC_ANY(AAS, aas);

EXEC(aam)
{
    u8 al = c->gpr[RAX], base = op->imm;
    if (base == 0)
        x86_raise(c, VEC_DE);
    REG(c, X86_REG_OFF(RAX), u16) = (u16)(al / base << 8 | al % base);
    adjust_flags(c, al % base, false, false);
    return op + 1;
}
EXEC_ANY(AAM, aam);

EXEC(aad)
{
    /* The flags are those of the addition, also the ones left undefined. */
    u8 al = c->gpr[RAX], product = REG(c, X86_REG_OFF(RAX) + 1, u8) * (u8)op->imm;
    __asm__("addb %[b], %[a]" ASM_FLAGS_KEEP
            : [a] "+q"(al), "=a"(c->arith)
            : [b] "q"(product)
            : "cc");
    REG(c, X86_REG_OFF(RAX), u16) = al;
    return op + 1;
}
EXEC_ANY(AAD, aad);
