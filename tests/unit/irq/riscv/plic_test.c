/* The PLIC: gateways, priorities, thresholds, claim and completion. */
#include "unit/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>

#include "irq/riscv/plic.h"
#include "unit/fake/machine.h"

enum { BASE = 0xc000000, CONTEXTS = 4, ENABLE = 0x2000, THRESHOLD = 0x200000, CLAIM = 0x200004 };

struct env {
    struct fake_machine m;
    struct plic *plic;
    struct fake_line out[CONTEXTS];
};

static uint32_t rd(struct env *e, uint32_t off)
{
    uint64_t v;

    assert_int_equal(io_space_read(&e->m.mmio, BASE + off, 4, &v), IO_OK);
    return (uint32_t)v;
}

static void wr(struct env *e, uint32_t off, uint32_t val)
{
    assert_int_equal(io_space_write(&e->m.mmio, BASE + off, 4, val), IO_OK);
}

static uint32_t claim(struct env *e, unsigned context)
{
    return rd(e, CLAIM + context * 0x1000);
}

static void complete(struct env *e, unsigned context, uint32_t n)
{
    wr(e, CLAIM + context * 0x1000, n);
}

static void wire(struct env *e, unsigned n, bool level)
{
    struct irq_line l = plic_line(e->plic, n);

    irq_line_set(&l, level);
}

/* Source `n` enabled for `context`, alone in its word. */
static void open_source(struct env *e, unsigned context, unsigned n, unsigned priority)
{
    wr(e, n * 4, priority);
    wr(e, ENABLE + context * 0x80 + n / 32 * 4, 1u << n % 32);
}

static int setup(void **state)
{
    struct env *e = calloc(1, sizeof(*e));
    struct irq_line out[CONTEXTS];

    fake_machine_init(&e->m);
    for (unsigned i = 0; i < CONTEXTS; i++)
        out[i] = fake_irq(&e->out[i]);
    assert_int_equal(plic_create(&e->plic, &e->m.host, BASE, out, CONTEXTS), 0);
    fake_reset(&e->plic->dev);
    *state = e;
    return 0;
}

static int teardown(void **state)
{
    struct env *e = *state;

    fake_destroy(&e->plic->dev);
    fake_machine_destroy(&e->m);
    free(e);
    return 0;
}

static void claim_and_completion(void **state)
{
    struct env *e = *state;

    open_source(e, 1, 33, 1);
    wire(e, 33, true);
    assert_true(e->out[1].level);
    assert_false(e->out[0].level);
    assert_int_equal(rd(e, 0x1004), 1 << 1);
    assert_int_equal(claim(e, 0), 0); /* not enabled there */
    assert_int_equal(claim(e, 1), 33);
    assert_false(e->out[1].level);
    assert_int_equal(rd(e, 0x1004), 0);
    assert_int_equal(claim(e, 1), 0);
    complete(e, 0, 33); /* of a source not enabled for the context: ignored */
    assert_false(e->out[1].level);
    complete(e, 1, 33); /* the line is still up */
    assert_true(e->out[1].level);
    assert_int_equal(claim(e, 1), 33);
    wire(e, 33, false);
    complete(e, 1, 33);
    assert_false(e->out[1].level);
}

static void pending_outlives_the_line(void **state)
{
    struct env *e = *state;

    open_source(e, 1, 5, 1);
    wire(e, 5, true);
    wire(e, 5, false);
    assert_true(e->out[1].level);
    assert_int_equal(claim(e, 1), 5);
}

static void priorities(void **state)
{
    struct env *e = *state;

    for (unsigned n = 1; n < 4; n++) {
        wr(e, n * 4, n == 2 ? 3 : 2);
        wire(e, n, true);
    }
    wr(e, ENABLE + 0x80, 0xe);
    assert_int_equal(claim(e, 1), 2);
    assert_int_equal(claim(e, 1), 1); /* of equals the lowest number */
    assert_int_equal(claim(e, 1), 3);
    assert_int_equal(claim(e, 1), 0);
}

static void thresholds(void **state)
{
    struct env *e = *state;

    open_source(e, 1, 7, 2);
    wr(e, THRESHOLD + 0x1000, 2);
    wire(e, 7, true);
    assert_false(e->out[1].level); /* strictly above only */
    wr(e, THRESHOLD + 0x1000, 1);
    assert_true(e->out[1].level);
    wr(e, 7 * 4, 0); /* never */
    assert_false(e->out[1].level);
    assert_int_equal(claim(e, 1), 0);
    wr(e, 7 * 4, 0xff); /* as far as it goes */
    assert_int_equal(rd(e, 7 * 4), PLIC_PRIORITY_MAX);
}

static void odd_places(void **state)
{
    struct env *e = *state;

    wr(e, 0, 5); /* there is no source 0 */
    assert_int_equal(rd(e, 0), 0);
    wr(e, ENABLE, UINT32_MAX);
    assert_int_equal(rd(e, ENABLE), UINT32_MAX & ~1u);
    wr(e, ENABLE + 0x7c, 1); /* beyond the last source */
    assert_int_equal(rd(e, ENABLE + 0x7c), 0);
    complete(e, 0, 1000);
    complete(e, 0, UINT32_MAX);
    wr(e, THRESHOLD + CONTEXTS * 0x1000, 1); /* beyond the last context */
    assert_int_equal(rd(e, THRESHOLD + CONTEXTS * 0x1000), 0);
    assert_int_equal(rd(e, PLIC_LEN - 4), 0);
}

static void every_register_bears_garbage(void **state)
{
    struct env *e = *state;

    for (uint32_t off = 0; off < PLIC_LEN; off += off < 0x3000 ? 4 : 0xffc) {
        wr(e, off, 0xdeadbeef * off);
        rd(e, off);
    }
}

static void saved_and_loaded(void **state)
{
    struct env *e = *state;
    struct state_writer w = {0};
    struct state_section s;
    struct error err;
    size_t pos = 0;

    open_source(e, 1, 9, 4);
    wire(e, 9, true);
    state_save(&w, "plic", &plic_state, e->plic);
    assert_int_equal(state_next_section(w.buf, w.len, &pos, &s, &err), 1);
    fake_reset(&e->plic->dev);
    assert_false(e->out[1].level);
    assert_int_equal(state_load(s.body, s.len, &plic_state, e->plic, &err), 0);
    e->plic->dev.cls->resume(&e->plic->dev);
    assert_true(e->out[1].level);
    e->plic->threshold[0] = 8;
    w.len = 0;
    pos = 0;
    state_save(&w, "plic", &plic_state, e->plic);
    assert_int_equal(state_next_section(w.buf, w.len, &pos, &s, &err), 1);
    assert_int_equal(state_load(s.body, s.len, &plic_state, e->plic, &err), -EINVAL);
    state_writer_free(&w);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(claim_and_completion), TEST(pending_outlives_the_line),
        TEST(priorities),           TEST(thresholds),
        TEST(odd_places),           TEST(every_register_bears_garbage),
        TEST(saved_and_loaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
