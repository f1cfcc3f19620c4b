/*
 * Instructions on system state that kernels use all the time, done in place: the interrupt flag
 * lives in the hot page while translated code runs, and so do the segment bases.
 */
#include "engine/dbt/x86/xlat.h"

#define CPU(field) MEM_BASE(H_R15, offsetof(struct x86_cpu, field))

static void set_iflag(struct xlat *x, unsigned v)
{
    asm_op_mem(&x->a, false, 0xc6, 0, HOT(iflag)); /* mov byte [iflag], v */
    asm_8(&x->a, v);
}

void xlat_slow_unless_zero(struct xlat *x, struct asm_mem byte)
{
    struct asm_buf *a = &x->a;
    uint32_t site = xlat_new_site(x, 0);
    asm_mov(a, H_R11, H_RCX);
    asm_op_mem(a, false, 0x0fb6, H_RCX, byte); /* movzx ecx, byte */
    uint32_t zero = asm_jrcxz(a);
    asm_mov(a, H_RCX, H_R11);
    struct xlat_tail *t = xlat_new_tail(x, TAIL_SLOW, asm_jmp(a));
    t->index = site;
    asm_here8(a, zero);
    asm_mov(a, H_RCX, H_R11);
}

/* An interrupt that waits is the interpreter's, which knows of the shadow behind STI. */
void xlat_sti(struct xlat *x)
{
    xlat_slow_unless_zero(x, HOT(irq_waits));
    set_iflag(x, 1);
}

void xlat_cli(struct xlat *x)
{
    set_iflag(x, 0);
}

void xlat_cld(struct xlat *x)
{
    xlat_slow_unless_zero(x, HOT(dflag));
}

void xlat_swapgs(struct xlat *x)
{
    struct asm_buf *a = &x->a;
    const int32_t base =
        (int32_t)(offsetof(struct x86_cpu, seg) + X86_SEG_GS * sizeof(struct x86_segment) +
                  offsetof(struct x86_segment, base));
    asm_load(a, H_R15, HOT(cpu));
    asm_load(a, H_R11, CPU(kernel_gs_base));
    asm_store(a, HOT(tmp[0]), H_R11);
    asm_load(a, H_R11, HOT(seg_base[1]));
    asm_store(a, CPU(kernel_gs_base), H_R11);
    asm_load(a, H_R11, HOT(tmp[0]));
    asm_store(a, HOT(seg_base[1]), H_R11);
    asm_store(a, MEM_BASE(H_R15, base), H_R11);
}

/* RFLAGS into tmp[2]; LAHF gives bit 1, which is always set. */
static void flags_image(struct xlat *x)
{
    static const uint8_t seto_r15b[] = {0x41, 0x0f, 0x90, 0xc7};
    static const uint8_t lahf_movzx[] = {0x9f, 0x0f, 0xb6, 0xc4}; /* lahf; movzx eax, ah */
    struct asm_buf *a = &x->a;
    const struct asm_mem sum = MEM_INDEXED(H_RAX, H_R15, 0);
    asm_mov(a, H_R11, H_RAX);
    asm_mov_imm32(a, H_R15, 0);
    asm_bytes(a, seto_r15b, sizeof(seto_r15b));
    asm_bytes(a, lahf_movzx, sizeof(lahf_movzx));
    asm_rorx(a, H_R15, H_R15, 64 - 11);
    asm_lea32(a, H_RAX, sum);
    asm_op_mem(a, false, 0x0fb6, H_R15, HOT(iflag));
    asm_rorx(a, H_R15, H_R15, 64 - 9);
    asm_lea32(a, H_RAX, sum);
    asm_load32(a, H_R15, HOT(rflags));
    asm_lea32(a, H_RAX, sum);
    asm_store(a, HOT(tmp[2]), H_RAX);
    asm_mov(a, H_RAX, H_R11);
}

bool xlat_pushf(struct xlat *x)
{
    struct xlat_mem m = {.guest = MEM_BASE(H_RSP, -8)};
    struct asm_buf *a = &x->a;
    if (xlat_cur(x)->in.opsize != 8)
        return false;
    flags_image(x);
    xlat_check(x, &m, (struct xlat_want){.size = 8, .write = true});
    asm_load(a, H_R11, HOT(tmp[2]));
    xlat_access_here(x);
    asm_store(a, m.host, H_R11);
    asm_lea(a, H_RSP, MEM_BASE(H_RSP, -8));
    return true;
}

/* RDTSC and RDTSCP: edx:eax = host counter + offset, without flags. */
void xlat_rdtsc(struct xlat *x)
{
    struct asm_buf *a = &x->a;
    if (xlat_cur(x)->in.iclass == X86_I_RDTSCP) {
        asm_8(a, 0x0f); /* what RDTSCP waits for: earlier instructions */
        asm_8(a, 0xae);
        asm_8(a, 0xe8);
    }
    asm_8(a, 0x0f);
    asm_8(a, 0x31);
    if (xlat_cur(x)->in.iclass == X86_I_RDTSCP)
        asm_load32(a, H_RCX, HOT(tsc_aux));
    asm_rorx(a, H_RDX, H_RDX, 32);
    asm_lea(a, H_RAX, MEM_INDEXED(H_RAX, H_RDX, 0));
    asm_load(a, H_R11, HOT(tsc_offset));
    asm_lea(a, H_RAX, MEM_INDEXED(H_RAX, H_R11, 0));
    asm_rorx(a, H_RDX, H_RAX, 32);
    asm_op_reg(a, false, 0x89, H_RDX, H_RDX);
    asm_op_reg(a, false, 0x89, H_RAX, H_RAX);
}

/* A 64-bit result in r11 becomes the register's, or the lower half of it. */
static void put_r11(struct xlat *x, unsigned reg, unsigned size)
{
    struct asm_buf *a = &x->a;
    if (size == 2)
        asm_8(a, 0x66);
    if (!xlat_spilled(reg))
        asm_op_reg(a, size == 8, 0x89, H_R11, reg);
    else
        asm_op_mem(a, size != 2, 0x89, H_R11, xlat_spill_slot(reg));
}

/* The selector into r11, zero-extended. CS and SS are not always what struct x86_cpu says
 * (dbt_hot.level). */
static void load_selector(struct xlat *x, unsigned seg)
{
    struct asm_mem sel = seg == X86_SEG_CS ? HOT(sel[0]) : HOT(sel[1]);
    if (seg != X86_SEG_CS && seg != X86_SEG_SS) {
        sel = MEM_BASE(H_R11,
                       (int32_t)(offsetof(struct x86_cpu, seg) + seg * sizeof(struct x86_segment) +
                                 offsetof(struct x86_segment, sel)));
        asm_load(&x->a, H_R11, HOT(cpu));
    }
    asm_op_mem(&x->a, false, 0x0fb7, H_R11, sel); /* movzx r11d, word */
}

bool xlat_read_seg(struct xlat *x)
{
    const struct x86_insn *in = &xlat_cur(x)->in;
    const struct x86_operand *to = &in->op[0];
    struct xlat_mem m;
    if (to->kind == X86_OP_SEG || in->op[1].reg > X86_SEG_GS)
        return false;
    if (to->kind == X86_OP_GPR) {
        load_selector(x, in->op[1].reg);
        put_r11(x, to->reg, to->size);
        return true;
    }
    xlat_address(x, in, &m);
    xlat_check(x, &m, (struct xlat_want){.size = 2, .write = true, .data = true});
    load_selector(x, in->op[1].reg);
    xlat_access_here(x);
    asm_8(&x->a, 0x66);
    asm_op_mem(&x->a, false, 0x89, H_R11, m.host);
    return true;
}

bool xlat_read_cr(struct xlat *x)
{
    const struct x86_insn *in = &xlat_cur(x)->in;
    struct asm_mem from;
    if (in->op[0].kind != X86_OP_GPR)
        return false;
    switch (in->op[1].reg) {
    case 0:
        from = CPU(cr0);
        break;
    case 2:
        from = CPU(cr2);
        break;
    case 3:
        from = CPU(cr3);
        break;
    case 4:
        from = CPU(cr4);
        break;
    default:
        return false;
    }
    asm_load(&x->a, H_R15, HOT(cpu));
    asm_load(&x->a, H_R11, from);
    put_r11(x, in->op[0].reg, 8);
    return true;
}
