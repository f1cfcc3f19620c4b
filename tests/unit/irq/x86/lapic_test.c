/* Local APIC: priorities, messages, modes, timer, saved page. */
#include "unit/cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "irq/x86/lapic.h"
#include "irq/x86/msi.h"
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

static void kick(void *opaque, unsigned cpu, enum lapic_kick what, uint8_t vector)
{
    struct env *e = opaque;

    e->kicks[cpu][what]++;
    if (what == LAPIC_KICK_SIPI)
        e->sipi = vector;
}

/* A TSC of 2 GHz that started with the guest. */
static uint64_t tsc_now(void *opaque, unsigned cpu)
{
    struct env *e = opaque;

    (void)cpu;
    return guest_clock_ns(&e->m.clock) * 2;
}

static uint64_t tsc_to_clock(void *opaque, unsigned cpu, uint64_t tsc)
{
    (void)opaque;
    (void)cpu;
    return tsc / 2;
}

static void eoi(void *opaque, uint8_t vector)
{
    struct env *e = opaque;

    e->eois++;
    e->eoi_vector = vector;
}

static int extint_ack(void *opaque)
{
    return ((struct env *)opaque)->pic_vector;
}

static const struct lapic_ops ops = {kick, tsc_now, tsc_to_clock, eoi, extint_ack};

static uint32_t rd(struct lapic *l, unsigned off)
{
    uint64_t v;

    assert_int_equal(lapic_mmio_read(l, off, 4, &v), IO_OK);
    return (uint32_t)v;
}

static void wr(struct lapic *l, unsigned off, uint32_t v)
{
    assert_int_equal(lapic_mmio_write(l, off, 4, v), IO_OK);
}

static void clear_kicks(struct env *e)
{
    for (unsigned i = 0; i < NCPUS; i++)
        for (unsigned what = 0; what < 4; what++)
            e->kicks[i][what] = 0;
}

static int setup(void **state)
{
    struct env *e = calloc(1, sizeof(*e));

    fake_machine_init(&e->m);
    e->bus = (struct lapic_bus){.ops = &ops, .opaque = e};
    for (unsigned i = 0; i < NCPUS; i++) {
        assert_int_equal(lapic_create(&e->cpu[i], &e->m.host, &e->bus), 0);
        wr(e->cpu[i], O_SVR, 0x1ff);
    }
    clear_kicks(e);
    *state = e;
    return 0;
}

static int teardown(void **state)
{
    struct env *e = *state;

    for (unsigned i = 0; i < NCPUS; i++)
        fake_destroy(&e->cpu[i]->dev);
    fake_machine_destroy(&e->m);
    free(e);
    return 0;
}

static bool send(struct env *e, uint32_t dest, uint8_t vector, bool level)
{
    return lapic_bus_deliver(&e->bus,
                             &(struct lapic_msg){.dest = dest, .vector = vector, .level = level});
}

static void test_priorities(void **state)
{
    struct env *e = *state;
    struct lapic *l = e->cpu[0];

    assert_false(lapic_pending(l));
    assert_int_equal(lapic_ack(l), -1);
    assert_true(send(e, 0, 0x41, false));
    assert_true(send(e, 0, 0x52, false));
    assert_int_equal(e->kicks[0][LAPIC_KICK_INTERRUPT], 2);
    assert_true(send(e, 0, 0x52, false)); /* coalesced */
    assert_int_equal(e->kicks[0][LAPIC_KICK_INTERRUPT], 2);
    assert_int_equal(lapic_ack(l), 0x52);
    assert_int_equal(rd(l, O_PPR), 0x50);
    assert_false(lapic_pending(l)); /* 0x41 is below */
    send(e, 0, 0x5f, false);
    assert_false(lapic_pending(l)); /* same class */
    send(e, 0, 0x60, false);
    assert_int_equal(lapic_ack(l), 0x60);
    wr(l, O_EOI, 0);
    assert_int_equal(rd(l, O_PPR), 0x50);
    wr(l, O_EOI, 0);
    assert_int_equal(lapic_ack(l), 0x5f);
    wr(l, O_EOI, 0);
    assert_int_equal(lapic_ack(l), 0x41);
    wr(l, O_EOI, 0);
    assert_int_equal(rd(l, O_PPR), 0);
    assert_false(lapic_pending(l));
    wr(l, O_EOI, 0); /* nothing in service: harmless */
}

static void test_task_priority(void **state)
{
    struct env *e = *state;
    struct lapic *l = e->cpu[0];

    wr(l, O_TPR, 0x45);
    assert_int_equal(lapic_cr8(l), 4);
    assert_int_equal(rd(l, O_PPR), 0x45);
    send(e, 0, 0x4f, false);
    assert_false(lapic_pending(l));
    clear_kicks(e);
    lapic_set_cr8(l, 3); /* lowering it makes the CPU look again */
    assert_true(lapic_pending(l));
    assert_int_equal(e->kicks[0][LAPIC_KICK_INTERRUPT], 1);
    assert_int_equal(rd(l, O_TPR), 0x30);
}

static void test_eoi_broadcast(void **state)
{
    struct env *e = *state;
    struct lapic *l = e->cpu[0];

    send(e, 0, 0x31, true);
    assert_int_equal(lapic_ack(l), 0x31);
    wr(l, O_EOI, 0);
    assert_int_equal(e->eois, 1);
    assert_int_equal(e->eoi_vector, 0x31);
    send(e, 0, 0x31, false); /* the same vector, now by edge */
    assert_int_equal(lapic_ack(l), 0x31);
    wr(l, O_EOI, 0);
    assert_int_equal(e->eois, 1);
    wr(l, O_SVR, 0x11ff); /* not offered: the bit does not stick */
    assert_int_equal(rd(l, O_SVR), 0x1ff);
    e->bus.directed_eoi = true;
    wr(l, O_SVR, 0x11ff);
    send(e, 0, 0x31, true);
    assert_int_equal(lapic_ack(l), 0x31);
    wr(l, O_EOI, 0);
    assert_int_equal(e->eois, 1);
}

static unsigned mask_of(struct env *e, unsigned what)
{
    unsigned mask = 0;

    for (unsigned i = 0; i < NCPUS; i++)
        mask |= (e->kicks[i][what] != 0) << i;
    clear_kicks(e);
    return mask;
}

static void icr(struct lapic *l, uint8_t dest, uint32_t low)
{
    wr(l, O_ICR2, (uint32_t)dest << 24);
    wr(l, O_ICR, low);
}

static void test_ipis(void **state)
{
    struct env *e = *state;
    struct lapic *l = e->cpu[1];

    icr(l, 2, 0x40);
    assert_int_equal(mask_of(e, LAPIC_KICK_INTERRUPT), 1 << 2);
    icr(l, 0xff, 0x41);
    assert_int_equal(mask_of(e, LAPIC_KICK_INTERRUPT), 0xf);
    icr(l, 0, 0x42 | 1 << 18);
    assert_int_equal(mask_of(e, LAPIC_KICK_INTERRUPT), 1 << 1);
    icr(l, 0, 0x43 | 2 << 18);
    assert_int_equal(mask_of(e, LAPIC_KICK_INTERRUPT), 0xf);
    icr(l, 0, 0x44 | 3 << 18);
    assert_int_equal(mask_of(e, LAPIC_KICK_INTERRUPT), 0xd);
    icr(l, 3, 4 << 8);
    assert_int_equal(mask_of(e, LAPIC_KICK_NMI), 1 << 3);
    icr(l, 3, 5 << 8 | 1 << 14 | 1 << 15);
    assert_int_equal(mask_of(e, LAPIC_KICK_INIT), 1 << 3);
    icr(l, 3, 5 << 8 | 1 << 15); /* de-assert */
    assert_int_equal(mask_of(e, LAPIC_KICK_INIT), 0);
    icr(l, 3, 6 << 8 | 0x9a);
    assert_int_equal(e->sipi, 0x9a);
    assert_int_equal(mask_of(e, LAPIC_KICK_SIPI), 1 << 3);
    icr(l, 0, 5 << 8 | 3 << 18);
    assert_int_equal(mask_of(e, LAPIC_KICK_INIT), 0xd);
    icr(l, 0, 5 << 8 | 1 << 18); /* INIT to oneself by shorthand does not exist */
    assert_int_equal(mask_of(e, LAPIC_KICK_INIT), 0);
    icr(l, 7, 0x40); /* nobody */
    assert_int_equal(mask_of(e, LAPIC_KICK_INTERRUPT), 0);
}

static void test_logical(void **state)
{
    struct env *e = *state;

    for (unsigned i = 0; i < NCPUS; i++)
        wr(e->cpu[i], O_LDR, 1u << (24 + i));
    icr(e->cpu[0], 0x0a, 0x50 | 1 << 11);
    assert_int_equal(mask_of(e, LAPIC_KICK_INTERRUPT), 0xa);
    wr(e->cpu[1], O_TPR, 0x20); /* lowest priority: the other */
    clear_kicks(e);
    icr(e->cpu[0], 0x0a, 0x51 | 1 << 8 | 1 << 11);
    assert_int_equal(mask_of(e, LAPIC_KICK_INTERRUPT), 0x8);
    for (unsigned i = 0; i < NCPUS; i++) {
        wr(e->cpu[i], O_DFR, 0x0fffffff); /* clusters of two */
        wr(e->cpu[i], O_LDR, (i / 2) << 28 | 1u << (24 + i % 2));
    }
    icr(e->cpu[0], 0x13, 0x52 | 1 << 11);
    assert_int_equal(mask_of(e, LAPIC_KICK_INTERRUPT), 0xc);
    icr(e->cpu[0], 0xf1, 0x53 | 1 << 11);
    assert_int_equal(mask_of(e, LAPIC_KICK_INTERRUPT), 0x5);
}

static void test_msi(void **state)
{
    struct env *e = *state;

    msi_send(&e->bus, 0xfee02000, 0x61);
    assert_int_equal(mask_of(e, LAPIC_KICK_INTERRUPT), 1 << 2);
    msi_send(&e->bus, 0xfeeff000, 0x62);
    assert_int_equal(mask_of(e, LAPIC_KICK_INTERRUPT), 0xf);
    msi_send(&e->bus, 0xfee01000, 4 << 8);
    assert_int_equal(mask_of(e, LAPIC_KICK_NMI), 1 << 1);
    wr(e->cpu[3], O_LDR, 0x08000000);
    msi_send(&e->bus, 0xfee08004, 0x63);
    assert_int_equal(mask_of(e, LAPIC_KICK_INTERRUPT), 1 << 3);
    msi_send(&e->bus, 0x1000, 0x64);
    msi_send(&e->bus, UINT64_C(0x1fee01000), 0x64);
    assert_int_equal(mask_of(e, LAPIC_KICK_INTERRUPT), 0);
}

static void test_software_disable(void **state)
{
    struct env *e = *state;
    struct lapic *l = e->cpu[2];

    wr(l, O_TIMER, 0x77);
    wr(l, O_SVR, 0xff);
    assert_int_equal(rd(l, O_TIMER), 0x10077);
    wr(l, O_TIMER, 0x77); /* stays masked */
    assert_int_equal(rd(l, O_TIMER), 0x10077);
    assert_false(send(e, 2, 0x50, false));
    icr(e->cpu[0], 2, 4 << 8); /* NMI still goes */
    assert_int_equal(e->kicks[2][LAPIC_KICK_NMI], 1);
}

static void test_errors(void **state)
{
    struct env *e = *state;
    struct lapic *l = e->cpu[0];

    wr(l, O_ERROR, 0xfe);
    icr(l, 1, 0x0f);
    assert_int_equal(lapic_ack(l), 0xfe);
    assert_int_equal(rd(l, O_ESR), 0);
    wr(l, O_ESR, 0);
    assert_int_equal(rd(l, O_ESR), 0x20);
    wr(l, O_ESR, 0);
    assert_int_equal(rd(l, O_ESR), 0);
    wr(l, O_ERROR, 0x03); /* an error interrupt that is itself an error must not recurse */
    send(e, 0, 0x05, false);
    wr(l, O_ESR, 0);
    assert_int_equal(rd(l, O_ESR), 0x40);
    rd(l, 0x40); /* no such register */
    wr(l, O_ESR, 0);
    assert_int_equal(rd(l, O_ESR), 0xc0);
}

static void test_virtual_wire(void **state)
{
    struct env *e = *state;
    struct lapic *l = e->cpu[0];

    fake_reset(&l->dev);
    e->pic_vector = 0x08;
    lapic_lint_set(l, 0, true);
    assert_int_equal(e->kicks[0][LAPIC_KICK_INTERRUPT], 1);
    assert_true(lapic_pending(l));
    assert_int_equal(lapic_ack(l), 0x08);
    assert_int_equal(rd(l, O_ISR), 0); /* not the APIC's business */
    e->pic_vector = -1;
    assert_int_equal(lapic_ack(l), -1);
    wr(l, O_LINT0, 0x10700);
    assert_false(lapic_pending(l));
    lapic_lint_set(l, 0, false);
    wr(l, O_SVR, 0x1ff);
    wr(l, O_LINT0, 0x35); /* fixed */
    lapic_lint_set(l, 0, true);
    assert_int_equal(lapic_ack(l), 0x35);
    lapic_lint_set(l, 1, true); /* LINT1 masked */
    assert_int_equal(e->kicks[0][LAPIC_KICK_NMI], 0);
}

static void test_off_is_wires(void **state)
{
    struct env *e = *state;
    struct lapic *l = e->cpu[0];

    assert_true(lapic_msr_write(l, M_BASE, LAPIC_DEFAULT_BASE | 0x100));
    assert_false(lapic_claims(l, LAPIC_DEFAULT_BASE));
    assert_false(send(e, 0, 0x50, false));
    e->pic_vector = 0x20;
    lapic_lint_set(l, 0, true);
    assert_int_equal(lapic_ack(l), 0x20);
}

static void test_base_transitions(void **state)
{
    struct env *e = *state;
    struct lapic *l = e->cpu[1];
    uint64_t base = LAPIC_DEFAULT_BASE, v;

    assert_true(lapic_claims(l, base + 0x300));
    assert_false(lapic_claims(l, base + 0x1000));
    assert_false(lapic_msr_read(l, X2(O_TPR), &v)); /* not in x2APIC mode */
    assert_false(lapic_msr_write(l, M_BASE, base | 0x400));
    assert_false(lapic_msr_write(l, M_BASE, base | 0x801));
    assert_true(lapic_msr_write(l, M_BASE, base | 0xc00));
    assert_false(lapic_claims(l, base));
    assert_false(lapic_msr_write(l, M_BASE, base | 0x800)); /* back to xAPIC */
    assert_true(lapic_msr_write(l, M_BASE, base));
    assert_false(lapic_msr_write(l, M_BASE, base | 0xc00)); /* off to x2APIC */
    assert_true(lapic_msr_write(l, M_BASE, base | 0x900));
    assert_true(lapic_msr_read(l, M_BASE, &v));
    assert_int_equal(v, base | 0x800); /* the boot flag does not change */
    assert_true(lapic_msr_write(l, M_BASE, UINT64_C(0x80000000) | 0x800));
    assert_true(lapic_claims(l, 0x80000010));
}

static void enter_x2(struct env *e)
{
    for (unsigned i = 0; i < NCPUS; i++)
        assert_true(lapic_msr_write(e->cpu[i], M_BASE, LAPIC_DEFAULT_BASE | 0xc00));
}

static void test_x2apic(void **state)
{
    struct env *e = *state;
    struct lapic *l = e->cpu[3];
    uint64_t v;

    enter_x2(e);
    assert_true(lapic_msr_read(l, X2(O_ID), &v));
    assert_int_equal(v, 3);
    assert_true(lapic_msr_read(l, X2(O_LDR), &v));
    assert_int_equal(v, 8);
    assert_false(lapic_msr_write(l, X2(O_LDR), 1));
    assert_false(lapic_msr_write(l, X2(O_ID), 1));
    assert_false(lapic_msr_read(l, X2(O_DFR), &v));
    assert_false(lapic_msr_read(l, X2(O_ICR2), &v));
    assert_false(lapic_msr_read(l, X2(O_EOI), &v));
    assert_false(lapic_msr_read(l, 0x83f, &v));
    assert_false(lapic_msr_read(l, 0x8ff, &v));
    assert_false(lapic_msr_write(l, X2(O_EOI), 1));
    assert_false(lapic_msr_write(l, X2(O_ESR), 1));
    assert_false(lapic_msr_write(l, X2(O_TPR), 0x100));
    assert_false(lapic_msr_write(l, X2(O_ICR), UINT64_C(1) << 20));
    assert_true(lapic_msr_write(l, 0x83f, 0x91));
    assert_int_equal(lapic_ack(l), 0x91);
    assert_true(lapic_msr_write(l, X2(O_EOI), 0));
    clear_kicks(e);
    assert_true(lapic_msr_write(l, X2(O_ICR), UINT64_C(2) << 32 | 0x80));
    assert_int_equal(mask_of(e, LAPIC_KICK_INTERRUPT), 1 << 2);
    assert_true(lapic_msr_write(l, X2(O_ICR), UINT64_C(0xffffffff) << 32 | 0x81));
    assert_int_equal(mask_of(e, LAPIC_KICK_INTERRUPT), 0xf);
    assert_true(lapic_msr_write(l, X2(O_ICR), UINT64_C(6) << 32 | 0x882));
    assert_int_equal(mask_of(e, LAPIC_KICK_INTERRUPT), 0x6);
    assert_true(lapic_msr_read(l, X2(O_ICR), &v));
    assert_int_equal(v, UINT64_C(6) << 32 | 0x882);
}

static void test_one_shot(void **state)
{
    struct env *e = *state;
    struct lapic *l = e->cpu[0];

    wr(l, O_DIVIDE, 0x3); /* by 16 */
    wr(l, O_TIMER, 0xef);
    wr(l, O_INITIAL, 1000); /* 16 us */
    assert_int_equal(rd(l, O_CURRENT), 1000);
    fake_advance(8000);
    assert_int_equal(rd(l, O_CURRENT), 500);
    assert_false(lapic_pending(l));
    fake_advance(8000);
    assert_int_equal(lapic_ack(l), 0xef);
    assert_int_equal(rd(l, O_CURRENT), 0);
    assert_int_equal(fake_timers_armed(), 0);
    wr(l, O_EOI, 0);
    wr(l, O_DIVIDE, 0xb);
    wr(l, O_INITIAL, 1); /* the shortest must still fire */
    fake_advance(1);
    assert_int_equal(lapic_ack(l), 0xef);
    wr(l, O_EOI, 0);
    wr(l, O_INITIAL, 1000);
    wr(l, O_TIMER, 0x100ef); /* expires unseen ... */
    assert_int_equal(fake_timers_armed(), 0);
    fake_advance(2000);
    wr(l, O_TIMER, 0xef); /* ... and does not come later */
    fake_advance(MS);
    assert_false(lapic_pending(l));
}

static void test_periodic(void **state)
{
    struct env *e = *state;
    struct lapic *l = e->cpu[0];

    wr(l, O_DIVIDE, 0xb);
    wr(l, O_TIMER, 0x200ef);
    wr(l, O_INITIAL, MS);
    for (unsigned i = 0; i < 10; i++) {
        fake_advance(MS);
        assert_int_equal(lapic_ack(l), 0xef);
        wr(l, O_EOI, 0);
    }
    wr(l, O_INITIAL, 1); /* a storm is bounded */
    assert_in_range(fake_advance(MS), 1, 50);
    wr(l, O_INITIAL, 0);
    assert_int_equal(fake_timers_armed(), 0);
}

static void test_deadline(void **state)
{
    struct env *e = *state;
    struct lapic *l = e->cpu[0];
    uint64_t v, tsc = tsc_now(e, 0);

    assert_true(lapic_msr_write(l, M_DEADLINE, tsc + 2000)); /* not in that mode: ignored */
    assert_true(lapic_msr_read(l, M_DEADLINE, &v));
    assert_int_equal(v, 0);
    wr(l, O_TIMER, 0x400ee);
    wr(l, O_INITIAL, 5); /* ignored */
    assert_int_equal(rd(l, O_CURRENT), 0);
    assert_true(lapic_msr_write(l, M_DEADLINE, tsc + 2001));
    fake_advance(1000);
    assert_true(lapic_msr_read(l, M_DEADLINE, &v));
    assert_int_equal(v, tsc + 2001);
    fake_advance(500); /* half a ns early the first time: asked again */
    assert_int_equal(lapic_ack(l), 0xee);
    assert_true(lapic_msr_read(l, M_DEADLINE, &v));
    assert_int_equal(v, 0);
    wr(l, O_EOI, 0);
    assert_true(lapic_msr_write(l, M_DEADLINE, 1)); /* in the past: at once */
    fake_advance(0);
    assert_int_equal(lapic_ack(l), 0xee);
    assert_true(lapic_msr_write(l, M_DEADLINE, tsc + 2 * MS));
    wr(l, O_TIMER, 0xee); /* leaving the mode disarms */
    assert_int_equal(fake_timers_armed(), 0);
}

static void test_quiesce(void **state)
{
    struct env *e = *state;
    struct lapic *l = e->cpu[0];

    wr(l, O_TIMER, 0xef);
    wr(l, O_DIVIDE, 0xb);
    wr(l, O_INITIAL, MS);
    guest_clock_stop(&e->m.clock);
    l->dev.cls->quiesce(&l->dev);
    assert_int_equal(fake_advance(5 * MS), 0);
    guest_clock_start(&e->m.clock);
    l->dev.cls->resume(&l->dev);
    assert_int_equal(rd(l, O_CURRENT), MS);
    fake_advance(MS);
    assert_int_equal(lapic_ack(l), 0xef);
}

static void test_init(void **state)
{
    struct env *e = *state;
    struct lapic *l = e->cpu[1];

    send(e, 1, 0x44, false);
    wr(l, O_TIMER, 0x200ef);
    wr(l, O_INITIAL, MS);
    lapic_take_init(l);
    assert_false(lapic_pending(l));
    assert_int_equal(rd(l, O_SVR), 0xff);
    assert_int_equal(rd(l, O_LINT0), 0x10000);
    assert_int_equal(rd(l, O_ID), 1 << 24);
    assert_int_equal(fake_timers_armed(), 0);
}

static void test_page(void **state)
{
    struct env *e = *state;
    struct lapic *l = e->cpu[1], *to = e->cpu[2];
    uint8_t page[LAPIC_PAGE_BYTES];
    struct error err;

    wr(l, O_TPR, 0x20);
    wr(l, O_LDR, 0x02000000);
    wr(l, O_TIMER, 0xef);
    wr(l, O_DIVIDE, 0xb);
    wr(l, O_INITIAL, MS);
    send(e, 1, 0x71, true);
    assert_int_equal(lapic_ack(l), 0x71);
    send(e, 1, 0x99, false);
    fake_advance(MS / 4);
    lapic_to_page(l, page);
    assert_int_equal(page[O_ID + 3], 1);
    assert_int_equal(lapic_from_page(to, page, &err), 0);
    assert_int_equal(rd(to, O_CURRENT), 3 * MS / 4);
    assert_int_equal(rd(to, O_PPR), 0x70);
    assert_int_equal(lapic_ack(to), 0x99);
    wr(to, O_EOI, 0);
    wr(to, O_EOI, 0);
    assert_int_equal(e->eois, 1);
    page[O_IRR] = 1;
    assert_int_equal(lapic_from_page(to, page, &err), -EINVAL);
}

/* Odd accesses neither fault nor write. */
static void test_odd_access(void **state)
{
    struct env *e = *state;
    struct lapic *l = e->cpu[0];
    uint64_t v;

    lapic_mmio_write(l, O_TPR, 1, 0x33);
    lapic_mmio_write(l, O_TPR + 4, 4, 0x33);
    lapic_mmio_write(l, O_TPR, 8, 0x33);
    assert_int_equal(rd(l, O_TPR), 0);
    lapic_mmio_read(l, O_ID + 3, 1, &v);
    assert_int_equal(v, 0);
    lapic_mmio_read(e->cpu[3], O_ID + 3, 1, &v);
    assert_int_equal(v, 3);
    lapic_mmio_read(l, O_SVR + 2, 4, &v);
    assert_int_equal(v, 0);
}

enum { SENDERS = 3, ROUNDS = 20000 };

struct sender {
    struct env *e;
    pthread_t thread;
    uint8_t vector;
    _Atomic unsigned taken; /* by the owner */
};

/* Sends its vector again as soon as the owner took it: a lost one would stop it for ever. */
static void *send_rounds(void *arg)
{
    struct sender *s = arg;

    for (unsigned i = 0; i < ROUNDS; i++) {
        send(s->e, 0, s->vector, i & 1);
        while (atomic_load(&s->taken) == i)
            sched_yield();
    }
    return NULL;
}

static void test_concurrent_delivery(void **state)
{
    struct env *e = *state;
    struct lapic *l = e->cpu[0];
    struct sender s[SENDERS] = {{.vector = 0x31}, {.vector = 0x32}, {.vector = 0xe0}};
    unsigned taken = 0;
    int v;

    for (unsigned i = 0; i < SENDERS; i++) {
        s[i].e = e;
        assert_int_equal(pthread_create(&s[i].thread, NULL, send_rounds, &s[i]), 0);
    }
    while (taken < SENDERS * ROUNDS) {
        if (!lapic_pending(l)) {
            sched_yield();
            continue;
        }
        v = lapic_ack(l);
        wr(l, O_EOI, 0);
        for (unsigned i = 0; i < SENDERS; i++)
            if (s[i].vector == v) {
                taken++;
                atomic_fetch_add(&s[i].taken, 1);
            }
    }
    for (unsigned i = 0; i < SENDERS; i++)
        pthread_join(s[i].thread, NULL);
    assert_int_equal(e->eois, SENDERS * ROUNDS / 2); /* every other one was level-triggered */
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_priorities),
        T(test_task_priority),
        T(test_eoi_broadcast),
        T(test_ipis),
        T(test_logical),
        T(test_msi),
        T(test_software_disable),
        T(test_errors),
        T(test_virtual_wire),
        T(test_off_is_wires),
        T(test_base_transitions),
        T(test_x2apic),
        T(test_one_shot),
        T(test_periodic),
        T(test_deadline),
        T(test_quiesce),
        T(test_init),
        T(test_page),
        T(test_odd_access),
        T(test_concurrent_delivery),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
