/*
 * Four local APICs on a bus of their own, and what they asked of the world.
 */
#ifndef TESTS_UNIT_IRQ_X86_LAPIC_ENV_H
#define TESTS_UNIT_IRQ_X86_LAPIC_ENV_H

#include "unit/cmocka_all.h"

#include "irq/x86/lapic.h"
#include "unit/fake/machine.h"

enum { NCPUS = 4 };
enum { O_ID = 0x20, O_TPR = 0x80, O_PPR = 0xa0, O_EOI = 0xb0, O_LDR = 0xd0, O_DFR = 0xe0 };
enum { O_SVR = 0xf0, O_ISR = 0x100, O_IRR = 0x200, O_ESR = 0x280, O_ICR = 0x300, O_ICR2 = 0x310 };
enum { O_TIMER = 0x320, O_LINT0 = 0x350, O_ERROR = 0x370, O_INITIAL = 0x380, O_CURRENT = 0x390 };
enum { O_DIVIDE = 0x3e0 };
enum { M_BASE = 0x1b, M_DEADLINE = 0x6e0, M_X2 = 0x800 };
#define X2(off) (M_X2 + (off) / 16)

struct env {
    struct fake_machine m;
    struct lapic_bus bus;
    struct lapic *cpu[NCPUS];
    _Atomic unsigned kicks[NCPUS][4];
    uint8_t sipi;
    unsigned eois;
    uint8_t eoi_vector;
    int pic_vector;
};

int lapic_setup(void **state);
int lapic_teardown(void **state);
#define LAPIC_TEST(f) cmocka_unit_test_setup_teardown(f, lapic_setup, lapic_teardown)

uint32_t rd(struct lapic *l, unsigned off);
void wr(struct lapic *l, unsigned off, uint32_t v);
bool send(struct env *e, uint32_t dest, uint8_t vector, bool level);
void clear_kicks(struct env *e);
/* The CPUs that were kicked for `what` since the last call. */
unsigned mask_of(struct env *e, unsigned what);
/* The guest's TSC: 2 GHz, started with the guest. */
uint64_t tsc_now(void *opaque, unsigned cpu);

#endif
