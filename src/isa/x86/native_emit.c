/*
 * Host code of thunks. Arguments arrive as the C ABI has them: rdi = struct x86_cpu, rsi = memory
 * operand, rdx = FXSAVE area (x87 only). The instruction itself is re-encoded with its own vector
 * register numbers, its memory operand as [rsi], general registers as rax (ModRM.reg) and rcx
 * (ModRM.rm); prefixes that do not select the opcode are dropped.
 */
#include "isa/x86/native_code.h"

static size_t xmm_off(unsigned reg)
{
    return offsetof(struct x86_cpu, xsave) + XS_XMM + 16 * reg;
}

static size_t ymmh_off(unsigned reg)
{
    return offsetof(struct x86_cpu, xsave) + XS_YMMH + 16 * reg;
}

/* movups xmm, [field] (0F 10) or back (0F 11). */
static void sse_move(struct native_code *k, unsigned opcode, unsigned reg)
{
    if (reg & 8)
        e8(k, 0x44);
    e8(k, 0x0f);
    e8(k, opcode);
    e_field(k, reg, xmm_off(reg));
}

/* vmovups xmm, [field] or back. */
static void avx_move(struct native_code *k, unsigned opcode, unsigned reg)
{
    bytes3(k, 0xc5, (reg & 8 ? 0 : 0x80) | 0x78, opcode);
    e_field(k, reg, xmm_off(reg));
}

/* vinsertf128 reg, reg, [field], 1 (18) or vextractf128 [field], reg, 1 (19). */
static void avx_upper(struct native_code *k, unsigned opcode, unsigned reg)
{
    unsigned vvvv = opcode == 0x18 ? ~reg & 15 : 15;
    bytes3(k, 0xc4, (reg & 8 ? 0 : 0x80) | 0x63, vvvv << 3 | 5);
    e8(k, opcode);
    e_field(k, reg, ymmh_off(reg));
    e8(k, 1);
}

/* mov host, gpr[guest] (8B) or back (89), 64 bits. */
static void gpr_move(struct native_code *k, unsigned opcode, unsigned host, unsigned guest)
{
    bytes3(k, 0x48, opcode, 0x80 | host << 3 | HOST_RDI);
    e32(k, (uint32_t)(offsetof(struct x86_cpu, gpr) + 8 * guest));
}

/* ldmxcsr [rip + x]: the host's own value, which follows the thunk. Returns where x stands. */
static unsigned mxcsr_host(struct native_code *k)
{
    bytes3(k, 0x0f, 0xae, 0x15);
    e32(k, 0);
    return k->len - 4;
}

static void mxcsr_host_value(struct native_code *k, unsigned fixup)
{
    uint32_t rel = k->len - (fixup + 4);
    memcpy(k->bytes + fixup, &rel, 4);
    e32(k, MXCSR_DEFAULT);
}

static unsigned enc_reg(const struct native_form *f)
{
    return f->gpr_reg != NO_REG ? HOST_RAX : f->reg;
}

static unsigned enc_rm(const struct native_form *f)
{
    if (f->rm == NO_REG)
        return HOST_RSI;
    return f->gpr_rm != NO_REG ? HOST_RCX : f->rm;
}

static void op_legacy(struct native_code *k, const struct native_form *f)
{
    unsigned rex = f->w << 3 | enc_reg(f) >> 3 << 2 | enc_rm(f) >> 3;
    if (f->prefix)
        e8(k, f->prefix);
    if (rex)
        e8(k, 0x40 | rex);
    if (f->map)
        e8(k, 0x0f);
    if (f->map > 1)
        e8(k, f->map == 2 ? 0x38 : 0x3a);
}

static void op_vex(struct native_code *k, const struct native_form *f)
{
    unsigned pp = f->prefix == 0x66 ? 1 : f->prefix == 0xf3 ? 2 : f->prefix == 0xf2 ? 3 : 0;
    e8(k, 0xc4);
    e8(k, (enc_reg(f) & 8 ? 0 : 0x80) | 0x40 | (enc_rm(f) & 8 ? 0 : 0x20) | f->map);
    e8(k, f->w << 7 | (~f->vvvv & 15) << 3 | (f->vex & 2) << 1 | pp);
}

static void op_itself(struct native_code *k, const struct native_form *f)
{
    unsigned modrm = (f->rm == NO_REG ? 0 : 0xc0) | (enc_reg(f) & 7) << 3 | (enc_rm(f) & 7);
    k->op_off = k->len;
    if (f->vex)
        op_vex(k, f);
    else
        op_legacy(k, f);
    e8(k, f->opcode);
    e8(k, modrm);
    if (f->has_imm)
        e8(k, f->imm);
    k->fop = (uint16_t)((f->opcode & 7) << 8 | modrm);
}

static bool is_pcmpstr(const struct native_form *f)
{
    return f->map == 3 && (f->opcode & 0xfc) == 0x60;
}

/* XMM0 as an operand nobody names: legacy variable blends and SHA256RNDS2. */
static bool reads_xmm0(const struct native_form *f)
{
    return f->map == 2 && !f->vex &&
           (f->opcode == 0x10 || f->opcode == 0x14 || f->opcode == 0x15 || f->opcode == 0xcb);
}

static bool is_vector_reg(const struct x86_operand *o)
{
    return o->kind == X86_OP_XMM || o->kind == X86_OP_YMM;
}

static void load_vector(struct native_code *k, const struct native_form *f,
                        const struct x86_operand *o)
{
    if (!f->vex) {
        sse_move(k, 0x10, o->reg); /* written ones too: most merge into the old value */
        return;
    }
    if (!(o->access & X86_R))
        return;
    avx_move(k, 0x10, o->reg);
    if (f->vex & 2)
        avx_upper(k, 0x18, o->reg);
}

static void store_vector(struct native_code *k, const struct native_form *f, unsigned reg)
{
    if (!f->vex) {
        sse_move(k, 0x11, reg);
        return;
    }
    avx_move(k, 0x11, reg);
    avx_upper(k, 0x19, reg);
}

static void load_operands(struct native_code *k, const struct native_form *f,
                          const struct x86_insn *in)
{
    for (unsigned i = 0; i < in->nops; i++)
        if (is_vector_reg(&in->op[i]))
            load_vector(k, f, &in->op[i]);
    if (reads_xmm0(f))
        sse_move(k, 0x10, 0);
    if (is_pcmpstr(f) && !(f->opcode & 2)) {
        gpr_move(k, 0x8b, HOST_RAX, RAX);
        gpr_move(k, 0x8b, HOST_RDX, RDX);
    }
    if (f->gpr_reg != NO_REG)
        gpr_move(k, 0x8b, HOST_RAX, f->gpr_reg);
    if (f->gpr_rm != NO_REG)
        gpr_move(k, 0x8b, HOST_RCX, f->gpr_rm);
}

static bool written(const struct x86_insn *in, enum x86_opkind kind)
{
    for (unsigned i = 0; i < in->nops; i++)
        if (in->op[i].kind == kind && (in->op[i].access & X86_W))
            return true;
    return false;
}

/* General registers first: keeping the flags needs rax. */
static void store_gprs(struct native_code *k, const struct native_form *f,
                       const struct x86_insn *in)
{
    if (is_pcmpstr(f) && (f->opcode & 1))
        gpr_move(k, 0x89, HOST_RCX, RCX);
    if (!written(in, X86_OP_GPR))
        return;
    if (f->gpr_reg != NO_REG)
        gpr_move(k, 0x89, HOST_RAX, f->gpr_reg);
    if (f->gpr_rm != NO_REG)
        gpr_move(k, 0x89, HOST_RCX, f->gpr_rm);
}

static void store_operands(struct native_code *k, const struct native_form *f,
                           const struct x86_insn *in)
{
    store_gprs(k, f, in);
    if (in->desc->flags_write | in->desc->flags_undef)
        flags_keep(k);
    for (unsigned i = 0; i < in->nops; i++)
        if (is_vector_reg(&in->op[i]) && (in->op[i].access & X86_W))
            store_vector(k, f, in->op[i].reg);
    if (is_pcmpstr(f) && !(f->opcode & 1))
        store_vector(k, f, 0);
}

void native_emit_vector(struct native_code *k, const struct native_form *f,
                        const struct x86_insn *in)
{
    load_operands(k, f, in);
    op_itself(k, f);
    store_operands(k, f, in);
    if (f->vex)
        bytes3(k, 0xc5, 0xf8, 0x77); /* vzeroupper */
    e8(k, 0xc3);
}

void native_emit_x87(struct native_code *k, const struct native_form *f, const struct x86_insn *in)
{
    bytes3(k, 0x48, 0x0f, 0xae); /* fxrstor64 [xsave] */
    e_field(k, 1, offsetof(struct x86_cpu, xsave));
    bytes3(k, 0x0f, 0xae, 0x52); /* ldmxcsr [rdx + 24] */
    e8(k, XS_MXCSR);
    if (f->gpr_rm != NO_REG)
        gpr_move(k, 0x8b, HOST_RCX, f->gpr_rm);
    if (in->desc->flags_read)
        flags_load(k);
    op_itself(k, f);
    store_gprs(k, f, in);
    if (in->desc->flags_write | in->desc->flags_undef)
        flags_keep(k);
    bytes3(k, 0x48, 0x0f, 0xae); /* fxsave64 [rdx] */
    e8(k, 0x02);
    bytes3(k, 0xdb, 0xe3, 0x90); /* fninit; nop */
    unsigned fixup = mxcsr_host(k);
    e8(k, 0xc3);
    mxcsr_host_value(k, fixup);
}
