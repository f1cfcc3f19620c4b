/*
 * The stubs, made at run time: they need the offsets of struct x86_cpu.
 */
#include "engine/dbt/x86/stubs.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "engine/dbt/asm.h"
#include "engine/dbt/code.h"
#include "engine/dbt/host.h"
#include "engine/dbt/space.h"
#include "engine/dbt/x86/xlat.h"
#include "isa/x86/regs.h"

#define GPR(n)        MEM_BASE(H_R15, offsetof(struct x86_cpu, gpr) + 8 * (n))
#define XSAVE(off)    MEM_BASE(H_R15, offsetof(struct x86_cpu, xsave) + (off))
#define MXCSR_DEFAULT 0x1f80u

enum { STUB_BYTES = 4096 };

static bool own_register(unsigned n)
{
    return n != H_R11 && n != H_R15;
}

static void save_gprs(struct asm_buf *a)
{
    for (unsigned n = 0; n < 16; n++) {
        if (own_register(n))
            asm_store(a, GPR(n), n);
    }
    asm_load(a, H_RAX, HOT(reg[0]));
    asm_store(a, GPR(H_R11), H_RAX);
    asm_load(a, H_RAX, HOT(reg[1]));
    asm_store(a, GPR(H_R15), H_RAX);
    asm_flags_keep(a);
    asm_8(a, 0x66); /* mov word [arith], ax */
    asm_store32(a, MEM_BASE(H_R15, offsetof(struct x86_cpu, arith)), H_RAX);
}

static void load_gprs(struct asm_buf *a)
{
    asm_load(a, H_RAX, GPR(H_R11));
    asm_store(a, HOT(reg[0]), H_RAX);
    asm_load(a, H_RAX, GPR(H_R15));
    asm_store(a, HOT(reg[1]), H_RAX);
    asm_load32(a, H_RAX, MEM_BASE(H_R15, offsetof(struct x86_cpu, arith)));
    asm_flags_load(a);
    for (unsigned n = 0; n < 16; n++) {
        if (own_register(n))
            asm_load(a, n, GPR(n));
    }
}

/* movups [image], xmm (11) or back (10). */
static void xmms(struct asm_buf *a, unsigned opcode)
{
    for (unsigned n = 0; n < 16; n++)
        asm_op_mem(a, false, 0x0f00 | opcode, n, XSAVE(XS_XMM + 16 * n));
}

static void vex_upper(struct asm_buf *a, unsigned opcode, unsigned n, unsigned vvvv)
{
    struct asm_mem m = XSAVE(XS_YMMH + 16 * n);
    asm_8(a, 0xc4);
    asm_8(a, (n & 8 ? 0 : 0x80) | 0x40 | 0x03); /* B inverted: r15 is the base */
    asm_8(a, vvvv << 3 | 5);
    asm_8(a, opcode);
    asm_modrm_mem(a, n, &m);
    asm_8(a, 1);
}

/* vextractf128 [image], ymm, 1 */
static void save_uppers(struct asm_buf *a)
{
    for (unsigned n = 0; n < 16; n++)
        vex_upper(a, 0x19, n, 15);
    asm_8(a, 0xc5); /* vzeroupper */
    asm_8(a, 0xf8);
    asm_8(a, 0x77);
}

/* vinsertf128 ymm, ymm, [image], 1 */
static void load_uppers(struct asm_buf *a)
{
    for (unsigned n = 0; n < 16; n++)
        vex_upper(a, 0x18, n, ~n & 15);
}

static void set_upper(struct asm_buf *a, uint32_t v)
{
    asm_op_mem(a, false, 0xc7, 0, HOT(upper));
    asm_32(a, v);
}

/* Upper halves are copied only where the CPU says that any are in use (XINUSE, by XGETBV). */
static void save_vectors(struct asm_buf *a)
{
    uint32_t unused = 0;
    xmms(a, 0x11);
    if (!host_has_avx())
        return;
    set_upper(a, 0);
    if (host_has_xinuse()) {
        asm_mov_imm32(a, H_RCX, 1);
        asm_8(a, 0x0f); /* xgetbv */
        asm_8(a, 0x01);
        asm_8(a, 0xd0);
        asm_test8_imm(a, H_RAX, XCR0_AVX);
        unused = asm_jcc(a, CC_E);
    }
    set_upper(a, 1);
    save_uppers(a);
    if (host_has_xinuse())
        asm_here(a, unused);
}

static void load_vectors(struct asm_buf *a)
{
    xmms(a, 0x10);
    if (!host_has_avx())
        return;
    asm_op_mem(a, false, 0x83, 7, HOT(upper)); /* cmp dword [upper], 0 */
    asm_8(a, 0);
    uint32_t unused = asm_jcc(a, CC_E);
    load_uppers(a);
    asm_here(a, unused);
}

/* ldmxcsr [m] (2) or stmxcsr [m] (3) */
static void mxcsr(struct asm_buf *a, unsigned op, struct asm_mem m)
{
    asm_op_mem(a, false, 0x0fae, op, m);
}

/* Callee-saved registers; with what `call` pushed, 16-byte alignment needs one more slot. */
static const uint8_t saved[] = {H_RBX, H_RBP, H_R12, H_R13, H_R14, H_R15};

static void push_pop(struct asm_buf *a, unsigned opcode, unsigned reg)
{
    if (reg & 8)
        asm_8(a, 0x41);
    asm_8(a, opcode | (reg & 7));
}

static void emit_resume(struct asm_buf *a)
{
    asm_mov(a, H_R11, H_RAX);
    load_vectors(a);
    mxcsr(a, 2, XSAVE(XS_MXCSR));
    load_gprs(a);
    asm_op_reg(a, false, 0xff, 4, H_R11);
}

static void emit_leave(struct asm_buf *a)
{
    asm_lea(a, H_RSP, MEM_BASE(H_RSP, 8));
    for (unsigned i = sizeof(saved); i-- > 0;)
        push_pop(a, 0x58, saved[i]);
    asm_8(a, 0xc3);
}

/* r11 = reason; the argument is in hot->arg. */
static void emit_call(struct asm_buf *a, stub_handler *handler)
{
    asm_load(a, H_R15, HOT(cpu));
    save_gprs(a);
    asm_load(a, H_RSP, HOT(host_sp));
    save_vectors(a);
    mxcsr(a, 3, XSAVE(XS_MXCSR));
    asm_store32(a, HOT(tmp[0]), H_R11);
    asm_op_mem(a, false, 0xc7, 0, HOT(tmp[1]));
    asm_32(a, MXCSR_DEFAULT);
    mxcsr(a, 2, HOT(tmp[1]));
    asm_mov(a, H_RDI, H_R15);
    asm_load32(a, H_RSI, HOT(tmp[0]));
    asm_load(a, H_RDX, HOT(arg));
    asm_mov_imm64(a, H_RAX, (uintptr_t)handler);
    asm_op_reg(a, false, 0xff, 2, H_RAX); /* call rax */
    asm_op_reg(a, true, 0x85, H_RAX, H_RAX);
    uint32_t leave = asm_jcc(a, CC_E);
    emit_resume(a);
    asm_here(a, leave);
    emit_leave(a);
}

static uint32_t emit_enter(struct asm_buf *a)
{
    uint32_t at = a->len;
    for (unsigned i = 0; i < sizeof(saved); i++)
        push_pop(a, 0x50, saved[i]);
    asm_lea(a, H_RSP, MEM_BASE(H_RSP, -8));
    asm_store(a, HOT(host_sp), H_RSP);
    asm_mov(a, H_R15, H_RDI);
    asm_mov(a, H_RAX, H_RSI);
    emit_resume(a);
    return at;
}

static uint32_t emit_reason(struct asm_buf *a, enum stub_reason why, uint32_t call)
{
    uint32_t at = a->len;
    asm_store(a, HOT(arg), H_R11);
    asm_mov_imm32(a, H_R11, why);
    asm_jmp_to(a, call);
    return at;
}

/* rax, rcx and the flags as emit_miss() kept them. */
static void emit_restore(struct asm_buf *a)
{
    asm_load32(a, H_RAX, HOT(tmp[1]));
    asm_flags_load(a);
    asm_load(a, H_RAX, HOT(tmp[0]));
    asm_load(a, H_RCX, HOT(tmp[3]));
}

/*
 * The jump table's slot has another address. Look into its neighbour before calling C: r11 is the
 * guest address, everything else is the guest's.
 */
static uint32_t emit_miss(struct asm_buf *a, uint32_t call)
{
    uint32_t at = a->len;
    asm_store(a, HOT(tmp[0]), H_RAX);
    asm_store(a, HOT(tmp[3]), H_RCX);
    asm_flags_keep(a);
    asm_store32(a, HOT(tmp[1]), H_RAX);
    asm_mov_imm32(a, H_R15, 0);
    asm_crc32(a, H_R15, H_R11);
    asm_pdep_gs(a, H_R15, H_R15, offsetof(struct dbt_hot, jump_mask));
    asm_op_reg(a, false, 0x83, 6, H_R15); /* xor r15d, 16 */
    asm_8(a, sizeof(struct space_jump));
    asm_load(a, H_RAX, JUMP(H_R15, key));
    asm_op_reg(a, true, 0x01, H_R11, H_RAX); /* add rax, r11 */
    uint32_t other = asm_jcc(a, CC_NE);
    asm_load(a, H_RCX, JUMP(H_R15, code));
    asm_op_mem(a, false, 0x80, 7, MEM_BASE(H_RCX, 0)); /* cmp byte [rcx], first byte of an entry */
    asm_8(a, CODE_ENTRY_OPEN);
    uint32_t closed = asm_jcc(a, CC_NE);
    asm_mov(a, H_RAX, H_R11);
    asm_op_reg(a, true, 0x81, 4, H_RAX); /* and rax, ~0xfff */
    asm_32(a, ~UINT32_C(0xfff));
    asm_store(a, HOT(code_base), H_RAX);
    asm_lea(a, H_R15, MEM_BASE(H_RCX, CODE_PROLOGUE));
    emit_restore(a);
    asm_op_reg(a, false, 0xff, 4, H_R15); /* jmp r15 */
    asm_here(a, other);
    asm_here(a, closed);
    emit_restore(a);
    asm_store(a, HOT(arg), H_R11);
    asm_mov_imm32(a, H_R11, STUB_MISS);
    asm_jmp_to(a, call);
    return at;
}

/* Where a jump by the table comes to with rcx in r15. */
static uint32_t emit_jumped(struct asm_buf *a, uint32_t to)
{
    uint32_t at = a->len;
    asm_mov(a, H_RCX, H_R15);
    asm_jmp_to(a, to);
    return at;
}

void asm_jump_table(struct asm_buf *a)
{
    asm_mov(a, H_R15, H_RCX);
    asm_mov_imm32(a, H_RCX, 0);
    asm_crc32(a, H_RCX, H_R11);
    asm_pdep_gs(a, H_RCX, H_RCX, offsetof(struct dbt_hot, jump_mask));
    asm_jmp_mem(a, JUMP(H_RCX, code));
}

static uint32_t emit_go(struct asm_buf *a)
{
    uint32_t at = a->len;
    asm_jump_table(a);
    return at;
}

int stubs_make(struct stubs *s, struct execmem *mem, stub_handler *handler, struct error *err)
{
    uint8_t bytes[STUB_BYTES];
    struct asm_buf a = {.bytes = bytes, .size = sizeof(bytes)};
    emit_call(&a, handler);
    uint32_t enter = emit_enter(&a);
    uint32_t slow = emit_reason(&a, STUB_SLOW, 0), link = emit_reason(&a, STUB_LINK, 0);
    uint32_t miss = emit_miss(&a, 0), attend = emit_reason(&a, STUB_ATTEND, 0);
    uint32_t syscall = stub_syscall(&a), sysret = stub_sysret(&a), iret = stub_iret(&a);
    uint32_t go = emit_go(&a);
    uint32_t jump_miss = emit_jumped(&a, miss), jump_attend = emit_jumped(&a, attend);
    const uint8_t *code = a.full ? NULL : execmem_add(mem, bytes, a.len, 64);
    if (!code)
        return error_set(err, ENOMEM, "there is no room for the translator's own code");
    s->enter = (void (*)(struct x86_cpu *, const void *))(uintptr_t)(code + enter);
    s->slow = (uintptr_t)code + slow;
    s->link = (uintptr_t)code + link;
    s->miss = (uintptr_t)code + miss;
    s->attend = (uintptr_t)code + attend;
    s->jump_miss = (uintptr_t)code + jump_miss;
    s->jump_attend = (uintptr_t)code + jump_attend;
    s->syscall = (uintptr_t)code + syscall;
    s->sysret = (uintptr_t)code + sysret;
    s->iret = (uintptr_t)code + iret;
    s->go = (uintptr_t)code + go;
    return 0;
}
