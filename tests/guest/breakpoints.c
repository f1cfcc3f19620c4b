/* Hardware breakpoints: execution and data. [SDM 3B 18.2] */
#include "guest.h"

static u64 hit_rip, hit_dr6;

static bool on_breakpoint(struct frame *f)
{
    if (f->vector != 1)
        return false;
    hit_rip = f->rip;
    hit_dr6 = read_dr6();
    write_dr6(0xffff0ff0);
    f->rflags |= 0x10000; /* RF: not again */
    return true;
}

static void breakpoints(void)
{
    static u64 watched;
    u64 at;
    trap_hook = on_breakpoint;
    taken[1] = 0;
    __asm__ volatile("lea 2f(%%rip), %0; mov %0, %%dr0; mov %1, %%dr7; nop; 2: nop; nop"
                     : "=&r"(at)
                     : "r"(0x402ull)
                     : "memory");
    write_dr7(0x400);
    CHECK_EQ(taken[1], 1);
    CHECK_EQ(hit_rip, at);
    CHECK_EQ(hit_dr6 & 15, 1);
    write_dr0((u64)&watched);
    write_dr7(0x402 | 0xd0000); /* writes of 4 bytes */
    __asm__ volatile("mov %0, %%eax" ::"m"(watched) : "rax");
    CHECK_EQ(taken[1], 1);
    __asm__ volatile("movl $1, %0; nop" : "=m"(watched));
    CHECK_EQ(taken[1], 2);
    CHECK_EQ(hit_dr6 & 15, 1);
    write_dr7(0x400);
    trap_hook = NULL;
}

int main(void)
{
    if (!on_qemu()) { /* it takes any DR7, and then VMRUN fails */
        TRY("mov %0, %%dr7", ::"r"(1ull << 32) : "memory");
        CHECK_TRAP(13, 0);
    }
    breakpoints();
    return 0;
}
