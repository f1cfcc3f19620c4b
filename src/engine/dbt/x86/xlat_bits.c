/*
 * BT BTS BTR BTC with a bit offset in a register: it moves the memory operand, by whole operands
 * of 2, 4 or 8 bytes, in either direction [SDM 2 BT]. The page to look up is the one where the bit
 * lies; what it says to add serves the host's own instruction on the operand's address.
 */
#include "engine/dbt/x86/xlat.h"

/* The operand's guest address into r11, which does not touch the flags; uses r15. */
static void operand_address(struct xlat *x, const struct x86_insn *in)
{
    struct xlat_mem m;
    xlat_address(x, in, &m);
    asm_lea(&x->a, H_R11, m.guest);
}

/* r11 += where the bit at the offset in `reg` lies. Destroys the flags. */
static void add_offset(struct xlat *x, unsigned size, unsigned reg)
{
    struct asm_buf *a = &x->a;
    unsigned shift = (unsigned)__builtin_ctz(size);
    if (size == 8)
        asm_mov(a, H_R15, reg);
    else
        asm_op_reg(a, true, size == 4 ? 0x63 : 0x0fbf, H_R15, reg); /* movsx r15, reg */
    asm_op_reg(a, true, 0xc1, 7, H_R15);                            /* sar r15, imm8 */
    asm_8(a, 3 + shift);
    asm_lea(a, H_R11, (struct asm_mem){H_R11, H_R15, (uint8_t)shift, false, 0});
}

bool xlat_bit_string(struct xlat *x)
{
    const struct xlat_insn *xi = xlat_cur(x);
    const struct x86_insn *in = &xi->in;
    const struct x86_operand *o = &in->op[0];
    struct xlat_mem m = {.guest = MEM_BASE(H_R11, 0), .r11 = true};
    enum xlat_flags flags = xi->live ? FLAGS_IN_TMP : FLAGS_DEAD;
    if (in->addrsize != 8 || xlat_spilled(in->op[1].reg))
        return false;
    operand_address(x, in);
    xlat_keep_flags(x, flags);
    add_offset(x, o->size, in->op[1].reg);
    xlat_load_flags(&x->a, flags);
    xlat_check(x, &m,
               (struct xlat_want){.size = (uint8_t)o->size,
                                  .write = o->access & X86_W,
                                  .aligned = in->prefixes & X86_P_LOCK});
    asm_store(&x->a, HOT(tmp[2]), H_R15);
    operand_address(x, in);
    asm_load(&x->a, H_R15, HOT(tmp[2]));
    xlat_access_here(x);
    xlat_encode(x, xi, MEM_INDEXED(H_R11, H_R15, 0));
    return true;
}
