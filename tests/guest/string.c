/* Repeated string instructions: interrupted, faulting in the middle, both directions, all widths.
 */
#include "guest.h"

enum { VEC_TIMER = 0x40, BYTES = 1 << 18 };
#define VA (1ull << 39)

static void interrupted(void)
{
    u8 *from = (u8 *)0x1000000, *to = (u8 *)0x1200000;
    for (u32 i = 0; i < BYTES; i += 4)
        *(volatile u32 *)(from + i) = i;
    wrmsr(APIC_TIMER_DIV, 0xb);
    wrmsr(APIC_LVT_TIMER, VEC_TIMER | 1 << 17);
    wrmsr(APIC_TIMER_INIT, 100000);
    sti();
    u32 rounds = 0;
    for (; taken[VEC_TIMER] < 3 || rounds < 2; rounds++) {
        u64 n = BYTES, s = (u64)from, d = (u64)to;
        __asm__ volatile("rep movsb" : "+c"(n), "+S"(s), "+D"(d)::"memory");
        CHECK_EQ(n, 0);
        CHECK_EQ(s, (u64)from + BYTES);
        CHECK_EQ(d, (u64)to + BYTES);
    }
    cli();
    wrmsr(APIC_LVT_TIMER, 1 << 16);
    for (u32 i = 0; i < BYTES; i += 4)
        CHECK_EQ(*(volatile u32 *)(to + i), i);
}

/* The registers stand where the fault came. */
static void faulting(void)
{
    u64 frame = (u64)new_pages(1), n, s, d;
    map(VA, frame, PTE_P | PTE_W);
    map(VA + PAGE, 0, 0);
    n = 100, s = 0x1000000, d = VA + PAGE - 40;
    TRY("rep movsb", : "+c"(n), "+S"(s), "+D"(d)::"memory");
    CHECK_TRAP(14, 2);
    CHECK_EQ(trap.cr2, VA + PAGE);
    CHECK_EQ(n, 60);
    CHECK_EQ(s, 0x1000000 + 40);
    CHECK_EQ(d, VA + PAGE);
    n = 10, d = VA + PAGE - 20;
    TRY("rep stosl", : "+c"(n), "+D"(d) : "a"(0x01020304) : "memory");
    CHECK_TRAP(14, 2);
    CHECK_EQ(n, 5);
    CHECK_EQ(d, VA + PAGE);
    n = 10, d = VA + 36; /* downwards out of the page */
    map(VA - PAGE + (1ull << 39), 0, 0);
    n = 50, d = VA + PAGE - 40;
    *(volatile u8 *)(VA + PAGE - 1) = 9;
    TRY("repne scasb", : "+c"(n), "+D"(d) : "a"(0x7f) : "memory", "cc");
    CHECK_TRAP(14, 0);
    CHECK_EQ(n, 10);
    n = 16, s = VA + PAGE - 64, d = 0x1300000;
    TRY("rep movsq", : "+c"(n), "+S"(s), "+D"(d)::"memory");
    CHECK_TRAP(14, 0);
    CHECK_EQ(n, 8);
    CHECK_EQ(d, 0x1300000 + 64);
}

static void directions(void)
{
    volatile u8 *a = (u8 *)0x1400000;
    u64 n, s, d;
    for (u32 i = 0; i < 64; i++)
        a[i] = (u8)i;
    n = 32, s = (u64)a + 31, d = (u64)a + 33;
    __asm__ volatile("std; rep movsb; cld" : "+c"(n), "+S"(s), "+D"(d)::"memory");
    for (u32 i = 0; i < 32; i++)
        CHECK_EQ(a[i + 2], i);
    /* overlapping forward by one: smears */
    n = 63, s = (u64)a, d = (u64)a + 1;
    a[0] = 0x5a;
    __asm__ volatile("rep movsb" : "+c"(n), "+S"(s), "+D"(d)::"memory");
    for (u32 i = 0; i < 64; i++)
        CHECK_EQ(a[i], 0x5a);
    n = 8, s = (u64)a, d = (u64)a + 4;
    *(volatile u32 *)a = 0x11223344;
    __asm__ volatile("rep movsw" : "+c"(n), "+S"(s), "+D"(d)::"memory");
    CHECK_EQ(*(volatile u32 *)(a + 16), 0x11223344);
    a[40] = 1;
    n = 64, d = (u64)a + 20, s = (u64)a + 21;
    __asm__ volatile("repe cmpsb" : "+c"(n), "+S"(s), "+D"(d)::"memory", "cc");
    CHECK_EQ(64 - n, 20);
    n = 0; /* nothing happens, not even a fault */
    s = d = VA + PAGE;
    __asm__ volatile("rep movsb" : "+c"(n), "+S"(s), "+D"(d)::"memory");
    CHECK_EQ(d, VA + PAGE);
    /* 32-bit addresses: only ecx counts, and the registers are cut */
    n = 0x100000002, s = (u64)a | 1ull << 32, d = (u64)a + 8;
    __asm__ volatile("rep movsb (%%esi), (%%edi)" : "+c"(n), "+S"(s), "+D"(d)::"memory");
    CHECK_EQ(n, 0);
    CHECK_EQ(s, (u64)a + 2);
}

/* String port I/O: the PIC's mask registers take what comes. */
static void ports(void)
{
    u8 out[3] = {0xaa, 0x55, 0xff}, in[3] = {0};
    u64 n = 3, s = (u64)out, d = (u64)in;
    __asm__ volatile("rep outsb" : "+c"(n), "+S"(s) : "d"(0x21) : "memory");
    CHECK_EQ(n, 0);
    CHECK_EQ(inb(0x21), 0xff);
    n = 3;
    __asm__ volatile("rep insb" : "+c"(n), "+D"(d) : "d"(0x21) : "memory");
    CHECK_EQ(in[0] & in[1] & in[2], 0xff);
    CHECK_EQ(d, (u64)in + 3);
}

int main(void)
{
    pic_mask_all();
    x2apic_on();
    interrupted();
    faulting();
    directions();
    ports();
    return 0;
}
