/* The PCI transport: capabilities, vectors, INTx, the window in config space, moving BARs. */
#include "unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "dev/virtio/rng.h"
#include "unit/dev/virtio/guest.h"

enum { SLOT = 1 };

struct fixture {
    struct guest g;
    struct driver d;
};

static struct fixture *start(bool msix, bool doorbells)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct virtio_dev *v;
    struct error err;

    guest_init(&f->g);
    f->g.doorbells = doorbells;
    assert_int_equal(virtio_rng_create(&v, &f->g.host, "virtio-rng0", &err), 0);
    f->d.msix = msix;
    driver_attach(&f->d, &f->g, v, false);
    assert_true(driver_start(&f->d, VIRTIO_F_VERSION_1));
    return f;
}

static void finish(struct fixture *f)
{
    driver_detach(&f->d);
    for (unsigned i = 0; i < ARRAY_SIZE(f->g.bell); i++)
        assert_int_equal(f->g.bell[i].addr, 0);
    guest_destroy(&f->g);
    free(f);
}

static void ask(struct fixture *f)
{
    uint32_t id, len;

    driver_desc(&f->d, 0, 0, (struct g_desc){GUEST_DATA, 32, G_WRITE, 0});
    driver_avail(&f->d, 0, 0);
    driver_kick(&f->d, 0);
    assert_true(driver_used(&f->d, 0, &id, &len));
}

static void ids(void **state)
{
    struct fixture *f = start(true, false);

    (void)state;
    assert_int_equal(g_cfg_rd(&f->g, SLOT, 0, 4), 0x10441af4);
    assert_int_equal(g_cfg_rd(&f->g, SLOT, 8, 4), 0x00ff0001); /* revision 1 */
    assert_int_equal(g_cfg_rd(&f->g, SLOT, 0x2c, 2), 0x1af4);
    assert_int_equal(g_cfg_rd(&f->g, SLOT, 0x3c, 2), 0x100 | 17);
    assert_int_equal(f->d.device, 0); /* no configuration, so no capability for it */
    finish(f);
}

static void vectors(void **state)
{
    struct fixture *f = start(true, false);

    (void)state;
    ask(f);
    assert_true(wait_count(&f->g.msi_count[1], 1));
    g_wr(&f->g, f->d.common + 0x1a, 2, 2); /* there are two: 0 and 1 */
    assert_int_equal(g_rd(&f->g, f->d.common + 0x1a, 2), 0xffff);
    ask(f);
    driver_settle(&f->d);
    assert_int_equal(f->g.msi_count[1], 1);
    g_wr(&f->g, f->d.common + 0x1a, 2, 0);
    ask(f);
    assert_true(wait_count(&f->g.msi_count[0], 1));
    assert_int_equal(f->g.intx[1], 0);
    finish(f);
}

static bool wait_line(struct fixture *f, int level)
{
    for (unsigned i = 0; i < 5000 && f->g.intx[SLOT] != level; i++)
        wait_count(&f->g.msi_count[0], 0);
    return f->g.intx[SLOT] == level;
}

static void intx(void **state)
{
    struct fixture *f = start(false, false);

    (void)state;
    ask(f);
    driver_settle(&f->d);
    assert_true(wait_line(f, 1));
    assert_int_equal(g_cfg_rd(&f->g, SLOT, 6, 2) & 8, 8);
    g_cfg_wr(&f->g, SLOT, 4, 2, 0x402); /* masked in the command register */
    assert_int_equal(f->g.intx[SLOT], 0);
    g_cfg_wr(&f->g, SLOT, 4, 2, 0x002);
    assert_int_equal(f->g.intx[SLOT], 1);
    assert_int_equal(g_rd(&f->g, f->d.isr, 1), 1);
    assert_int_equal(f->g.intx[SLOT], 0);
    assert_int_equal(g_rd(&f->g, f->d.isr, 1), 0);
    ask(f);
    driver_settle(&f->d);
    assert_true(wait_line(f, 1));
    driver_set_status(&f->d, 0);
    assert_int_equal(f->g.intx[SLOT], 0);
    finish(f);
}

static unsigned window_cap(struct fixture *f)
{
    for (unsigned c = g_cfg_rd(&f->g, SLOT, 0x34, 1); c; c = g_cfg_rd(&f->g, SLOT, c + 1, 1)) {
        if (g_cfg_rd(&f->g, SLOT, c, 1) == 9 && g_cfg_rd(&f->g, SLOT, c + 3, 1) == 5)
            return c;
    }
    fail();
    return 0;
}

static void window(void **state)
{
    struct fixture *f = start(true, false);
    unsigned cap = window_cap(f);
    const unsigned bad[][3] = {/* BAR, offset, length */
                               {1, 0x14, 1}, {0, 0x4000, 4}, {0, 0x3ffe, 4}, {0, 0xffffffff, 4},
                               {0, 0x12, 4}, {0, 0, 3},      {0, 0, 0},      {0, 0, 0xffffffff}};

    (void)state;
    g_cfg_wr(&f->g, SLOT, cap + 4, 1, 0);
    g_cfg_wr(&f->g, SLOT, cap + 8, 4, 0x14);
    g_cfg_wr(&f->g, SLOT, cap + 12, 4, 1);
    assert_int_equal(g_cfg_rd(&f->g, SLOT, cap + 16, 1), 0xf); /* the status register */
    g_cfg_wr(&f->g, SLOT, cap + 16, 1, 0);
    assert_int_equal(driver_status(&f->d), 0);
    assert_int_equal(g_cfg_rd(&f->g, SLOT, cap + 16, 4), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        g_cfg_wr(&f->g, SLOT, cap + 4, 1, bad[i][0]);
        g_cfg_wr(&f->g, SLOT, cap + 8, 4, bad[i][1]);
        g_cfg_wr(&f->g, SLOT, cap + 12, 4, bad[i][2]);
        g_cfg_wr(&f->g, SLOT, cap + 16, 4, i);
        assert_int_equal(g_cfg_rd(&f->g, SLOT, cap + 16, 4), i); /* just a register then */
    }
    finish(f);
}

static void bar_moves(void **state)
{
    struct fixture *f = start(true, true);
    gpa_t was = f->d.common, by = 0x100000;

    (void)state;
    ask(f);
    assert_int_equal(f->g.bell[0].addr, f->d.notify);
    g_cfg_wr(&f->g, SLOT, 0x10, 4, (uint32_t)(was + by));
    assert_int_equal(g_rd(&f->g, was + 0x12, 2), 0xffff);
    f->d.common += by;
    f->d.notify += by;
    assert_int_equal(f->g.bell[0].addr, f->d.notify);
    ask(f);
    g_cfg_wr(&f->g, SLOT, 4, 2, 0); /* no decoding at all */
    assert_int_equal(f->g.bell[0].addr, 0);
    assert_int_equal(g_rd(&f->g, f->d.common + 0x12, 2), 0xffff);
    g_cfg_wr(&f->g, SLOT, 4, 2, 2);
    ask(f);
    finish(f);
}

/* The same through a save: config space, BARs and vectors are where they were. */
static void machine_reset(void **state)
{
    struct fixture *f = start(true, true);
    struct dev *t = f->d.transport, *v = &f->d.v->dev;

    (void)state;
    ask(f);
    pthread_mutex_lock(&v->lock);
    v->cls->reset(v);
    pthread_mutex_unlock(&v->lock);
    pthread_mutex_lock(&t->lock);
    t->cls->reset(t);
    pthread_mutex_unlock(&t->lock);
    assert_int_equal(g_cfg_rd(&f->g, SLOT, 0x10, 4), 0);
    assert_int_equal(g_cfg_rd(&f->g, SLOT, 4, 2), 0);
    assert_int_equal(f->g.bell[0].addr, 0);
    finish(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids),    cmocka_unit_test(vectors),   cmocka_unit_test(intx),
        cmocka_unit_test(window), cmocka_unit_test(bar_moves), cmocka_unit_test(machine_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
