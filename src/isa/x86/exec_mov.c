/*
 * Moving data: MOV and its relatives, LEA, CMOVcc, SETcc, sign extension, byte swaps.
 */
#include "isa/x86/exec.h"
#include "isa/x86/exec_table.h"

#define MOV_T(T, unused)                                                                           \
    EXEC(mov_rr_##T)                                                                               \
    {                                                                                              \
        PUT_##T(c, op->dst, REG(c, op->src, T));                                                   \
        return op + 1;                                                                             \
    }                                                                                              \
    EXEC(mov_ri_##T)                                                                               \
    {                                                                                              \
        PUT_##T(c, op->dst, (T)op->imm);                                                           \
        return op + 1;                                                                             \
    }                                                                                              \
    EXEC(mov_rm_##T)                                                                               \
    {                                                                                              \
        PUT_##T(c, op->dst, load_##T(c, op_ea(c, op, sizeof(T), ACCESS_READ)));                    \
        return op + 1;                                                                             \
    }                                                                                              \
    EXEC(mov_mr_##T)                                                                               \
    {                                                                                              \
        store_##T(c, op_ea(c, op, sizeof(T), ACCESS_WRITE), REG(c, op->src, T));                   \
        return op + 1;                                                                             \
    }                                                                                              \
    EXEC(mov_mi_##T)                                                                               \
    {                                                                                              \
        store_##T(c, op_ea(c, op, sizeof(T), ACCESS_WRITE), (T)op->imm);                           \
        return op + 1;                                                                             \
    }                                                                                              \
    EXEC(lea_##T)                                                                                  \
    {                                                                                              \
        PUT_##T(c, op->dst, (T)op_offset(c, op));                                                  \
        return op + 1;                                                                             \
    }                                                                                              \
    EXEC(cmov_rr_##T)                                                                              \
    {                                                                                              \
        T v = arith_cond(c->arith, op->imm2) ? REG(c, op->src, T) : REG(c, op->dst, T);            \
        PUT_##T(c, op->dst, v);                                                                    \
        return op + 1;                                                                             \
    }                                                                                              \
    EXEC(cmov_rm_##T)                                                                              \
    {                                                                                              \
        T b = load_##T(c, op_ea(c, op, sizeof(T), ACCESS_READ));                                   \
        PUT_##T(c, op->dst, arith_cond(c->arith, op->imm2) ? b : REG(c, op->dst, T));              \
        return op + 1;                                                                             \
    }
FOR_SIZES(MOV_T, 0)

const struct x86_exec x86_exec_MOV = {.f = {[FORM_RR] = SIZES(mov_rr),
                                            [FORM_RM] = SIZES(mov_rm),
                                            [FORM_MR] = SIZES(mov_mr),
                                            [FORM_RI] = SIZES(mov_ri),
                                            [FORM_MI] = SIZES(mov_mi)}};
const struct x86_exec x86_exec_MOVNTI = {.f = {[FORM_MR] = SIZES(mov_mr)}};
const struct x86_exec x86_exec_LEA = {.f = {[FORM_RM] = SIZES(lea)}};
const struct x86_exec x86_exec_CMOVCC = {
    .f = {[FORM_RR] = SIZES(cmov_rr), [FORM_RM] = SIZES(cmov_rm)}};

/* MOVZX to 32 bits, by far the most frequent, has functions without a size switch. */
#define ZX32(S)                                                                                    \
    EXEC(zx_rr_##S)                                                                                \
    {                                                                                              \
        REG(c, op->dst, u64) = REG(c, op->src, S);                                                 \
        return op + 1;                                                                             \
    }                                                                                              \
    EXEC(zx_rm_##S)                                                                                \
    {                                                                                              \
        REG(c, op->dst, u64) = load_##S(c, op_ea(c, op, sizeof(S), ACCESS_READ));                  \
        return op + 1;                                                                             \
    }
ZX32(u8)
ZX32(u16)

EXEC(movzx)
{
    bool mem = op->flags & OP_MEM1;
    gva_t ea = mem ? op_ea(c, op, op->src_size, ACCESS_READ) : 0;
    put_reg(c, op->dst, op->size, get_op(c, op->src, mem, ea, op->src_size));
    return op + 1;
}

EXEC(movsx)
{
    bool mem = op->flags & OP_MEM1;
    gva_t ea = mem ? op_ea(c, op, op->src_size, ACCESS_READ) : 0;
    put_reg(c, op->dst, op->size, sext(get_op(c, op->src, mem, ea, op->src_size), op->src_size));
    return op + 1;
}
/* Op size 4 with an 8-bit or 16-bit source; see lower.c. */
x86_exec_fn *const x86_movzx32[2][2] = {{zx_rr_u8, zx_rm_u8}, {zx_rr_u16, zx_rm_u16}};
EXEC_ANY(MOVZX, movzx);
EXEC_ANY(MOVSX, movsx);
EXEC_ANY(MOVSXD, movsx);

EXEC(setcc)
{
    u8 v = arith_cond(c->arith, op->imm2);
    if (op->flags & OP_MEM0)
        store_u8(c, op_ea(c, op, 1, ACCESS_WRITE), v);
    else
        REG(c, op->dst, u8) = v;
    return op + 1;
}
EXEC_ANY(SETCC, setcc);

EXEC(bswap)
{
    if (op->size == 8)
        REG(c, op->dst, u64) = __builtin_bswap64(REG(c, op->dst, u64));
    else if (op->size == 4)
        REG(c, op->dst, u64) = __builtin_bswap32(REG(c, op->dst, u32));
    else
        REG(c, op->dst, u16) = 0; /* undefined in the manual; every CPU since the 486 clears it */
    return op + 1;
}
EXEC_ANY(BSWAP, bswap);

EXEC(movbe)
{
    if (op->flags & OP_MEM0) {
        u64 v = __builtin_bswap64(get_reg(c, op->src, op->size)) >> (64 - 8 * op->size);
        store_n(c, op_ea(c, op, op->size, ACCESS_WRITE), op->size, v);
    } else {
        u64 v = load_n(c, op_ea(c, op, op->size, ACCESS_READ), op->size);
        put_reg(c, op->dst, op->size, __builtin_bswap64(v) >> (64 - 8 * op->size));
    }
    return op + 1;
}
EXEC_ANY(MOVBE, movbe);

/* CBW CWDE CDQE */
EXEC(cbw)
{
    unsigned half = op->size / 2;
    put_reg(c, X86_REG_OFF(RAX), op->size, sext(get_reg(c, X86_REG_OFF(RAX), half), half));
    return op + 1;
}
EXEC_ANY(CBW, cbw);

/* CWD CDQ CQO */
EXEC(cwd)
{
    u64 sign = sext(get_reg(c, X86_REG_OFF(RAX), op->size), op->size) >> 63;
    put_reg(c, X86_REG_OFF(RDX), op->size, -sign);
    return op + 1;
}
EXEC_ANY(CWD, cwd);

EXEC(xlat)
{
    u64 offset = (c->gpr[RBX] + (u8)c->gpr[RAX]) & op->ea_mask;
    REG(c, X86_REG_OFF(RAX), u8) = load_u8(c, seg_addr(c, op, offset, 1, ACCESS_READ));
    return op + 1;
}
EXEC_ANY(XLAT, xlat);

EXEC(nop)
{
    (void)c;
    return op + 1;
}
EXEC_ANY(NOP, nop);
EXEC_ANY(ENDBR32, nop);
EXEC_ANY(ENDBR64, nop);
EXEC_ANY(PREFETCHNTA, nop);
EXEC_ANY(PREFETCHT0, nop);
EXEC_ANY(PREFETCHT1, nop);
EXEC_ANY(PREFETCHT2, nop);
EXEC_ANY(PREFETCH, nop);
EXEC_ANY(PREFETCHW, nop);
EXEC_ANY(PREFETCHWT1, nop);

/* The interpreter's own accesses are ordered as the host's; only the full fence needs the host's.
 */
EXEC(fence)
{
    (void)c;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return op + 1;
}
EXEC_ANY(MFENCE, fence);
EXEC_ANY(LFENCE, fence);
EXEC_ANY(SFENCE, fence);

/* Flushing a line the guest may read: the access check is all that is visible. */
EXEC(clflush)
{
    load_u8(c, op_ea(c, op, 1, ACCESS_READ));
    return op + 1;
}
EXEC_ANY(CLFLUSH, clflush);
EXEC_ANY(CLFLUSHOPT, clflush);
EXEC_ANY(CLWB, clflush);
