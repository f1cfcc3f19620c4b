/*
 * When floating-point instructions are illegal, what makes mstatus.FS Dirty, and that the host's
 * FPU is given back: what a program cannot see, or only by a signal. [RISC-V priv 3.1.6.6;
 * unpriv 20.2]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>
#include <xmmintrin.h>

#include "isa/riscv/fp_state.h"
#include "isa/riscv/op.h"
#include "isa/riscv/regs.h"
#include "isa/riscv/trap.h"

enum {
    FADD_D = 0x02b576d3,       /* fadd.d fa3, fa0, fa1 */
    FADD_D_RMM = 0x02b546d3,   /* ..., rmm */
    FSGNJ_D = 0x22b506d3,      /* fsgnj.d fa3, fa0, fa1 */
    FMV_X_D = 0xe20506d3,      /* fmv.x.d a3, fa0 */
    FCLASS_D = 0xe20516d3,     /* fclass.d a3, fa0 */
    FLT_D = 0xa2b516d3,        /* flt.d a3, fa0, fa1 */
    FLD = 0x00053687,          /* fld fa3, 0(a0) */
    FSD = 0x00b53027,          /* fsd fa1, 0(a0) */
    FCVT_W_D_RTZ = 0xc20516d3, /* fcvt.w.d a3, fa0, rtz */
    FCVT_D_L = 0xd22576d3,     /* fcvt.d.l fa3, a0 */
    FADD_S_RM5 = 0x00b556d3,   /* a reserved rounding mode */
};

static const uint32_t all[] = {FADD_D, FADD_D_RMM, FSGNJ_D,      FMV_X_D, FCLASS_D,
                               FLT_D,  FLD,        FCVT_W_D_RTZ, FSD,     FCVT_D_L};
static const uint64_t one = 0x3ff0000000000000;

struct hart {
    struct riscv_cpu c;
    struct tlb tlb;
    uint64_t memory;
};

static void make_hart(struct hart *h, uint64_t fs)
{
    memset(h, 0, sizeof(*h));
    h->c.tlb = &h->tlb;
    h->c.flat_base = (uintptr_t)&h->memory;
    h->c.flat_size = sizeof(h->memory);
    h->c.priv = RISCV_U;
    h->c.mstatus = fs;
    h->c.f[10] = h->c.f[11] = one;
    riscv_fp_changed(&h->c);
}

static void stop(struct riscv_cpu *c, const struct riscv_op *op)
{
    c->pc = riscv_op_next_pc(c, op);
}

/* False: it raised, exc_cause and exc_tval say what. */
static bool execute(struct hart *h, uint32_t bits)
{
    struct riscv_op ops[2];
    struct riscv_insn in;

    (void)!riscv_decode(&in, bits);
    riscv_lower(&ops[0], &in, 0);
    ops[1] = (struct riscv_op){.fn = stop, .next = 4};
    if (setjmp(h->c.unwind))
        return false;
    ops[0].fn(&h->c, ops);
    return true;
}

static void assert_illegal(struct hart *h, uint32_t bits)
{
    uint8_t fflags = h->c.fflags;

    assert_false(execute(h, bits));
    assert_int_equal(h->c.exc_cause, RISCV_EXC_ILLEGAL);
    assert_int_equal(h->c.exc_tval, bits);
    assert_int_equal(h->c.f[13], 0);
    assert_int_equal(h->c.x[13], 0);
    assert_int_equal(h->c.fflags, fflags);
}

static void off_is_illegal(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct hart h;
        make_hart(&h, 0);
        assert_illegal(&h, all[i]);
        assert_int_equal(h.c.mstatus, 0);
        assert_int_equal(h.memory, 0);
    }
}

static void off_again_is_illegal_again(void **state)
{
    struct hart h;

    (void)state;
    make_hart(&h, MSTATUS_FS);
    assert_true(execute(&h, FADD_D));
    h.c.f[13] = 0;
    h.c.mstatus = 0;
    riscv_fp_changed(&h.c);
    assert_illegal(&h, FADD_D);
    assert_int_equal(_mm_getcsr(), 0x1f80);
}

static void use_makes_dirty(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        bool reads_only = all[i] == FSD || all[i] == FMV_X_D || all[i] == FCLASS_D;
        struct hart h;
        make_hart(&h, 0x4000); /* Clean */
        assert_true(execute(&h, all[i]));
        assert_int_equal(h.c.mstatus, reads_only ? 0x4000 : MSTATUS_FS);
        riscv_fp_leave(&h.c);
        assert_int_equal(_mm_getcsr(), 0x1f80);
    }
}

static void reserved_modes_are_illegal(void **state)
{
    struct hart h;

    (void)state;
    make_hart(&h, MSTATUS_FS);
    assert_illegal(&h, FADD_S_RM5);
    riscv_fp_csr_write(&h.c, 2, 6);
    assert_illegal(&h, FADD_D);
    assert_illegal(&h, FCVT_D_L);
    /* What does not round does not mind, nor what says how. */
    assert_true(execute(&h, FSGNJ_D));
    assert_true(execute(&h, FLT_D));
    assert_true(execute(&h, FCVT_W_D_RTZ));
    assert_int_equal(h.c.x[13], 1);
    assert_true(execute(&h, FADD_D_RMM));
    assert_int_equal(h.c.f[13], 0x4000000000000000);
    riscv_fp_leave(&h.c);
}

/* One third, down and up, is not the same; and the flag is there when asked for. */
static void new_mode_applies_at_once(void **state)
{
    const uint32_t fdiv_d = 0x1ab576d3;
    struct hart h;

    (void)state;
    make_hart(&h, MSTATUS_FS);
    h.c.f[11] = 0x4008000000000000;
    riscv_fp_csr_write(&h.c, 2, RISCV_RDN);
    for (unsigned i = 0; i < 3; i++)
        assert_true(execute(&h, fdiv_d));
    assert_int_equal(h.c.f[13], 0x3fd5555555555555);
    riscv_fp_csr_write(&h.c, 2, RISCV_RUP);
    for (unsigned i = 0; i < 3; i++)
        assert_true(execute(&h, fdiv_d));
    assert_int_equal(h.c.f[13], 0x3fd5555555555556);
    assert_int_equal(riscv_fp_csr_read(&h.c, 1), RISCV_NX);
    riscv_fp_leave(&h.c);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(off_is_illegal),           cmocka_unit_test(off_again_is_illegal_again),
        cmocka_unit_test(use_makes_dirty),          cmocka_unit_test(reserved_modes_are_illegal),
        cmocka_unit_test(new_mode_applies_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
