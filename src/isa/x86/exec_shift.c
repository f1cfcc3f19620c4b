/*
 * Shifts, rotates and double shifts. Flags that an instruction leaves alone (a count of zero) or
 * undefined come from the host like all others.
 */
#include "isa/x86/exec.h"

#define SHIFT_ASM(T, name, text)                                                                   \
    static inline T alu_##name##_##T(T a, u8 n, u16 *fl)                                           \
    {                                                                                              \
        u16 f = *fl;                                                                               \
        __asm__(ASM_FLAGS_LOAD text " %%cl, %[a]" ASM_FLAGS_KEEP                                   \
                : [a] "+q"(a), "+a"(f)                                                             \
                : "c"(n)                                                                           \
                : "cc");                                                                           \
        *fl = f;                                                                                   \
        return a;                                                                                  \
    }

/* One byte operand: register or memory destination, count from imm or CL. */
#define SHIFT_FORM(T, name, suffix, COUNT)                                                         \
    EXEC(name##_r##suffix##_##T)                                                                   \
    {                                                                                              \
        PUT_##T(c, op->dst, alu_##name##_##T(REG(c, op->dst, T), COUNT, &c->arith));               \
        return op + 1;                                                                             \
    }                                                                                              \
    EXEC_RMW(name##_m##suffix##_##T, T, (alu_##name##_##T(old, COUNT, &fl)))
#define SHIFT_T(T, name, text)                                                                     \
    SHIFT_ASM(T, name, text)                                                                       \
    SHIFT_FORM(T, name, i, (u8)op->imm)                                                            \
    SHIFT_FORM(T, name, r, (u8)c->gpr[RCX])
#define SHIFT(NAME, name, text)                                                                    \
    FOR_SIZES(SHIFT_T, name, text)                                                                 \
    const struct x86_exec x86_exec_##NAME = {.f = {[FORM_RI] = SIZES(name##_ri),                   \
                                                   [FORM_MI] = SIZES(name##_mi),                   \
                                                   [FORM_RR] = SIZES(name##_rr),                   \
                                                   [FORM_MR] = SIZES(name##_mr)}};

SHIFT(SHL, shl, "shl")
SHIFT(SHR, shr, "shr")
SHIFT(SAR, sar, "sar")
SHIFT(ROL, rol, "rol")
SHIFT(ROR, ror, "ror")
SHIFT(RCL, rcl, "rcl")
SHIFT(RCR, rcr, "rcr")

#define DOUBLE_T(T, name)                                                                          \
    static T alu_##name##_##T(T a, T b, u8 n, u16 *fl)                                             \
    {                                                                                              \
        u16 f = *fl;                                                                               \
        __asm__(ASM_FLAGS_LOAD #name " %%cl, %[b], %[a]" ASM_FLAGS_KEEP                            \
                : [a] "+r"(a), "+a"(f)                                                             \
                : [b] "r"(b), "c"(n)                                                               \
                : "cc");                                                                           \
        *fl = f;                                                                                   \
        return a;                                                                                  \
    }
#define DOUBLE(NAME, name)                                                                         \
    DOUBLE_T(u16, name)                                                                            \
    DOUBLE_T(u32, name)                                                                            \
    DOUBLE_T(u64, name)                                                                            \
    static u64 alu_##name(u64 a, u64 b, u8 n, unsigned size, u16 *fl)                              \
    {                                                                                              \
        if (size == 8)                                                                             \
            return alu_##name##_u64(a, b, n, fl);                                                  \
        return size == 4 ? alu_##name##_u32(a, b, n, fl) : alu_##name##_u16(a, b, n, fl);          \
    }                                                                                              \
    EXEC(name)                                                                                     \
    {                                                                                              \
        u8 n = op->flags & OP_IMM ? (u8)op->imm : (u8)c->gpr[RCX];                                 \
        u64 b = get_reg(c, op->src, op->size);                                                     \
        u16 fl = c->arith;                                                                         \
        if (op->flags & OP_MEM0) {                                                                 \
            gva_t va = op_ea(c, op, op->size, ACCESS_WRITE);                                       \
            if (!tlb_write_ptr(c, va, op->size))                                                   \
                (void)c->slow->rmw_ptr(c, va, op->size); /* a fault is a write's */                \
            store_n(c, va, op->size, alu_##name(load_n(c, va, op->size), b, n, op->size, &fl));    \
        } else {                                                                                   \
            u64 a = get_reg(c, op->dst, op->size);                                                 \
            put_reg(c, op->dst, op->size, alu_##name(a, b, n, op->size, &fl));                     \
        }                                                                                          \
        c->arith = fl;                                                                             \
        return op + 1;                                                                             \
    }                                                                                              \
    EXEC_ANY(NAME, name);

DOUBLE(SHLD, shld)
DOUBLE(SHRD, shrd)
