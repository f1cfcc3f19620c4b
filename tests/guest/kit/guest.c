/* See guest.h. */
#include "guest.h"

volatile struct trap trap;
volatile u32 taken[256];
bool (*volatile trap_hook)(struct frame *f);
u64 trap_resume;
bool irq_eoi = true;
struct tss tss[MAX_CPUS];
u8 user_stack[4096] __attribute__((aligned(4096)));
static u8 stacks[MAX_CPUS][16384] __attribute__((aligned(16)));
static u8 ist_stacks[MAX_CPUS][4096] __attribute__((aligned(16)));
static u8 rsp0_stack[8192] __attribute__((aligned(16)));

extern char trap_stubs[], trap_return[], user_back[];
extern u64 user_return_rsp, user_rax;
extern void *next_entry;
extern u64 next_stack;

void *memset(void *p, int c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((volatile u8 *)p)[i] = (u8)c;
    return p;
}

void *memcpy(void *d, const void *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((volatile u8 *)d)[i] = ((const u8 *)s)[i];
    return d;
}

/* ---- verdicts ---- */

void verdict(u32 v)
{
    for (;;)
        outl(DEBUG_PORT, v);
}

void ask_for_save(void)
{
    outl(DEBUG_PORT, VERDICT_SAVE);
}

bool on_qemu(void)
{
    extern u64 start_info;
    const char *line = (const char *)*(u64 *)(start_info + 24); /* hvm_start_info.cmdline_paddr */
    return line && line[0] == 'q';
}

void say(const char *s)
{
    while (*s)
        outb(0x3f8, (u8)*s++);
}

static void say_hex(u64 v)
{
    char s[19] = "0x";
    for (unsigned i = 0; i < 16; i++)
        s[2 + i] = "0123456789abcdef"[v >> (60 - 4 * i) & 15];
    s[18] = 0;
    say(s);
}

void failed(const char *what, u32 line, u64 got, u64 wanted)
{
    say(what);
    say(", line ");
    say_hex(line);
    say(": got ");
    say_hex(got);
    say(", wanted ");
    say_hex(wanted);
    say("\n");
    verdict(line);
}

/* ---- traps ---- */

static void unexpected(struct frame *f)
{
    say("unexpected trap, vector ");
    say_hex(f->vector);
    say(" error ");
    say_hex(f->error);
    say(" rip ");
    say_hex(f->rip);
    say(" cr2 ");
    say_hex(read_cr2());
    say("\n");
    verdict(0x7fff);
}

/* Leave user mode for user_run()'s caller. */
static void back_from_user(struct frame *f)
{
    user_rax = f->rax;
    f->rip = (u64)user_back;
    f->rsp = user_return_rsp;
    f->cs = SEL_KCODE;
    f->ss = SEL_KDATA;
    f->rflags = 2;
}

/*
 * STI holds interrupts until the next instruction is over: none may come between it and HLT. On
 * qemu one may, for its VMRUN does not load the shadow that its VMEXIT saved, and a CPU whose only
 * interrupt came too early would halt for good; so there HLT is left out.
 */
static void check_halt(struct frame *f)
{
    enum { HLT = 0xf4 };
    if (*(const u8 *)f->rip != HLT)
        return;
    CHECK(on_qemu());
    f->rip++;
}

void trap_entry(struct frame *f)
{
    bool user = f->cs & 3;
    taken[f->vector]++;
    if (f->vector >= 32 && !user)
        check_halt(f);
    if (f->vector >= 32 && !user && (!trap_hook || !trap_hook(f))) {
        if (irq_eoi)
            wrmsr(APIC_EOI, 0);
        return;
    }
    if (f->vector >= 32 && !user)
        return;
    if (trap_hook && trap_hook(f))
        return;
    trap.vector = f->vector;
    trap.error = f->error;
    trap.cr2 = read_cr2();
    trap.frame = *f;
    if (user) {
        back_from_user(f);
    } else if (trap_resume) {
        f->rip = trap_resume;
        f->rflags &= ~0x40100ull; /* TF, AC */
    } else {
        unexpected(f);
    }
}

void set_gate(unsigned vector, void *handler, unsigned dpl, unsigned ist)
{
    u64 at = (u64)handler;
    idt[vector] = (struct gate){.offset0 = (u16)at,
                                .sel = SEL_KCODE,
                                .ist = (u8)ist,
                                .type = (u8)(0x8e | dpl << 5),
                                .offset1 = (u16)(at >> 16),
                                .offset2 = (u32)(at >> 32)};
}

static void load_tss(unsigned cpu)
{
    u64 at = (u64)&tss[cpu], limit = sizeof(struct tss) - 1;
    u64 *d = &gdt[SEL_TSS / 8 + 2 * cpu];
    tss[cpu].ist[0] = (u64)(ist_stacks[cpu] + sizeof(ist_stacks[cpu]));
    tss[cpu].iomap = sizeof(struct tss);
    d[0] = limit | (at & 0xffffff) << 16 | 0x89ull << 40 | (at >> 24 & 0xff) << 56;
    d[1] = at >> 32;
    __asm__ volatile("ltr %w0" ::"r"(SEL_TSS + 16 * cpu) : "memory");
}

void guest_start(void)
{
    for (unsigned i = 0; i < 256; i++)
        set_gate(i, trap_stubs + i * 16, i == 3 || i == 0x80 ? 3 : 0, i == 8 ? 1 : 0);
    tss[0].rsp[0] = (u64)(rsp0_stack + sizeof(rsp0_stack));
    load_tss(0);
    verdict((u32)main());
}

/* ---- pages ---- */

void *new_pages(unsigned n)
{
    static u8 pool[256 * PAGE] __attribute__((aligned(4096)));
    static unsigned used;
    void *p = pool + used * PAGE;
    used += n;
    CHECK(used <= 256);
    return p;
}

u64 *map_level(u64 va, u64 pa, u64 flags, unsigned level)
{
    u64 *table = pml4;
    for (unsigned l = 4; l > level; l--) {
        u64 *e = &table[va >> (12 + 9 * (l - 1)) & 511];
        if (!*e)
            *e = (u64)new_pages(1) | PTE_P | PTE_W | PTE_U;
        table = (u64 *)(*e & 0xffffffffff000);
    }
    u64 *e = &table[va >> (12 + 9 * (level - 1)) & 511];
    *e = pa | flags | (level > 1 ? PTE_PS : 0);
    return e;
}

u64 *map(u64 va, u64 pa, u64 flags)
{
    return map_level(va, pa, flags, 1);
}

void map_user_alias(void)
{
    for (u64 a = 0; a < 64 << 20; a += 2 << 20)
        map_level(USER_ALIAS + a, a, PTE_P | PTE_W | PTE_U, 2);
}

u64 user_call(void *fn, u64 flags)
{
    return user_run((u64)fn + USER_ALIAS, (u64)user_stack + USER_ALIAS + sizeof(user_stack) - 64,
                    flags | 2, SEL_UCODE, SEL_UDATA);
}

/* ---- APICs ---- */

void x2apic_on(void)
{
    wrmsr(0x1b, rdmsr(0x1b) | 0xc00);
    wrmsr(APIC_SVR, 0x1ff);
}

void ioapic_write(u32 reg, u32 v)
{
    *(volatile u32 *)0xfec00000 = reg;
    *(volatile u32 *)0xfec00010 = v;
}

u32 ioapic_read(u32 reg)
{
    *(volatile u32 *)0xfec00000 = reg;
    return *(volatile u32 *)0xfec00010;
}

void pic_mask_all(void)
{
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
}

/* ---- other CPUs ---- */

static void (*volatile ap_fn)(unsigned cpu);
static volatile u32 ap_started;

static void ap_main(void)
{
    unsigned cpu = cpu_id();
    load_tss(cpu);
    ap_started = cpu;
    ap_fn(cpu);
    for (;;)
        __asm__ volatile("cli; hlt");
}

unsigned cpu_id(void)
{
    u32 r[4];
    cpuid(1, 0, r);
    return r[1] >> 24;
}

void start_cpus(unsigned n, void (*fn)(unsigned cpu))
{
    extern char ap_trampoline[], ap_trampoline_end[];
    memcpy((void *)AP_START, ap_trampoline, (size_t)(ap_trampoline_end - ap_trampoline));
    ap_fn = fn;
    next_entry = ap_main;
    for (unsigned i = 1; i < n; i++) {
        next_stack = (u64)(stacks[i] + sizeof(stacks[i]));
        wrmsr(APIC_ICR, (u64)i << 32 | 0x4500);                  /* INIT */
        wrmsr(APIC_ICR, (u64)i << 32 | 0x4600 | AP_START >> 12); /* start-up */
        while (ap_started != i)
            pause();
    }
}
