/*
 * The stubs, made at run time: they need the offsets of struct riscv_cpu.
 */
#include "engine/dbt/riscv/stubs.h"

#include <errno.h>

#include "engine/dbt/asm_sse.h"
#include "engine/dbt/riscv/xlat.h"
#include "isa/riscv/fp.h"

enum { STUB_BYTES = 2048 };

static void save(struct asm_buf *a)
{
    for (unsigned r = 0; r < 32; r++) {
        if (rvx_home(r) != RVX_IN_MEMORY)
            asm_store(a, rvx_slot(r), (unsigned)rvx_home(r));
    }
    asm_alu_mem_imm(a, false, ALU_CMP, HOT_WORD(RVX_FP_IN_HOST), 0);
    uint32_t none = asm_jcc(a, CC_E);
    for (unsigned r = 0; r < 32; r++) {
        if (rvx_fp_home(r) != RVX_IN_MEMORY)
            asm_movq_store(a, rvx_fp_slot(r), (unsigned)rvx_fp_home(r));
    }
    asm_here(a, none);
}

static void load(struct asm_buf *a)
{
    asm_alu_mem_imm(a, false, ALU_CMP, HOT_WORD(RVX_FP_IN_HOST), 0);
    uint32_t none = asm_jcc(a, CC_E);
    for (unsigned r = 0; r < 32; r++) {
        if (rvx_fp_home(r) != RVX_IN_MEMORY)
            asm_movq_load(a, (unsigned)rvx_fp_home(r), rvx_fp_slot(r));
    }
    asm_movq_load(a, RVX_XMM_BOX, HOT_WORD(RVX_BOX));
    asm_here(a, none);
    for (unsigned r = 0; r < 32; r++) {
        if (rvx_home(r) != RVX_IN_MEMORY)
            asm_load(a, (unsigned)rvx_home(r), rvx_slot(r));
    }
}

/* Callee-saved registers; with what `call` pushed, 16-byte alignment needs one more slot. */
static const uint8_t saved[] = {H_RBX, H_RBP, H_R12, H_R13, H_R14, H_R15};

static void push_pop(struct asm_buf *a, unsigned opcode, unsigned reg)
{
    if (reg & 8)
        asm_8(a, 0x41);
    asm_8(a, opcode | (reg & 7));
}

/* On at rax, which is scratch there. */
static void emit_resume(struct asm_buf *a)
{
    load(a);
    asm_op_reg(a, false, 0xff, 4, H_RAX);
}

/* eax = reason; the argument is in its hot word. */
static void emit_call(struct asm_buf *a, rvx_handler *handler)
{
    save(a);
    asm_lea(a, H_RDI, MEM_BASE(H_RBP, -(int32_t)RBP_BIAS));
    asm_mov32(a, H_RSI, H_RAX);
    asm_load(a, H_RDX, HOT_WORD(RVX_ARG));
    asm_mov_imm64(a, H_RAX, (uintptr_t)handler);
    asm_op_reg(a, false, 0xff, 2, H_RAX); /* call rax */
    asm_test(a, true, H_RAX, H_RAX);
    uint32_t leave = asm_jcc(a, CC_E);
    emit_resume(a);
    asm_here(a, leave);
    asm_lea(a, H_RSP, MEM_BASE(H_RSP, 8));
    for (unsigned i = sizeof(saved); i-- > 0;)
        push_pop(a, 0x58, saved[i]);
    asm_8(a, 0xc3);
}

static uint32_t emit_enter(struct asm_buf *a)
{
    uint32_t at = a->len;
    for (unsigned i = 0; i < sizeof(saved); i++)
        push_pop(a, 0x50, saved[i]);
    asm_lea(a, H_RSP, MEM_BASE(H_RSP, -8));
    asm_lea(a, H_RBP, MEM_BASE(H_RDI, RBP_BIAS));
    asm_mov(a, H_RAX, H_RSI);
    emit_resume(a);
    return at;
}

static void emit_reason(struct asm_buf *a, enum rvx_reason why)
{
    asm_store(a, HOT_WORD(RVX_ARG), H_RCX);
    asm_mov_imm32(a, H_RAX, why);
    asm_jmp_to(a, 0);
}

/*
 * The jump table's slot, whose address is in rax, has another guest address than rcx. Look into its
 * neighbour before calling C.
 */
static void emit_neighbour(struct asm_buf *a)
{
    asm_alu_imm(a, true, ALU_XOR, H_RAX, sizeof(struct space_jump));
    asm_load(a, H_RDX, MEM_BASE(H_RAX, offsetof(struct space_jump, key)));
    asm_alu(a, true, ALU_ADD, H_RDX, H_RCX);
    uint32_t other = asm_jcc8(a, CC_NE);
    asm_load(a, H_RAX, MEM_BASE(H_RAX, offsetof(struct space_jump, code)));
    asm_op_mem(a, false, 0x80, ALU_CMP, MEM_BASE(H_RAX, 0)); /* cmp byte [rax], an entry's first */
    asm_8(a, CODE_ENTRY_OPEN);
    uint32_t closed = asm_jcc8(a, CC_NE);
    asm_mov(a, H_RDX, H_RCX);
    asm_alu_imm(a, true, ALU_AND, H_RDX, -(int32_t)GUEST_PAGE_SIZE);
    asm_store(a, CPU(code_base), H_RDX);
    asm_alu_imm(a, true, ALU_ADD, H_RAX, RVX_PROLOGUE);
    asm_op_reg(a, false, 0xff, 4, H_RAX); /* jmp rax */
    asm_here8(a, other);
    asm_here8(a, closed);
}

int rvx_stubs_make(struct rvx_stubs *s, struct execmem *mem, rvx_handler *handler, bool paged,
                   struct error *err)
{
    uint8_t bytes[STUB_BYTES];
    uint32_t on[RVX_WHYS];
    struct asm_buf a = {.bytes = bytes, .size = sizeof(bytes)};
    emit_call(&a, handler);
    uint32_t enter = emit_enter(&a);
    for (unsigned i = 0; i < RVX_WHYS; i++) {
        on[i] = a.len;
        if (i == RVX_WHY_MISS && paged)
            emit_neighbour(&a);
        emit_reason(&a, i);
    }
    const uint8_t *code = a.full ? NULL : execmem_add(mem, bytes, a.len, 64);
    if (!code)
        return error_set(err, ENOMEM, "there is no room for the translator's own code");
    s->enter = (void (*)(struct riscv_cpu *, const void *))(uintptr_t)(code + enter);
    for (unsigned i = 0; i < RVX_WHYS; i++)
        s->on[i] = (uintptr_t)code + on[i];
    return 0;
}

void rvx_stubs_tell(const struct rvx_stubs *s, struct riscv_cpu *c)
{
    c->engine_hot[RVX_SLOW] = s->on[RVX_WHY_SLOW];
    c->engine_hot[RVX_LINK] = s->on[RVX_WHY_LINK];
    c->engine_hot[RVX_MISS] = s->on[RVX_WHY_MISS];
    c->engine_hot[RVX_ATTEND] = s->on[RVX_WHY_ATTEND];
    c->engine_hot[RVX_BOX] = RISCV_F32_BOX;
}
