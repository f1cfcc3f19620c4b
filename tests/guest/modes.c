/* Mode switches: see modes.S. */
#include "guest.h"

enum { REAL = 0x9000 };
int all_modes(void);
extern char real_part[], real_part_end[];
extern volatile u32 compat_result[2], wrap_result[5];

static void check_wrapped(void)
{
    CHECK_EQ(wrap_result[0], 0x55667788);
    CHECK_EQ(wrap_result[1], 0x5566);
    CHECK_EQ(wrap_result[2], 0x55678788);
    CHECK_EQ(wrap_result[3], 0x55678788);
    CHECK_EQ(wrap_result[4], 0x12345678);
}

int main(void)
{
    volatile u16 *real = (u16 *)(REAL + 0x900);
    for (unsigned i = 0; i < (unsigned)(real_part_end - real_part); i++)
        ((volatile char *)REAL)[i] = real_part[i];
    gdt[SEL_CODE16 / 8] = 0x00009b000000ffff;
    u16 at_1m = *(volatile u16 *)0x100000;
    CHECK_EQ(all_modes(), 0);
    CHECK_EQ(compat_result[0], 0x600d);
    CHECK_EQ(compat_result[1], 0xabcd);
    check_wrapped();
    CHECK_EQ(real[0], 0x3333);
    CHECK_EQ(real[1], at_1m);
    CHECK_EQ(real[2], 0);
    CHECK_EQ(real[3] & 2, 2);
    CHECK_EQ(rdmsr(MSR_EFER) & 0x500, 0x500);
    TRY("ud2", ::: "memory"); /* 64-bit handlers work again */
    CHECK_TRAP(6, 0);
    CHECK_EQ(all_modes(), 0); /* and a second time */
    return 0;
}
