/* Code that changes: by itself, at another address, by another CPU, by a page that is remapped. */
#include "guest.h"

#define VA (1ull << 39)
static u8 *code;
static volatile u32 go, done, stop, results[2];

typedef u32 fn(void);

static void put_mov(u8 *at, u32 v) /* mov $v, %eax; ret */
{
    volatile u8 *p = at;
    p[1] = (u8)v;
    p[2] = (u8)(v >> 8);
    p[3] = (u8)(v >> 16);
    p[4] = (u8)(v >> 24);
    p[5] = 0xc3;
    p[0] = 0xb8;
}

static void rewritten(void)
{
    for (u32 i = 0; i < 1000; i++) {
        put_mov(code, i * 77);
        CHECK_EQ(((fn *)code)(), i * 77);
    }
}

/* A store into the very next instruction: the processor notices. */
static void next_instruction(void)
{
    for (u32 i = 1; i < 100; i++) {
        u32 v;
        /* movb %cl, 1f+1(%rip); 1: mov $0, %al -- built in the writable page */
        static const u8 text[] = {0x88, 0x0d, 0x01, 0, 0, 0, 0xb0, 0, 0xc3};
        if (i == 1)
            for (unsigned n = 0; n < sizeof(text); n++)
                ((volatile u8 *)code)[64 + n] = text[n];
        __asm__ volatile("call *%1" : "=a"(v) : "r"(code + 64), "c"(i) : "memory");
        CHECK_EQ((u8)v, i);
    }
}

/* REP STOS over itself: the copy wins. */
static void by_another_mapping(void)
{
    map(VA, (u64)code, PTE_P | PTE_W);
    invlpg(VA);
    for (u32 i = 0; i < 100; i++) {
        put_mov((u8 *)VA, i);
        CHECK_EQ(((fn *)code)(), i);
        put_mov(code, i + 5);
        CHECK_EQ(((fn *)VA)(), i + 5);
    }
}

static void remapped(void)
{
    u8 *a = new_pages(1), *b = new_pages(1);
    put_mov(a, 1);
    put_mov(b, 2);
    for (u32 i = 0; i < 20; i++) {
        map(VA, (u64)(i & 1 ? a : b), PTE_P);
        invlpg(VA);
        CHECK_EQ(((fn *)VA)(), i & 1 ? 1 : 2);
    }
}

/* An instruction over the end of a page, each half of which changes. */
static void crossing(void)
{
    u8 *pages = new_pages(2);
    for (u32 i = 0; i < 50; i++) {
        put_mov(pages + PAGE - 3, i << 20 | i);
        CHECK_EQ(((fn *)(pages + PAGE - 3))(), i << 20 | i);
    }
}

static void other_cpu(unsigned cpu)
{
    (void)cpu;
    u32 seen = 0;
    while (!stop) {
        if (go == seen) {
            pause();
            continue;
        }
        seen = go;
        u32 r[4];
        cpuid(0, 0, r); /* serialises [SDM 3A 8.1.3] */
        results[0] = ((fn *)code)();
        done = seen;
    }
}

static void cross_modified(void)
{
    start_cpus(2, other_cpu);
    for (u32 i = 1; i < 200; i++) {
        put_mov(code, i * 3);
        go = i;
        while (done != i)
            pause();
        CHECK_EQ(results[0], i * 3);
    }
    stop = 1;
}

static void spinning_cpu(unsigned cpu)
{
    (void)cpu;
    for (u32 seen = 0; seen < 400;) {
        if (go == seen) {
            pause();
            continue;
        }
        seen = go;
        stop = seen;
        ((fn *)code)();
        done = seen;
    }
}

/* A loop that waits for nothing but its own change, by another CPU and without a word. */
static void patched_loop(void)
{
    volatile u8 *loop = code;
    go = done = stop = 0;
    loop[0] = 0xc3; /* ret */
    start_cpus(2, spinning_cpu);
    for (u32 i = 1; i <= 400; i++) {
        loop[1] = 0xfe;
        loop[0] = 0xeb; /* jmp to itself */
        go = i;
        while (stop != i)
            pause();
        for (u32 wait = 0; wait < i; wait++)
            pause();
        loop[0] = 0xc3;
        while (done != i)
            pause();
    }
}

int main(void)
{
    x2apic_on();
    code = new_pages(1);
    rewritten();
    next_instruction();
    by_another_mapping();
    remapped();
    crossing();
    cross_modified();
    patched_loop();
    return 0;
}
