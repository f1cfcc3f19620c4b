/*
 * Instructions that the host runs as they are: copied when their operands are registers, encoded
 * anew when one is in memory, so that it names the host address.
 */
#include <string.h>

#include "engine/dbt/x86/xlat.h"
#include "isa/x86/opcode.h"

/* General-purpose classes without side effects beyond operands and arithmetic flags. */
static bool is_plain_integer(const struct x86_insn *in)
{
    switch (in->iclass) {
    case X86_I_BT:
    case X86_I_BTC:
    case X86_I_BTR:
    case X86_I_BTS: /* a register's bit offset moves the memory operand */
        return !x86_is_mem(in) || in->op[1].kind == X86_OP_IMM;
    case X86_I_MOV:
        return in->opcode < 0xa0 || in->opcode > 0xa3; /* 64-bit absolute addresses */
    case X86_I_ADC:
    case X86_I_ADCX:
    case X86_I_ADD:
    case X86_I_ADOX:
    case X86_I_AND:
    case X86_I_ANDN:
    case X86_I_BEXTR:
    case X86_I_BLSI:
    case X86_I_BLSMSK:
    case X86_I_BLSR:
    case X86_I_BSF:
    case X86_I_BSR:
    case X86_I_BSWAP:
    case X86_I_BZHI:
    case X86_I_CBW:
    case X86_I_CLC:
    case X86_I_CMC:
    case X86_I_CMOVCC:
    case X86_I_CMP:
    case X86_I_CMPXCHG:
    case X86_I_CMPXCHG16B:
    case X86_I_CMPXCHG8B:
    case X86_I_CRC32:
    case X86_I_CWD:
    case X86_I_DEC:
    case X86_I_ENDBR64:
    case X86_I_IMUL:
    case X86_I_INC:
    case X86_I_LAHF:
    case X86_I_LFENCE:
    case X86_I_LZCNT:
    case X86_I_MFENCE:
    case X86_I_MOVBE:
    case X86_I_MOVNTI:
    case X86_I_MOVSX:
    case X86_I_MOVSXD:
    case X86_I_MOVZX:
    case X86_I_MUL:
    case X86_I_MULX:
    case X86_I_NEG:
    case X86_I_NOP:
    case X86_I_NOT:
    case X86_I_OR:
    case X86_I_PAUSE:
    case X86_I_PDEP:
    case X86_I_PEXT:
    case X86_I_POPCNT:
    case X86_I_PREFETCHNTA:
    case X86_I_PREFETCHT0:
    case X86_I_PREFETCHT1:
    case X86_I_PREFETCHT2:
    case X86_I_PREFETCHW:
    case X86_I_RCL:
    case X86_I_RCR:
    case X86_I_ROL:
    case X86_I_ROR:
    case X86_I_RORX:
    case X86_I_SAHF:
    case X86_I_SAR:
    case X86_I_SARX:
    case X86_I_SBB:
    case X86_I_SETCC:
    case X86_I_SFENCE:
    case X86_I_SHL:
    case X86_I_SHLD:
    case X86_I_SHLX:
    case X86_I_SHR:
    case X86_I_SHRD:
    case X86_I_SHRX:
    case X86_I_STC:
    case X86_I_SUB:
    case X86_I_TEST:
    case X86_I_TZCNT:
    case X86_I_XADD:
    case X86_I_XCHG:
    case X86_I_XOR:
        return true;
    default:
        return false;
    }
}

/* Vector and x87 classes that may run in place in this context. */
static bool is_plain_native(const struct xlat *x, const struct x86_insn *in)
{
    uint32_t fl = in->desc->flags, need = 0;
    switch (in->iclass) {
    case X86_I_STMXCSR:
        return x->ctx & CTX_SSE;
    case X86_I_FNSTCW:
    case X86_I_FNSTSW:
    case X86_I_FNCLEX:
    case X86_I_FNINIT:
    case X86_I_EMMS:
    case X86_I_FWAIT:
        return x->ctx & CTX_X87;
    case X86_I_FLDCW:
    case X86_I_FNSTENV:
    case X86_I_FLDENV:
    case X86_I_FNSAVE:
    case X86_I_FRSTOR:
    case X86_I_MASKMOVDQU:
    case X86_I_VMASKMOVDQU:
    case X86_I_MASKMOVQ:
    case X86_I_VMASKMOVPS:
    case X86_I_VMASKMOVPD:
    case X86_I_VPMASKMOVD:
    case X86_I_VPMASKMOVQ:
        return false;
    default:
        break;
    }
    if (!(fl & X86_F_NATIVE) || (fl & X86_F_VSIB))
        return false;
    need |= fl & (X86_F_X87 | X86_F_MMX) ? CTX_X87 : 0;
    need |= fl & X86_F_SSE ? CTX_SSE : 0;
    need |= fl & X86_F_AVX ? CTX_AVX : 0;
    need |= fl & X86_F_FP_MXCSR ? CTX_MXCSR : 0;
    return need && (x->ctx & need) == need;
}

/* AH CH DH BH: any REX prefix makes it another register, and beside memory there is one. */
static bool is_high_byte(const struct x86_operand *o)
{
    return o->kind == X86_OP_GPR && o->reg >= X86_GPR_AH;
}

/* A register operand that r11 stands in for beside a memory operand. */
static bool is_stood_in(const struct x86_operand *o)
{
    return o->kind == X86_OP_GPR && (xlat_spilled(o->reg) || is_high_byte(o));
}

bool xlat_plain_scratch(const struct x86_insn *in)
{
    for (unsigned i = 0; i < in->nops; i++) {
        const struct x86_operand *o = &in->op[i];
        if (is_stood_in(o) && (x86_is_mem(in) || !is_high_byte(o)))
            return true;
    }
    return false;
}

/* Memory operands that xlat_check() can do, with registers that can be encoded beside one. */
static bool memory_ok(const struct x86_insn *in)
{
    const struct x86_operand *m = &in->op[in->mem];
    unsigned spilled = 0, seen = 0;
    if (!m->access)
        return true;
    if (!m->size || m->size > 32 || in->disp > INT32_MAX - 2 * (int)GUEST_PAGE_SIZE)
        return false;
    for (unsigned i = 0; i < in->nops; i++) {
        const struct x86_operand *o = &in->op[i];
        if (is_stood_in(o) && !(seen & 1u << o->reg)) {
            seen |= 1u << o->reg;
            spilled++;
        }
    }
    return spilled <= 1;
}

bool xlat_plain_ok(const struct xlat *x, const struct x86_insn *in)
{
    if (!is_plain_integer(in) && !is_plain_native(x, in))
        return false;
    return !x86_is_mem(in) || memory_ok(in);
}

static bool writes_all(const struct x86_insn *in, const struct x86_operand *o)
{
    return o->size >= 4 && !(o->access & X86_R) &&
           (in->iclass == X86_I_MOV || in->iclass == X86_I_MOVZX || in->iclass == X86_I_MOVSX ||
            in->iclass == X86_I_MOVSXD);
}

static bool stays_spilled(const struct x86_operand *o)
{
    return o->kind == X86_OP_GPR && xlat_spilled(o->reg);
}

/* Spilled operands into the host registers of their own numbers, and back: nothing is in memory. */
static void load_spilled(struct xlat *x, const struct x86_insn *in)
{
    for (unsigned i = 0; i < in->nops; i++) {
        const struct x86_operand *o = &in->op[i];
        if (stays_spilled(o) && !writes_all(in, o))
            asm_load(&x->a, o->reg, xlat_spill_slot(o->reg));
    }
}

static void store_spilled(struct xlat *x, const struct x86_insn *in)
{
    for (unsigned i = 0; i < in->nops; i++) {
        const struct x86_operand *o = &in->op[i];
        if (stays_spilled(o) && (o->access & X86_W))
            asm_store(&x->a, xlat_spill_slot(o->reg), o->reg);
    }
}

/* The operand that r11 stands in for; NULL: none. */
static const struct x86_operand *stood_in(const struct x86_insn *in)
{
    for (unsigned i = 0; i < in->nops; i++) {
        if (is_stood_in(&in->op[i]))
            return &in->op[i];
    }
    return NULL;
}

static bool reads_operand(const struct x86_insn *in, const struct x86_operand *o)
{
    return is_high_byte(o) ? o->access & X86_R : !writes_all(in, o);
}

/* Its value into r11, and back; without touching a flag. */
static void load_stand_in(struct xlat *x, const struct x86_operand *o)
{
    if (is_high_byte(o))
        asm_rorx(&x->a, H_R11, o->reg - X86_GPR_AH, 8);
    else
        asm_load(&x->a, H_R11, xlat_spill_slot(o->reg));
}

static void store_stand_in(struct xlat *x, const struct x86_operand *o)
{
    unsigned reg = o->reg - X86_GPR_AH;
    if (!is_high_byte(o)) {
        asm_store(&x->a, xlat_spill_slot(o->reg), H_R11);
        return;
    }
    asm_rorx(&x->a, reg, reg, 8);
    asm_op_reg(&x->a, false, 0x88, H_R11, reg); /* mov low byte, r11b */
    asm_rorx(&x->a, reg, reg, 56);
}

/* Register numbers as the re-encoded instruction has them. */
struct encoding {
    unsigned reg, vvvv;
};

static struct encoding registers(const struct x86_insn *in)
{
    struct encoding e = {(in->modrm >> 3 & 7u) | (in->rex & 4u) << 1, in->vex_vvvv};
    for (unsigned i = 0; i < in->nops; i++) {
        const struct x86_operand *o = &in->op[i];
        uint32_t code = in->desc->op[i];
        if (!is_stood_in(o) || OP_OTHER(code))
            continue;
        if (OP_SOURCE(code) == FROM_VVVV)
            e.vvvv = H_R11;
        else if (OP_SOURCE(code) == FROM_REG)
            e.reg = H_R11;
    }
    return e;
}

/* Each once, where it stands last: REX and a displacement are to come, and 15 bytes is all. */
static void legacy_prefixes(struct xlat *x, const struct xlat_insn *xi)
{
    for (unsigned i = 0; i < xi->in.escape_off; i++) {
        if (memchr(xi->raw + i + 1, xi->raw[i], xi->in.escape_off - i - 1u))
            continue;
        switch (xi->raw[i]) {
        case 0x66:
        case 0xf0:
        case 0xf2:
        case 0xf3:
            asm_8(&x->a, xi->raw[i]);
            break;
        default:
            break; /* segments and address size are in the address; REX is made anew */
        }
    }
}

static void opcode_legacy(struct xlat *x, const struct x86_insn *in, unsigned bits)
{
    static const uint8_t escape[] = {0, 0, 0x38, 0x3a};
    if (in->rex || bits)
        asm_8(&x->a, 0x40 | (in->rex & 8) | bits);
    if (in->map)
        asm_8(&x->a, 0x0f);
    if (in->map > 1)
        asm_8(&x->a, escape[in->map]);
}

static void opcode_vex(struct xlat *x, const struct x86_insn *in, unsigned bits, unsigned vvvv)
{
    asm_8(&x->a, 0xc4);
    asm_8(&x->a, (~bits & 7) << 5 | in->map);
    asm_8(&x->a, (in->vex_w ? 0x80u : 0) | (~vvvv & 15) << 3 | (in->vex_l ? 4u : 0) | in->vex_pp);
}

void xlat_encode(struct xlat *x, const struct xlat_insn *xi, struct asm_mem m)
{
    const struct x86_insn *in = &xi->in;
    struct encoding e = registers(in);
    unsigned bits = asm_rex_bits(e.reg, &m);
    if (in->prefixes & X86_P_VEX) {
        opcode_vex(x, in, bits, e.vvvv);
    } else {
        legacy_prefixes(x, xi);
        opcode_legacy(x, in, bits);
    }
    asm_8(&x->a, in->opcode);
    asm_modrm_mem(&x->a, e.reg, &m);
    asm_copy(&x->a, xi->raw + in->imm_off, in->imm_size);
}

static void with_memory(struct xlat *x, const struct xlat_insn *xi)
{
    const struct x86_insn *in = &xi->in;
    const struct x86_operand *o = &in->op[in->mem], *other = stood_in(in);
    struct xlat_mem m;
    xlat_address(x, in, &m);
    xlat_check(x, &m,
               (struct xlat_want){.size = (uint8_t)o->size,
                                  .write = o->access & X86_W,
                                  .aligned = (in->desc->flags & X86_F_ALIGNED) ||
                                             (in->prefixes & X86_P_LOCK) ||
                                             in->iclass == X86_I_XCHG,
                                  .data = other});
    if (other && reads_operand(in, other))
        load_stand_in(x, other);
    xlat_access_here(x);
    xlat_encode(x, xi, m.host);
    if (other && (other->access & X86_W))
        store_stand_in(x, other);
}

bool xlat_plain(struct xlat *x)
{
    const struct xlat_insn *xi = xlat_cur(x);
    const struct x86_insn *in = &xi->in;
    if (!xlat_plain_ok(x, in))
        return false;
    if (x86_is_mem(in) && in->op[in->mem].access) {
        with_memory(x, xi);
        return true;
    }
    if (x86_is_mem(in) || in->iclass == X86_I_NOP || in->iclass == X86_I_ENDBR64)
        return true; /* hints, prefetches */
    load_spilled(x, in);
    asm_copy(&x->a, xi->raw, in->len);
    store_spilled(x, in);
    return true;
}
