/* Local APIC: priorities, messages, wires, errors, saved page. */
#include "unit/irq/x86/lapic_env.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "irq/x86/msi.h"

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

/* A count of 0 is the moment before a periodic timer's tick: it goes on. A one-shot timer is
 * through. */
static void test_page_at_tick(void **state)
{
    struct env *e = *state;
    struct lapic *l = e->cpu[1], *to = e->cpu[2];
    uint8_t page[LAPIC_PAGE_BYTES];
    struct error err;

    wr(l, O_TIMER, 0x200ef);
    wr(l, O_DIVIDE, 0xb);
    wr(l, O_INITIAL, MS);
    lapic_to_page(l, page);
    memset(page + O_CURRENT, 0, 4);
    assert_int_equal(lapic_from_page(to, page, &err), 0);
    fake_advance(MS);
    assert_int_equal(lapic_ack(to), 0xef);
    assert_int_not_equal(rd(to, O_CURRENT), 0);
    page[O_TIMER + 2] = 0;
    assert_int_equal(lapic_from_page(to, page, &err), 0);
    assert_int_equal(rd(to, O_CURRENT), 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAPIC_TEST(test_priorities),
        LAPIC_TEST(test_task_priority),
        LAPIC_TEST(test_eoi_broadcast),
        LAPIC_TEST(test_ipis),
        LAPIC_TEST(test_logical),
        LAPIC_TEST(test_msi),
        LAPIC_TEST(test_software_disable),
        LAPIC_TEST(test_errors),
        LAPIC_TEST(test_virtual_wire),
        LAPIC_TEST(test_off_is_wires),
        LAPIC_TEST(test_init),
        LAPIC_TEST(test_page),
        LAPIC_TEST(test_page_at_tick),
        LAPIC_TEST(test_odd_access),
        LAPIC_TEST(test_concurrent_delivery),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
