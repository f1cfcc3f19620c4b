/*
 * Every kind of state set to something, the machine saved and resumed (on another engine, as the
 * runner's arguments say), everything found again. Three times in a row.
 */
#include "guest.h"

enum { VEC_TIMER = 0x40, VEC_HELD = 0x60, VEC_PIT = 0x50, CPUS = 2 };
enum { MSR_STAR = 0xc0000081, MSR_LSTAR, MSR_CSTAR, MSR_FMASK, MSR_KERNEL_GS = 0xc0000102 };
enum { MSR_FS_BASE = 0xc0000100, MSR_GS_BASE, MSR_PAT = 0x277, MSR_SYSENTER_CS = 0x174 };
enum { MSR_TSC_AUX = 0xc0000103, MSR_MTRR_DEF = 0x2ff, MSR_MTRR_BASE0 = 0x200 };

static struct {
    u32 msr;
    u64 value;
} msrs[] = {
    {MSR_STAR, 0x0023001000000000},
    {MSR_LSTAR, 0xffffffff81000000},
    {MSR_CSTAR, 0xffffffff82000000},
    {MSR_FMASK, 0x47700},
    {MSR_KERNEL_GS, 0xffff888012345000},
    {MSR_FS_BASE, 0x7f0012345678},
    {MSR_GS_BASE, 0xffff888000001000},
    {MSR_PAT, 0x0007010600070106},
    {MSR_SYSENTER_CS, 0x10},
    {MSR_SYSENTER_CS + 1, 0xfffffe0000003000},
    {MSR_SYSENTER_CS + 2, 0xffffffff81a00000}, /* see set_up() */
    {MSR_MTRR_DEF, 0xc06},
    {MSR_MTRR_BASE0, 0xc0000000},
};

/* ---- general and vector registers, across one OUT ---- */

static u64 regs_before[14], regs_after[14];
static u8 fpu_before[512] __attribute__((aligned(64))), fpu_after[512] __attribute__((aligned(64)));

static void registers(u64 seed)
{
    for (unsigned i = 0; i < 14; i++)
        regs_before[i] = seed * (i + 1) * 0x0123456789abcdefull;
    __asm__ volatile("fxsave %0" : "=m"(fpu_before));
    for (unsigned i = 160; i < 416; i++)
        fpu_before[i] = (u8)(seed + i * 7);
    fpu_before[24] = 0x80; /* MXCSR 0x3f80: round towards zero too */
    fpu_before[25] = 0x7f;
    __asm__ volatile("fninit; fldpi; fld1\n\t"
                     "fxsave %0\n\t"
                     : "=m"(fpu_after));
    for (unsigned i = 0; i < 24; i++)
        fpu_before[i] = fpu_after[i];
    for (unsigned i = 32; i < 160; i++)
        fpu_before[i] = fpu_after[i];
    __asm__ volatile(
        "fxrstor %1\n\t"
        "push %%rbp; push %%rbx; lea %2, %%r15\n\t"
        "mov (%%r15), %%rbx; mov 8(%%r15), %%rcx; mov 16(%%r15), %%rsi; mov 24(%%r15), %%rdi\n\t"
        "mov 32(%%r15), %%rbp; mov 40(%%r15), %%r8; mov 48(%%r15), %%r9; mov 56(%%r15), %%r10\n\t"
        "mov 64(%%r15), %%r11; mov 72(%%r15), %%r12; mov 80(%%r15), %%r13; mov 88(%%r15), %%r14\n\t"
        "mov $0x5a5e, %%eax; mov $0xf4, %%edx; std; stc\n\t"
        "out %%eax, %%dx\n\t"
        "pushfq; cld; lea %3, %%r15; popq 96(%%r15)\n\t"
        "mov %%rbx, (%%r15); mov %%rcx, 8(%%r15); mov %%rsi, 16(%%r15); mov %%rdi, 24(%%r15)\n\t"
        "mov %%rbp, 32(%%r15); mov %%r8, 40(%%r15); mov %%r9, 48(%%r15); mov %%r10, 56(%%r15)\n\t"
        "mov %%r11, 64(%%r15); mov %%r12, 72(%%r15); mov %%r13, 80(%%r15); mov %%r14, 88(%%r15)\n\t"
        "pop %%rbx; pop %%rbp; fxsave %0\n\t"
        : "=m"(fpu_after)
        : "m"(fpu_before), "m"(regs_before), "m"(regs_after)
        : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
          "memory", "cc");
    for (unsigned i = 0; i < 12; i++)
        CHECK_EQ(regs_after[i], regs_before[i]);
    CHECK_EQ(regs_after[12] & 0xcd5, 0x401 | (regs_after[12] & 0xd4)); /* DF and CF */
    for (unsigned i = 0; i < 416; i++)
        if (i < 8 || (i >= 24 && i < 28) || i >= 32)
            CHECK_EQ(fpu_after[i] | i << 8, fpu_before[i] | i << 8);
}

/* ---- what is set once ---- */

/* qemu itself fails an assertion when CR8 is written while an interrupt waits. */
static u64 tpr(void)
{
    return on_qemu() ? 0 : 3;
}

/* AMD's processors have no SYSENTER in long mode, and its registers need only 32 bits. */
static bool narrow_sysenter(void)
{
    u32 r[4];
    cpuid(0, 0, r);
    return r[1] == 0x68747541; /* Auth, enticAMD */
}

static void set_up(void)
{
    for (unsigned i = 0; i < sizeof(msrs) / sizeof(msrs[0]) && narrow_sysenter(); i++)
        if (msrs[i].msr > MSR_SYSENTER_CS && msrs[i].msr <= MSR_SYSENTER_CS + 2)
            msrs[i].value = (u32)msrs[i].value;
    for (unsigned i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++)
        wrmsr(msrs[i].msr, msrs[i].value);
    __asm__ volatile("mov %0, %%dr0; mov %1, %%dr3" ::"r"(0x123000ull), "r"(0x456000ull));
    if (tpr())
        write_cr8(tpr());
    __asm__ volatile("mov %w0, %%es" ::"r"(SEL_UDATA));
    /* an interrupt that TPR holds back, in IRR */
    if (tpr())
        wrmsr(APIC_SELF_IPI, VEC_HELD - 0x30);
    /* IOAPIC pin 2 and the PIT */
    ioapic_write(0x10 + 2 * 2 + 1, 0);
    ioapic_write(0x10 + 2 * 2, VEC_PIT);
    ioapic_write(0x10 + 2 * 19 + 1, 1 << 24);
    ioapic_write(0x10 + 2 * 19, 0x1a0b1 | 1 << 13);
    outb(0x43, 0x34);
    outb(0x40, 11932 & 0xff);
    outb(0x40, 11932 >> 8);
    /* PIC */
    outb(0x20, 0x11);
    outb(0x21, 0x28);
    outb(0x21, 4);
    outb(0x21, 1);
    outb(0x21, 0xe7);
    outb(0xa1, 0xbf);
    /* APIC timer, slow */
    wrmsr(APIC_TIMER_DIV, 3);
    wrmsr(APIC_LVT_TIMER, VEC_TIMER | 1 << 17);
    wrmsr(APIC_TIMER_INIT, 200000);
    wrmsr(APIC_LINT0, 0x18700);
}

static u32 identity[4]; /* vendor and signature: a machine stays what it was */

static void look_at_identity(u32 id[4])
{
    u32 r[4];
    cpuid(0, 0, id);
    cpuid(1, 0, r);
    id[0] = r[0];
}

static void verify(void)
{
    u32 now[4];
    look_at_identity(now);
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(now[i], identity[i]);
    for (unsigned i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++)
        CHECK_EQ(rdmsr(msrs[i].msr), msrs[i].value);
    u64 dr0, dr3;
    u16 es, tr;
    __asm__ volatile("mov %%dr0, %0; mov %%dr3, %1" : "=r"(dr0), "=r"(dr3));
    CHECK_EQ(dr0, 0x123000);
    CHECK_EQ(dr3, 0x456000);
    CHECK_EQ(read_cr8(), tpr());
    CHECK_EQ(read_cr4() & ~0x60000ull, CR4_BOOT);
    CHECK_EQ(read_cr0(), CR0_BOOT);
    CHECK_EQ(rdmsr(MSR_EFER) & ~0x400ull, EFER_BOOT);
    __asm__ volatile("mov %%es, %0; str %1" : "=r"(es), "=r"(tr));
    CHECK_EQ(es, SEL_UDATA);
    CHECK_EQ(tr, SEL_TSS);
    CHECK_EQ(rdmsr(APIC_IRR + (VEC_HELD - 0x30) / 32) >> (VEC_HELD - 0x30) % 32 & 1, tpr() != 0);
    CHECK_EQ(ioapic_read(0x10 + 2 * 19) & ~0x5000, (0x1a0b1 | 1 << 13) & ~0x5000);
    CHECK_EQ(ioapic_read(0x10 + 2 * 19 + 1), 1 << 24);
    CHECK_EQ(inb(0x21), 0xe7);
    CHECK_EQ(inb(0xa1), 0xbf);
    CHECK_EQ(rdmsr(APIC_TIMER_INIT), 200000);
    CHECK_EQ(rdmsr(APIC_LVT_TIMER), VEC_TIMER | 1 << 17);
    CHECK_EQ(rdmsr(APIC_LINT0) & ~0x5000ull, 0x18700 & ~0x5000);
    CHECK_EQ(rdmsr(APIC_SVR), 0x1ff);
}

/* Timers go on: both bring interrupts after the resume. */
static void timers(void)
{
    u32 t = taken[VEC_TIMER], p = taken[VEC_PIT];
    while (taken[VEC_TIMER] < t + 2 || taken[VEC_PIT] < p + 2)
        sti_hlt();
}

/* ---- the other CPU: halted or counting when it is saved ---- */

static volatile u32 wanted, got, woken, ready;

static void other_cpu(unsigned cpu)
{
    (void)cpu;
    x2apic_on();
    ready = 1; /* before that it takes no interrupts */
    for (u32 n = 1;; n++) {
        sti_hlt();
        while (wanted != n)
            pause();
        got = n;
    }
}

static bool on_wake(struct frame *f)
{
    if (f->vector == VEC_HELD)
        woken++;
    return false;
}

int main(void)
{
    pic_mask_all();
    x2apic_on();
    trap_hook = on_wake;
    start_cpus(CPUS, other_cpu);
    while (!ready)
        pause();
    set_up();
    look_at_identity(identity);
    for (u32 i = 1; i <= 3; i++) {
        u64 tsc = rdtsc();
        registers(i);
        CHECK(rdtsc() > tsc);
        verify();
        wrmsr(APIC_ICR, 1ull << 32 | VEC_HELD);
        timers();
        wanted = i;
        while (got != i)
            pause();
        CHECK_EQ(woken, i);
    }
    if (tpr())
        write_cr8(0); /* now what was held comes */
    sti();
    __asm__ volatile("nop");
    cli();
    CHECK_EQ(taken[VEC_HELD - 0x30], tpr() != 0);
    return 0;
}
