/*
 * Two-operand and one-operand arithmetic and logic: ADD OR ADC SBB AND SUB XOR CMP TEST, INC DEC
 * NEG NOT, XADD, CMPXCHG, XCHG and their LOCK forms. The host's ALU does the work and makes the
 * flags.
 */
#include "isa/x86/exec.h"

/* alu_<name>_<T>(a, b, &flags): flags come in as the guest's and go out as the instruction's. */
#define ALU_ASM(T, name, text, carry_in)                                                           \
    static inline T alu_##name##_##T(T a, T b, u16 *fl)                                            \
    {                                                                                              \
        u16 f = *fl;                                                                               \
        __asm__(carry_in text " %[b], %[a]" ASM_FLAGS_KEEP                                         \
                : [a] "+q"(a), "+a"(f)                                                             \
                : [b] "q"(b)                                                                       \
                : "cc");                                                                           \
        *fl = f;                                                                                   \
        return a;                                                                                  \
    }
#define ALU1_ASM(T, name, text, carry_in)                                                          \
    static inline T alu_##name##_##T(T a, u16 *fl)                                                 \
    {                                                                                              \
        u16 f = *fl;                                                                               \
        __asm__(carry_in text " %[a]" ASM_FLAGS_KEEP : [a] "+q"(a), "+a"(f) : : "cc");             \
        *fl = f;                                                                                   \
        return a;                                                                                  \
    }
/* CF is bit 8 of the arith word. */
#define CARRY_IN "btw $8, %%ax\n\t"

/* The same on memory another CPU may touch. */
#define LOCKED_ASM(T, name, text, carry_in)                                                        \
    static inline void locked_##name##_##T(T *p, T b, u16 *fl)                                     \
    {                                                                                              \
        u16 f = *fl;                                                                               \
        __asm__ volatile(carry_in "lock " text " %[b], %[p]" ASM_FLAGS_KEEP                        \
                         : [p] "+m"(*p), "+a"(f)                                                   \
                         : [b] "q"(b)                                                              \
                         : "cc", "memory");                                                        \
        *fl = f;                                                                                   \
    }
/* In memory operands the assembler needs the width. */
#define SFX_u8  "b"
#define SFX_u16 "w"
#define SFX_u32 "l"
#define SFX_u64 "q"

#define LOCKED1_ASM(T, name, text, carry_in)                                                       \
    static inline void locked_##name##_##T(T *p, u16 *fl)                                          \
    {                                                                                              \
        u16 f = *fl;                                                                               \
        __asm__ volatile(carry_in "lock " text SFX_##T " %[p]" ASM_FLAGS_KEEP                      \
                         : [p] "+m"(*p), "+a"(f)                                                   \
                         :                                                                         \
                         : "cc", "memory");                                                        \
        *fl = f;                                                                                   \
    }

/* Register and immediate destinations. WB(T, x): write back or not (CMP, TEST). */
#define BINARY_READ_FORMS(T, name, WB)                                                             \
    EXEC(name##_rr_##T)                                                                            \
    {                                                                                              \
        T r = alu_##name##_##T(REG(c, op->dst, T), REG(c, op->src, T), &c->arith);                 \
        WB(T, c, op->dst, r);                                                                      \
        return op + 1;                                                                             \
    }                                                                                              \
    EXEC(name##_ri_##T)                                                                            \
    {                                                                                              \
        T r = alu_##name##_##T(REG(c, op->dst, T), (T)op->imm, &c->arith);                         \
        WB(T, c, op->dst, r);                                                                      \
        return op + 1;                                                                             \
    }                                                                                              \
    EXEC(name##_rm_##T)                                                                            \
    {                                                                                              \
        T b = load_##T(c, op_ea(c, op, sizeof(T), ACCESS_READ));                                   \
        T r = alu_##name##_##T(REG(c, op->dst, T), b, &c->arith);                                  \
        WB(T, c, op->dst, r);                                                                      \
        return op + 1;                                                                             \
    }
#define WB_PUT(T, c, off, r)  PUT_##T(c, off, r)
#define WB_NONE(T, c, off, r) ((void)(r))

/* Memory destinations; flags are committed after the store, which may fault. */
#define BINARY_MEM_FORM(T, name, form, SRC)                                                        \
    EXEC_RMW(name##_##form##_##T, T, (alu_##name##_##T(old, SRC, &fl)))                            \
    EXEC(name##_l##form##_##T)                                                                     \
    {                                                                                              \
        gva_t va = op_ea(c, op, sizeof(T), ACCESS_WRITE);                                          \
        u16 fl = c->arith;                                                                         \
        T *p = rmw_##T(c, va);                                                                     \
        if (likely(p != NULL)) {                                                                   \
            locked_##name##_##T(p, SRC, &fl);                                                      \
        } else {                                                                                   \
            c->slow->lock(c);                                                                      \
            store_##T(c, va, alu_##name##_##T(load_##T(c, va), SRC, &fl));                         \
            c->slow->unlock(c);                                                                    \
        }                                                                                          \
        c->arith = fl;                                                                             \
        return op + 1;                                                                             \
    }
#define SRC_REG(T) REG(c, op->src, T)
#define SRC_IMM(T) (T) op->imm

#define BINARY_T(T, name, text, carry)                                                             \
    ALU_ASM(T, name, text, carry)                                                                  \
    LOCKED_ASM(T, name, text, carry)                                                               \
    BINARY_READ_FORMS(T, name, WB_PUT)                                                             \
    BINARY_MEM_FORM(T, name, mr, SRC_REG(T))                                                       \
    BINARY_MEM_FORM(T, name, mi, SRC_IMM(T))
#define BINARY(NAME, name, text, carry)                                                            \
    FOR_SIZES(BINARY_T, name, text, carry)                                                         \
    const struct x86_exec x86_exec_##NAME = {.f = {[FORM_RR] = SIZES(name##_rr),                   \
                                                   [FORM_RM] = SIZES(name##_rm),                   \
                                                   [FORM_MR] = SIZES(name##_mr),                   \
                                                   [FORM_RI] = SIZES(name##_ri),                   \
                                                   [FORM_MI] = SIZES(name##_mi),                   \
                                                   [FORM_LMR] = SIZES(name##_lmr),                 \
                                                   [FORM_LMI] = SIZES(name##_lmi)}};

BINARY(ADD, add, "add", "")
BINARY(OR, or, "or", "")
BINARY(ADC, adc, "adc", CARRY_IN)
BINARY(SBB, sbb, "sbb", CARRY_IN)
BINARY(AND, and, "and", "")
BINARY(SUB, sub, "sub", "")
BINARY(XOR, xor, "xor", "")

#define COMPARE_T(T, name, text, carry)                                                            \
    ALU_ASM(T, name, text, carry)                                                                  \
    BINARY_READ_FORMS(T, name, WB_NONE)                                                            \
    EXEC(name##_mr_##T)                                                                            \
    {                                                                                              \
        T a = load_##T(c, op_ea(c, op, sizeof(T), ACCESS_READ));                                   \
        alu_##name##_##T(a, REG(c, op->src, T), &c->arith);                                        \
        return op + 1;                                                                             \
    }                                                                                              \
    EXEC(name##_mi_##T)                                                                            \
    {                                                                                              \
        T a = load_##T(c, op_ea(c, op, sizeof(T), ACCESS_READ));                                   \
        alu_##name##_##T(a, (T)op->imm, &c->arith);                                                \
        return op + 1;                                                                             \
    }
#define COMPARE(NAME, name, text)                                                                  \
    FOR_SIZES(COMPARE_T, name, text, "")                                                           \
    const struct x86_exec x86_exec_##NAME = {.f = {[FORM_RR] = SIZES(name##_rr),                   \
                                                   [FORM_RM] = SIZES(name##_rm),                   \
                                                   [FORM_MR] = SIZES(name##_mr),                   \
                                                   [FORM_RI] = SIZES(name##_ri),                   \
                                                   [FORM_MI] = SIZES(name##_mi)}};

COMPARE(CMP, cmp, "cmp")
COMPARE(TEST, test, "test")

#define UNARY_T(T, name, text, carry)                                                              \
    ALU1_ASM(T, name, text, carry)                                                                 \
    LOCKED1_ASM(T, name, text, carry)                                                              \
    EXEC(name##_r_##T)                                                                             \
    {                                                                                              \
        PUT_##T(c, op->dst, alu_##name##_##T(REG(c, op->dst, T), &c->arith));                      \
        return op + 1;                                                                             \
    }                                                                                              \
    EXEC_RMW(name##_m_##T, T, (alu_##name##_##T(old, &fl)))                                        \
    EXEC(name##_lm_##T)                                                                            \
    {                                                                                              \
        gva_t va = op_ea(c, op, sizeof(T), ACCESS_WRITE);                                          \
        u16 fl = c->arith;                                                                         \
        T *p = rmw_##T(c, va);                                                                     \
        if (likely(p != NULL)) {                                                                   \
            locked_##name##_##T(p, &fl);                                                           \
        } else {                                                                                   \
            c->slow->lock(c);                                                                      \
            store_##T(c, va, alu_##name##_##T(load_##T(c, va), &fl));                              \
            c->slow->unlock(c);                                                                    \
        }                                                                                          \
        c->arith = fl;                                                                             \
        return op + 1;                                                                             \
    }
#define UNARY(NAME, name, text, carry)                                                             \
    FOR_SIZES(UNARY_T, name, text, carry)                                                          \
    const struct x86_exec x86_exec_##NAME = {.f = {[FORM_R] = SIZES(name##_r),                     \
                                                   [FORM_M] = SIZES(name##_m),                     \
                                                   [FORM_LM] = SIZES(name##_lm)}};

UNARY(INC, inc, "inc", CARRY_IN)
UNARY(DEC, dec, "dec", CARRY_IN)
UNARY(NEG, neg, "neg", "")
/* NOT changes no flag: load the guest's first. */
UNARY(NOT, not, "not", ASM_FLAGS_LOAD)

/* XCHG with memory is always locked [SDM 2 XCHG]. */
#define XCHG_T(T, unused)                                                                          \
    EXEC(xchg_rr_##T)                                                                              \
    {                                                                                              \
        T a = REG(c, op->dst, T), b = REG(c, op->src, T);                                          \
        PUT_##T(c, op->dst, b);                                                                    \
        PUT_##T(c, op->src, a);                                                                    \
        return op + 1;                                                                             \
    }                                                                                              \
    static inline void xchg_mem_##T(struct x86_cpu *c, const struct x86_op *op, u16 reg)           \
    {                                                                                              \
        gva_t va = op_ea(c, op, sizeof(T), ACCESS_WRITE);                                          \
        T *p = rmw_##T(c, va), old;                                                                \
        if (likely(p != NULL)) {                                                                   \
            old = __atomic_exchange_n(p, REG(c, reg, T), __ATOMIC_SEQ_CST);                        \
        } else {                                                                                   \
            c->slow->lock(c);                                                                      \
            old = load_##T(c, va);                                                                 \
            store_##T(c, va, REG(c, reg, T));                                                      \
            c->slow->unlock(c);                                                                    \
        }                                                                                          \
        PUT_##T(c, reg, old);                                                                      \
    }                                                                                              \
    EXEC(xchg_mr_##T)                                                                              \
    {                                                                                              \
        xchg_mem_##T(c, op, op->src);                                                              \
        return op + 1;                                                                             \
    }                                                                                              \
    EXEC(xchg_rm_##T)                                                                              \
    {                                                                                              \
        xchg_mem_##T(c, op, op->dst);                                                              \
        return op + 1;                                                                             \
    }
FOR_SIZES(XCHG_T, 0)
const struct x86_exec x86_exec_XCHG = {.f = {[FORM_RR] = SIZES(xchg_rr),
                                             [FORM_RM] = SIZES(xchg_rm),
                                             [FORM_MR] = SIZES(xchg_mr),
                                             [FORM_LMR] = SIZES(xchg_mr)}};

#define XADD_T(T, unused)                                                                          \
    EXEC(xadd_rr_##T)                                                                              \
    {                                                                                              \
        T a = REG(c, op->dst, T), b = REG(c, op->src, T);                                          \
        T sum = alu_add_##T(a, b, &c->arith);                                                      \
        PUT_##T(c, op->src, a);                                                                    \
        PUT_##T(c, op->dst, sum);                                                                  \
        return op + 1;                                                                             \
    }                                                                                              \
    EXEC(xadd_mr_##T)                                                                              \
    {                                                                                              \
        gva_t va = op_ea(c, op, sizeof(T), ACCESS_WRITE);                                          \
        T *p = rmw_##T(c, va), old;                                                                \
        if (likely(p != NULL)) {                                                                   \
            old = __atomic_fetch_add(p, REG(c, op->src, T), __ATOMIC_SEQ_CST);                     \
        } else {                                                                                   \
            c->slow->lock(c);                                                                      \
            old = load_##T(c, va);                                                                 \
            store_##T(c, va, (T)(old + REG(c, op->src, T)));                                       \
            c->slow->unlock(c);                                                                    \
        }                                                                                          \
        alu_add_##T(old, REG(c, op->src, T), &c->arith);                                           \
        PUT_##T(c, op->src, old);                                                                  \
        return op + 1;                                                                             \
    }
FOR_SIZES(XADD_T, 0)
const struct x86_exec x86_exec_XADD = {
    .f = {[FORM_RR] = SIZES(xadd_rr), [FORM_MR] = SIZES(xadd_mr), [FORM_LMR] = SIZES(xadd_mr)}};

/*
 * CMPXCHG always writes its destination on hardware, so a read-only page faults even when the
 * comparison fails [SDM 2 CMPXCHG]. Plain and LOCK forms are both done atomically.
 */
#define CMPXCHG_T(T, unused)                                                                       \
    EXEC(cmpxchg_rr_##T)                                                                           \
    {                                                                                              \
        T old = REG(c, op->dst, T), acc = REG(c, X86_REG_OFF(RAX), T);                             \
        alu_cmp_##T(acc, old, &c->arith);                                                          \
        if (old == acc)                                                                            \
            PUT_##T(c, op->dst, REG(c, op->src, T));                                               \
        else                                                                                       \
            PUT_##T(c, X86_REG_OFF(RAX), old);                                                     \
        return op + 1;                                                                             \
    }                                                                                              \
    EXEC(cmpxchg_mr_##T)                                                                           \
    {                                                                                              \
        gva_t va = op_ea(c, op, sizeof(T), ACCESS_WRITE);                                          \
        T acc = REG(c, X86_REG_OFF(RAX), T), old = acc, new = REG(c, op->src, T);                  \
        T *p = rmw_##T(c, va);                                                                     \
        if (likely(p != NULL)) {                                                                   \
            __atomic_compare_exchange_n(p, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);  \
        } else {                                                                                   \
            c->slow->lock(c);                                                                      \
            old = load_##T(c, va);                                                                 \
            store_##T(c, va, old == acc ? new : old);                                              \
            c->slow->unlock(c);                                                                    \
        }                                                                                          \
        alu_cmp_##T(acc, old, &c->arith);                                                          \
        if (old != acc)                                                                            \
            PUT_##T(c, X86_REG_OFF(RAX), old);                                                     \
        return op + 1;                                                                             \
    }
FOR_SIZES(CMPXCHG_T, 0)
const struct x86_exec x86_exec_CMPXCHG = {.f = {[FORM_RR] = SIZES(cmpxchg_rr),
                                                [FORM_MR] = SIZES(cmpxchg_mr),
                                                [FORM_LMR] = SIZES(cmpxchg_mr)}};
