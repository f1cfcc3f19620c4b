/*
 * Shared by the exec_*.c files: operand plumbing for the four operand sizes.
 *
 * Each instruction class NAME has a `const struct x86_exec x86_exec_NAME`; exec_table.c lists them
 * all from iclass.inc, so that a missing one is a link error.
 */
#ifndef DOPPEL_ISA_X86_EXEC_H
#define DOPPEL_ISA_X86_EXEC_H

#include "isa/x86/access.h"
#include "isa/x86/flags.h"
#include "isa/x86/trap.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define PUT_u8(c, off, v)  (REG(c, off, u8) = (v))
#define PUT_u16(c, off, v) (REG(c, off, u16) = (v))
#define PUT_u32(c, off, v) (REG(c, off, u64) = (u32)(v))
#define PUT_u64(c, off, v) (REG(c, off, u64) = (v))

/* Expand M for the four operand sizes. */
#define FOR_SIZES(M, ...)                                                                          \
    M(u8, __VA_ARGS__) M(u16, __VA_ARGS__) M(u32, __VA_ARGS__) M(u64, __VA_ARGS__)

#define EXEC(fn_name)                                                                              \
    static const struct x86_op *fn_name(struct x86_cpu *c, const struct x86_op *op)
#define SIZES(prefix)                                                                              \
    {                                                                                              \
        prefix##_u8, prefix##_u16, prefix##_u32, prefix##_u64                                      \
    }

/*
 * A function with a memory destination of type T. VALUE is an expression of `old` that may use and
 * change the flags `fl`; those are committed behind the store, as that may fault.
 */
#define EXEC_RMW(fn_name, T, VALUE)                                                                \
    EXEC(fn_name)                                                                                  \
    {                                                                                              \
        gva_t va = op_ea(c, op, sizeof(T), ACCESS_WRITE);                                          \
        u16 fl = c->arith;                                                                         \
        T *p = rmw_##T(c, va);                                                                     \
        T old = likely(p != NULL) ? *p : load_##T(c, va);                                          \
        T value = VALUE;                                                                           \
        if (likely(p != NULL))                                                                     \
            *p = value;                                                                            \
        else                                                                                       \
            store_##T(c, va, value);                                                               \
        c->arith = fl;                                                                             \
        return op + 1;                                                                             \
    }

/* One function for every form and size. */
#define EXEC_ANY(NAME, function) const struct x86_exec x86_exec_##NAME = {.any = function}

/* End the block, going on at the next instruction. */
static inline const struct x86_op *end_block(struct x86_cpu *c, const struct x86_op *op)
{
    c->rip = op_next_rip(c, op);
    return NULL;
}

/* Operands of `any` functions, which serve every form: values zero-extended. */
static inline u64 get_op(struct x86_cpu *c, u16 off, bool mem, gva_t ea, unsigned size)
{
    return mem ? load_n(c, ea, size) : get_reg(c, off, size);
}

/* The first or second operand, register or memory, read with `size` bytes. */
static inline u64 first_op(struct x86_cpu *c, const struct x86_op *op, unsigned size)
{
    bool mem = op->flags & OP_MEM0;
    return get_op(c, op->dst, mem, mem ? op_ea(c, op, size, ACCESS_READ) : 0, size);
}

static inline u64 second_op(struct x86_cpu *c, const struct x86_op *op, unsigned size)
{
    bool mem = op->flags & OP_MEM1;
    return get_op(c, op->src, mem, mem ? op_ea(c, op, size, ACCESS_READ) : 0, size);
}

static inline void need_cpl0(struct x86_cpu *c)
{
    if (c->cpl != 0)
        x86_raise_gp(c, 0);
}

static inline u64 sext(u64 v, unsigned size)
{
    unsigned sh = 64 - 8 * size;
    return (u64)((int64_t)(v << sh) >> sh);
}

static inline u64 trunc_size(u64 v, unsigned size)
{
    return size == 8 ? v : v & ((UINT64_C(1) << (8 * size)) - 1);
}

static inline bool is_long64(const struct x86_cpu *c)
{
    return c->code_mode == 64;
}

#define DECLARE_EXEC(NAME) extern const struct x86_exec x86_exec_##NAME;

#endif
