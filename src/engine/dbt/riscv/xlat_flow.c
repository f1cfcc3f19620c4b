/*
 * Control flow. A target that is always mapped together with the block is linked directly: the same
 * page, or anything in flat memory. Everything else goes through the jump table (space.h), whose
 * entry checks that it is the right one. Jumps backwards poll for attention first, at the jump
 * itself, and a jump mask of 0 makes all others attend, so every loop can be stopped.
 */
#include "engine/dbt/riscv/xlat.h"

static bool in_page(int64_t target)
{
    return target >= 0 && target < (int64_t)GUEST_PAGE_SIZE;
}

static bool linkable(const struct rvx *x, int64_t target)
{
    if (x->single)
        return false;
    if (rvx_flat(x))
        return target == (int32_t)target;
    /* What may go on in the next page is a block of its own, and no link leads to it. */
    return in_page(target) && target != (int64_t)GUEST_PAGE_SIZE - 2;
}

/* The instruction of this block at `target`; RVX_INSNS: none. Plain code does not go round by
 * itself: the next round may have its groups again. */
static unsigned inside(const struct rvx *x, int64_t target)
{
    for (unsigned k = x->ctx & RVX_CTX_PLAIN ? x->i + 1 : 0; k < x->n && !x->single; k++) {
        if (x->insns[k].off == target)
            return k;
    }
    return RVX_INSNS;
}

static bool is_branch(unsigned op)
{
    return op == RISCV_OP_BEQ || op == RISCV_OP_BNE || op == RISCV_OP_BLT || op == RISCV_OP_BGE ||
           op == RISCV_OP_BLTU || op == RISCV_OP_BGEU;
}

void rvx_note_joins(struct rvx *x)
{
    for (unsigned i = 0; i < x->n; i++) {
        const struct rvx_insn *xi = &x->insns[i];
        if (!is_branch(xi->in.op) && xi->in.op != RISCV_OP_JAL)
            continue;
        unsigned to = inside(x, xi->off + (int64_t)xi->in.imm);
        if (to != RVX_INSNS)
            x->insns[to].entered = true;
    }
}

void rvx_jump_table(struct asm_buf *a)
{
    const struct asm_vex pdep = {2, 3, 0xf5, true};
    asm_alu(a, false, ALU_XOR, H_RAX, H_RAX);
    asm_crc32(a, H_RAX, H_RCX);
    asm_load(a, H_RDX, HOT_WORD(RVX_JUMP_MASK));
    asm_vex(a, pdep, H_RAX, H_RAX, H_RDX);
    asm_alu_load(a, true, ALU_ADD, H_RAX, HOT_WORD(RVX_JUMP_TABLE));
    asm_jmp_mem(a, MEM_BASE(H_RAX, offsetof(struct space_jump, code)));
}

void rvx_jump_rcx(struct rvx *x)
{
    if (x->single)
        asm_jmp_mem(&x->a, HOT_WORD(RVX_MISS));
    else
        rvx_jump_table(&x->a);
}

/* Leave before the current instruction if attention is wanted. */
static void poll(struct rvx *x)
{
    asm_alu_mem_imm(&x->a, false, ALU_CMP, CPU(attention), 0);
    struct rvx_tail *t = rvx_new_tail(x, RVX_TAIL_ATTEND, asm_jcc(&x->a, CC_NE));
    t->target = rvx_cur(x)->off;
}

static uint32_t new_link(struct rvx *x, int64_t target)
{
    uint32_t n = x->nlinks++;
    x->links[n] =
        (struct code_link){.off = (int32_t)target, .ctx = x->ctx & ~(uint32_t)RVX_CTX_PLAIN};
    return n;
}

uint32_t rvx_plain_link(struct rvx *x)
{
    uint32_t link = new_link(x, rvx_cur(x)->off);
    x->links[link].ctx |= RVX_CTX_PLAIN;
    return link;
}

static void link_at(struct rvx *x, uint32_t at, int64_t target)
{
    uint32_t link = new_link(x, target);
    x->links[link].patch = at;
    rvx_new_tail(x, RVX_TAIL_LINK, at)->index = link;
}

/* Unconditional; polls are done. */
static void jump(struct rvx *x, int64_t target)
{
    struct asm_buf *a = &x->a;
    unsigned k = inside(x, target);
    if (k <= x->i && linkable(x, target)) {
        asm_jmp_to(a, x->insns[k].label);
    } else if (linkable(x, target)) {
        asm_align_field(a, 1);
        link_at(x, asm_jmp(a), target);
    } else {
        rvx_emit_known(x, H_RCX, rvx_pc(x, target));
        rvx_jump_rcx(x);
    }
}

void rvx_jump(struct rvx *x, int64_t target)
{
    jump(x, target);
}

/* jcc to the target. */
static void conditional(struct rvx *x, unsigned cc, int64_t target)
{
    struct asm_buf *a = &x->a;
    unsigned k = inside(x, target);
    if (k != RVX_INSNS && k > x->i) {
        x->insns[k].joins = asm_jcc_also(a, cc, x->insns[k].joins);
    } else if (k <= x->i && linkable(x, target)) {
        asm_to(a, asm_jcc(a, cc), x->insns[k].label);
    } else if (linkable(x, target)) {
        asm_align_field(a, 2);
        link_at(x, asm_jcc(a, cc), target);
    } else {
        rvx_new_tail(x, RVX_TAIL_CROSS, asm_jcc(a, cc))->target = target;
    }
}

static void branch(struct rvx *x, unsigned cc)
{
    const struct rvx_insn *xi = rvx_cur(x);
    int64_t target = xi->off + (int64_t)xi->in.imm;
    if (target <= xi->off)
        poll(x);
    unsigned s = rvx_src(x, xi->in.rs1, H_RAX);
    if (xi->in.rs2 == 0)
        asm_test(&x->a, true, s, s);
    else
        rvx_op_src(x, true, ALU_CMP, s, xi->in.rs2);
    /* The displacement's alignment puts NOPs between, which no flag minds. */
    conditional(x, cc, target);
    if (x->single) {
        jump(x, rvx_next_off(x));
        x->ended = true;
    }
}

static void jump_and_link(struct rvx *x)
{
    const struct rvx_insn *xi = rvx_cur(x);
    int64_t target = xi->off + (int64_t)xi->in.imm;
    if (target <= xi->off)
        poll(x);
    rvx_put_known(x, xi->in.rd, rvx_pc(x, rvx_next_off(x)));
    jump(x, target);
    x->ended = true;
}

static void jump_register(struct rvx *x)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    const struct rvx_known k = x->known[in->rs1];
    int64_t to = (k.v + in->imm) & ~INT64_C(1);
    if (k.kind == KNOWN_VALUE && rvx_flat(x))
        to -= (int64_t)x->page_va;
    if (in->rs1 && (k.kind == KNOWN_CODE || (k.kind == KNOWN_VALUE && rvx_flat(x)))) {
        if (to <= rvx_cur(x)->off)
            poll(x);
        rvx_put_known(x, in->rd, rvx_pc(x, rvx_next_off(x)));
        jump(x, to);
    } else {
        int home = rvx_home(in->rs1);
        if (home != RVX_IN_MEMORY && in->imm) {
            asm_lea(&x->a, H_RCX, MEM_BASE(home, in->imm));
        } else {
            rvx_load(x, in->rs1, H_RCX);
            if (in->imm)
                asm_alu_imm(&x->a, true, ALU_ADD, H_RCX, in->imm);
        }
        asm_alu_imm(&x->a, true, ALU_AND, H_RCX, -2);
        rvx_put_known(x, in->rd, rvx_pc(x, rvx_next_off(x)));
        rvx_jump_rcx(x);
    }
    x->ended = true;
}

/* Stores into code have dropped it; this block may be among that, so on by the table. */
static bool fence_i(struct rvx *x)
{
    if (rvx_flat(x))
        return false;
    rvx_emit_known(x, H_RCX, rvx_pc(x, rvx_next_off(x)));
    rvx_jump_rcx(x);
    x->ended = true;
    return true;
}

bool rvx_flow(struct rvx *x)
{
    switch (rvx_cur(x)->in.op) {
    case RISCV_OP_BEQ:
        branch(x, CC_E);
        return true;
    case RISCV_OP_BNE:
        branch(x, CC_NE);
        return true;
    case RISCV_OP_BLT:
        branch(x, CC_L);
        return true;
    case RISCV_OP_BGE:
        branch(x, CC_GE);
        return true;
    case RISCV_OP_BLTU:
        branch(x, CC_B);
        return true;
    case RISCV_OP_BGEU:
        branch(x, CC_AE);
        return true;
    case RISCV_OP_JAL:
        jump_and_link(x);
        return true;
    case RISCV_OP_JALR:
        jump_register(x);
        return true;
    case RISCV_OP_FENCE_I:
        return fence_i(x);
    default:
        return false;
    }
}

/*
 * Entered with rcx = guest address, rax = its slot in the jump table; perhaps by a jump to another
 * address that shares the slot. The first 5 bytes may be overwritten by a jump at any time.
 */
void rvx_entry(struct rvx *x, unsigned off)
{
    struct asm_buf *a = &x->a;
    uint32_t right;
    asm_nops(a, 5);
    if (rvx_flat(x)) {
        /* Harts share the table, and one's own state changes: the address alone does not tell. */
        asm_mov_imm64(a, H_RDX, x->page_va + off);
        asm_alu(a, true, ALU_CMP, H_RDX, H_RCX);
        uint32_t other = asm_jcc8(a, CC_NE);
        asm_alu_mem_imm(a, false, ALU_CMP, CPU(fp_modes), (int32_t)(x->ctx >> RVX_CTX_FP));
        right = asm_jcc8(a, CC_E);
        asm_here8(a, other);
    } else {
        asm_load(a, H_RDX, MEM_BASE(H_RAX, offsetof(struct space_jump, key)));
        asm_alu(a, true, ALU_ADD, H_RDX, H_RCX);
        right = asm_jcc8(a, CC_E);
    }
    asm_jmp_mem(a, HOT_WORD(RVX_MISS));
    asm_here8(a, right);
    if (!rvx_flat(x)) {
        asm_lea_wide(a, H_RDX, H_RCX, -(int32_t)off);
        asm_store(a, CPU(code_base), H_RDX);
    }
    asm_nops(a, RVX_PROLOGUE - a->len);
}
