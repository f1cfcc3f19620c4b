/* Paging: permissions and their error codes, accessed and dirty bits, large pages, TLB. [SDM 3A 4]
 */
#include "guest.h"

enum { P = 1, W = 2, U = 4, RSVD = 8, I = 16 };
#define VA (1ull << 39)

static volatile u64 *const at = (volatile u64 *)VA;
static u64 *pte, frame, other;

static u64 load(void)
{
    u64 v = 0;
    TRY("mov (%1), %0", : "+r"(v) : "r"(at) : "memory");
    return v;
}

static void store(u64 v)
{
    TRY("mov %1, (%0)", ::"r"(at), "r"(v) : "memory");
}

static void set(u64 v)
{
    *pte = v;
    invlpg(VA);
}

/* The call itself pushes; the trap is its target's. */
static void try_call(volatile void *fn)
{
    trap.vector = NO_TRAP;
    __asm__ volatile("mov %%rsp, %%rbx; movq $1f, trap_resume; call *%0; 1: mov %%rbx, %%rsp; movq "
                     "$0, trap_resume"
                     : "+r"(fn)::"rax", "rbx", "memory");
}

static void present_and_dirty(void)
{
    set(0);
    load();
    CHECK_TRAP(14, 0);
    CHECK_EQ(trap.cr2, VA);
    store(1);
    CHECK_TRAP(14, W);
    set(frame | P | W);
    load();
    CHECK_EQ(trap.vector, NO_TRAP);
    CHECK_EQ(*pte & (PTE_A | PTE_D), PTE_A);
    store(0x1234);
    CHECK_EQ(trap.vector, NO_TRAP);
    CHECK_EQ(*pte & (PTE_A | PTE_D), PTE_A | PTE_D);
    CHECK_EQ(*(u64 *)frame, 0x1234);
    /* Clearing D and flushing makes the next store set it again. */
    set(frame | P | W | PTE_A);
    load();
    CHECK_EQ(*pte & PTE_D, 0);
    store(1);
    CHECK_EQ(*pte & PTE_D, PTE_D);
    TRY("lock addq $1, (%0)", ::"r"(at) : "memory");
    CHECK_EQ(*at, 2);
}

static void write_protect(void)
{
    set(frame | P);
    store(1);
    CHECK_TRAP(14, P | W);
    CHECK_EQ(*pte & PTE_D, 0);
    TRY("lock addq $1, (%0)", ::"r"(at) : "memory");
    CHECK_TRAP(14, P | W);
    write_cr0(read_cr0() & ~0x10000ull); /* WP off: the kernel may */
    store(77);
    CHECK_EQ(trap.vector, NO_TRAP);
    CHECK_EQ(*at, 77);
    write_cr0(read_cr0() | 0x10000);
    store(1);
    CHECK_TRAP(14, P | W);
}

static void execute(void)
{
    static const u8 code[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* mov $42, %eax; ret */
    u64 v = 0;
    for (unsigned i = 0; i < sizeof(code); i++)
        ((volatile u8 *)frame)[i] = code[i];
    set(frame | P);
    TRY("call *%1", : "=a"(v) : "r"(at) : "memory");
    CHECK_EQ(v, 42);
    set(frame | P | PTE_NX);
    try_call(at);
    CHECK_TRAP(14, P | I);
    CHECK_EQ(trap.frame.rip, VA);
    load();
    CHECK_EQ(trap.vector, NO_TRAP);
    set(0);
    try_call(at);
    CHECK_TRAP(14, I);
}

static void reserved(void)
{
    set(frame | P | W | 1ull << 51);
    load();
    u64 forgotten = on_qemu() ? P : 0; /* by nested paging there */
    CHECK_EQ(trap.vector, 14);
    CHECK_EQ(trap.error | forgotten, P | RSVD);
    store(1);
    CHECK_EQ(trap.error | forgotten, P | W | RSVD);
    set(frame | P | W);
}

static void smep_smap(void)
{
    u32 r[4];
    cpuid(7, 0, r);
    set(frame | P | W | U);
    *(volatile u8 *)frame = 0xc3;
    if (r[1] & 1u << 7) {
        try_call(at);
        CHECK_EQ(trap.vector, NO_TRAP);
        write_cr4(read_cr4() | 1ull << 20);
        try_call(at);
        CHECK_TRAP(14, P | I);
        write_cr4(read_cr4() & ~(1ull << 20));
    } else {
        say("no SMEP\n");
    }
    if (r[1] & 1u << 20) {
        write_cr4(read_cr4() | 1ull << 21);
        load();
        CHECK_TRAP(14, P);
        store(1);
        CHECK_TRAP(14, P | W);
        __asm__ volatile("stac");
        TRY("mov (%0), %%rax", ::"r"(at) : "rax", "memory");
        CHECK_EQ(trap.vector, NO_TRAP);
        __asm__ volatile("clac");
        load();
        CHECK_TRAP(14, P);
        write_cr4(read_cr4() & ~(1ull << 21));
    } else {
        say("no SMAP\n");
    }
}

extern u8 user_load[], user_store[], user_jump[];
__asm__(".pushsection .text\n"
        "user_load: mov $1, %eax; shl $39, %rax; mov (%rax), %rax; int $0x80\n"
        "user_store: mov $1, %eax; shl $39, %rax; mov %rax, (%rax); int $0x80\n"
        "user_jump: mov $1, %eax; shl $39, %rax; jmp *%rax\n"
        ".popsection");

static void user(void)
{
    map_user_alias();
    set(frame | P | W | U);
    *(volatile u64 *)frame = 99;
    trap.vector = NO_TRAP;
    CHECK_EQ(user_call(user_load, 0), 99);
    CHECK_EQ(trap.vector, 0x80);
    user_call(user_store, 0);
    CHECK_EQ(trap.vector, 0x80);
    set(frame | P | U);
    user_call(user_store, 0);
    CHECK_TRAP(14, P | W | U);
    set(frame | P | W);
    user_call(user_load, 0);
    CHECK_TRAP(14, P | U);
    CHECK_EQ(trap.cr2, VA);
    set(0);
    user_call(user_store, 0);
    CHECK_TRAP(14, W | U);
    set(frame | P | U | PTE_NX);
    user_call(user_jump, 0);
    CHECK_TRAP(14, P | U | I);
    set(frame | P | W);
}

static void large(void)
{
    u32 r[4];
    volatile u64 *two = (u64 *)(VA + (1ull << 30)), *one = (u64 *)(VA + (2ull << 30));
    u64 *e = map_level((u64)two, 0, P | W, 2);
    *(volatile u64 *)frame = 4711;
    CHECK_EQ(two[frame / 8], 4711);
    CHECK_EQ(*e & (PTE_A | PTE_D), PTE_A);
    two[frame / 8] = 4712;
    CHECK_EQ(*e & (PTE_A | PTE_D), PTE_A | PTE_D);
    CHECK_EQ(*(volatile u64 *)frame, 4712);
    cpuid(0x80000001, 0, r);
    if (r[3] & 1u << 26) {
        map_level((u64)one, 0, P | W, 3);
        CHECK_EQ(one[frame / 8], 4712);
    } else {
        say("no 1 GiB pages\n");
    }
    /* INVLPG of any address inside flushes a large page. */
    *e = 0;
    invlpg((u64)two + 0x12345);
    TRY("mov (%0), %%rax", ::"r"(two) : "rax", "memory");
    CHECK_TRAP(14, 0);
}

static void crossing(void)
{
    /* 8 bytes over the end of a page: the first byte of the missing page is in CR2. */
    u64 *next = map(VA + PAGE, 0, 0);
    set(frame | P | W);
    ((volatile u64 *)frame)[511] = 0;
    TRY("mov %1, (%0)", ::"r"(VA + PAGE - 4), "r"(-1ull) : "memory");
    CHECK_TRAP(14, W);
    CHECK_EQ(trap.cr2, VA + PAGE);
    CHECK_EQ(((volatile u64 *)frame)[511], 0); /* nothing of it was written */
    *next = other | P | W;
    TRY("mov %1, (%0)", ::"r"(VA + PAGE - 4), "r"(0x1122334455667788) : "memory");
    CHECK_EQ(trap.vector, NO_TRAP);
    CHECK_EQ(((volatile u32 *)frame)[1023], 0x55667788);
    CHECK_EQ(*(volatile u32 *)other, 0x11223344);
    TRY("lock addq %1, (%0)", ::"r"(VA + PAGE - 4), "r"(1ull << 32) : "memory");
    CHECK_EQ(*(volatile u32 *)other, 0x11223345);
    CHECK_EQ(*next & PTE_D, PTE_D);
}

static void flushes(void)
{
    *(volatile u64 *)frame = 1;
    *(volatile u64 *)other = 2;
    set(frame | P | W);
    CHECK_EQ(*at, 1);
    *pte = other | P | W;
    write_cr3(read_cr3());
    CHECK_EQ(*at, 2);
    /* A global page outlives CR3 loads; clearing CR4.PGE ends it. */
    set(frame | P | W | PTE_G);
    CHECK_EQ(*at, 1);
    *pte = other | P | W | PTE_G;
    write_cr4(read_cr4() & ~0x80ull);
    write_cr4(read_cr4() | 0x80);
    CHECK_EQ(*at, 2);
    set(frame | P | W);
}

static void pcid(void)
{
    u32 r[4];
    u64 cr3 = read_cr3();
    cpuid(1, 0, r);
    if (!(r[2] & 1u << 17)) {
        say("no PCID\n");
        return;
    }
    write_cr4(read_cr4() | 1ull << 17);
    write_cr3(cr3 | 1);
    set(frame | P | W);
    CHECK_EQ(*at, 1);
    write_cr3(cr3 | 2);
    CHECK_EQ(*at, 1);
    *pte = other | P | W;
    write_cr3(cr3 | 1); /* flushes what PCID 1 has */
    CHECK_EQ(*at, 2);
    cpuid(7, 0, r);
    if (r[1] & 1u << 10) {
        struct {
            u64 pcid, va;
        } d = {2, VA};
        *pte = frame | P | W;
        __asm__ volatile("invpcid %0, %1" ::"m"(d), "r"(2ull) : "memory"); /* all contexts */
        CHECK_EQ(*at, 1);
        d.pcid = 1ull << 12;
        TRY("invpcid %0, %1", ::"m"(d), "r"(0ull) : "memory");
        CHECK_TRAP(13, 0);
    }
    TRY("mov %0, %%cr4", ::"r"(read_cr4() & ~0x20ull) : "memory");
    CHECK_TRAP(13, 0);
    write_cr3(cr3);
    write_cr4(read_cr4() & ~(1ull << 17));
    write_cr3(cr3 | 1 << 3); /* PWT, not a PCID any more */
    TRY("mov %0, %%cr4", ::"r"(read_cr4() | 1ull << 17) : "memory");
    CHECK_TRAP(13, 0); /* CR3[11:0] must be 0 */
    write_cr3(cr3);
}

int main(void)
{
    frame = (u64)new_pages(1);
    other = (u64)new_pages(1);
    pte = map(VA, 0, 0);
    present_and_dirty();
    write_protect();
    execute();
    reserved();
    smep_smap();
    user();
    large();
    crossing();
    flushes();
    pcid();
    return 0;
}
