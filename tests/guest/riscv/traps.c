/*
 * Exceptions, privilege modes, CSR rights, delegation, interrupts.
 */
#include "kit.h"

static void exceptions_in_m(void)
{
    CHECK_TRAP(insn(".word 0xffffffff"), ILLEGAL, 0xffffffff, M);
    CHECK_TRAP(insn("ecall"), ECALL_M, 0, M);
    trap.count = 0;
    insn("ebreak");
    CHECK_EQ(trap.cause, BREAKPOINT);
    CHECK_TRAP(csr_read(0x7c5), ILLEGAL, trap.tval, M); /* there is no such CSR */
    CHECK_EQ(trap.tval >> 20, 0x7c5);
    CHECK_TRAP(insn("csrw 0xf14, zero"), ILLEGAL, 0xf1401073, M); /* read-only */
    CHECK_NO_TRAP(insn("csrrs t2, 0xf14, zero"));
    uint64_t x = 0;
    CHECK_TRAP(try_amo((uint64_t)&x + 4), STORE_MISALIGNED, (uint64_t)&x + 4, M);
    char bytes[24] = {0};
    CHECK_NO_TRAP(try_store((uint64_t)bytes + 3, 0x1122334455667788));
    CHECK_EQ(try_load((uint64_t)bytes + 3), 0x1122334455667788);
    CHECK_EQ((uint8_t)bytes[3], 0x88);
}

static void csr_values(void)
{
    CHECK_EQ(csr_read(misa) >> 62, 2);
    CHECK_EQ(csr_read(misa) & 0x14112d, 0x14112d); /* ACDFIMSU */
    csr_write(mepc, 0x80000003);
    CHECK_EQ(csr_read(mepc), 0x80000002);
    csr_write(mscratch, -1);
    CHECK_EQ(csr_read(mscratch), -1ull);
    csr_write(satp, 5ull << 60 | 1); /* no such mode: ignored */
    CHECK_EQ(csr_read(satp), 0);
    csr_set(mstatus, 3ull << 13);
    CHECK_EQ(csr_read(mstatus) >> 63, 1);
    CHECK_EQ(csr_read(sstatus) >> 63, 1);
    csr_clear(mstatus, 3ull << 13);
    CHECK_EQ(csr_read(mstatus) >> 63, 0);
    CHECK_TRAP(insn("fadd.d f1, f1, f1"), ILLEGAL, 0x0210f0d3, M);
    CHECK_TRAP(csr_read(fcsr), ILLEGAL, trap.tval, M);
    csr_set(mstatus, 1ull << 13);
    CHECK_NO_TRAP(insn("fadd.d f1, f1, f1"));
    CHECK_EQ(csr_read(mstatus) >> 13 & 3, 3);   /* it is dirty now */
    CHECK_EQ(csr_read(mstatus) >> 32 & 15, 10); /* 64 bits in S and U */
}

static void in_s(void)
{
    to_mode(S);
    CHECK_TRAP(csr_read(mstatus), ILLEGAL, trap.tval, M);
    to_mode(S);
    CHECK_NO_TRAP(csr_read(sstatus));
    CHECK_TRAP(insn("mret"), ILLEGAL, 0x30200073, M);
    to_mode(S);
    CHECK_TRAP(insn("ecall"), ECALL_S, 0, M);
    csr_set(mstatus, MSTATUS_TVM | MSTATUS_TW | MSTATUS_TSR);
    to_mode(S);
    CHECK_TRAP(csr_read(satp), ILLEGAL, trap.tval, M);
    to_mode(S);
    CHECK_TRAP(insn("sfence.vma"), ILLEGAL, 0x12000073, M);
    to_mode(S);
    CHECK_TRAP(insn("sret"), ILLEGAL, 0x10200073, M);
    to_mode(S);
    CHECK_TRAP(insn("wfi"), ILLEGAL, 0x10500073, M);
    csr_clear(mstatus, MSTATUS_TVM | MSTATUS_TW | MSTATUS_TSR);
}

static void in_u(void)
{
    to_mode(U);
    CHECK_TRAP(csr_read(sstatus), ILLEGAL, trap.tval, M);
    to_mode(U);
    CHECK_TRAP(insn("sfence.vma"), ILLEGAL, 0x12000073, M);
    to_mode(U);
    CHECK_TRAP(insn("sret"), ILLEGAL, 0x10200073, M);
    to_mode(U);
    CHECK_TRAP(insn("ecall"), ECALL_U, 0, M);
    CHECK_EQ(csr_read(mstatus) >> 11 & 3, U);
}

static void counters(void)
{
    csr_write(mcounteren, 0);
    csr_write(scounteren, 0);
    to_mode(S);
    CHECK_TRAP(csr_read(instret), ILLEGAL, trap.tval, M);
    csr_write(mcounteren, 7);
    to_mode(S);
    CHECK_NO_TRAP(csr_read(instret));
    to_m();
    to_mode(U);
    CHECK_TRAP(csr_read(time), ILLEGAL, trap.tval, M);
    csr_write(scounteren, 7);
    to_mode(U);
    CHECK_NO_TRAP(csr_read(time));
    to_m();
    /* An engine may count its host's cycles for both. */
    uint64_t a = csr_read(minstret);
    insn("nop\nnop\nnop\nnop");
    CHECK_EQ(csr_read(minstret) - a >= 5, 1);
    csr_write(mcycle, 1000);
    CHECK_EQ(csr_read(mcycle) - 1000 < 100000000, 1);
}

static void delegation(void)
{
    csr_write(medeleg, 1 << ILLEGAL | 1 << ECALL_U);
    csr_write(stvec, (uint64_t)trap_s);
    to_mode(S);
    CHECK_TRAP(insn(".word 0"), ILLEGAL, 0, S);
    CHECK_EQ(trap.status >> 8 & 1, 1); /* SPP */
    to_m();
    to_mode(U);
    CHECK_TRAP(insn("ecall"), ECALL_U, 0, S);
    CHECK_EQ(trap.status >> 8 & 1, 0);
    to_m();
    CHECK_TRAP(insn(".word 0"), ILLEGAL, 0, M); /* M's own are never delegated */
    csr_write(medeleg, -1);
    CHECK_EQ(csr_read(medeleg) >> ECALL_M & 1, 0);
    csr_write(medeleg, 0);
}

static void software_interrupts(void)
{
    trap.count = 0;
    *CLINT_MSIP(0) = 1;
    while (!(csr_read(mip) & 8))
        ;
    csr_write(mie, 8);
    CHECK_EQ(trap.count, 0);
    csr_set(mstatus, MSTATUS_MIE);
    CHECK_EQ(trap.count, 1);
    CHECK_EQ(trap.cause, INTERRUPT | 3);
    csr_clear(mstatus, MSTATUS_MIE);
    *CLINT_MSIP(0) = 0;
    while (csr_read(mip) & 8)
        ;
    /* In S-mode an interrupt for M comes in spite of MIE. */
    csr_write(mie, 8);
    *CLINT_MSIP(0) = 1;
    trap.count = 0;
    to_mode(S);
    while (!trap.count)
        ;
    to_m();
    *CLINT_MSIP(0) = 0;
}

static void delegated_interrupts(void)
{
    csr_write(mideleg, 2);
    CHECK_EQ(csr_read(mideleg) & 2, 2);
    csr_write(mie, 2);
    csr_set(mip, 2);
    trap.count = 0;
    csr_set(mstatus, MSTATUS_MIE);
    CHECK_EQ(trap.count, 0); /* not in M */
    csr_clear(mstatus, MSTATUS_MIE | MSTATUS_SIE);
    to_mode(S);
    CHECK_EQ(trap.count, 0);
    CHECK_EQ(csr_read(sip) & 2, 2);
    csr_set(sstatus, MSTATUS_SIE);
    CHECK_EQ(trap.count, 1);
    CHECK_EQ(trap.cause, INTERRUPT | 1);
    CHECK_EQ(trap.mode, S);
    csr_clear(sip, 2);
    CHECK_EQ(csr_read(sip) & 2, 0);
    to_m();
    csr_clear(mstatus, MSTATUS_SIE);
    csr_write(mideleg, 0);
}

static void timer_and_wfi(void)
{
    trap.count = 0;
    csr_write(mie, 1 << 7);
    *CLINT_MTIMECMP(0) = *CLINT_MTIME + 20000; /* 2 ms */
    CHECK_EQ(csr_read(mip) & 1 << 7, 0);
    insn("wfi"); /* wakes in spite of MIE being 0 */
    CHECK_EQ(csr_read(mip) & 1 << 7, 1 << 7);
    CHECK_EQ(trap.count, 0);
    csr_set(mstatus, MSTATUS_MIE);
    CHECK_EQ(trap.count, 1);
    CHECK_EQ(trap.cause, INTERRUPT | 7);
    csr_clear(mstatus, MSTATUS_MIE);
    *CLINT_MTIMECMP(0) = -1;
}

int main(void)
{
    open_pmp();
    exceptions_in_m();
    csr_values();
    in_s();
    in_u();
    counters();
    delegation();
    software_interrupts();
    delegated_interrupts();
    timer_and_wfi();
    return 0;
}
