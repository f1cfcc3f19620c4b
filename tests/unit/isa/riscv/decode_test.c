/*
 * The decoder: every pattern finds itself, immediates come together, and what is reserved is
 * illegal.
 */
#include "isa/riscv/insn.h"

#include <stdlib.h>

#include "base/compiler.h"
#include "isa/riscv/disasm.h"
#include "isa/riscv/op_info.h"
#include "unit/cmocka_all.h"

struct pattern {
    const char *name;
    uint32_t mask, value;
    unsigned width;
    enum riscv_op_id op;
};

static const struct pattern patterns[] = {
#include "isa/riscv/patterns.inc"
};

static uint32_t random32(unsigned *seed)
{
    return (uint32_t)rand_r(seed) << 20 ^ (uint32_t)rand_r(seed) << 7 ^ (uint32_t)rand_r(seed);
}

/* Some values of the free bits are reserved: rounding modes, and zeros of compressed forms. */
static void each_pattern_finds_itself(void **state)
{
    unsigned seed = 1;
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(patterns); i++) {
        const struct pattern *p = &patterns[i];
        unsigned hits = 0;
        for (unsigned n = 0; n < 200; n++) {
            struct riscv_insn in;
            uint32_t bits = (random32(&seed) & ~p->mask) | p->value;
            if (p->width == 16)
                bits &= 0xffff;
            int r = riscv_decode(&in, bits);
            assert_int_equal(in.len, p->width / 8);
            assert_int_equal(in.raw, bits);
            hits += r == 0 && in.op == p->op;
        }
        if (hits < 100)
            fail_msg("%s was found %u times of 200", p->name, hits);
    }
}

static struct riscv_insn decoded(uint32_t bits)
{
    struct riscv_insn in;
    assert_int_equal(riscv_decode(&in, bits), 0);
    return in;
}

static void immediates_come_together(void **state)
{
    (void)state;
    static const struct {
        uint32_t bits;
        enum riscv_op_id op;
        int32_t imm;
    } cases[] = {
        {0xfff00513, RISCV_OP_ADDI, -1},       /* li a0, -1 */
        {0x80000537, RISCV_OP_LUI, INT32_MIN}, /* lui a0, 0x80000 */
        {0xfe000fa3, RISCV_OP_SB, -1},         /* sb zero, -1(zero) */
        {0xfe000ee3, RISCV_OP_BEQ, -4},        /* beq zero, zero, .-4 */
        {0x7e000fe3, RISCV_OP_BEQ, 4094},      /* the farthest */
        {0x80000063, RISCV_OP_BEQ, -4096},
        {0xffdff06f, RISCV_OP_JAL, -4},
        {0x8000006f, RISCV_OP_JAL, -(1 << 20)},
        {0x7ffff06f, RISCV_OP_JAL, (1 << 20) - 2},
        {0x03f51513, RISCV_OP_SLLI, 63},
        {0x43f55513, RISCV_OP_SRAI, 63},
        {0x41f5551b, RISCV_OP_SRAIW, 31},
        {0x0ff0000f, RISCV_OP_FENCE, 0xff},
        {0x7139, RISCV_OP_ADDI, -64},  /* addi sp, sp, -64 */
        {0x1fe8, RISCV_OP_ADDI, 1020}, /* c.addi4spn a0, sp, 1020 */
        {0x757d, RISCV_OP_LUI, -4096}, /* c.lui a0, 0xfffff */
        {0xbffd, RISCV_OP_JAL, -2},    /* c.j .-2 */
        {0x557d, RISCV_OP_ADDI, -1},
        {0x757e, RISCV_OP_LD, 504}, /* ld a0, 504(sp) */
    };
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct riscv_insn in = decoded(cases[i].bits);
        assert_int_equal(in.op, cases[i].op);
        assert_int_equal(in.imm, cases[i].imm);
    }
}

static void fields_land_where_they_belong(void **state)
{
    (void)state;
    struct riscv_insn in = decoded(0x62a5f4c3); /* fmadd.d fs1, fa1, fa0, fa2 ... */
    assert_int_equal(in.op, RISCV_OP_FMADD_D);
    assert_int_equal(in.rd, 9);
    assert_int_equal(in.rs1, 11);
    assert_int_equal(in.rs2, 10);
    assert_int_equal(in.rs3, 12);
    assert_int_equal(in.rm, 7);
    in = decoded(0x0e5626af); /* amoswap.w.aqrl a3, t0, (a2) */
    assert_int_equal(in.op, RISCV_OP_AMOSWAP_W);
    assert_int_equal(in.rm, 3);
    in = decoded(0x30047073); /* csrrci zero, mstatus, 8 */
    assert_int_equal(in.op, RISCV_OP_CSRRCI);
    assert_int_equal(in.csr, 0x300);
    assert_int_equal(in.imm, 8);
    in = decoded(0x8552); /* c.mv a0, s4 */
    assert_int_equal(in.op, RISCV_OP_ADD);
    assert_int_equal(in.rd, 10);
    assert_int_equal(in.rs1, 0);
    assert_int_equal(in.rs2, 20);
}

static void reserved_is_illegal(void **state)
{
    static const uint32_t words[] = {
        0x0000,                /* defined illegal */
        0xffffffff,            /* the other one */
        0x0004,                /* c.addi4spn of 0 */
        0x6101,                /* c.addi16sp of 0 */
        0x6501,                /* c.lui of 0 */
        0x2001,                /* c.addiw x0 */
        0x4002,                /* c.lwsp x0 */
        0x6002,                /* c.ldsp x0 */
        0x8002,                /* c.jr x0 */
        0x9c41,                /* reserved beside c.addw */
        0x8000,                /* reserved in quadrant 0 */
        0x0005551b | 1u << 25, /* srliw by 32 */
    };
    struct riscv_insn in;
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
        assert_int_equal(riscv_decode(&in, words[i]), -1);
    /* fadd.s with the reserved rounding modes */
    assert_int_equal(riscv_decode(&in, 0x00b50553 | 4u << 12), 0);
    assert_int_equal(riscv_decode(&in, 0x00b50553 | 5u << 12), -1);
    assert_int_equal(riscv_decode(&in, 0x00b50553 | 6u << 12), -1);
    assert_int_equal(riscv_decode(&in, 0x00b50553 | 7u << 12), 0);
}

/* Whatever the bits: an answer in range, and a text. */
static void any_bits_are_answered(void **state)
{
    unsigned seed = 7;
    char text[64];
    (void)state;
    for (unsigned n = 0; n < 200000; n++) {
        struct riscv_insn in;
        uint32_t bits = n < 0x10000 ? n : random32(&seed);
        int r = riscv_decode(&in, bits);
        assert_true((r == 0) == (in.op != RISCV_OP_ILLEGAL));
        assert_true(in.op < RISCV_OPS && in.rd < 32 && in.rs1 < 32 && in.rs2 < 32 && in.rs3 < 32);
        assert_true(riscv_op_info[in.op].name != NULL);
        riscv_disasm(text, sizeof(text), &in, 0x1000);
        assert_true(text[0] != 0);
    }
}

static void disassembly_is_cut_not_overrun(void **state)
{
    struct riscv_insn in = decoded(0x62a5f4c3);
    char text[8] = "1234567";
    (void)state;
    riscv_disasm(text, 5, &in, 0);
    assert_string_equal(text, "fmad");
    assert_int_equal(text[5], '6');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_pattern_finds_itself),
        cmocka_unit_test(immediates_come_together),
        cmocka_unit_test(fields_land_where_they_belong),
        cmocka_unit_test(reserved_is_illegal),
        cmocka_unit_test(any_bits_are_answered),
        cmocka_unit_test(disassembly_is_cut_not_overrun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
