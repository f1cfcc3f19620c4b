/*
 * Loads, stores, fences and cache-block instructions. [RISC-V unpriv 2.6, 2.7; CMO 5]
 */
#include "isa/riscv/access.h"
#include "isa/riscv/exec.h"
#include "isa/riscv/regs.h"

#define NOTHING (void)0

#define RISCV_EXEC_LOAD(name, access, T)                                                           \
    RISCV_EXEC_LOAD_AS(name, access, T, (uint64_t)(int64_t), true, NOTHING)
#define RISCV_EXEC_STORE(name, access, T) RISCV_EXEC_STORE_AS(name, access, T, true, NOTHING)

RISCV_EXEC_LOAD(lb, u8, int8_t)
RISCV_EXEC_LOAD(lh, u16, int16_t)
RISCV_EXEC_LOAD(lw, u32, int32_t)
RISCV_EXEC_LOAD(ld, u64, uint64_t)
RISCV_EXEC_LOAD(lbu, u8, uint8_t)
RISCV_EXEC_LOAD(lhu, u16, uint16_t)
RISCV_EXEC_LOAD(lwu, u32, uint32_t)
RISCV_EXEC_STORE(sb, u8, uint8_t)
RISCV_EXEC_STORE(sh, u16, uint16_t)
RISCV_EXEC_STORE(sw, u32, uint32_t)
RISCV_EXEC_STORE(sd, u64, uint64_t)

/* Under the host's TSO only a store before a load needs a fence; and no device is reached out of
 * order. [RISC-V unpriv A.5] */
void riscv_exec_fence(struct riscv_cpu *c, const struct riscv_op *op)
{
    enum { READ = 10, WRITE = 5 }; /* R and I, W and O */
    if ((op->imm >> 4 & WRITE) && (op->imm & READ))
        atomic_thread_fence(memory_order_seq_cst);
    riscv_next(c, op);
}

/* Memory is coherent here: what is left of a block's management is the check of its rights, which a
 * load does (riscv_raise() makes its faults a store's). */
static void manage_block(struct riscv_cpu *c, const struct riscv_op *op, uint64_t enable)
{
    if (!riscv_envcfg_allows(c, enable))
        riscv_illegal(c, op);
    (void)riscv_load_u8(c, op, RISCV_REG(c, op->rs1));
    riscv_next(c, op);
}

void riscv_exec_cbo_clean(struct riscv_cpu *c, const struct riscv_op *op)
{
    manage_block(c, op, ENVCFG_CBCFE);
}

void riscv_exec_cbo_flush(struct riscv_cpu *c, const struct riscv_op *op)
{
    manage_block(c, op, ENVCFG_CBCFE);
}

/* Done as a flush, which is always allowed. [CMO 2.4] */
void riscv_exec_cbo_inval(struct riscv_cpu *c, const struct riscv_op *op)
{
    manage_block(c, op, ENVCFG_CBIE);
}

void riscv_exec_cbo_zero(struct riscv_cpu *c, const struct riscv_op *op)
{
    gva_t block = RISCV_REG(c, op->rs1) & ~(uint64_t)(RISCV_CACHE_BLOCK - 1);
    if (!riscv_envcfg_allows(c, ENVCFG_CBZE))
        riscv_illegal(c, op);
    for (unsigned i = 0; i < RISCV_CACHE_BLOCK; i += 8)
        riscv_store_u64(c, op, block + i, 0);
    riscv_next(c, op);
}
