/*
 * Loads and stores. Flat memory is behind GS, and the host's MMU is all that checks. Paged memory
 * is looked up in the space's table (space.h):
 *     lea   rcx, [rs1 + imm]
 *     test  cl, size - 1
 *     jnz   misaligned               the tail looks whether the access stays in its page
 *     rorx  rax, rcx, 12
 *     lea   eax, [rax + rax]
 *     mov   rax, gs:[rax * 8 + table]
 *     test  rax, rax
 *     jz    slow
 *     mov   rd, [rcx + rax]
 */
#include "engine/dbt/asm_sse.h"
#include "engine/dbt/riscv/xlat.h"
#include "isa/riscv/regs.h"

/* The guest address, which is known, or in terms of host registers; may use rcx. */
static struct asm_mem address(struct rvx *x, unsigned rs1, int32_t imm)
{
    const struct rvx_known *k = &x->known[rs1];
    int64_t v = (int64_t)((uint64_t)k->v + (uint64_t)(int64_t)imm);
    int home = rvx_home(rs1);
    if (k->kind == KNOWN_VALUE && v >= 0 && v <= INT32_MAX)
        return (struct asm_mem){ASM_NONE, ASM_NONE, 0, false, (int32_t)v};
    if (k->kind == KNOWN_VALUE && home == RVX_IN_MEMORY) {
        asm_mov_imm64(&x->a, H_RCX, (uint64_t)v);
        return MEM_BASE(H_RCX, 0);
    }
    return MEM_BASE(rvx_src(x, rs1, H_RCX), imm);
}

/* The page table's entry for a doubled page number in rax. */
static struct asm_mem table_entry(bool write)
{
    return (struct asm_mem){ASM_NONE, H_RAX, 3, true,
                            (int32_t)(SPACE_TABLE + (write ? offsetof(struct space_entry, write)
                                                           : offsetof(struct space_entry, read)))};
}

void rvx_table_lookup(struct asm_buf *a, bool write)
{
    asm_rorx(a, H_RAX, H_RCX, GUEST_PAGE_SHIFT);
    asm_lea32(a, H_RAX, MEM_INDEXED(H_RAX, H_RAX, 0));
    asm_load(a, H_RAX, table_entry(write));
    asm_test(a, true, H_RAX, H_RAX);
}

static void look_up(struct rvx *x, uint32_t site, unsigned size, bool write)
{
    struct asm_buf *a = &x->a;
    struct rvx_tail *misaligned = NULL;
    if (size > 1) {
        asm_test8_imm(a, H_RCX, size - 1);
        misaligned = rvx_new_tail(x, RVX_TAIL_PAGE, asm_jcc(a, CC_NE));
        misaligned->index = site;
        misaligned->size = (uint8_t)size;
        misaligned->back = a->len;
    }
    rvx_table_lookup(a, write);
    rvx_new_tail(x, RVX_TAIL_SLOW, asm_jcc(a, CC_E))->index = site;
}

struct asm_mem rvx_access_at(struct rvx *x, struct asm_mem guest, unsigned size, unsigned flags)
{
    uint32_t site = rvx_new_site(x, flags);
    if (rvx_flat(x)) {
        guest.gs = true;
        return guest;
    }
    if (guest.base != H_RCX || guest.index != ASM_NONE || guest.disp)
        asm_lea(&x->a, H_RCX, guest);
    look_up(x, site, size, flags & CODE_SITE_WRITE);
    return MEM_INDEXED(H_RCX, H_RAX, 0);
}

struct asm_mem rvx_access(struct rvx *x, unsigned rs1, int32_t imm, unsigned size, bool write)
{
    const unsigned flags = write ? CODE_SITE_WRITE : 0;
    const struct rvx_group *g = rvx_group_of(x);
    if (g)
        return rvx_group_access(x, g, rs1, imm, flags);
    return rvx_access_at(x, address(x, rs1, imm), size, flags);
}

void rvx_access_here(struct rvx *x)
{
    x->sites[x->nsites - 1].access = x->a.len;
}

unsigned rvx_load_size(unsigned op)
{
    switch (op) {
    case RISCV_OP_LB:
    case RISCV_OP_LBU:
        return 1;
    case RISCV_OP_LH:
    case RISCV_OP_LHU:
        return 2;
    case RISCV_OP_LW:
    case RISCV_OP_LWU:
        return 4;
    case RISCV_OP_LD:
        return 8;
    default:
        return 0;
    }
}

void rvx_emit_load(struct rvx *x, unsigned op, unsigned rd, struct asm_mem m)
{
    struct asm_buf *a = &x->a;
    unsigned d = rvx_dst(rd, H_RAX);
    rvx_access_here(x);
    switch (op) {
    case RISCV_OP_LB:
        asm_extend_load(a, EXTEND_SIGN8, d, m);
        break;
    case RISCV_OP_LBU:
        asm_extend_load(a, EXTEND_ZERO8, d, m);
        break;
    case RISCV_OP_LH:
        asm_extend_load(a, EXTEND_SIGN16, d, m);
        break;
    case RISCV_OP_LHU:
        asm_extend_load(a, EXTEND_ZERO16, d, m);
        break;
    case RISCV_OP_LW:
        asm_movsxd_load(a, d, m);
        break;
    case RISCV_OP_LWU:
        asm_load32(a, d, m);
        break;
    default:
        asm_load(a, d, m);
        break;
    }
    rvx_done(x, rd, d);
}

static void load(struct rvx *x, unsigned size)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    rvx_emit_load(x, in->op, in->rd, rvx_access(x, in->rs1, in->imm, size, false));
}

static void store(struct rvx *x, unsigned size)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    struct asm_buf *a = &x->a;
    unsigned s = rvx_src(x, in->rs2, H_RDX);
    struct asm_mem m = rvx_access(x, in->rs1, in->imm, size, true);
    rvx_access_here(x);
    switch (size) {
    case 1:
        asm_store8(a, m, s);
        break;
    case 2:
        asm_store16(a, m, s);
        break;
    case 4:
        asm_store32(a, m, s);
        break;
    default:
        asm_store(a, m, s);
        break;
    }
}

/* CBO.ZERO: a block lies in one page. [RISC-V CMO 3.3] */
static bool zero_block(struct rvx *x)
{
    struct asm_buf *a = &x->a;
    if (rvx_flat(x) || !(x->ctx & RVX_CTX_ZERO))
        return false;
    uint32_t site = rvx_new_site(x, CODE_SITE_WRITE);
    rvx_load(x, rvx_cur(x)->in.rs1, H_RCX);
    asm_alu_imm(a, true, ALU_AND, H_RCX, -RISCV_CACHE_BLOCK);
    look_up(x, site, 1, true);
    asm_sse(a, SSE_NONE, false, SSE_XOR, 0, 0);
    rvx_access_here(x);
    for (int i = 0; i < RISCV_CACHE_BLOCK; i += 16)
        asm_sse_mem(a, SSE_NONE, 0x11, 0, MEM_INDEXED(H_RCX, H_RAX, i)); /* movups */
    return true;
}

bool rvx_mem(struct rvx *x)
{
    const unsigned op = rvx_cur(x)->in.op, size = rvx_load_size(op);
    if (size) {
        load(x, size);
        return true;
    }
    switch (op) {
    case RISCV_OP_SB:
        store(x, 1);
        return true;
    case RISCV_OP_SH:
        store(x, 2);
        return true;
    case RISCV_OP_SW:
        store(x, 4);
        return true;
    case RISCV_OP_SD:
        store(x, 8);
        return true;
    case RISCV_OP_CBO_ZERO:
        return zero_block(x);
    default:
        return false;
    }
}
