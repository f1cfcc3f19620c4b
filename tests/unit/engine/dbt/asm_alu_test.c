/* What is encoded, read back by the decoder, whose own judge is Zydis. */
#include "unit/cmocka_all.h"

#include <string.h>

#include "engine/dbt/asm_alu.h"
#include "isa/x86/decode.h"
#include "isa/x86/insn.h"

struct code {
    uint8_t bytes[64];
    struct asm_buf a;
};

static struct asm_buf *begin(struct code *c)
{
    memset(c->bytes, 0, sizeof(c->bytes));
    c->a = (struct asm_buf){.bytes = c->bytes, .size = sizeof(c->bytes)};
    return &c->a;
}

static struct x86_insn one(const struct code *c, unsigned iclass)
{
    struct x86_insn in;
    assert_int_equal(x86_decode(&in, c->bytes, c->a.len, X86_MODE_64), 0);
    assert_int_equal(in.len, c->a.len);
    assert_int_equal(in.iclass, iclass);
    return in;
}

static void is_reg(const struct x86_insn *in, unsigned operand, unsigned reg)
{
    assert_int_equal(in->op[operand].kind, X86_OP_GPR);
    assert_int_equal(in->op[operand].reg, reg);
}

static void arithmetic(void **state)
{
    static const unsigned classes[] = {X86_I_ADD, X86_I_OR,  X86_I_ADC, X86_I_SBB,
                                       X86_I_AND, X86_I_SUB, X86_I_XOR, X86_I_CMP};
    static const int32_t imms[] = {0, 127, -128, 128, INT32_MIN};
    struct code c;
    (void)state;
    for (unsigned op = 0; op < 8; op++) {
        for (unsigned r = 0; r < 16; r++) {
            asm_alu(begin(&c), r & 1, op, r, 15 - r);
            struct x86_insn in = one(&c, classes[op]);
            is_reg(&in, 0, r);
            is_reg(&in, 1, 15 - r);
            assert_int_equal(in.opsize, r & 1 ? 8 : 4);
            asm_alu_imm(begin(&c), true, op, r, imms[r % 5]);
            in = one(&c, classes[op]);
            is_reg(&in, 0, r);
            assert_int_equal(in.imm, imms[r % 5]);
            asm_alu_store(begin(&c), true, op, MEM_BASE(r, 8), 15 - r);
            in = one(&c, classes[op]);
            assert_int_equal(in.base, r);
            is_reg(&in, 1, 15 - r);
        }
    }
}

static void shifts(void **state)
{
    static const struct {
        enum asm_shift op;
        unsigned iclass;
    } by_imm[] = {{SHIFT_ROL, X86_I_ROL},
                  {SHIFT_ROR, X86_I_ROR},
                  {SHIFT_SHL, X86_I_SHL},
                  {SHIFT_SHR, X86_I_SHR},
                  {SHIFT_SAR, X86_I_SAR}};
    static const struct {
        enum asm_shiftx op;
        unsigned iclass;
    } by_reg[] = {{SHIFTX_SHL, X86_I_SHLX}, {SHIFTX_SAR, X86_I_SARX}, {SHIFTX_SHR, X86_I_SHRX}};
    struct code c;
    (void)state;
    for (unsigned r = 0; r < 16; r++) {
        for (unsigned i = 0; i < ARRAY_SIZE(by_imm); i++) {
            asm_shift(begin(&c), true, by_imm[i].op, r, r + 1);
            struct x86_insn in = one(&c, by_imm[i].iclass);
            is_reg(&in, 0, r);
            assert_int_equal(in.imm, r + 1);
        }
        for (unsigned i = 0; i < ARRAY_SIZE(by_reg); i++) {
            asm_shiftx(begin(&c), r & 1, by_reg[i].op, r, 15 - r, (r + 3) & 15);
            struct x86_insn in = one(&c, by_reg[i].iclass);
            is_reg(&in, 0, r);
            is_reg(&in, 1, 15 - r);
            is_reg(&in, 2, (r + 3) & 15);
        }
    }
}

/* SPL, BPL, SIL, DIL need a prefix, or else they are AH to BH. */
static void byte_registers(void **state)
{
    struct code c;
    (void)state;
    for (unsigned r = 0; r < 16; r++) {
        asm_extend(begin(&c), EXTEND_ZERO8, 15 - r, r);
        struct x86_insn in = one(&c, X86_I_MOVZX);
        is_reg(&in, 0, 15 - r);
        is_reg(&in, 1, r);
        asm_extend(begin(&c), EXTEND_SIGN16, r, 15 - r);
        in = one(&c, X86_I_MOVSX);
        is_reg(&in, 1, 15 - r);
        struct asm_mem m = MEM_BASE(H_RBX, 5);
        m.gs = r & 1;
        asm_store8(begin(&c), m, r);
        in = one(&c, X86_I_MOV);
        is_reg(&in, 1, r);
        assert_int_equal(in.opsize, 1);
        assert_int_equal(in.seg == X86_SEG_GS, m.gs);
    }
}

static void bits(void **state)
{
    static const struct {
        enum asm_bit op;
        unsigned iclass;
    } cases[] = {{BIT_TEST, X86_I_BT},
                 {BIT_SET, X86_I_BTS},
                 {BIT_RESET, X86_I_BTR},
                 {BIT_COMPLEMENT, X86_I_BTC}};
    struct code c;
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        asm_bit(begin(&c), cases[i].op, H_R9, H_RCX);
        struct x86_insn in = one(&c, cases[i].iclass);
        is_reg(&in, 0, H_R9);
        is_reg(&in, 1, H_RCX);
        asm_bit_imm(begin(&c), cases[i].op, H_RSI, 63);
        in = one(&c, cases[i].iclass);
        is_reg(&in, 0, H_RSI);
        assert_int_equal(in.imm, 63);
    }
    asm_count(begin(&c), true, COUNT_LEADING, H_R8, H_RDI);
    one(&c, X86_I_LZCNT);
    asm_count(begin(&c), false, COUNT_TRAILING, H_R8, H_RDI);
    one(&c, X86_I_TZCNT);
    asm_count(begin(&c), true, COUNT_ONES, H_R8, H_RDI);
    one(&c, X86_I_POPCNT);
    asm_andn(begin(&c), H_R8, H_RDI, H_R15);
    struct x86_insn in = one(&c, X86_I_ANDN);
    is_reg(&in, 1, H_R15);
    is_reg(&in, 2, H_RDI);
}

static void nops(void **state)
{
    struct code c;
    (void)state;
    for (unsigned n = 0; n < 40; n++) {
        struct x86_insn in;
        asm_nops(begin(&c), n);
        assert_int_equal(c.a.len, n);
        for (unsigned at = 0; at < n; at += in.len) {
            assert_int_equal(x86_decode(&in, c.bytes + at, n - at, X86_MODE_64), 0);
            assert_int_equal(in.iclass, X86_I_NOP);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic), cmocka_unit_test(shifts), cmocka_unit_test(byte_registers),
        cmocka_unit_test(bits),       cmocka_unit_test(nops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
