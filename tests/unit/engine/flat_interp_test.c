/*
 * Harts of a process VM on the interpreter: a page of code, a page of data, and what comes out.
 */
#include "unit/cmocka_all.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/compiler.h"
#include "engine/flat.h"
#include "isa/riscv/trap.h"

enum { CODE = 0x10000, DATA = 0x20000, HOLE = 0x30000, ARENA = 1 << 20 };

/* What the tests assemble. */
#define ADDI(rd, rs, imm)    ((uint32_t)(imm) << 20 | (rs) << 15 | (rd) << 7 | 0x13)
#define LUI(rd, imm)         ((uint32_t)(imm) << 12 | (rd) << 7 | 0x37)
#define ADD(rd, a, b)        ((uint32_t)(b) << 20 | (a) << 15 | (rd) << 7 | 0x33)
#define LD(rd, rs, imm)      ((uint32_t)(imm) << 20 | (rs) << 15 | 3 << 12 | (rd) << 7 | 0x03)
#define SD(rs2, rs1, imm)    ((uint32_t)(rs2) << 20 | (rs1) << 15 | 3 << 12 | (imm) << 7 | 0x23)
#define SW(rs2, rs1, imm)    ((uint32_t)(rs2) << 20 | (rs1) << 15 | 2 << 12 | (imm) << 7 | 0x23)
#define BNEZ_BACK(rs)        (0xfe001ce3u | (rs) << 15) /* to two instructions before */
#define AMOADD_D(rd, r2, r1) ((uint32_t)(r2) << 20 | (r1) << 15 | 3 << 12 | (rd) << 7 | 0x2f)
#define LR_D(rd, r1)         (2u << 27 | (r1) << 15 | 3 << 12 | (rd) << 7 | 0x2f)
#define SC_D(rd, r2, r1)     (3u << 27 | (r2) << 20 | (r1) << 15 | 3 << 12 | (rd) << 7 | 0x2f)
#define FENCE_I              0x100fu
#define ECALL                0x73u
#define CSRRS(rd, csr)       ((uint32_t)(csr) << 20 | 2 << 12 | (rd) << 7 | 0x73)
enum { A0 = 10, A1, A2, A3 };

struct fixture {
    struct flat_space space;
    struct riscv_cpu *cpu;
    uint8_t *base;
};

static struct riscv_cpu *faulting; /* the handler's */

static bool executable(void *opaque, gva_t va)
{
    (void)opaque;
    return va >= CODE && va < DATA;
}

static void on_fault(int sig, siginfo_t *info, void *uc)
{
    gva_t va = (uintptr_t)info->si_addr - faulting->flat_base;
    (void)sig;
    flat_interp_riscv.host_fault(faulting, RISCV_EXC_LOAD_PAGE, va, uc);
}

static int setup(void **state)
{
    static struct fixture f;
    struct error err = {0};
    f.base = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(f.base + HOLE, 0x1000, PROT_NONE);
    f.space =
        (struct flat_space){.base = (uintptr_t)f.base, .size = ARENA, .executable = executable};
    f.cpu = aligned_alloc(64, (sizeof(struct riscv_cpu) + 63) & ~(size_t)63);
    memset(f.cpu, 0, sizeof(*f.cpu));
    f.cpu->flat_base = (uintptr_t)f.base;
    f.cpu->flat_size = ARENA;
    assert_int_equal(flat_interp_riscv.init(&f.space, &err), 0);
    assert_int_equal(flat_interp_riscv.hart_init(&f.space, f.cpu, &err), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    flat_interp_riscv.hart_destroy(f->cpu);
    flat_interp_riscv.destroy(&f->space);
    free(f->cpu);
    munmap(f->base, ARENA);
    return 0;
}

static struct riscv_cpu *load(struct fixture *f, const uint32_t *code, size_t len)
{
    memcpy(f->base + CODE, code, len);
    flat_interp_riscv.drop_code(f->cpu, CODE, CODE + len);
    memset(f->cpu->x, 0, sizeof(f->cpu->x));
    f->cpu->pc = CODE;
    f->cpu->x[A1] = DATA;
    return f->cpu;
}
#define LOAD(f, code) load(f, code, sizeof(code))

static void runs_to(struct riscv_cpu *c, uint64_t cause, uint64_t pc, uint64_t tval)
{
    assert_int_equal(flat_interp_riscv.run(c), FLAT_EXCEPTION);
    assert_int_equal(c->exc_cause, cause);
    assert_int_equal(c->pc, pc);
    assert_int_equal(c->exc_tval, tval);
}

static void a_loop_sums_and_calls(void **state)
{
    static const uint32_t code[] = {ADDI(A0, 0, 100), ADD(A2, A2, A0), ADDI(A0, A0, -1),
                                    BNEZ_BACK(A0), ECALL};
    struct riscv_cpu *c = LOAD(*state, code);
    runs_to(c, RISCV_EXC_ECALL_U, CODE + 16, 0);
    assert_int_equal(c->x[A2], 5050);
    assert_int_equal(c->x[0], 0);
}

static void x0_stays_zero(void **state)
{
    static const uint32_t code[] = {ADDI(0, 0, 5), LD(0, A1, 0), ADD(A2, 0, 0), ECALL};
    struct riscv_cpu *c = LOAD(*state, code);
    c->x[A2] = 7;
    runs_to(c, RISCV_EXC_ECALL_U, CODE + 12, 0);
    assert_int_equal(c->x[A2], 0);
}

static void memory_is_direct_and_misaligned_is_fine(void **state)
{
    static const uint32_t code[] = {SD(A2, A1, 3), LD(A3, A1, 3), ECALL};
    struct fixture *f = *state;
    struct riscv_cpu *c = LOAD(f, code);
    c->x[A2] = UINT64_C(0x1122334455667788);
    runs_to(c, RISCV_EXC_ECALL_U, CODE + 8, 0);
    assert_int_equal(c->x[A3], UINT64_C(0x1122334455667788));
    assert_int_equal(f->base[DATA + 3], 0x88);
}

static void faults_are_precise(void **state)
{
    static const uint32_t code[] = {ADDI(A2, 0, 1), LD(A2, A1, 8), ADDI(A2, 0, 2), ECALL};
    struct riscv_cpu *c = LOAD(*state, code);
    struct sigaction old, sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGSEGV, &sa, &old);
    faulting = c;
    c->x[A1] = HOLE;
    runs_to(c, RISCV_EXC_LOAD_PAGE, CODE + 4, HOLE + 8);
    sigaction(SIGSEGV, &old, NULL);
    assert_int_equal(c->x[A2], 1);
    c->pc = CODE;
    c->x[A1] = ARENA;
    runs_to(c, RISCV_EXC_LOAD_ACCESS, CODE + 4, ARENA + 8);
}

static void illegal_code_and_no_code(void **state)
{
    static const uint32_t code[] = {ADDI(A2, 0, 1), 0xffffffff, 0x30002573 /* mstatus */};
    struct riscv_cpu *c = LOAD(*state, code);
    runs_to(c, RISCV_EXC_ILLEGAL, CODE + 4, 0xffffffff);
    c->pc = CODE + 8;
    runs_to(c, RISCV_EXC_ILLEGAL, CODE + 8, 0x30002573);
    c->pc = DATA;
    runs_to(c, RISCV_EXC_FETCH_PAGE, DATA, DATA);
}

static void atomics(void **state)
{
    static const uint32_t code[] = {AMOADD_D(A0, A2, A1), LR_D(A3, A1), SC_D(A2, A1, A1),
                                    SC_D(A0 + 5, A1, A1), 0};
    struct fixture *f = *state;
    struct riscv_cpu *c = LOAD(f, code);
    *(uint64_t *)(void *)(f->base + DATA) = 40;
    c->x[A2] = 2;
    assert_int_equal(flat_interp_riscv.run(c), FLAT_EXCEPTION); /* runs into zeroes */
    assert_int_equal(c->exc_cause, RISCV_EXC_ILLEGAL);
    assert_int_equal(c->x[A3], 42);
    assert_int_equal(c->x[A2], 0);     /* SC succeeded */
    assert_int_equal(c->x[A0 + 5], 1); /* the reservation was gone */
    assert_int_equal(*(uint64_t *)(void *)(f->base + DATA), DATA);
    c->pc = CODE;
    c->x[A1] = DATA + 4;
    runs_to(c, RISCV_EXC_STORE_MISALIGNED, CODE, DATA + 4);
}

/* The patched instruction lies in a block of its own page that has been run. */
static void fence_i_sees_new_code(void **state)
{
    static const uint32_t code[] = {SW(A2, A1, 16), FENCE_I,        ADDI(A0, 0, 1),
                                    ADDI(0, 0, 0),  ADDI(A3, 0, 1), ECALL};
    struct riscv_cpu *c = LOAD(*state, code);
    c->x[A1] = CODE;
    c->x[A2] = ADDI(A3, 0, 1);
    runs_to(c, RISCV_EXC_ECALL_U, CODE + 20, 0);
    assert_int_equal(c->x[A3], 1);
    c->pc = CODE;
    c->x[A2] = ADDI(A3, 0, 2);
    runs_to(c, RISCV_EXC_ECALL_U, CODE + 20, 0);
    assert_int_equal(c->x[A3], 2);
}

static void attention_ends_the_run(void **state)
{
    static const uint32_t code[] = {0x0000006f}; /* jal zero, . */
    struct riscv_cpu *c = LOAD(*state, code);
    riscv_want_attention(c, RISCV_ATTN_REQUEST);
    assert_int_equal(flat_interp_riscv.run(c), FLAT_ATTENTION);
    assert_int_equal(c->pc, CODE);
    atomic_store(&c->attention, 0);
}

static void counters_count(void **state)
{
    static const uint32_t code[] = {CSRRS(A0, 0xc02), ADDI(0, 0, 0), ADDI(0, 0, 0),
                                    CSRRS(A2, 0xc02), ECALL};
    struct riscv_cpu *c = LOAD(*state, code);
    runs_to(c, RISCV_EXC_ECALL_U, CODE + 16, 0);
    assert_int_equal(c->x[A2] - c->x[A0], 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_sums_and_calls),
        cmocka_unit_test(x0_stays_zero),
        cmocka_unit_test(memory_is_direct_and_misaligned_is_fine),
        cmocka_unit_test(faults_are_precise),
        cmocka_unit_test(illegal_code_and_no_code),
        cmocka_unit_test(atomics),
        cmocka_unit_test(fence_i_sees_new_code),
        cmocka_unit_test(attention_ends_the_run),
        cmocka_unit_test(counters_count),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
