/*
 * What a small guest is made with: traps that can be expected, pages, user mode, the local APIC,
 * other CPUs, and a verdict for the runner (tests/guest/run.c).
 *
 * A guest is one main(). CHECK() that fails says what it saw and ends the machine with the line
 * number; returning 0 from main is success.
 */
#ifndef GUEST_KIT_GUEST_H
#define GUEST_KIT_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "asm.h"

typedef uint64_t u64;
typedef uint32_t u32;
typedef uint16_t u16;
typedef uint8_t u8;

enum { DEBUG_PORT = 0xf4, VERDICT_SAVE = 0x5a5e, PAGE = 4096 };

int main(void);
_Noreturn void verdict(u32 v);
_Noreturn void failed(const char *what, u32 line, u64 got, u64 wanted);
/* The runner saves the machine here and resumes it on another engine. */
void ask_for_save(void);
void say(const char *s);

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond))                                                                               \
            failed(__FILE_NAME__ ": " #cond, __LINE__, 0, 1);                                      \
    } while (0)
#define CHECK_EQ(got, wanted)                                                                      \
    do {                                                                                           \
        u64 got_ = (u64)(got), wanted_ = (u64)(wanted);                                            \
        if (got_ != wanted_)                                                                       \
            failed(__FILE_NAME__ ": " #got, __LINE__, got_, wanted_);                              \
    } while (0)

/*
 * Does the machine run on the SVM that qemu emulates? Then some facts of the processor are qemu's
 * mistakes; the runner says so on the command line.
 */
bool on_qemu(void);

/* ---- instructions ---- */

static inline void outb(u16 port, u8 v)
{
    __asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port) : "memory");
}
static inline void outl(u16 port, u32 v)
{
    __asm__ volatile("outl %0, %1" ::"a"(v), "Nd"(port) : "memory");
}
static inline u8 inb(u16 port)
{
    u8 v;
    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
    return v;
}
static inline u32 inl(u16 port)
{
    u32 v;
    __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
    return v;
}
static inline u64 rdmsr(u32 msr)
{
    u32 lo, hi;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr) : "memory");
    return (u64)hi << 32 | lo;
}
static inline void wrmsr(u32 msr, u64 v)
{
    __asm__ volatile("wrmsr" ::"c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}
static inline u64 rdtsc(void)
{
    u32 lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi)::"memory");
    return (u64)hi << 32 | lo;
}
#define READ_REG(name, reg)                                                                        \
    static inline u64 read_##name(void)                                                            \
    {                                                                                              \
        u64 v;                                                                                     \
        __asm__ volatile("mov %%" #reg ", %0" : "=r"(v)::"memory");                                \
        return v;                                                                                  \
    }                                                                                              \
    static inline void write_##name(u64 v)                                                         \
    {                                                                                              \
        __asm__ volatile("mov %0, %%" #reg ::"r"(v) : "memory");                                   \
    }
READ_REG(cr0, cr0)
READ_REG(cr2, cr2)
READ_REG(cr3, cr3)
READ_REG(cr4, cr4)
READ_REG(cr8, cr8)
READ_REG(dr0, dr0)
READ_REG(dr6, dr6)
READ_REG(dr7, dr7)
static inline void invlpg(u64 va)
{
    __asm__ volatile("invlpg (%0)" ::"r"(va) : "memory");
}
static inline void cpuid(u32 leaf, u32 sub, u32 r[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
                     : "a"(leaf), "c"(sub));
}
static inline u64 rflags(void)
{
    u64 v;
    __asm__ volatile("pushfq; pop %0" : "=r"(v)::"memory");
    return v;
}
#define sti()   __asm__ volatile("sti" ::: "memory")
#define cli()   __asm__ volatile("cli" ::: "memory")
#define pause() __asm__ volatile("pause" ::: "memory")
/* Nothing can slip in between: the interrupt that ends HLT is taken behind it (the kit looks). */
#define sti_hlt() __asm__ volatile("sti; hlt; cli" ::: "memory")

/* ---- traps ---- */

struct frame {
    u64 rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15;
    u64 vector, error;
    u64 rip, cs, rflags, rsp, ss;
};

enum { NO_TRAP = 0x100 };

/* The last exception, and how often each vector came. */
extern volatile struct trap {
    u64 vector, error, cr2;
    struct frame frame;
} trap;
extern volatile u32 taken[256];
/* Called instead of all else; returns true when it dealt with the vector. */
extern bool (*volatile trap_hook)(struct frame *f);
extern u64 trap_resume;
extern bool irq_eoi; /* interrupts >= 32 are acknowledged at the local APIC (default) */

/*
 * Run instructions of which one may trap; on a trap execution goes on behind them. trap.vector is
 * NO_TRAP if none did. Registers named in clobbers may be lost.
 */
#define TRY(insns, ...)                                                                            \
    do {                                                                                           \
        trap.vector = NO_TRAP;                                                                     \
        __asm__ volatile("movq $1f, trap_resume\n\t" insns                                         \
                         "\n1:\tmovq $0, trap_resume" __VA_ARGS__);                                \
    } while (0)
/* An error code that names entry n of the IDT; qemu 7.2's counts in 16 bytes. */
#define CHECK_IDT_TRAP(vec, n, ext)                                                                \
    do {                                                                                           \
        CHECK_EQ(trap.vector, vec);                                                                \
        if (!on_qemu() || trap.error != ((n)*16 | 2 | (ext)))                                      \
            CHECK_EQ(trap.error, (n)*8 | 2 | (ext));                                               \
    } while (0)
#define CHECK_TRAP(vec, err)                                                                       \
    do {                                                                                           \
        CHECK_EQ(trap.vector, vec);                                                                \
        CHECK_EQ(trap.error, err);                                                                 \
    } while (0)

void set_gate(unsigned vector, void *handler, unsigned dpl, unsigned ist);
struct gate {
    u16 offset0, sel;
    u8 ist, type;
    u16 offset1;
    u32 offset2, zero;
};
extern struct gate idt[256];
extern u64 gdt[];
struct tss {
    u32 zero0;
    u64 rsp[3], zero1, ist[7], zero2;
    u16 zero3, iomap;
} __attribute__((packed));
extern struct tss tss[MAX_CPUS];

/* ---- pages ---- */

enum {
    PTE_P = 1,
    PTE_W = 2,
    PTE_U = 4,
    PTE_A = 0x20,
    PTE_D = 0x40,
    PTE_PS = 0x80,
    PTE_G = 0x100,
};
#define PTE_NX (1ull << 63)
extern u64 pml4[512];
/* Zeroed pages, identity-mapped. */
void *new_pages(unsigned n);
/* Map the 4 KiB page at va (PML4 entries from 1 on); intermediate entries allow everything. Returns
 * its entry. Does not flush. */
u64 *map(u64 va, u64 pa, u64 flags);
/* The same at a level: 1 = 4 KiB, 2 = 2 MiB, 3 = 1 GiB. */
u64 *map_level(u64 va, u64 pa, u64 flags, unsigned level);
/* Everything below 4 GiB again for user mode, at USER_ALIAS. */
#define USER_ALIAS (2ull << 39)
void map_user_alias(void);

/* ---- user mode ---- */

u64 user_run(u64 rip, u64 rsp, u64 rflags, u64 cs, u64 ss);
/* Run fn (through USER_ALIAS) at CPL 3 until it traps; int $0x80 is the polite way. Returns its
 * rax. */
u64 user_call(void *fn, u64 flags);
extern u8 user_stack[4096];

/* ---- local APIC, by MSRs (x2APIC) ---- */

enum {
    APIC_ID = 0x802,
    APIC_EOI = 0x80b,
    APIC_TPR = 0x808,
    APIC_SVR = 0x80f,
    APIC_ISR = 0x810,
    APIC_IRR = 0x820,
    APIC_ICR = 0x830,
    APIC_LVT_TIMER = 0x832,
    APIC_LINT0 = 0x835,
    APIC_TIMER_INIT = 0x838,
    APIC_TIMER_CUR = 0x839,
    APIC_TIMER_DIV = 0x83e,
    APIC_SELF_IPI = 0x83f,
    MSR_DEADLINE = 0x6e0,
};
void x2apic_on(void);
static inline u32 *ioapic(void)
{
    return (u32 *)0xfec00000;
}
void ioapic_write(u32 reg, u32 v);
u32 ioapic_read(u32 reg);
void pic_mask_all(void);

/* ---- other CPUs ---- */

void start_cpus(unsigned n, void (*fn)(unsigned cpu)); /* CPUs 1 to n-1 run fn, then halt */
unsigned cpu_id(void);

#endif
