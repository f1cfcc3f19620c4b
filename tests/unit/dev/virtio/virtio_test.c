/* What all virtio devices share: the status register, and saved state - whole and hostile. */
#include "unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "dev/virtio/rng.h"
#include "unit/dev/virtio/guest.h"

struct fixture {
    struct guest g;
    struct driver d;
};

static struct fixture *start(bool mmio)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct virtio_dev *v;
    struct error err;

    guest_init(&f->g);
    assert_int_equal(virtio_rng_create(&v, &f->g.host, "virtio-rng0", &err), 0);
    f->d.msix = true;
    driver_attach(&f->d, &f->g, v, mmio);
    return f;
}

static void finish(struct fixture *f)
{
    driver_detach(&f->d);
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
    assert_int_equal(len, 32);
}

static void status(void **state)
{
    struct fixture *f = start(false);

    (void)state;
    assert_true(driver_start(&f->d, VIRTIO_F_VERSION_1));
    driver_set_status(&f->d, 1); /* bits do not go away */
    assert_int_equal(driver_status(&f->d), 0xf);
    driver_set_status(&f->d, 0x8f); /* the driver gives up */
    assert_int_equal(driver_status(&f->d), 0x8f);
    driver_set_status(&f->d, 0);
    assert_int_equal(driver_status(&f->d), 0);
    driver_set_status(&f->d, 0x44 | 3); /* no features agreed: no DRIVER_OK; NEEDS_RESET is ours */
    assert_int_equal(driver_status(&f->d), 3);
    finish(f);
}

static void queue_stops(void **state)
{
    struct fixture *f = start(true);

    (void)state;
    assert_true(driver_start(&f->d, VIRTIO_F_VERSION_1));
    ask(f);
    g_wr(&f->g, GUEST_MMIO + 0x30, 4, 0);
    assert_int_equal(g_rd(&f->g, GUEST_MMIO + 0x44, 4), 1);
    g_wr(&f->g, GUEST_MMIO + 0x44, 4, 0);
    assert_int_equal(g_rd(&f->g, GUEST_MMIO + 0x44, 4), 0);
    assert_false(f->d.v->vq[0].live);
    finish(f);
}

static void mmio_interrupt(void **state)
{
    struct fixture *f = start(true);

    (void)state;
    assert_true(driver_start(&f->d, VIRTIO_F_VERSION_1));
    ask(f);
    for (unsigned i = 0; i < 5000 && !f->g.intx[0]; i++)
        assert_true(wait_count(&f->g.msi_count[0], 0));
    assert_int_equal(g_rd(&f->g, GUEST_MMIO + 0x60, 4), 1);
    g_wr(&f->g, GUEST_MMIO + 0x64, 4, 2);
    assert_int_equal(f->g.intx[0], 1);
    g_wr(&f->g, GUEST_MMIO + 0x64, 4, 1);
    assert_int_equal(f->g.intx[0], 0);
    assert_int_equal(g_rd(&f->g, GUEST_MMIO + 0xb0, 4), UINT32_MAX); /* no shared memory */
    finish(f);
}

/* --- state --- */

static void save(struct fixture *f, struct state_writer *w)
{
    f->d.v->dev.cls->quiesce(&f->d.v->dev);
    state_save(w, f->d.v->dev.id, f->d.v->dev.cls->state, &f->d.v->dev);
    state_save(w, f->d.transport->id, f->d.transport->cls->state, f->d.transport);
    assert_int_equal(w->err, 0);
}

static int load_one(const struct state_writer *w, struct dev *d, struct error *err)
{
    struct state_section s;
    size_t pos = 0;

    while (state_next_section(w->buf, w->len, &pos, &s, err) == 1) {
        if (!strcmp(s.id, d->id))
            return state_load(s.body, s.len, d->cls->state, d, err);
    }
    fail();
    return -1;
}

/* A second machine goes on where the first one stopped. */
static void moves(void **state)
{
    (void)state;
    for (int mmio = 0; mmio < 2; mmio++) {
        struct fixture *a = start(mmio), *b = start(mmio);
        struct state_writer w = {0};
        uint8_t *ram = malloc(GUEST_RAM);
        char what[128];
        struct error err;

        assert_true(driver_start(&a->d, VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX));
        for (unsigned i = 0; i < 20; i++)
            ask(a);
        save(a, &w);
        g_get(&a->g, 0, ram, GUEST_RAM);
        g_put(&b->g, 0, ram, GUEST_RAM);
        free(ram);

        b->d.v->dev.cls->quiesce(&b->d.v->dev);
        assert_int_equal(load_one(&w, &b->d.v->dev, &err), 0);
        assert_int_equal(load_one(&w, b->d.transport, &err), 0);
        assert_true(state_equal(a->d.v->dev.cls->state, a->d.v, b->d.v, what, sizeof(what)));
        b->d.transport->cls->resume(b->d.transport);
        b->d.v->dev.cls->resume(&b->d.v->dev);
        memcpy(b->d.q, a->d.q, sizeof(a->d.q));
        for (unsigned i = 0; i < 20; i++)
            ask(b);
        if (!mmio)
            assert_true(wait_count(&b->g.msi_count[1], 1));
        state_writer_free(&w);
        finish(a);
        finish(b);
    }
}

typedef void spoil_fn(struct virtio_dev *v);

static void other_kind(struct virtio_dev *v)
{
    v->device_id = 2;
}

static void bad_status(struct virtio_dev *v)
{
    v->status |= 0x20;
}

static void ok_without_features(struct virtio_dev *v)
{
    v->status &= (uint8_t)~VIRTIO_S_FEATURES_OK;
}

static void unknown_feature(struct virtio_dev *v)
{
    v->features |= UINT64_C(1) << 40;
}

static void ring_outside(struct virtio_dev *v)
{
    v->vq[0].used = GUEST_RAM;
}

static void odd_size(struct virtio_dev *v)
{
    v->vq[0].size = 3;
}

static void large_size(struct virtio_dev *v)
{
    v->vq[0].enabled = false;
    v->vq[0].size = 1024;
}

static void extra_queue(struct virtio_dev *v)
{
    v->vq[1].size = 16;
}

static void in_flight(struct virtio_dev *v)
{
    v->vq[0].last_avail++;
}

static void bad_isr(struct virtio_dev *v)
{
    v->isr = 4;
}

static void refuses(void **state)
{
    spoil_fn *const spoil[] = {other_kind,   bad_status, ok_without_features, unknown_feature,
                               ring_outside, odd_size,   large_size,          extra_queue,
                               in_flight,    bad_isr};
    struct fixture *f = start(false);
    struct virtio_dev *v = f->d.v;

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(spoil); i++) {
        struct state_writer good = {0}, bad = {0};
        struct error err = {{0}};

        v->dev.cls->resume(&v->dev);
        assert_true(driver_start(&f->d, VIRTIO_F_VERSION_1));
        save(f, &good);
        spoil[i](v);
        save(f, &bad);
        assert_int_equal(load_one(&good, &v->dev, &err), 0);
        assert_true(load_one(&bad, &v->dev, &err) < 0);
        assert_true(err.text[0]);
        assert_int_equal(load_one(&good, &v->dev, &err), 0);
        state_writer_free(&good);
        state_writer_free(&bad);
    }
    finish(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status), cmocka_unit_test(queue_stops), cmocka_unit_test(mmio_interrupt),
        cmocka_unit_test(moves),  cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
