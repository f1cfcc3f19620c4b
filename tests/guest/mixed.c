/*
 * Code on pages that are written all the time, which the translator no longer watches: its blocks
 * look by themselves whether they are still true. The first 300 rewritings get it that far; all of
 * this must hold before and after.
 */
#include "guest.h"

#define VA (1ull << 39)
enum { HOT = 300 };
static u8 *code;

static u64 call(const u8 *at, u64 value)
{
    u64 r;
    __asm__ volatile("call *%1" : "=a"(r), "+r"(at), "+D"(value)::"rcx", "rdx", "memory", "cc");
    return r;
}

static void put(u8 *at, const void *bytes, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        ((volatile u8 *)at)[i] = ((const u8 *)bytes)[i];
}
#define PUT(at, text) put(at, text, sizeof(text) - 1)

/* mov $v, %eax; ret */
static void put_mov(u8 *at, u32 v)
{
    PUT(at, "\xb8....\xc3");
    put(at + 1, &v, 4);
}

static void heat(u8 *at)
{
    for (u32 i = 0; i < HOT; i++) {
        put_mov(at, i);
        CHECK_EQ(call(at, 0), i);
    }
}

/* Data on the page, which the code writes itself. */
static void data_beside(void)
{
    u64 sum = 0;
    u32 away = 2048 - 7;
    u8 *at = code + 0x200;
    PUT(at, "\x48\x01\x3d....\x48\x8d\x47\x03\xc3"); /* add %rdi, away(%rip); lea 3(%rdi), %rax */
    put(at + 3, &away, 4);
    *(volatile u64 *)(at + 2048) = 0;
    for (u64 i = 0; i < HOT; i++) {
        CHECK_EQ(call(at, i), i + 3);
        sum += i;
        CHECK_EQ(*(volatile u64 *)(at + 2048), sum);
    }
}

/* What the processor notices at once: the next instruction changes. */
static void next_instruction(void)
{
    u8 *at = code + 0x240;
    PUT(at, "\x40\x88\x3d\x01\0\0\0\xb0\0\xc3"); /* mov %dil, 1f+1(%rip); 1: mov $0, %al */
    for (u32 i = 0; i < HOT; i++)
        CHECK_EQ((u8)call(at, i), (u8)i);
}

/* A loop whose body counts up its own immediate. */
static void loop_on_itself(void)
{
    u8 *at = code + 0x280;
    /* xor %eax, %eax; mov %edi, %ecx; 1: incb 2f+2(%rip); 2: add $0, %eax; dec %ecx; jnz 1b; ret */
    PUT(at, "\x31\xc0\x89\xf9\xfe\x05\x02\0\0\0\x83\xc0\0\xff\xc9\x75\xf3\xc3");
    for (u32 n = 1; n < 100; n++) {
        at[12] = 0;
        CHECK_EQ(call(at, n), n * (n + 1) / 2);
    }
}

/* The stack is in the code: what PUSH stores is run next. */
static void pushed_code(void)
{
    u8 *at = code + 0x2c0;
    /* xchg %rsp, %rdi; push %rax; 8 bytes that it overwrites; xchg back by way of lea */
    for (u32 i = 0; i < HOT; i++) {
        u64 text = 0x90909000000000b8 | (u64)i << 8, r, sp = (u64)at + 12; /* mov $i, %eax; nop */
        PUT(at, "\x48\x87\xfc\x50\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc\x48\x89\xfc\xc3");
        __asm__ volatile("call *%1" : "=a"(r), "+r"(at), "+D"(sp) : "0"(text) : "memory", "cc");
        CHECK_EQ(r, i);
    }
}

/* Bodies that come and go, more of them than anybody keeps. */
static void versions(void)
{
    u8 *at = code + 0x300;
    for (u32 round = 0; round < 5; round++) {
        for (u32 i = 0; i < 40; i++) {
            put_mov(at, i * 0x01010101);
            CHECK_EQ(call(at, 0), i * 0x01010101);
            CHECK_EQ(call(at, 0), i * 0x01010101);
        }
    }
}

/* Immediates of all forms that are patched, each with the same code around it. */
static void immediates(void)
{
    u8 *at = code + 0x180;
    for (u32 i = 0; i < HOT; i++) {
        int32_t v = (int32_t)(i * 0x01234567);
        u64 wide = (u64)i * 0x0123456789abcdef, sum;
        PUT(at, "\x48\xb8........\xb9....\x48\xc7\xc2....\x48\x01\xc8\x48\x29\xd0"
                "\x48\x05....\x81\xe9....\x48\x81\xfa....\x48\x0f\x44\xc1"
                "\x48\x8d\x84\x48....\xc3");
        put(at + 2, &wide, 8); /* movabs $wide, %rax */
        put(at + 11, &v, 4);   /* mov $v, %ecx */
        put(at + 18, &v, 4);   /* mov $v, %rdx; add %rcx, %rax; sub %rdx, %rax */
        put(at + 30, &i, 4);   /* add $i, %rax */
        put(at + 36, &i, 4);   /* sub $i, %ecx */
        put(at + 43, &v, 4);   /* cmp $v, %rdx; cmove %rcx, %rax */
        put(at + 55, &v, 4);   /* lea v(%rax, %rcx, 2), %rax */
        u64 rcx = (u32)((u32)v - i);
        CHECK_EQ(call(at, 0), rcx + 2 * rcx + (u64)(long)v);
        /* The comparison fails. */
        at[18]++;
        sum = wide + (u32)v - (u64)(long)(int32_t)(((u32)v & ~0xffu) | (u8)(v + 1)) + i;
        CHECK_EQ(call(at, 0), sum + 2 * rcx + (u64)(long)v);
    }
}

/* A jump whose target is patched. */
static void jumps(void)
{
    u8 *at = code + 0x80;
    PUT(at, "\xe9....");
    for (u32 i = 0; i < HOT; i++) {
        u8 *to = at + 16 + 8 * (i * 7 % 13);
        u32 away = (u32)(to - (at + 5));
        put_mov(to, i);
        put(at + 1, &away, 4);
        CHECK_EQ(call(at, 0), i);
        CHECK_EQ(call(at, 0), i);
    }
}

/* The stack moves by an immediate that changes, between accesses to it. */
static void stack_adjusted(void)
{
    u8 *at = code + 0x140;
    for (u32 i = 0; i < HOT; i++) {
        u32 by = 8 * (i % 50);
        PUT(at, "\x57\x48\x81\xec....\x57\x58\x48\x81\xc4....\x5a\x48\x01\xd0\xc3");
        put(at + 4, &by, 4);  /* push %rdi; sub $by, %rsp */
        put(at + 13, &by, 4); /* push %rdi; pop %rax; add $by, %rsp; pop %rdx; add %rdx, %rax */
        CHECK_EQ(call(at, i), 2 * i);
    }
}

/* A function whose second block changes, reached by a jump; and flags that go through. */
static void linked(void)
{
    u8 *at = code + 0x340;
    PUT(at, "\x89\xf8\x9e\xeb\x10");        /* mov %edi, %eax; sahf; jmp 1f */
    PUT(at + 0x15, "\xb8\0\0\0\0\x9f\xc3"); /* 1: mov $0, %eax; lahf; ret */
    for (u32 i = 0; i < HOT; i++) {
        u8 flags = (u8)((i & 0xd5) | 2);
        at[0x16] = (u8)(i / 3);
        CHECK_EQ(call(at, (u64)flags << 8), flags << 8 | (u8)(i / 3));
    }
}

/* One form reads the flags, the other one does not: the look must not spoil them for the first. */
static void flags_through(void)
{
    u8 *at = code + 0x1c0;
    for (u32 i = 0; i < HOT; i++) {
        u64 flags = (i & 0xd5) | 2, rax = flags << 8;
        if (i & 1)
            PUT(at, "\x9f\xc3\x90"); /* lahf; ret */
        else
            PUT(at, "\x31\xc0\xc3"); /* xor %eax, %eax; ret */
        __asm__ volatile("sahf; call *%1" : "+a"(rax), "+r"(at)::"memory", "cc");
        CHECK_EQ(rax, i & 1 ? flags << 8 : 0);
    }
}

/* One instruction in two pages, each half of which changes. */
static void crossing(void)
{
    u8 *at = code + PAGE - 3;
    heat(code + PAGE + 64);
    for (u32 i = 0; i < HOT; i++) {
        put_mov(at, i << 20 | i);
        CHECK_EQ(call(at, 0), i << 20 | i);
    }
}

/* Two addresses of a page; and another page at the address. */
static void mapped_twice(void)
{
    map(VA, (u64)code, PTE_P | PTE_W);
    invlpg(VA);
    for (u32 i = 0; i < HOT; i++) {
        put_mov((u8 *)VA + 0x380, i);
        CHECK_EQ(call(code + 0x380, 0), i);
        put_mov(code + 0x380, i + 5);
        CHECK_EQ(call((u8 *)VA + 0x380, 0), i + 5);
    }
    u8 *other = new_pages(1);
    put_mov(other + 0x380, 77);
    map(VA, (u64)other, PTE_P | PTE_W);
    invlpg(VA);
    CHECK_EQ(call((u8 *)VA + 0x380, 0), 77);
    CHECK_EQ(call(code + 0x380, 0), HOT + 4);
}

/* What is no instruction becomes one, and back. */
static void undefined(void)
{
    u8 *at = code + 0x3c0;
    for (u32 i = 0; i < 50; i++) {
        PUT(at, "\x0f\x0b\xc3\x90\x90\xc3");
        TRY("jmp *%0", ::"r"(at) : "rax", "memory");
        CHECK_EQ(trap.vector, 6);
        PUT(at, "\x0f\xff\xc3\x90\x90\xc3");
        TRY("jmp *%0", ::"r"(at) : "rax", "memory");
        CHECK_EQ(trap.vector, 6);
        put_mov(at, i);
        CHECK_EQ(call(at, 0), i);
    }
}

static void all(void)
{
    data_beside();
    next_instruction();
    loop_on_itself();
    pushed_code();
    versions();
    immediates();
    jumps();
    stack_adjusted();
    linked();
    flags_through();
    crossing();
    mapped_twice();
    undefined();
}

int main(void)
{
    code = new_pages(2);
    all();
    heat(code);
    all();
    return 0;
}
