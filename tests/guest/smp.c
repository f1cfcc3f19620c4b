/* Four CPUs: start-up, atomics that cross lines and pages, IPIs, TLB shootdown. [SDM 3A 8] */
#include "guest.h"

enum { CPUS = 4, ROUNDS = 2000, VEC_CALL = 0x80 + 1 };

static volatile u32 counter, arrived, go, stop;
static u8 split[2 * PAGE] __attribute__((aligned(4096)));
static volatile u64 wide[2] __attribute__((aligned(16)));
static volatile u32 lock, plain;
static volatile u32 calls[CPUS];
#define VA (1ull << 39)
static u64 *pte, frame, other;

static void barrier(u32 n)
{
    __asm__ volatile("lock incl %0" : "+m"(arrived)::"memory");
    while (arrived < n * CPUS)
        pause();
}

static void add_up(void)
{
    volatile u64 *crossing = (u64 *)(split + PAGE - 4);
    for (u32 i = 0; i < ROUNDS; i++) {
        __asm__ volatile("lock incl %0" : "+m"(counter)::"memory");
        if (i % 16 == 0)
            __asm__ volatile("lock incq %0" : "+m"(*crossing)::"memory");
        u64 lo = wide[0], hi = wide[1];
        bool done;
        do
            __asm__ volatile("lock cmpxchg16b %1; setz %0"
                             : "=q"(done), "+m"(wide), "+a"(lo), "+d"(hi)
                             : "b"(lo + 1), "c"(hi + 2)
                             : "memory");
        while (!done);
        while (__sync_lock_test_and_set(&lock, 1))
            pause();
        plain++;
        __sync_lock_release(&lock);
    }
}

static bool on_call(struct frame *f)
{
    if (f->vector != VEC_CALL)
        return false;
    write_cr3(read_cr3());
    calls[cpu_id()]++;
    return false; /* the kit acknowledges */
}

static void other_cpu(unsigned cpu)
{
    (void)cpu;
    x2apic_on();
    volatile u64 *at = (u64 *)VA;
    barrier(1);
    add_up();
    barrier(2);
    CHECK_EQ(*at, 1);
    barrier(3);
    sti();
    while (!stop)
        pause();
    cli();
    CHECK_EQ(*at, 2);
    barrier(4);
}

int main(void)
{
    pic_mask_all();
    x2apic_on();
    frame = (u64)new_pages(1);
    other = (u64)new_pages(1);
    *(volatile u64 *)frame = 1;
    *(volatile u64 *)other = 2;
    pte = map(VA, frame, PTE_P | PTE_W);
    start_cpus(CPUS, other_cpu);
    barrier(1);
    add_up();
    barrier(2);
    CHECK_EQ(counter, CPUS * ROUNDS);
    CHECK_EQ(plain, CPUS * ROUNDS);
    CHECK_EQ(*(u64 *)(split + PAGE - 4), CPUS * ROUNDS / 16);
    CHECK_EQ(wide[0], CPUS * ROUNDS);
    CHECK_EQ(wide[1], 2 * CPUS * ROUNDS);
    barrier(3);
    *pte = other | PTE_P | PTE_W;
    trap_hook = on_call;
    wrmsr(APIC_ICR, VEC_CALL | 3ull << 18); /* all but self */
    for (unsigned i = 1; i < CPUS; i++)
        while (!calls[i])
            pause();
    stop = 1;
    barrier(4);
    return 0;
}
