/*
 * From a decoded instruction to an executable one: registers become offsets, relative addresses
 * become offsets from the block's code base.
 */
#include <string.h>

#include "isa/riscv/op.h"
#include "isa/riscv/op_info.h"
#include "isa/riscv/trap.h"

static riscv_exec_fn *const functions[RISCV_OPS] = {[RISCV_OP_ILLEGAL] = riscv_illegal,
#define FUNCTION(OP, name, ext) [RISCV_OP_##OP] = riscv_exec_##name,
                                                    RISCV_OP_LIST(FUNCTION)
#undef FUNCTION
};

static uint16_t x_offset(unsigned reg)
{
    return (uint16_t)(offsetof(struct riscv_cpu, x) + 8 * reg);
}

static uint16_t f_offset(unsigned reg)
{
    return (uint16_t)(offsetof(struct riscv_cpu, f) + 8 * reg);
}

static bool is_relative(unsigned op)
{
    switch (op) {
    case RISCV_OP_AUIPC:
    case RISCV_OP_JAL:
    case RISCV_OP_BEQ:
    case RISCV_OP_BNE:
    case RISCV_OP_BLT:
    case RISCV_OP_BGE:
    case RISCV_OP_BLTU:
    case RISCV_OP_BGEU:
        return true;
    default:
        return false;
    }
}

void riscv_lower(struct riscv_op *op, const struct riscv_insn *in, unsigned page_off)
{
    uint32_t flags = riscv_op_info[in->op].flags;
    *op = (struct riscv_op){
        .fn = functions[in->op],
        .imm = in->imm + (is_relative(in->op) ? (int64_t)page_off : 0),
        .rd = flags & RISCV_F_FD ? f_offset(in->rd)
              : in->rd           ? x_offset(in->rd)
                                 : (uint16_t)offsetof(struct riscv_cpu, sink),
        .rs1 = flags & RISCV_F_F1 ? f_offset(in->rs1) : x_offset(in->rs1),
        .rs2 = flags & RISCV_F_F2 ? f_offset(in->rs2) : x_offset(in->rs2),
        .rs3 = f_offset(in->rs3),
        .next = (uint16_t)(page_off + in->len),
        .len = in->len,
        .rm = in->rm,
        .raw = in->raw,
    };
}

static void end_of_block(struct riscv_cpu *c, const struct riscv_op *op)
{
    c->pc = riscv_op_next_pc(c, op);
}

void riscv_lower_end(struct riscv_op *op, unsigned page_off)
{
    *op = (struct riscv_op){.fn = end_of_block, .next = (uint16_t)page_off};
}
