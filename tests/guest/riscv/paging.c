/*
 * Sv39 and Sv48: rights, sizes, accessed and dirty bits, fences, and physical memory protection.
 */
#include "kit.h"

typedef uint64_t table[512] __attribute__((aligned(4096)));
static table root, mid, leaf, top, data[4], code;

enum {
    V = 1,
    R = 2,
    W = 4,
    X = 8,
    UP = 16,
    G = 32,
    A = 64,
    D = 128,
    RWX = R | W | X,
    AD = A | D,
};
#define VA 0xc0000000ull /* of the pages that tests map: entry 3 of the root */

static uint64_t pte(const void *p, uint64_t flags)
{
    return (uint64_t)p >> 12 << 10 | flags | V;
}

/* The first GiB-aligned 1 GiB of RAM and the devices below as they are, VA through three levels. */
static void map(void)
{
    root[0] = 0 | RWX | AD | V; /* devices */
    root[2] = 0x80000000ull >> 2 | RWX | AD | V;
    root[3] = pte(mid, 0);
    mid[0] = pte(leaf, 0);
    for (int i = 0; i < 4; i++)
        leaf[i] = pte(data[i], R | W | AD);
    top[0] = pte(root, 0);
    csr_write(satp, 8ull << 60 | (uint64_t)root >> 12);
    insn("sfence.vma");
}

static void put_leaf(unsigned i, uint64_t e)
{
    leaf[i] = e;
    insn("sfence.vma");
}

static void rights(void)
{
    data[0][0] = 0x1234;
    to_mode(S);
    CHECK_EQ(try_load(VA), 0x1234);
    CHECK_NO_TRAP(try_store(VA + 8, 77));
    CHECK_EQ(data[0][1], 77);
    CHECK_TRAP(try_exec(VA), FETCH_PAGE, VA, M);
    put_leaf(0, pte(data[0], R | AD));
    to_mode(S);
    CHECK_NO_TRAP(try_load(VA));
    CHECK_TRAP(try_store(VA + 8, 78), STORE_PAGE, VA + 8, M);
    to_mode(S);
    CHECK_TRAP(try_amo(VA + 8), STORE_PAGE, VA + 8, M);
    put_leaf(0, pte(data[0], X | AD));
    to_mode(S);
    CHECK_TRAP(try_load(VA), LOAD_PAGE, VA, M);
    csr_set(mstatus, MSTATUS_MXR);
    to_mode(S);
    CHECK_NO_TRAP(try_load(VA));
    to_m();
    csr_clear(mstatus, MSTATUS_MXR);
    to_mode(S);
    CHECK_TRAP(try_load(VA), LOAD_PAGE, VA, M);
    put_leaf(0, pte(data[0], W | AD)); /* reserved */
    to_mode(S);
    CHECK_TRAP(try_store(VA, 1), STORE_PAGE, VA, M);
    put_leaf(0, 0);
    to_mode(S);
    CHECK_TRAP(try_load(VA + 16), LOAD_PAGE, VA + 16, M);
    CHECK_EQ(data[0][1], 77);
}

static void user_pages(void)
{
    code[0] = 0x00008067; /* ret */
    put_leaf(0, pte(data[0], R | W | UP | AD));
    put_leaf(1, pte(code, R | X | UP | AD));
    to_mode(S);
    CHECK_TRAP(try_load(VA), LOAD_PAGE, VA, M);
    csr_set(mstatus, MSTATUS_SUM);
    to_mode(S);
    CHECK_NO_TRAP(try_load(VA));
    CHECK_NO_TRAP(try_store(VA, 5));
    CHECK_TRAP(try_exec(VA + 0x1000), FETCH_PAGE, VA + 0x1000, M);
    csr_clear(mstatus, MSTATUS_SUM);
    to_mode(S);
    CHECK_TRAP(try_store(VA, 6), STORE_PAGE, VA, M);
    put_leaf(1, pte(code, R | X | AD));
    to_mode(S);
    CHECK_NO_TRAP(try_exec(VA + 0x1000));
    to_m();
    /* MPRV: M-mode loads as U does. */
    csr_clear(mstatus, MSTATUS_MPP);
    CHECK_EQ(try_load_mprv(VA), 5);
    CHECK_TRAP(try_load_mprv(VA + 0x1000), LOAD_PAGE, VA + 0x1000, M);
}

static void accessed_and_dirty(void)
{
    put_leaf(0, pte(data[0], R | W));
    to_mode(S);
    CHECK_NO_TRAP(try_load(VA));
    CHECK_EQ(leaf[0] & AD, A);
    CHECK_NO_TRAP(try_store(VA, 9));
    CHECK_EQ(leaf[0] & AD, AD);
    to_m();
    put_leaf(0, pte(data[0], R | W));
    to_mode(S);
    CHECK_NO_TRAP(try_amo(VA));
    CHECK_EQ(leaf[0] & AD, AD);
    to_m();
}

static void sizes(void)
{
    static const uint64_t addr = 0x80000000;
    root[4] = pte((void *)addr, R | AD);              /* 1 GiB */
    mid[1] = pte((void *)(addr + 0x200000), R | AD);  /* 2 MiB */
    mid[2] = pte((void *)(addr + 0x201000), R | AD);  /* misaligned */
    root[5] = pte((void *)(addr + 0x200000), R | AD); /* misaligned */
    insn("sfence.vma");
    uint64_t word = *(volatile uint64_t *)addr;
    *(volatile uint64_t *)(addr + 0x234568) = 0xabc;
    to_mode(S);
    CHECK_EQ(try_load(0x100000000ull), word);
    CHECK_EQ(try_load(VA + 0x234568), 0xabc);
    CHECK_TRAP(try_load(VA + 0x400000), LOAD_PAGE, VA + 0x400000, M);
    to_mode(S);
    CHECK_TRAP(try_load(0x140000000ull), LOAD_PAGE, 0x140000000ull, M);
    to_mode(S);
    CHECK_TRAP(try_load(1ull << 39), LOAD_PAGE, 1ull << 39, M); /* not canonical */
}

/* What a fence names is gone; what it does not name may stay. */
static void fences(void)
{
    data[0][0] = 100;
    data[1][0] = 200;
    put_leaf(0, pte(data[0], R | W | AD));
    to_mode(S);
    CHECK_EQ(try_load(VA), 100);
    leaf[0] = pte(data[1], R | W | AD);
    __asm__ volatile("sfence.vma %0" ::"r"(VA) : "memory");
    CHECK_EQ(try_load(VA), 200);
    leaf[0] = pte(data[0], R | W | AD);
    __asm__ volatile("sfence.vma %0, %1" ::"r"(VA), "r"(0) : "memory");
    CHECK_EQ(try_load(VA), 100);
    leaf[0] = pte(data[1], R | W | AD);
    __asm__ volatile("sfence.vma zero, %0" ::"r"(0ull) : "memory");
    CHECK_EQ(try_load(VA), 200);
    leaf[0] = pte(data[0], R | W | AD);
    /* The page just filled stands for many in a large one. */
    CHECK_EQ(try_load(VA + 0x234568), 0xabc);
    __asm__ volatile("sfence.vma %0" ::"r"(VA + 0x200000) : "memory");
    insn("sfence.vma");
    CHECK_EQ(try_load(VA), 100);
    to_m();
}

/* Two address spaces by number: no fence in between. */
static void address_spaces(void)
{
    static table root2, mid2, leaf2;
    for (int i = 0; i < 512; i++)
        root2[i] = root[i];
    root2[3] = pte(mid2, 0);
    mid2[0] = pte(leaf2, 0);
    leaf2[0] = pte(data[1], R | W | AD);
    uint64_t one = 8ull << 60 | 1ull << 44 | (uint64_t)root >> 12;
    uint64_t two = 8ull << 60 | 2ull << 44 | (uint64_t)root2 >> 12;
    to_mode(S);
    for (int i = 0; i < 3; i++) {
        csr_write(satp, one);
        CHECK_EQ(try_load(VA), 100);
        csr_write(satp, two);
        CHECK_EQ(try_load(VA), 200);
    }
    to_m();
    csr_write(satp, 8ull << 60 | (uint64_t)root >> 12);
    insn("sfence.vma");
}

static void sv48(void)
{
    csr_write(satp, 9ull << 60 | (uint64_t)top >> 12);
    insn("sfence.vma");
    CHECK_EQ(csr_read(satp) >> 60, 9);
    to_mode(S);
    CHECK_EQ(try_load(VA), 100);
    CHECK_TRAP(try_load(1ull << 39), LOAD_PAGE, 1ull << 39, M); /* canonical, not mapped */
    csr_write(satp, 8ull << 60 | (uint64_t)root >> 12);
    insn("sfence.vma");
}

static void straddling(void)
{
    put_leaf(0, pte(data[2], R | W | AD));
    put_leaf(1, pte(data[0], R | W | AD)); /* neighbours that are none in memory */
    to_mode(S);
    CHECK_NO_TRAP(try_store(VA + 0xffc, 0x1122334455667788));
    CHECK_EQ(try_load(VA + 0xffc), 0x1122334455667788);
    CHECK_EQ(data[2][511] >> 32, 0x55667788);
    CHECK_EQ((uint32_t)data[0][0], 0x11223344);
    to_m();
    put_leaf(1, pte(data[0], R | AD));
    to_mode(S);
    CHECK_TRAP(try_store(VA + 0xffc, 0), STORE_PAGE, VA + 0x1000, M);
    CHECK_EQ(data[2][511] >> 32, 0x55667788); /* nothing of it was stored */
    put_leaf(1, pte(data[0], R | W | AD));
}

/* Code that crosses a page, and changes under a fence. */
static void code_pages(void)
{
    uint16_t *first = (uint16_t *)data[2], *second = (uint16_t *)data[3];
    put_leaf(0, pte(data[2], R | W | X | AD));
    put_leaf(1, pte(data[3], R | W | X | AD));
    first[2047] = 0x0513; /* li a0, 5 in two halves */
    second[0] = 0x0050;
    second[1] = 0x8082; /* ret */
    insn("fence.i");
    uint64_t (*f)(void) = (uint64_t(*)(void))(VA + 0xffe);
    to_mode(S);
    CHECK_EQ(f(), 5);
    second[0] = 0x0060;
    insn("fence.i");
    CHECK_EQ(f(), 6);
    to_m();
    put_leaf(1, pte(data[0], R | W | X | AD));
    ((uint16_t *)data[0])[0] = 0x0070;
    ((uint16_t *)data[0])[1] = 0x8082;
    insn("fence.i");
    to_mode(S);
    CHECK_EQ(f(), 7);
    to_m();
    put_leaf(1, 0);
    to_mode(S);
    CHECK_TRAP(try_exec(VA + 0xffe), FETCH_PAGE, VA + 0x1000, M);
    CHECK_EQ(trap.epc, VA + 0xffe);
    put_leaf(0, pte(data[0], R | W | AD));
    put_leaf(1, pte(data[1], R | W | AD));
}

static void protection(void)
{
    uint64_t page = (uint64_t)data[0];
    data[0][0] = 11;
    csr_write(pmpaddr0, page >> 2 | 0x1ff); /* 4 KiB, NAPOT */
    csr_write(pmpaddr1, -1ull >> 10);
    csr_write(pmpcfg0, 0x1f << 8 | 0x18);
    insn("sfence.vma");
    CHECK_EQ(try_load(page), 11); /* M-mode is not bound */
    to_mode(S);
    CHECK_TRAP(try_load(page), LOAD_ACCESS, page, M);
    to_mode(S);
    CHECK_TRAP(try_store(page, 1), STORE_ACCESS, page, M);
    to_mode(S);
    CHECK_TRAP(try_exec(page), FETCH_ACCESS, page, M);
    csr_write(pmpcfg0, 0x1f << 8 | 0x19); /* readable */
    insn("sfence.vma");
    to_mode(S);
    CHECK_EQ(try_load(page), 11);
    CHECK_TRAP(try_store(page, 1), STORE_ACCESS, page, M);
    /* Eight bytes of the page, by NA4 pairs: only those. */
    csr_write(pmpaddr0, (page + 64) >> 2 | 0); /* NAPOT of 8 bytes */
    csr_write(pmpcfg0, 0x1f << 8 | 0x18);
    insn("sfence.vma");
    to_mode(S);
    CHECK_EQ(try_load(page), 11);
    CHECK_TRAP(try_load(page + 64), LOAD_ACCESS, page + 64, M);
    to_mode(S);
    CHECK_EQ(try_load(page), 11);
    CHECK_EQ(try_load(page + 72), data[0][9]);
    to_m();
    open_pmp();
    csr_write(pmpaddr1, 0);
    insn("sfence.vma");
}

int main(void)
{
    open_pmp();
    map();
    rights();
    user_pages();
    accessed_and_dirty();
    sizes();
    fences();
    address_spaces();
    sv48();
    straddling();
    code_pages();
    protection();
    return 0;
}
