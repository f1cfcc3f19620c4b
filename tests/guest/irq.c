/* Interrupts: APIC timer, self IPI, priorities, NMI, PIT through the IOAPIC, PIC. [SDM 3A 11] */
#include "guest.h"

enum { VEC_TIMER = 0x40, VEC_PIT = 0x50, VEC_LOW = 0x60, VEC_HIGH = 0x70, VEC_PIC = 0x20 };

static void wait_for(unsigned vector, u32 n)
{
    while (taken[vector] < n)
        sti_hlt();
}

static void take_pending(void)
{
    sti();
    __asm__ volatile("nop");
    cli();
}

static void one_shot(void)
{
    wrmsr(APIC_TIMER_DIV, 3); /* by 16 */
    wrmsr(APIC_LVT_TIMER, VEC_TIMER);
    wrmsr(APIC_TIMER_INIT, 10000);
    CHECK(rdmsr(APIC_TIMER_CUR) <= 10000);
    wait_for(VEC_TIMER, 1);
    CHECK_EQ(rdmsr(APIC_TIMER_CUR), 0);
    for (u64 t = rdtsc(); rdtsc() - t < 2000000;)
        ;
    take_pending();
    CHECK_EQ(taken[VEC_TIMER], 1);
}

static void periodic(void)
{
    taken[VEC_TIMER] = 0;
    wrmsr(APIC_LVT_TIMER, VEC_TIMER | 1 << 17);
    wrmsr(APIC_TIMER_INIT, 50000);
    wait_for(VEC_TIMER, 5);
    wrmsr(APIC_LVT_TIMER, VEC_TIMER | 1 << 17 | 1 << 16);
    wrmsr(APIC_TIMER_INIT, 0);
    take_pending(); /* one more tick came before the timer was off, if that was slow */
}

static void deadline(void)
{
    u32 r[4];
    cpuid(1, 0, r);
    if (!(r[2] & 1u << 24)) {
        say("no TSC deadline\n");
        return;
    }
    taken[VEC_TIMER] = 0;
    wrmsr(APIC_LVT_TIMER, VEC_TIMER | 2 << 17);
    __asm__ volatile("mfence");
    u64 at = rdtsc() + 3000000;
    wrmsr(MSR_DEADLINE, at);
    wait_for(VEC_TIMER, 1);
    CHECK(rdtsc() >= at);
    CHECK_EQ(rdmsr(MSR_DEADLINE), 0);
    wrmsr(MSR_DEADLINE, 1); /* long past: at once */
    wait_for(VEC_TIMER, 2);
    wrmsr(APIC_LVT_TIMER, VEC_TIMER | 1 << 16);
}

static u8 order[4];
static u32 ordered;

static bool note_order(struct frame *f)
{
    if (ordered < 4)
        order[ordered++] = (u8)f->vector;
    return false;
}

static void priorities(void)
{
    trap_hook = note_order;
    wrmsr(APIC_SELF_IPI, VEC_LOW);
    wrmsr(APIC_SELF_IPI, VEC_HIGH);
    CHECK_EQ(rdmsr(APIC_IRR + VEC_LOW / 32) >> VEC_LOW % 32 & 1, 1);
    CHECK_EQ(taken[VEC_LOW] + taken[VEC_HIGH], 0);
    sti();
    __asm__ volatile("nop; nop");
    cli();
    CHECK_EQ(ordered, 2);
    CHECK_EQ(order[0], VEC_HIGH);
    CHECK_EQ(order[1], VEC_LOW);
    /* TPR holds what is not above its class. */
    write_cr8(6);
    CHECK_EQ(rdmsr(APIC_TPR), 0x60);
    wrmsr(APIC_SELF_IPI, VEC_LOW);
    sti();
    __asm__ volatile("nop; nop");
    CHECK_EQ(taken[VEC_LOW], 1);
    write_cr8(5);
    __asm__ volatile("nop; nop");
    CHECK_EQ(taken[VEC_LOW], 2);
    cli();
    write_cr8(0);
    wrmsr(APIC_ICR, 1ull << 18 | VEC_LOW); /* shorthand: self */
    sti();
    __asm__ volatile("nop; nop");
    cli();
    CHECK_EQ(taken[VEC_LOW], 3);
    trap_hook = NULL;
}

/*
 * How often a shadow is tried that does not hold. qemu's VMRUN does not load what its VMEXIT saved
 * of it: where an interrupt of the outer machine ends the guest just there, ours comes at once.
 * That is a matter of chance; a shadow that we lose is lost each time.
 */
static unsigned shadow_tries(void)
{
    return on_qemu() ? 10 : 1;
}

/* STI holds interrupts for one instruction. */
static void shadow(void)
{
    u32 before, behind;
    unsigned tries = shadow_tries();
    do {
        taken[VEC_LOW] = 0;
        wrmsr(APIC_SELF_IPI, VEC_LOW);
        __asm__ volatile("sti; mov %2, %0; nop; mov %2, %1; cli"
                         : "=&r"(before), "=&r"(behind)
                         : "m"(taken[VEC_LOW])
                         : "memory");
        CHECK_EQ(behind, 1);
    } while (before != 0 && --tries);
    CHECK_EQ(before, 0);
}

/* STI; CLI: never open. */
static void never_open(void)
{
    unsigned tries = shadow_tries();
    do {
        taken[VEC_LOW] = 0;
        wrmsr(APIC_SELF_IPI, VEC_LOW);
        __asm__ volatile("sti; cli; nop; nop" ::: "memory");
    } while (taken[VEC_LOW] != 0 && --tries);
    CHECK_EQ(taken[VEC_LOW], 0);
    take_pending();
    CHECK_EQ(taken[VEC_LOW], 1);
}

static u32 nmis, nested;

static bool on_nmi(struct frame *f)
{
    if (f->vector != 2)
        return false;
    nested++;
    if (nmis++ == 0) {
        wrmsr(APIC_ICR, 0x400ull | (u64)cpu_id() << 32); /* held until IRET */
        for (u64 t = rdtsc(); rdtsc() - t < 200000;)
            ;
        CHECK_EQ(nested, 1);
    }
    nested--;
    return true;
}

static void nmi(void)
{
    trap_hook = on_nmi;
    wrmsr(APIC_ICR, 0x400ull | (u64)cpu_id() << 32);
    /* Seconds: where others use the host's processor, it may be away for long. */
    for (u64 t = rdtsc(); rdtsc() - t < 10000000000 && nmis < 2;)
        pause();
    CHECK_EQ(nmis, 2);
    trap_hook = NULL;
}

static void pit_program(u8 mode, u16 count)
{
    outb(0x43, 0x30 | mode << 1);
    outb(0x40, (u8)count);
    outb(0x40, count >> 8);
}

static void pit_by_ioapic(void)
{
    pic_mask_all();
    ioapic_write(0x10 + 2 * 2 + 1, 0);
    ioapic_write(0x10 + 2 * 2, VEC_PIT);
    pit_program(2, 11932); /* 100 Hz */
    wait_for(VEC_PIT, 3);
    pit_program(0, 2000);
    ioapic_write(0x10 + 2 * 2, VEC_PIT | 1 << 16);
    CHECK_EQ(ioapic_read(0x10 + 2 * 2) & 0x100ff, VEC_PIT | 1 << 16);
    pit_program(2, 0);
}

static bool on_pic(struct frame *f)
{
    if (f->vector < VEC_PIC || f->vector > VEC_PIC + 7)
        return false;
    outb(0x20, 0x20); /* EOI */
    return true;
}

static void pit_by_pic(void)
{
    outb(0x20, 0x11);
    outb(0x21, VEC_PIC);
    outb(0x21, 4);
    outb(0x21, 1);
    outb(0xa0, 0x11);
    outb(0xa1, VEC_PIC + 8);
    outb(0xa1, 2);
    outb(0xa1, 1);
    outb(0xa1, 0xff);
    wrmsr(APIC_LINT0, 0x700); /* ExtINT */
    trap_hook = on_pic;
    pit_program(2, 11932);
    outb(0x21, 0xfe);
    wait_for(VEC_PIC, 3);
    outb(0x21, 0xff);
    trap_hook = NULL;
    wrmsr(APIC_LINT0, 0x10700);
}

/* Out of use: xAPIC registers in memory work as well. */
static void xapic(void)
{
    volatile u32 *apic = (volatile u32 *)0xfee00000;
    wrmsr(0x1b, rdmsr(0x1b) & ~0xc00ull);
    wrmsr(0x1b, rdmsr(0x1b) | 0x800);
    apic[0xf0 / 4] = 0x1ff;
    CHECK_EQ(apic[0x20 / 4] >> 24, 0);
    irq_eoi = false;
    taken[VEC_LOW] = 0;
    apic[0x300 / 4] = 1 << 18 | VEC_LOW;
    sti();
    __asm__ volatile("nop; nop");
    cli();
    CHECK_EQ(taken[VEC_LOW], 1);
    CHECK_EQ(apic[0x100 / 4 + VEC_LOW / 32 * 4] >> VEC_LOW % 32 & 1, 1);
    apic[0xb0 / 4] = 0;
    CHECK_EQ(apic[0x100 / 4 + VEC_LOW / 32 * 4], 0);
    TRY("rdmsr", ::"c"(APIC_ID) : "rax", "rdx", "memory");
    CHECK_TRAP(13, 0);
}

int main(void)
{
    pic_mask_all();
    x2apic_on();
    one_shot();
    periodic();
    deadline();
    priorities();
    shadow();
    never_open();
    nmi();
    pit_by_ioapic();
    pit_by_pic();
    xapic();
    return 0;
}
