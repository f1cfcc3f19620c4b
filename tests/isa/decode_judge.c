/*
 * Field by field comparison of a decoded instruction with Zydis.
 */
#include "decode_judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct zydis_insn {
    ZydisDecodedInstruction i;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
};

static const enum x86_mode modes[3] = {X86_MODE_16, X86_MODE_32, X86_MODE_64};

void judge_init(struct judge *j)
{
    static const ZydisMachineMode machine[3] = {
        ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_MACHINE_MODE_LONG_64};
    static const ZydisStackWidth width[3] = {ZYDIS_STACK_WIDTH_16, ZYDIS_STACK_WIDTH_32,
                                             ZYDIS_STACK_WIDTH_64};

    memset(j, 0, sizeof(*j));
    j->report_max = 20;
    for (int m = 0; m < 3; m++) {
        ZydisDecoderInit(&j->zydis[m], machine[m], width[m]);
        /* Not offered to guests: their opcodes are hints or plain instructions. */
        ZydisDecoderEnableMode(&j->zydis[m], ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
        ZydisDecoderEnableMode(&j->zydis[m], ZYDIS_DECODER_MODE_CET, ZYAN_FALSE);
        ZydisDecoderEnableMode(&j->zydis[m], ZYDIS_DECODER_MODE_CLDEMOTE, ZYAN_FALSE);
        ZydisDecoderEnableMode(&j->zydis[m], ZYDIS_DECODER_MODE_WBNOINVD, ZYAN_FALSE);
    }
}

static bool differ(char *why, size_t size, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, size, fmt, ap);
    va_end(ap);
    return false;
}

#define CHECK(what, ours, theirs)                                                                  \
    do {                                                                                           \
        long long o_ = (long long)(ours), t_ = (long long)(theirs);                                \
        if (o_ != t_)                                                                              \
            return differ(why, size, "%s: %lld, Zydis %lld", what, o_, t_);                        \
    } while (0)

static int gpr_number(ZydisRegister reg)
{
    if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH)
        return X86_GPR_AH + (reg - ZYDIS_REGISTER_AH);
    if (reg >= ZYDIS_REGISTER_SPL && reg <= ZYDIS_REGISTER_R15B)
        return 4 + (reg - ZYDIS_REGISTER_SPL);
    return ZydisRegisterGetId(reg);
}

static int register_kind(ZydisRegister reg)
{
    switch (ZydisRegisterGetClass(reg)) {
    case ZYDIS_REGCLASS_GPR8:
    case ZYDIS_REGCLASS_GPR16:
    case ZYDIS_REGCLASS_GPR32:
    case ZYDIS_REGCLASS_GPR64:
        return X86_OP_GPR;
    case ZYDIS_REGCLASS_X87:
        return X86_OP_ST;
    case ZYDIS_REGCLASS_MMX:
        return X86_OP_MMX;
    case ZYDIS_REGCLASS_XMM:
        return X86_OP_XMM;
    case ZYDIS_REGCLASS_YMM:
        return X86_OP_YMM;
    case ZYDIS_REGCLASS_SEGMENT:
        return X86_OP_SEG;
    case ZYDIS_REGCLASS_CONTROL:
        return X86_OP_CR;
    case ZYDIS_REGCLASS_DEBUG:
        return X86_OP_DR;
    default:
        return -1;
    }
}

static bool same_register(const struct x86_operand *op, const ZydisDecodedOperand *z, char *why,
                          size_t size)
{
    ZydisRegister reg = z->reg.value;

    CHECK("register kind", op->kind, register_kind(reg));
    if (op->kind == X86_OP_GPR) {
        CHECK("register", op->reg, gpr_number(reg));
        CHECK("register size", op->size,
              ZydisRegisterGetWidth(ZYDIS_MACHINE_MODE_LONG_64, reg) / 8);
        return true;
    }
    CHECK("register", op->reg, ZydisRegisterGetId(reg));
    return true;
}

static int address_register(ZydisRegister reg)
{
    if (reg == ZYDIS_REGISTER_NONE)
        return X86_REG_NONE;
    if (reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP)
        return X86_REG_RIP;
    return ZydisRegisterGetId(reg);
}

static int scale_shift(unsigned scale)
{
    return scale <= 1 ? 0 : __builtin_ctz(scale);
}

static bool same_memory(const struct x86_insn *in, const struct x86_operand *op,
                        const ZydisDecodedOperand *z, char *why, size_t size)
{
    if (!difference_base(in))
        CHECK("base", in->base, address_register(z->mem.base));
    CHECK("index", in->index, address_register(z->mem.index));
    if (in->index != X86_REG_NONE)
        CHECK("scale", in->scale, scale_shift(z->mem.scale));
    if (difference_base(in))
        ; /* nothing to compare */
    else if (in->addrsize == 2)
        CHECK("disp", (uint16_t)in->disp, (uint16_t)z->mem.disp.value);
    else if (in->addrsize == 4)
        CHECK("disp", (uint32_t)in->disp, (uint32_t)z->mem.disp.value);
    else
        CHECK("disp", in->disp, z->mem.disp.value);
    if (z->mem.type != ZYDIS_MEMOP_TYPE_AGEN)
        CHECK("segment", in->seg, ZydisRegisterGetId(z->mem.segment));
    if (in->vsib)
        CHECK("index size", in->vsib,
              ZydisRegisterGetWidth(ZYDIS_MACHINE_MODE_LONG_64, z->mem.index) / 8);
    if (op->size != 0 && !difference_memory_size(in))
        CHECK("memory size", op->size, z->size / 8);
    return true;
}

static uint64_t mask(unsigned bytes)
{
    return bytes >= 8 ? ~0ull : (1ull << 8 * bytes) - 1;
}

static bool same_immediate(const struct x86_insn *in, const struct x86_operand *op, unsigned nth,
                           const ZydisDecodedOperand *z, char *why, size_t size)
{
    uint64_t ours = nth == 0 ? in->imm : in->imm2;

    CHECK("immediate kind", op->kind, z->imm.is_relative ? X86_OP_REL : X86_OP_IMM);
    unsigned width = in->opsize > op->size && z->imm.is_signed ? in->opsize : op->size;

    CHECK("immediate", ours & mask(width), z->imm.value.u & mask(width));
    return true;
}

static bool same_access(const struct x86_insn *in, const struct x86_operand *op,
                        const ZydisDecodedOperand *z, char *why, size_t size)
{
    int theirs = (z->actions & ZYDIS_OPERAND_ACTION_MASK_READ ? X86_R : 0) |
                 (z->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE ? X86_W : 0);

    /* A register that may keep its value is one that is read. */
    if (z->actions & ZYDIS_OPERAND_ACTION_CONDWRITE && op->kind != X86_OP_MEM)
        theirs |= X86_R;

    if (op->access != 0 && !difference_access(in))
        CHECK("access", op->access, theirs);
    return true;
}

static bool same_operand(const struct x86_insn *in, unsigned i, unsigned nth_imm,
                         const ZydisDecodedOperand *z, char *why, size_t size)
{
    const struct x86_operand *op = &in->op[i];

    switch (z->type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
        return same_register(op, z, why, size) && same_access(in, op, z, why, size);
    case ZYDIS_OPERAND_TYPE_MEMORY:
        CHECK("operand kind", op->kind, X86_OP_MEM);
        CHECK("memory operand", in->mem, i);
        return same_memory(in, op, z, why, size) && same_access(in, op, z, why, size);
    case ZYDIS_OPERAND_TYPE_POINTER:
        CHECK("operand kind", op->kind, X86_OP_FAR);
        CHECK("offset", (uint32_t)in->imm, z->ptr.offset);
        CHECK("selector", in->imm2, z->ptr.segment);
        return true;
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
        return same_immediate(in, op, nth_imm, z, why, size);
    default:
        return differ(why, size, "operand %u: unknown type", i);
    }
}

static bool is_string(const struct x86_insn *in)
{
    return (in->desc->flags & X86_F_STRING) || in->iclass == X86_I_XLAT;
}

static bool same_operands(const struct x86_insn *in, const struct zydis_insn *z, char *why,
                          size_t size)
{
    unsigned n = 0, imms = 0;

    for (unsigned i = 0; i < z->i.operand_count; i++) {
        const ZydisDecodedOperand *op = &z->op[i];

        if (op->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN)
            continue;
        if (n < in->nops && !same_operand(in, n, imms, op, why, size))
            return false;
        imms += op->type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
        n++;
    }
    if (is_string(in))
        return true;
    CHECK("operand count", in->nops, n);
    return true;
}

static bool same_offsets(const struct x86_insn *in, const ZydisDecodedInstruction *z, char *why,
                         size_t size)
{
    CHECK("modrm offset", in->modrm_off, z->raw.modrm.offset);
    if (in->disp_size) {
        CHECK("disp offset", in->disp_off, z->raw.disp.offset);
        CHECK("disp size", in->disp_size, z->raw.disp.size / 8);
    }
    if (in->imm_size) {
        CHECK("imm offset", in->imm_off, z->raw.imm[0].offset);
        CHECK("imm size", in->imm_size, (z->raw.imm[0].size + z->raw.imm[1].size) / 8);
    }
    CHECK("opcode", in->opcode, z->opcode);
    return true;
}

static bool same_sizes(const struct x86_insn *in, const ZydisDecodedInstruction *z, char *why,
                       size_t size)
{
    CHECK("address size", in->addrsize * 8, z->address_width);
    if (!(in->desc->flags & (X86_F_NATIVE | X86_F_SSE | X86_F_F64)) && !difference_opsize(in))
        CHECK("operand size", in->opsize * 8, z->operand_width);
    return true;
}

static uint8_t flag_bits(uint32_t eflags)
{
    uint8_t low = eflags & (X86_FL_CF | X86_FL_PF | X86_FL_AF | X86_FL_ZF | X86_FL_SF);

    return low | (eflags & ZYDIS_CPUFLAG_OF ? X86_FL_OF : 0) |
           (eflags & ZYDIS_CPUFLAG_DF ? X86_FL_DF : 0);
}

/* EFLAGS effects; the system flags, which Zydis sees otherwise, left out. */
static bool same_flags(const struct x86_insn *in, const ZydisDecodedInstruction *z, char *why,
                       size_t size)
{
    static const ZydisAccessedFlags none;
    const ZydisAccessedFlags *f = z->cpu_flags ? z->cpu_flags : &none;
    uint8_t user = (uint8_t)~X86_FL_SYS;

    if (difference_flags(in, z))
        return true;
    CHECK("flags read", in->desc->flags_read & user, flag_bits(f->tested));
    CHECK("flags written", in->desc->flags_write & user,
          flag_bits(f->modified | f->set_0 | f->set_1) & ~flag_bits(f->undefined));
    CHECK("flags undefined", in->desc->flags_undef & user, flag_bits(f->undefined));
    return true;
}

/* The exception types of [SDM 2A 2.4] say which memory operands must be aligned and what MXCSR
 * rules. */
static bool same_exceptions(const struct x86_insn *in, const ZydisDecodedInstruction *z, char *why,
                            size_t size)
{
    uint32_t flags = in->desc->flags;
    bool fp = false, aligned = false;

    switch (z->meta.exception_class) {
    case ZYDIS_EXCEPTION_CLASS_SSE1:
    case ZYDIS_EXCEPTION_CLASS_SSE4:
    case ZYDIS_EXCEPTION_CLASS_AVX1:
        aligned = true;
        break;
    case ZYDIS_EXCEPTION_CLASS_SSE2:
        aligned = true;
        fp = true;
        break;
    case ZYDIS_EXCEPTION_CLASS_SSE3:
    case ZYDIS_EXCEPTION_CLASS_AVX2:
    case ZYDIS_EXCEPTION_CLASS_AVX3:
    case ZYDIS_EXCEPTION_CLASS_AVX11:
        fp = true;
        break;
    case ZYDIS_EXCEPTION_CLASS_NONE:
        return true;
    default:
        break;
    }
    CHECK("obeys MXCSR", !!(flags & X86_F_FP_MXCSR), fp);
    if (x86_is_mem(in))
        CHECK("aligned", !!(flags & X86_F_ALIGNED), aligned);
    return true;
}

static bool same_attributes(const struct x86_insn *in, const ZydisDecodedInstruction *z, char *why,
                            size_t size)
{
    uint32_t flags = in->desc->flags;

    CHECK("privileged", !!(flags & X86_F_PRIV), !!(z->attributes & ZYDIS_ATTRIB_IS_PRIVILEGED));
    if (in->mem == 0)
        CHECK("lockable", !!(flags & X86_F_LOCKABLE),
              !!(z->attributes & ZYDIS_ATTRIB_ACCEPTS_LOCK));
    if (z->meta.branch_type != ZYDIS_BRANCH_TYPE_NONE)
        CHECK("branch", !!(flags & X86_F_BRANCH), 1);
    return true;
}

/* Zydis' ISA set as our feature, by name. */
static bool same_feature(const struct x86_insn *in, const ZydisDecodedInstruction *z, char *why,
                         size_t size)
{
    const char *ours = x86_feature_name(in->desc->feature);
    const char *theirs = ZydisISASetGetString(z->meta.isa_set);

    if (strcmp(ours, theirs) != 0)
        return differ(why, size, "feature: %s, Zydis %s", ours, theirs);
    return true;
}

static bool same_insn(const struct x86_insn *in, const struct zydis_insn *z, char *why, size_t size)
{
    CHECK("length", in->len, z->i.length);
    if (!mnemonic_matches(in, &z->i))
        return differ(why, size, "mnemonic: %s, Zydis %s", x86_iclass_name(in->iclass),
                      ZydisMnemonicGetString(z->i.mnemonic));
    return (difference_operands(in) || same_operands(in, z, why, size)) &&
           same_offsets(in, &z->i, why, size) && same_sizes(in, &z->i, why, size) &&
           same_flags(in, &z->i, why, size) &&
           (difference_attributes(in, &z->i) ||
            (same_exceptions(in, &z->i, why, size) && same_attributes(in, &z->i, why, size))) &&
           (difference_feature(in, &z->i) || same_feature(in, &z->i, why, size));
}

/* One line a kind of difference is enough; by a small hash of its text. */
static bool seen_before(struct judge *j, const char *name, const char *why)
{
    uint32_t h = 2166136261u;

    for (const char *p = name; *p; p++)
        h = (h ^ (uint8_t)*p) * 16777619u;
    for (const char *p = why; *p; p++)
        h = (h ^ (uint8_t)*p) * 16777619u;
    h %= sizeof(j->seen);
    if (j->seen[h])
        return true;
    j->seen[h] = true;
    return false;
}

static void report(struct judge *j, const uint8_t *bytes, unsigned n, enum x86_mode mode,
                   const char *name, const char *why)
{
    j->failed++;
    if (seen_before(j, name, why) || j->report_max == 0)
        return;
    j->report_max--;
    printf("%2d-bit ", mode);
    for (unsigned i = 0; i < n; i++)
        printf("%02x ", bytes[i]);
    printf(" %s: %s\n", name, why);
}

/* Every shorter prefix of an instruction must say SHORT: no byte of it is redundant. */
static bool short_is_short(const struct x86_insn *in, const uint8_t *bytes, enum x86_mode mode)
{
    struct x86_insn part;

    for (unsigned n = 0; n < in->len; n++) {
        if (x86_decode(&part, bytes, n, mode) != -X86_D_SHORT)
            return false;
    }
    return true;
}

unsigned judge_bytes(struct judge *j, const uint8_t *bytes, size_t avail, enum x86_mode mode)
{
    int m = mode == modes[0] ? 0 : mode == modes[1] ? 1 : 2;
    struct x86_insn in;
    struct zydis_insn z;
    int ours = x86_decode(&in, bytes, avail, mode);
    bool theirs = ZYAN_SUCCESS(
        ZydisDecoderDecodeFull(&j->zydis[m], bytes, avail < 15 ? avail : 15, &z.i, z.op));
    char why[160];

    j->compared++;
    if (ours != 0 && !theirs)
        return 1;
    if (ours != 0) {
        if (difference_not_offered(&z.i))
            j->excused++;
        else
            report(j, bytes, z.i.length, mode, ZydisMnemonicGetString(z.i.mnemonic),
                   ours == -X86_D_UD ? "invalid for us" : "too long for us");
        return z.i.length;
    }
    if (!theirs) {
        if (difference_undocumented(&in))
            j->excused++;
        else
            report(j, bytes, in.len, mode, x86_iclass_name(in.iclass), "invalid for Zydis");
        return in.len;
    }
    j->valid++;
    if (!same_insn(&in, &z, why, sizeof(why)))
        report(j, bytes, in.len, mode, ZydisMnemonicGetString(z.i.mnemonic), why);
    else if (!short_is_short(&in, bytes, mode))
        report(j, bytes, in.len, mode, x86_iclass_name(in.iclass), "short is not SHORT");
    return in.len;
}
