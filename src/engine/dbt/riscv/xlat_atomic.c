/*
 * Atomics, on the host's. A locked instruction is a full barrier, whatever aq and rl say. SC
 * compares with the value that LR saw. [RISC-V unpriv A]
 */
#include "engine/dbt/riscv/xlat.h"

/* The operand at rs1, aligned, or else the interpreter raises what is due: rcx is its guest
 * address, and rax may be part of the operand. rdx survives. */
static struct asm_mem reserved_operand(struct rvx *x, unsigned size, bool write)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    struct asm_mem m = MEM_BASE(H_RCX, 0);
    rvx_load(x, in->rs1, H_RCX);
    asm_test8_imm(&x->a, H_RCX, size - 1);
    uint32_t misaligned = asm_jcc(&x->a, CC_NE);
    if (rvx_flat(x)) {
        rvx_new_site(x, write ? CODE_SITE_WRITE : 0);
        m.gs = true;
    } else {
        m = rvx_access(x, in->rs1, 0, size, write);
    }
    rvx_slow_from(x, misaligned);
    return m;
}

/* The same, but for rax, which is free afterwards; and rcx need not be the guest address. */
static struct asm_mem operand(struct rvx *x, unsigned size)
{
    struct asm_mem m = reserved_operand(x, size, true);
    if (rvx_flat(x))
        return m;
    asm_lea(&x->a, H_RCX, m);
    return MEM_BASE(H_RCX, 0);
}

/* The old value, sign-extended, becomes rd. */
static void result(struct rvx *x, bool w, unsigned host)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    if (!w)
        asm_movsxd(&x->a, host, host);
    rvx_done(x, in->rd, host);
}

/* XADD and XCHG. */
static void exchange(struct rvx *x, bool w, unsigned opcode)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    struct asm_mem m = operand(x, w ? 8 : 4);
    rvx_load(x, in->rs2, H_RDX);
    rvx_access_here(x);
    asm_locked(&x->a, w, opcode, m, H_RDX);
    result(x, w, H_RDX);
}

/* A second access of the same instruction. */
static void access_again(struct rvx *x)
{
    uint32_t site = rvx_new_site(x, CODE_SITE_WRITE);
    x->sites[site].access = x->a.len;
}

/* rax = old, rdx = new; until nobody came between. */
static void compare_loop(struct rvx *x, bool w, struct asm_mem m, enum asm_alu op, unsigned cc)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    struct asm_buf *a = &x->a;
    rvx_access_here(x);
    asm_op_mem(a, w, 0x8b, H_RAX, m);
    uint32_t again = a->len;
    if (cc) {
        rvx_load(x, in->rs2, H_RDX);
        asm_alu(a, w, ALU_CMP, H_RAX, H_RDX);
        asm_cmov(a, cc, H_RDX, H_RAX);
    } else {
        asm_mov(a, H_RDX, H_RAX);
        rvx_op_src(x, true, op, H_RDX, in->rs2);
    }
    access_again(x);
    asm_locked(a, w, 0x0fb1, m, H_RDX);
    asm_to8(a, asm_jcc8(a, CC_NE), again);
    result(x, w, H_RAX);
}

static void logic(struct rvx *x, bool w, enum asm_alu op)
{
    compare_loop(x, w, operand(x, w ? 8 : 4), op, 0);
}

/* The old value stays under condition cc of cmp old, rs2. */
static void choose(struct rvx *x, bool w, unsigned cc)
{
    compare_loop(x, w, operand(x, w ? 8 : 4), ALU_CMP, cc);
}

static void load_reserved(struct rvx *x, bool w)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    struct asm_buf *a = &x->a;
    struct asm_mem m = reserved_operand(x, w ? 8 : 4, false);
    rvx_access_here(x);
    if (w)
        asm_load(a, H_RDX, m);
    else
        asm_movsxd_load(a, H_RDX, m);
    asm_store(a, CPU(reserved_addr), H_RCX);
    asm_store(a, CPU(reserved_value), H_RDX);
    rvx_done(x, in->rd, H_RDX);
}

static void store_conditional(struct rvx *x, bool w)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    struct asm_buf *a = &x->a;
    struct asm_mem m = reserved_operand(x, w ? 8 : 4, true);
    asm_alu_store(a, true, ALU_CMP, CPU(reserved_addr), H_RCX);
    uint32_t fail = asm_jcc8(a, CC_NE);
    if (!rvx_flat(x)) {
        asm_lea(a, H_RCX, m);
        m = MEM_BASE(H_RCX, 0);
    }
    rvx_load(x, in->rs2, H_RDX);
    asm_load(a, H_RAX, CPU(reserved_value));
    rvx_access_here(x);
    asm_locked(a, w, 0x0fb1, m, H_RDX);
    asm_here8(a, fail);
    asm_store_imm(a, true, CPU(reserved_addr), -1);
    asm_setcc(a, CC_NE, H_RAX);
    rvx_done(x, in->rd, H_RAX);
}

static bool word(struct rvx *x, unsigned op)
{
    switch (op) {
    case RISCV_OP_AMOSWAP_W:
        exchange(x, false, 0x87);
        return true;
    case RISCV_OP_AMOADD_W:
        exchange(x, false, 0x0fc1);
        return true;
    case RISCV_OP_AMOXOR_W:
        logic(x, false, ALU_XOR);
        return true;
    case RISCV_OP_AMOAND_W:
        logic(x, false, ALU_AND);
        return true;
    case RISCV_OP_AMOOR_W:
        logic(x, false, ALU_OR);
        return true;
    case RISCV_OP_AMOMIN_W:
        choose(x, false, CC_L);
        return true;
    case RISCV_OP_AMOMAX_W:
        choose(x, false, CC_G);
        return true;
    case RISCV_OP_AMOMINU_W:
        choose(x, false, CC_B);
        return true;
    case RISCV_OP_AMOMAXU_W:
        choose(x, false, CC_A);
        return true;
    default:
        return false;
    }
}

static bool doubleword(struct rvx *x, unsigned op)
{
    switch (op) {
    case RISCV_OP_AMOSWAP_D:
        exchange(x, true, 0x87);
        return true;
    case RISCV_OP_AMOADD_D:
        exchange(x, true, 0x0fc1);
        return true;
    case RISCV_OP_AMOXOR_D:
        logic(x, true, ALU_XOR);
        return true;
    case RISCV_OP_AMOAND_D:
        logic(x, true, ALU_AND);
        return true;
    case RISCV_OP_AMOOR_D:
        logic(x, true, ALU_OR);
        return true;
    case RISCV_OP_AMOMIN_D:
        choose(x, true, CC_L);
        return true;
    case RISCV_OP_AMOMAX_D:
        choose(x, true, CC_G);
        return true;
    case RISCV_OP_AMOMINU_D:
        choose(x, true, CC_B);
        return true;
    case RISCV_OP_AMOMAXU_D:
        choose(x, true, CC_A);
        return true;
    default:
        return false;
    }
}

static bool reservation(struct rvx *x, unsigned op)
{
    switch (op) {
    case RISCV_OP_LR_W:
        load_reserved(x, false);
        return true;
    case RISCV_OP_LR_D:
        load_reserved(x, true);
        return true;
    case RISCV_OP_SC_W:
        store_conditional(x, false);
        return true;
    case RISCV_OP_SC_D:
        store_conditional(x, true);
        return true;
    default:
        return false;
    }
}

bool rvx_atomic(struct rvx *x)
{
    const unsigned op = rvx_cur(x)->in.op;
    return word(x, op) || doubleword(x, op) || reservation(x, op);
}
