/*
 * A hart's state across modes: floating point's in S and U, vectored interrupts and their priority,
 * what MRET leaves behind, reservations.
 *
 * qemu-system-riscv64 7.2 judges the rest, not these: it keeps MPRV over MRET and an unknown mode
 * in MPP, and lets a misaligned SC without a reservation fail.
 */
#include "kit.h"

#define MSTATUS_FS (3ull << 13)

static volatile uint64_t vector_hit;

static void floating_point_state(void)
{
    csr_set(mstatus, MSTATUS_FS);
    insn("fcvt.d.l f1, zero");
    to_mode(S);
    csr_clear(sstatus, MSTATUS_FS);
    CHECK_TRAP(insn("fadd.d f1, f1, f1"), ILLEGAL, 0x0210f0d3, M);
    csr_set(mstatus, 2ull << 13); /* Clean */
    to_mode(S);
    CHECK_NO_TRAP(insn("fmv.x.d t2, f1"));
    CHECK_EQ(csr_read(sstatus) >> 13 & 2, 2); /* Dirty, too, is allowed: it may be imprecise */
    CHECK_NO_TRAP(insn("csrwi frm, 1"));
    CHECK_EQ(csr_read(sstatus) >> 13 & 3, 3);
    CHECK_EQ(csr_read(sstatus) >> 63, 1);
    CHECK_NO_TRAP(insn("csrwi frm, 5"));
    CHECK_TRAP(insn("fadd.d f1, f1, f1"), ILLEGAL, 0x0210f0d3, M);
    csr_write(frm, 0);
    to_mode(U);
    CHECK_NO_TRAP(insn("fadd.d f1, f1, f1"));
    to_m();
    csr_clear(mstatus, MSTATUS_FS);
    to_mode(U);
    CHECK_TRAP(insn("fsd f1, -256(sp)"), ILLEGAL, 0xf0113027, M);
    to_mode(U);
    CHECK_TRAP(csr_read(fflags), ILLEGAL, trap.tval, M);
}

/* Vectors note themselves in vector_hit: 0x100 of exceptions, the cause's own number, or 1. */
__asm__(
    ".balign 256\n"
    "vectors: .option push\n.option norvc\n"
    "j vector_0\nj vector_1\nj vector_1\nj vector_3\nj vector_1\nj vector_1\nj vector_1\nj "
    "vector_7\n"
    "j vector_1\nj vector_1\nj vector_1\nj vector_1\n"
    ".option pop\n"
    ".macro vector n\n"
    "vector_\\n: csrw mscratch, t0\ncsrw mie, zero\nla t0, vector_hit\nsd t1, -8(sp)\nli t1, \\n\n"
    "sd t1, (t0)\nld t1, -8(sp)\n"
    ".endm\n"
    "vector 0\ncsrr t0, mepc\naddi t0, t0, 4\ncsrw mepc, t0\ncsrr t0, mscratch\nmret\n"
    "vector 1\ncsrr t0, mscratch\nmret\n"
    "vector 3\ncsrr t0, mscratch\nmret\n"
    "vector 7\ncsrr t0, mscratch\nmret\n");
extern char vectors[];

static void vectored_interrupts(void)
{
    uint64_t handler = csr_read(mtvec);

    csr_write(mtvec, (uint64_t)vectors | 1);
    CHECK_EQ(csr_read(mtvec), (uint64_t)vectors | 1);
    vector_hit = 99;
    insn(".word 0xffffffff");
    CHECK_EQ(vector_hit, 0);
    *CLINT_MSIP(0) = 1;
    *CLINT_MTIMECMP(0) = 0;
    while ((csr_read(mip) & 0x88) != 0x88)
        ;
    csr_write(mie, 0x88);
    csr_set(mstatus, MSTATUS_MIE); /* both wait: software comes before the timer */
    CHECK_EQ(vector_hit, 3);
    *CLINT_MSIP(0) = 0;
    while (csr_read(mip) & 8)
        ;
    csr_write(mie, 0x88);
    CHECK_EQ(vector_hit, 7);
    csr_clear(mstatus, MSTATUS_MIE);
    *CLINT_MTIMECMP(0) = -1;
    csr_write(mtvec, handler);
}

static void returns(void)
{
    csr_set(mstatus, MSTATUS_MPRV);
    to_mode(U); /* to a lesser mode: MPRV goes */
    to_m();
    CHECK_EQ(csr_read(mstatus) & MSTATUS_MPRV, 0);
    csr_set(mstatus, MSTATUS_MPP);
    CHECK_EQ(csr_read(mstatus) & MSTATUS_MPP, MSTATUS_MPP);
    csr_clear(mstatus, MSTATUS_MPP);
    csr_set(mstatus, 2ull << 11); /* no such mode: not taken */
    CHECK_EQ((csr_read(mstatus) & MSTATUS_MPP) != 2ull << 11, 1);
    csr_set(mstatus, 1ull << 7); /* MPIE */
    __asm__ volatile("csrs mstatus, %0\nla t0, 1f\ncsrw mepc, t0\nmret\n1:" ::"r"(MSTATUS_MPP)
                     : "t0", "memory");
    CHECK_EQ(csr_read(mstatus) & MSTATUS_MIE, MSTATUS_MIE);
    CHECK_EQ(csr_read(mstatus) >> 7 & 1, 1);
    CHECK_EQ(csr_read(mstatus) & MSTATUS_MPP, 0);
    csr_clear(mstatus, MSTATUS_MIE);
}

static uint64_t conditional(volatile uint64_t *to, uint64_t v)
{
    uint64_t failed;

    __asm__ volatile("sc.d %0, %2, (%1)" : "=&r"(failed) : "r"(to), "r"(v) : "memory");
    return failed;
}

static uint64_t reserve(volatile uint64_t *from)
{
    uint64_t v;

    __asm__ volatile("lr.d %0, (%1)" : "=r"(v) : "r"(from) : "memory");
    return v;
}

static void reservations(void)
{
    static volatile uint64_t a = 5, b = 6;

    CHECK_EQ(reserve(&a), 5);
    CHECK_EQ(conditional(&a, 50), 0);
    CHECK_EQ(a, 50);
    CHECK_EQ(conditional(&a, 51) != 0, 1); /* used up */
    CHECK_EQ(reserve(&a), 50);
    CHECK_EQ(conditional(&b, 60) != 0, 1); /* another place, and used up again */
    CHECK_EQ(conditional(&a, 52) != 0, 1);
    CHECK_EQ(a, 50);
    CHECK_EQ(b, 6);
    CHECK_TRAP(reserve((volatile uint64_t *)((uint64_t)&a + 4)), LOAD_MISALIGNED, (uint64_t)&a + 4,
               M);
    CHECK_TRAP(conditional((volatile uint64_t *)((uint64_t)&a + 4), 0), STORE_MISALIGNED,
               (uint64_t)&a + 4, M);
}

int main(void)
{
    open_pmp();
    floating_point_state();
    vectored_interrupts();
    returns();
    reservations();
    return 0;
}
