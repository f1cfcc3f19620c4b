/* Machine timers, software interrupts of both modes, and mtime. */
#include "unit/cmocka_all.h"

#include <stdlib.h>

#include "irq/riscv/aclint.h"
#include "unit/fake/machine.h"

enum { BASE = 0x2000000, SSWI = 0x2f00000, HARTS = 2, MTIMECMP = 0x4000, MTIME = 0xbff8 };

struct env {
    struct fake_machine m;
    struct aclint *a;
    struct fake_line msip[HARTS], mtip[HARTS], ssip[HARTS];
};

static uint64_t rd(struct env *e, uint32_t off, unsigned size)
{
    uint64_t v;

    assert_int_equal(io_space_read(&e->m.mmio, BASE + off, size, &v), IO_OK);
    return v;
}

static void wr(struct env *e, uint32_t off, unsigned size, uint64_t val)
{
    assert_int_equal(io_space_write(&e->m.mmio, BASE + off, size, val), IO_OK);
}

static int setup(void **state)
{
    struct env *e = calloc(1, sizeof(*e));
    struct aclint_hart harts[HARTS];

    fake_machine_init(&e->m);
    for (unsigned i = 0; i < HARTS; i++)
        harts[i] = (struct aclint_hart){fake_irq(&e->msip[i]), fake_irq(&e->mtip[i]),
                                        fake_irq(&e->ssip[i])};
    assert_int_equal(aclint_create(&e->a, &e->m.host, BASE, SSWI, harts, HARTS), 0);
    fake_reset(&e->a->dev);
    *state = e;
    return 0;
}

static int teardown(void **state)
{
    struct env *e = *state;

    fake_destroy(&e->a->dev);
    assert_int_equal(fake_timers_armed(), 0);
    fake_machine_destroy(&e->m);
    free(e);
    return 0;
}

static void software_interrupts(void **state)
{
    struct env *e = *state;

    wr(e, 4, 4, 0xffffffff);
    assert_true(e->msip[1].level);
    assert_false(e->msip[0].level);
    assert_int_equal(rd(e, 4, 4), 1);
    wr(e, 4, 4, 0);
    assert_false(e->msip[1].level);
    wr(e, HARTS * 4, 4, 1); /* no such hart */
    assert_int_equal(rd(e, HARTS * 4, 4), 0);
}

static void supervisor_software_interrupts(void **state)
{
    struct env *e = *state;
    uint64_t v = 1;

    io_space_write(&e->m.mmio, SSWI + 4, 4, 1);
    assert_true(e->ssip[1].level);
    io_space_read(&e->m.mmio, SSWI + 4, 4, &v);
    assert_int_equal(v, 0);
    io_space_write(&e->m.mmio, SSWI, 4, 2);
    io_space_write(&e->m.mmio, SSWI + HARTS * 4, 4, 1);
    assert_false(e->ssip[0].level);
}

static void timer(void **state)
{
    struct env *e = *state;
    uint64_t now = rd(e, MTIME, 8);

    assert_int_equal(fake_timers_armed(), 0);
    wr(e, MTIMECMP + 8, 8, now + 1000);
    assert_int_equal(fake_timers_armed(), 1);
    fake_advance(99 * 1000);
    assert_false(e->mtip[1].level);
    fake_advance(1000);
    assert_true(e->mtip[1].level);
    assert_int_equal(rd(e, MTIME, 8), now + 1000);
    assert_false(e->mtip[0].level);
    wr(e, MTIMECMP + 8, 8, UINT64_MAX);
    assert_false(e->mtip[1].level);
    assert_int_equal(fake_timers_armed(), 0);
}

static void halves(void **state)
{
    struct env *e = *state;

    wr(e, MTIMECMP, 4, 0x55667788);
    wr(e, MTIMECMP + 4, 4, 0x11223344);
    assert_true(rd(e, MTIMECMP, 8) == UINT64_C(0x1122334455667788));
    assert_int_equal(rd(e, MTIMECMP + 4, 4), 0x11223344);
    wr(e, MTIME + 4, 4, 1);
    assert_int_equal(rd(e, MTIME + 4, 4), 1);
}

/* A comparison follows when the counter is set, forwards and backwards. */
static void mtime_is_set(void **state)
{
    struct env *e = *state;

    wr(e, MTIMECMP, 8, UINT64_C(1) << 40);
    assert_false(e->mtip[0].level);
    wr(e, MTIME, 8, UINT64_C(1) << 40);
    assert_true(e->mtip[0].level);
    wr(e, MTIME, 8, 0);
    assert_false(e->mtip[0].level);
    wr(e, MTIMECMP, 8, 10);
    fake_advance(1000);
    assert_true(e->mtip[0].level);
}

/* A comparison in the far future of a counter that was set back is never: no timer may fire in vain
 * again and again. */
static void far_future(void **state)
{
    struct env *e = *state;

    wr(e, MTIMECMP, 8, UINT64_MAX - 1);
    wr(e, MTIME, 8, 1);
    assert_int_equal(fake_advance(10 * MS), 0);
    assert_false(e->mtip[0].level);
    wr(e, MTIME, 8, UINT64_MAX - 100);
    assert_int_equal(fake_advance(9900), 1);
    assert_true(e->mtip[0].level);
}

static void saved_and_loaded(void **state)
{
    struct env *e = *state;
    struct state_writer w = {0};
    struct state_section s;
    struct error err;
    size_t pos = 0;

    wr(e, 0, 4, 1);
    wr(e, MTIMECMP, 8, rd(e, MTIME, 8) + 10);
    state_save(&w, "aclint", &aclint_state, e->a);
    assert_int_equal(state_next_section(w.buf, w.len, &pos, &s, &err), 1);
    fake_reset(&e->a->dev);
    assert_false(e->msip[0].level);
    assert_int_equal(state_load(s.body, s.len, &aclint_state, e->a, &err), 0);
    e->a->dev.cls->resume(&e->a->dev);
    assert_true(e->msip[0].level);
    fake_advance(1000);
    assert_true(e->mtip[0].level);
    state_writer_free(&w);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(software_interrupts),
        TEST(supervisor_software_interrupts),
        TEST(timer),
        TEST(halves),
        TEST(far_future),
        TEST(mtime_is_set),
        TEST(saved_and_loaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
