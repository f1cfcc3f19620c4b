/*
 * The base integer instructions but memory and jumps. [RISC-V unpriv 2, 4]
 */
#include "engine/dbt/riscv/xlat.h"

/* Immediate operations on a known value have a known result. */
static bool foldable(unsigned op)
{
    switch (op) {
    case RISCV_OP_ADDI:
    case RISCV_OP_ADDIW:
    case RISCV_OP_SLLI:
    case RISCV_OP_XORI:
    case RISCV_OP_ORI:
    case RISCV_OP_ANDI:
        return true;
    default:
        return false;
    }
}

static bool fold(const struct rvx *x, const struct riscv_insn *in, struct rvx_known *k)
{
    *k = x->known[in->rs1];
    if (k->kind == KNOWN_CODE && in->op == RISCV_OP_ADDI) {
        k->v += in->imm;
        return k->v == (int32_t)k->v;
    }
    if (k->kind != KNOWN_VALUE)
        return false;
    switch (in->op) {
    case RISCV_OP_ADDI:
        k->v = (int64_t)((uint64_t)k->v + (uint64_t)(int64_t)in->imm);
        return true;
    case RISCV_OP_ADDIW:
        k->v = (int32_t)((uint32_t)k->v + (uint32_t)in->imm);
        return true;
    case RISCV_OP_SLLI:
        k->v = (int64_t)((uint64_t)k->v << in->imm);
        return true;
    case RISCV_OP_XORI:
        k->v ^= in->imm;
        return true;
    case RISCV_OP_ORI:
        k->v |= in->imm;
        return true;
    case RISCV_OP_ANDI:
        k->v &= in->imm;
        return true;
    default:
        return false;
    }
}

/* The result is known; if the next instruction makes another one of it, that is soon enough. */
static void known_result(struct rvx *x, unsigned rd, struct rvx_known k)
{
    const struct rvx_insn *next = x->i + 1 < x->n ? rvx_cur(x) + 1 : NULL;
    if (!x->single && next && !next->entered && foldable(next->in.op) && next->in.rd == rd &&
        next->in.rs1 == rd && k.kind == KNOWN_VALUE && rd)
        x->known[rd] = k;
    else
        rvx_put_known(x, rd, k);
}

/* rd = rs1 op rs2, for commutative ones and subtraction. */
static void binary(struct rvx *x, bool w, enum asm_alu op)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    struct asm_buf *a = &x->a;
    unsigned d = rvx_dst(in->rd, H_RAX), rs1 = in->rs1, rs2 = in->rs2;
    if (in->rd && d == (unsigned)rvx_home(rs2) && rs1 != rs2 && op != ALU_SUB) {
        rs1 = in->rs2;
        rs2 = in->rs1;
    } else if (in->rd && in->rd == rs2 && rs1 != rs2) {
        d = H_RAX;
    }
    int h1 = rvx_home(rs1), h2 = rvx_home(rs2);
    if (op == ALU_ADD && (int)d != h1 && h1 != RVX_IN_MEMORY && h2 != RVX_IN_MEMORY) {
        asm_lea(a, d, MEM_INDEXED(h1, h2, 0));
    } else {
        if ((int)d != h1 || rs1 == 0)
            rvx_load(x, rs1, d);
        rvx_op_src(x, w, op, d, rs2);
    }
    if (!w) {
        unsigned to = rvx_dst(in->rd, d);
        asm_movsxd(a, to, d);
        d = to;
    }
    rvx_done(x, in->rd, d);
}

/* A mask without sign needs 32 bits only, and the byte has an instruction. */
static void mask(struct rvx *x)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    unsigned d = rvx_dst(in->rd, H_RAX), s = rvx_src(x, in->rs1, H_RAX);
    if (in->imm == 0xff) {
        asm_extend(&x->a, EXTEND_ZERO8, d, s);
    } else {
        if (s != d)
            asm_mov32(&x->a, d, s);
        asm_alu_imm(&x->a, false, ALU_AND, d, in->imm);
    }
    rvx_done(x, in->rd, d);
}

/* rd = rs1 op imm */
static void immediate(struct rvx *x, bool w, enum asm_alu op)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    struct asm_buf *a = &x->a;
    unsigned d = rvx_dst(in->rd, H_RAX);
    int h1 = rvx_home(in->rs1);
    if (op == ALU_ADD && in->imm == 0 && !w) {
        asm_movsxd(a, d, rvx_src(x, in->rs1, d));
        rvx_done(x, in->rd, d);
        return;
    }
    if (in->rd == in->rs1 && h1 == RVX_IN_MEMORY && w && in->rd) {
        asm_alu_mem_imm(a, true, op, rvx_slot(in->rd), in->imm);
        rvx_forget(x, in->rd);
        return;
    }
    if (op == ALU_ADD && (int)d != h1 && h1 != RVX_IN_MEMORY && in->imm) {
        asm_lea(a, d, MEM_BASE(h1, in->imm));
    } else {
        if ((int)d != h1)
            rvx_load(x, in->rs1, d);
        if (in->imm || op != ALU_ADD)
            asm_alu_imm(a, w, op, d, in->imm);
    }
    if (!w)
        asm_movsxd(a, d, d);
    rvx_done(x, in->rd, d);
}

static void shift_immediate(struct rvx *x, bool w, enum asm_shift op)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    unsigned d = rvx_dst(in->rd, H_RAX);
    if ((int)d != rvx_home(in->rs1))
        rvx_load(x, in->rs1, d);
    asm_shift(&x->a, w, op, d, (unsigned)in->imm & (w ? 63 : 31));
    if (!w && (op != SHIFT_SHR || in->imm == 0)) /* else bit 31 is clear */
        asm_movsxd(&x->a, d, d);
    rvx_done(x, in->rd, d);
}

static void shift(struct rvx *x, bool w, enum asm_shiftx op)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    unsigned d = rvx_dst(in->rd, H_RAX);
    unsigned count = rvx_src(x, in->rs2, H_RCX), src = rvx_src(x, in->rs1, H_RAX);
    asm_shiftx(&x->a, w, op, d, src, count);
    if (!w)
        asm_movsxd(&x->a, d, d);
    rvx_done(x, in->rd, d);
}

static void set_less(struct rvx *x, unsigned cc, bool imm)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    unsigned s = rvx_src(x, in->rs1, H_RCX), d = rvx_dst(in->rd, H_RAX);
    if (imm)
        asm_alu_imm(&x->a, true, ALU_CMP, s, in->imm);
    else
        rvx_op_src(x, true, ALU_CMP, s, in->rs2);
    asm_setcc(&x->a, cc, d);
    rvx_done(x, in->rd, d);
}

static bool fence(struct rvx *x)
{
    enum { W_OR_O = 5, R_OR_I = 10, PRED = 4, TSO = 1 << 11 };
    const uint32_t raw = rvx_cur(x)->in.raw >> 20;
    /* TSO keeps all orders but that of a store and a later load. */
    if (!(raw & TSO) && (raw >> PRED & W_OR_O) && (raw & R_OR_I))
        asm_put(&x->a, 0x00242c8348f0, 6); /* lock sub qword [rsp], 0 */
    return true;
}

/* The mask has a sign, or the register is in memory. */
static bool in_place(struct rvx *x)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    return in->imm < 0 || (in->rd == in->rs1 && rvx_home(in->rd) == RVX_IN_MEMORY);
}

static bool with_immediate(struct rvx *x, unsigned op)
{
    switch (op) {
    case RISCV_OP_ADDI:
        immediate(x, true, ALU_ADD);
        return true;
    case RISCV_OP_ADDIW:
        immediate(x, false, ALU_ADD);
        return true;
    case RISCV_OP_XORI:
        immediate(x, true, ALU_XOR);
        return true;
    case RISCV_OP_ORI:
        immediate(x, true, ALU_OR);
        return true;
    case RISCV_OP_ANDI:
        if (in_place(x))
            immediate(x, true, ALU_AND);
        else
            mask(x);
        return true;
    case RISCV_OP_SLTI:
        set_less(x, CC_L, true);
        return true;
    case RISCV_OP_SLTIU:
        set_less(x, CC_B, true);
        return true;
    case RISCV_OP_SLLI:
        shift_immediate(x, true, SHIFT_SHL);
        return true;
    case RISCV_OP_SRLI:
        shift_immediate(x, true, SHIFT_SHR);
        return true;
    case RISCV_OP_SRAI:
        shift_immediate(x, true, SHIFT_SAR);
        return true;
    case RISCV_OP_SLLIW:
        shift_immediate(x, false, SHIFT_SHL);
        return true;
    case RISCV_OP_SRLIW:
        shift_immediate(x, false, SHIFT_SHR);
        return true;
    case RISCV_OP_SRAIW:
        shift_immediate(x, false, SHIFT_SAR);
        return true;
    default:
        return false;
    }
}

static bool with_registers(struct rvx *x, unsigned op)
{
    switch (op) {
    case RISCV_OP_ADD:
        binary(x, true, ALU_ADD);
        return true;
    case RISCV_OP_SUB:
        binary(x, true, ALU_SUB);
        return true;
    case RISCV_OP_XOR:
        binary(x, true, ALU_XOR);
        return true;
    case RISCV_OP_OR:
        binary(x, true, ALU_OR);
        return true;
    case RISCV_OP_AND:
        binary(x, true, ALU_AND);
        return true;
    case RISCV_OP_ADDW:
        binary(x, false, ALU_ADD);
        return true;
    case RISCV_OP_SUBW:
        binary(x, false, ALU_SUB);
        return true;
    case RISCV_OP_SLT:
        set_less(x, CC_L, false);
        return true;
    case RISCV_OP_SLTU:
        set_less(x, CC_B, false);
        return true;
    case RISCV_OP_SLL:
        shift(x, true, SHIFTX_SHL);
        return true;
    case RISCV_OP_SRL:
        shift(x, true, SHIFTX_SHR);
        return true;
    case RISCV_OP_SRA:
        shift(x, true, SHIFTX_SAR);
        return true;
    case RISCV_OP_SLLW:
        shift(x, false, SHIFTX_SHL);
        return true;
    case RISCV_OP_SRLW:
        shift(x, false, SHIFTX_SHR);
        return true;
    case RISCV_OP_SRAW:
        shift(x, false, SHIFTX_SAR);
        return true;
    default:
        return false;
    }
}

bool rvx_int(struct rvx *x)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    struct rvx_known k;
    if (in->op == RISCV_OP_LUI) {
        known_result(x, in->rd, (struct rvx_known){KNOWN_VALUE, in->imm});
        return true;
    }
    if (in->op == RISCV_OP_AUIPC) {
        k = rvx_pc(x, rvx_cur(x)->off);
        k.v += in->imm;
        known_result(x, in->rd, k);
        return k.kind == KNOWN_VALUE || k.v == (int32_t)k.v;
    }
    if (in->op == RISCV_OP_FENCE)
        return fence(x);
    if (fold(x, in, &k)) {
        known_result(x, in->rd, k);
        return true;
    }
    return with_immediate(x, in->op) || with_registers(x, in->op);
}
