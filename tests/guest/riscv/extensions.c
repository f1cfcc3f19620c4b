/*
 * Svnapot, Svpbmt, Svadu, Sstc, Zicbom and Zicboz, and what menvcfg and senvcfg gate of them.
 */
#include "kit.h"

typedef uint64_t table[512] __attribute__((aligned(4096)));
static table root, mid, leaf;
static uint64_t data[16][512] __attribute__((aligned(65536)));

enum { V = 1, R = 2, W = 4, X = 8, UP = 16, A = 64, D = 128, AD = A | D };
#define N       (1ull << 63)
#define PBMT(n) ((uint64_t)(n) << 61)
#define VA      0xc0000000ull

#define MENVCFG              "0x30a"
#define SENVCFG              "0x10a"
#define STIMECMP             "0x14d"
#define ENV_CBIE             (3ull << 4)
#define ENV_CBCFE            (1ull << 6)
#define ENV_CBZE             (1ull << 7)
#define ENV_ADUE             (1ull << 61)
#define ENV_PBMTE            (1ull << 62)
#define ENV_STCE             (1ull << 63)
#define write_csr(number, v) __asm__ volatile("csrw " number ", %0" ::"r"((uint64_t)(v)) : "memory")

static uint64_t pte(const void *p, uint64_t flags)
{
    return (uint64_t)p >> 12 << 10 | flags | V;
}

static void map(void)
{
    root[0] = R | W | X | AD | V;
    root[2] = 0x80000000ull >> 2 | R | W | X | AD | V;
    root[3] = pte(mid, 0);
    mid[0] = pte(leaf, 0);
    csr_write(satp, 8ull << 60 | (uint64_t)root >> 12);
    insn("sfence.vma");
}

static void put_leaf(unsigned i, uint64_t e)
{
    leaf[i] = e;
    insn("sfence.vma");
}

/* All sixteen entries say the same, with 8 in the low bits of the page number. */
static void napot(void)
{
    for (unsigned i = 0; i < 16; i++) {
        data[i][1] = 100 + i;
        leaf[i] = pte(data[0], R | W | AD | N) | 8 << 10;
    }
    insn("sfence.vma");
    to_mode(S);
    for (unsigned i = 0; i < 16; i++)
        CHECK_EQ(try_load(VA + 4096 * i + 8), 100 + i);
    CHECK_NO_TRAP(try_store(VA + 0xf010, 5));
    CHECK_EQ(data[15][2], 5);
    put_leaf(0, pte(data[0], R | W | AD | N) | 4 << 10); /* no such size */
    CHECK_TRAP(try_load(VA), LOAD_PAGE, VA, M);
}

static void memory_types(void)
{
    write_csr(MENVCFG, ENV_ADUE);
    put_leaf(0, pte(data[0], R | AD | PBMT(1)));
    to_mode(S);
    CHECK_TRAP(try_load(VA), LOAD_PAGE, VA, M);
    write_csr(MENVCFG, ENV_ADUE | ENV_PBMTE);
    insn("sfence.vma");
    to_mode(S);
    CHECK_NO_TRAP(try_load(VA));
    put_leaf(0, pte(data[0], R | AD | PBMT(2)));
    CHECK_NO_TRAP(try_load(VA));
    put_leaf(0, pte(data[0], R | AD | PBMT(3)));
    CHECK_TRAP(try_load(VA), LOAD_PAGE, VA, M);
    put_leaf(0, pte(data[0], R | AD | 1ull << 54)); /* reserved */
    to_mode(S);
    CHECK_TRAP(try_load(VA), LOAD_PAGE, VA, M);
}

static void accessed_by_software(void)
{
    write_csr(MENVCFG, 0);
    put_leaf(0, pte(data[0], R | W));
    to_mode(S);
    CHECK_TRAP(try_load(VA), LOAD_PAGE, VA, M);
    put_leaf(0, pte(data[0], R | W | A));
    to_mode(S);
    CHECK_NO_TRAP(try_load(VA));
    CHECK_TRAP(try_store(VA, 1), STORE_PAGE, VA, M);
    CHECK_EQ(leaf[0], pte(data[0], R | W | A));
    write_csr(MENVCFG, ENV_ADUE);
}

static void zero(uint64_t addr)
{
    register uint64_t a0 __asm__("a0") = addr;
    __asm__ volatile(".word 0x0045200f" ::"r"(a0) : "memory"); /* cbo.zero (a0) */
}

static void flush(uint64_t addr)
{
    register uint64_t a0 __asm__("a0") = addr;
    __asm__ volatile(".word 0x0025200f" ::"r"(a0) : "memory"); /* cbo.flush (a0) */
}

static void inval(uint64_t addr)
{
    register uint64_t a0 __asm__("a0") = addr;
    __asm__ volatile(".word 0x0005200f" ::"r"(a0) : "memory"); /* cbo.inval (a0) */
}

static void cache_blocks(void)
{
    for (int i = 0; i < 24; i++)
        data[0][i] = 7;
    CHECK_NO_TRAP(zero((uint64_t)&data[0][10])); /* anywhere in the block */
    CHECK_EQ(data[0][7], 7);
    for (int i = 8; i < 16; i++)
        CHECK_EQ(data[0][i], 0);
    CHECK_EQ(data[0][16], 7);
    put_leaf(0, pte(data[0], R | W | AD));
    write_csr(MENVCFG, ENV_ADUE);
    to_mode(S);
    CHECK_TRAP(zero(VA), ILLEGAL, 0x0045200f, M);
    to_mode(S);
    CHECK_TRAP(flush(VA), ILLEGAL, 0x0025200f, M);
    to_mode(S);
    CHECK_TRAP(inval(VA), ILLEGAL, 0x0005200f, M);
    write_csr(MENVCFG, ENV_ADUE | ENV_CBZE | ENV_CBCFE | ENV_CBIE);
    to_mode(S);
    CHECK_NO_TRAP(zero(VA));
    CHECK_NO_TRAP(flush(VA));
    CHECK_NO_TRAP(inval(VA));
    CHECK_EQ(data[0][0], 0);
    put_leaf(0, 0);
    CHECK_TRAP(zero(VA), STORE_PAGE, VA, M);
    to_mode(S);
    CHECK_TRAP(flush(VA + 64), STORE_PAGE, VA + 64, M);
    /* User mode needs senvcfg's leave, too. */
    write_csr(SENVCFG, 0);
    csr_write(satp, 0);
    to_mode(U);
    CHECK_TRAP(zero((uint64_t)data), ILLEGAL, 0x0045200f, M);
    write_csr(SENVCFG, ENV_CBZE);
    to_mode(U);
    CHECK_NO_TRAP(zero((uint64_t)data));
    to_m();
}

static void supervisor_timer(void)
{
    csr_write(mcounteren, 7);
    write_csr(MENVCFG, ENV_ADUE);
    to_mode(S);
    CHECK_TRAP(write_csr(STIMECMP, 5), ILLEGAL, trap.tval, M);
    write_csr(MENVCFG, ENV_ADUE | ENV_STCE);
    csr_write(mcounteren, 0);
    to_mode(S);
    CHECK_TRAP(write_csr(STIMECMP, 5), ILLEGAL, trap.tval, M);
    csr_write(mcounteren, 7);
    csr_write(mideleg, 1 << 5);
    csr_write(mie, 1 << 5);
    csr_write(stvec, (uint64_t)trap_s);
    write_csr(STIMECMP, -1);
    CHECK_EQ(csr_read(mip) & 1 << 5, 0);
    csr_set(mip, 1 << 5); /* read-only now */
    CHECK_EQ(csr_read(mip) & 1 << 5, 0);
    trap.count = 0;
    to_mode(S);
    csr_set(sstatus, MSTATUS_SIE);
    write_csr(STIMECMP, csr_read(time) + 10000);
    while (!trap.count)
        insn("wfi");
    CHECK_EQ(trap.cause, INTERRUPT | 5);
    CHECK_EQ(trap.mode, S);
    CHECK_EQ(csr_read(sip) & 1 << 5, 1 << 5);
    write_csr(STIMECMP, -1);
    CHECK_EQ(csr_read(sip) & 1 << 5, 0);
    to_m();
}

int main(void)
{
    open_pmp();
    map();
    napot();
    memory_types();
    accessed_by_software();
    cache_blocks();
    supervisor_timer();
    return 0;
}
