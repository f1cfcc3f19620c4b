/* What is encoded, read back by the decoder, whose own judge is Zydis. */
#include "unit/cmocka_all.h"

#include <string.h>

#include "engine/dbt/asm.h"
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

/* It is one instruction of this class. */
static struct x86_insn one(const struct code *c, unsigned iclass)
{
    struct x86_insn in;
    assert_int_equal(x86_decode(&in, c->bytes, c->a.len, X86_MODE_64), 0);
    assert_int_equal(in.len, c->a.len);
    assert_int_equal(in.iclass, iclass);
    return in;
}

static void same_address(const struct x86_insn *in, const struct asm_mem *m)
{
    assert_int_equal(in->base, m->base == ASM_NONE ? X86_REG_NONE : m->base);
    assert_int_equal(in->index, m->index == ASM_NONE ? X86_REG_NONE : m->index);
    if (m->index != ASM_NONE)
        assert_int_equal(in->scale, m->scale);
    assert_int_equal(in->disp, m->disp);
    assert_int_equal(in->seg == X86_SEG_GS, m->gs);
}

static void check_memory(struct asm_mem m)
{
    struct code c;
    for (unsigned reg = 0; reg < 16; reg++) {
        asm_load(begin(&c), reg, m);
        struct x86_insn in = one(&c, X86_I_MOV);
        same_address(&in, &m);
        assert_int_equal(in.op[0].reg, reg);
        assert_int_equal(in.op[0].size, 8);
        asm_store32(begin(&c), m, reg);
        in = one(&c, X86_I_MOV);
        same_address(&in, &m);
        assert_int_equal(in.op[1].reg, reg);
        assert_int_equal(in.op[0].size, 4);
    }
}

static void memory_operands(void **state)
{
    static const int32_t disps[] = {0, 1, -1, 127, -128, 128, -129, INT32_MAX, INT32_MIN};
    (void)state;
    for (unsigned i = 0; i < sizeof(disps) / sizeof(disps[0]); i++) {
        int32_t d = disps[i];
        check_memory((struct asm_mem){ASM_NONE, ASM_NONE, 0, false, d});
        check_memory((struct asm_mem){ASM_NONE, ASM_NONE, 0, true, d});
        check_memory((struct asm_mem){ASM_NONE, H_R15, 3, true, d});
        for (int8_t base = 0; base < 16; base++) {
            check_memory((struct asm_mem){base, ASM_NONE, 0, false, d});
            check_memory((struct asm_mem){base, H_R15, 0, false, d});
            check_memory((struct asm_mem){base, H_RBP, 2, false, d});
        }
    }
}

static void registers(void **state)
{
    struct code c;
    (void)state;
    for (unsigned a = 0; a < 16; a++) {
        for (unsigned b = 0; b < 16; b++) {
            asm_mov(begin(&c), a, b);
            struct x86_insn in = one(&c, X86_I_MOV);
            assert_int_equal(in.op[0].reg, a);
            assert_int_equal(in.op[1].reg, b);
            asm_rorx(begin(&c), a, b, 12);
            in = one(&c, X86_I_RORX);
            assert_int_equal(in.op[0].reg, a);
            assert_int_equal(in.op[1].reg, b);
            assert_int_equal(in.imm, 12);
            assert_int_equal(in.op[0].size, 8);
            asm_pdep_gs(begin(&c), a, b, 0x28);
            in = one(&c, X86_I_PDEP);
            assert_int_equal(in.op[0].reg, a);
            assert_int_equal(in.op[1].reg, b);
            assert_int_equal(in.disp, 0x28);
            assert_int_equal(in.seg, X86_SEG_GS);
        }
        asm_test8_imm(begin(&c), a, 7);
        struct x86_insn in = one(&c, X86_I_TEST);
        assert_int_equal(in.op[0].reg, a); /* and not AH to BH */
        assert_int_equal(in.op[0].size, 1);
    }
}

static void immediates(void **state)
{
    static const uint64_t values[] = {0,          1,           UINT32_MAX,
                                      UINT64_MAX, INT64_MIN,   UINT64_C(0xffffffff80000000),
                                      0x80000000, 0x123456789a};
    struct code c;
    (void)state;
    for (unsigned reg = 0; reg < 16; reg++) {
        for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
            asm_mov_imm64(begin(&c), reg, values[i]);
            struct x86_insn in = one(&c, X86_I_MOV);
            assert_int_equal(in.op[0].reg, reg);
            assert_int_equal(in.op[0].size == 8 ? in.imm : (uint32_t)in.imm, values[i]);
        }
    }
}

static void jumps(void **state)
{
    struct code c;
    struct asm_buf *a = begin(&c);
    (void)state;
    uint32_t out = asm_jcc(a, CC_NE), near = asm_jrcxz(a);
    asm_jmp_to(a, 0);
    asm_here8(a, near);
    asm_here(a, out);
    struct x86_insn in;
    assert_int_equal(x86_decode(&in, c.bytes, a->len, X86_MODE_64), 0);
    assert_int_equal(in.len + in.imm, a->len);
    assert_int_equal(in.opcode & 15, CC_NE);
    assert_int_equal(x86_decode(&in, c.bytes + 6, a->len - 6, X86_MODE_64), 0);
    assert_int_equal(in.iclass, X86_I_JRCXZ);
    assert_int_equal(6 + in.len + in.imm, a->len);
    assert_int_equal(x86_decode(&in, c.bytes + 8, a->len - 8, X86_MODE_64), 0);
    assert_int_equal(8 + in.len + (int64_t)in.imm, 0);
}

static void alignment(void **state)
{
    struct code c;
    (void)state;
    for (unsigned at = 0; at < 16; at++) {
        for (unsigned before = 0; before < 3; before++) {
            struct asm_buf *a = begin(&c);
            a->len = at;
            asm_align_field(a, before);
            assert_true(((a->len + before) & 7) <= 4);
        }
    }
}

static void overflow(void **state)
{
    uint8_t bytes[8] = {0};
    struct asm_buf a = {.bytes = bytes, .size = 4};
    (void)state;
    asm_mov_imm32(&a, H_RAX, 1);
    assert_true(a.full && a.len <= 4);
    asm_here(&a, asm_jmp(&a));
    assert_int_equal(bytes[4] | bytes[5] | bytes[6] | bytes[7], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_operands), cmocka_unit_test(registers),
        cmocka_unit_test(immediates),      cmocka_unit_test(jumps),
        cmocka_unit_test(alignment),       cmocka_unit_test(overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
