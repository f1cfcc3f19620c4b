/* The block device over PCI (MSI-X, INTx, doorbells) and MMIO. */
#include "unit/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit/dev/virtio/blk_guest.h"

static void read_write(struct blk_guest *f)
{
    uint8_t buf[2048], got[2048];
    uint32_t used;

    blk_request(f, 0, 3, 2048, 4);
    assert_int_equal(blk_answer(f, &used), 0);
    assert_int_equal(used, 2049);
    g_get(&f->g, DATA, got, sizeof(got));
    assert_memory_equal(got, f->disk.disk + 3 * 512, sizeof(got));

    for (unsigned i = 0; i < sizeof(buf); i++)
        buf[i] = (uint8_t)(7 * i);
    g_put(&f->g, DATA, buf, sizeof(buf));
    blk_request(f, 1, 100, 2048, 2);
    assert_int_equal(blk_answer(f, &used), 0);
    assert_int_equal(used, 1);
    assert_memory_equal(f->disk.disk + 100 * 512, buf, sizeof(buf));
}

static void transports(void **state)
{
    static const struct {
        bool mmio, msix;
        uint64_t features;
    } how[] = {
        {false, true, F_ALL}, {false, true, F_BASE}, {false, false, F_ALL},
        {true, false, F_ALL}, {true, false, F_BASE},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(how); i++) {
        struct blk_guest *f = blk_start(how[i].mmio, how[i].msix, how[i].features, false);

        for (unsigned n = 0; n < 40; n++) /* goes round the rings */
            read_write(f);
        if (how[i].msix)
            assert_true(wait_count(&f->g.msi_count[1], 1));
        else
            assert_int_equal(f->g.intx[how[i].mmio ? 0 : 1], 1);
        assert_int_equal(f->g.intx[2], 0);
        blk_finish(f);
    }
}

static void config(void **state)
{
    struct blk_guest *f = blk_start(false, true, 0, false);

    (void)state;
    assert_int_equal(driver_config(&f->d, 0, 4), FAKE_DISK / 512);
    assert_int_equal(driver_config(&f->d, 4, 4), 0);
    assert_int_equal(driver_config(&f->d, 12, 4), 254); /* seg_max */
    assert_int_equal(driver_config(&f->d, 20, 4), 512); /* blk_size */
    assert_int_equal(driver_config(&f->d, 40, 4), 1);   /* max_discard_seg */
    assert_int_equal(driver_config(&f->d, 62, 4), 0);   /* runs over the end */
    assert_int_equal(driver_config(&f->d, 0x800, 4), 0);
    assert_int_equal(driver_offered(&f->d), F_ALL | 1 << 2 | 1 << 6 | 1 << 10);
    blk_finish(f);
}

static void features_are_checked(void **state)
{
    struct blk_guest *f = blk_start(false, true, 0, false);

    (void)state;
    assert_false(driver_start(&f->d, F_BASE & ~VIRTIO_F_VERSION_1));
    assert_false(driver_start(&f->d, F_BASE | 1 << 5)); /* read-only was not offered */
    assert_false(driver_start(&f->d, F_BASE | UINT64_C(1) << 34));
    assert_true(driver_start(&f->d, F_BASE));
    blk_finish(f);
}

static void other_requests(void **state)
{
    struct blk_guest *f = blk_start(false, true, F_ALL, false);
    char id[21] = {0};
    uint32_t used;

    (void)state;
    blk_request(f, 8, 0, 20, 1);
    assert_int_equal(blk_answer(f, &used), 0);
    g_get(&f->g, DATA, id, 20);
    assert_string_equal(id, "serial-0123456789abc");

    assert_int_equal(blk_ask(f, 4, 0, 0), 0);
    assert_int_equal(f->disk.ops[BLK_FLUSH], 1);
    assert_int_equal(blk_ask(f, 2, 0, 0), 2);
    assert_int_equal(blk_ask(f, 0xffffffff, 0, 512), 2);
    assert_int_equal(blk_ask(f, 0, 5, 0), 0); /* nothing to read */
    blk_finish(f);
}

static uint8_t range(struct blk_guest *f, uint32_t type, uint64_t sector, uint32_t n,
                     uint32_t flags)
{
    const uint32_t r[4] = {(uint32_t)sector, (uint32_t)(sector >> 32), n, flags};

    g_put(&f->g, DATA, r, sizeof(r));
    return blk_ask(f, type, 0, sizeof(r));
}

static void ranges(void **state)
{
    struct blk_guest *f = blk_start(false, true, F_ALL, false);

    (void)state;
    assert_int_equal(range(f, 11, 8, 8, 0), 0);
    assert_int_equal(f->disk.disk[8 * 512], 0);
    assert_int_equal(range(f, 13, 16, 8, 1), 0);
    assert_int_equal(f->disk.disk[24 * 512 - 1], 0);
    assert_int_equal(range(f, 11, 8, 8, 1), 2);          /* unmap flag on discard */
    assert_int_equal(range(f, 13, 8, 8, 2), 2);          /* unknown flag */
    assert_int_equal(range(f, 13, 2047, 2, 0), 1);       /* over the end */
    assert_int_equal(range(f, 13, UINT64_MAX, 1, 0), 1); /* wraps */
    assert_int_equal(range(f, 11, UINT64_MAX / 512 + 1, 1, 0), 1);
    assert_int_equal(range(f, 11, 0, UINT32_MAX, 0), 1);
    assert_int_equal(blk_ask(f, 11, 0, 32), 1); /* two ranges */
    assert_int_equal(blk_ask(f, 11, 0, 8), 2);
    assert_int_equal(f->disk.ops[BLK_DISCARD], 1);
    assert_int_equal(f->disk.ops[BLK_WRITE_ZEROES], 1);
    blk_finish(f);
}

static void out_of_range(void **state)
{
    struct blk_guest *f = blk_start(false, true, F_ALL, false);

    (void)state;
    assert_int_equal(blk_ask(f, 0, 2048, 512), 1);
    assert_int_equal(blk_ask(f, 0, 2047, 1024), 1);
    assert_int_equal(blk_ask(f, 1, UINT64_MAX, 512), 1);
    assert_int_equal(blk_ask(f, 1, UINT64_MAX / 512 + 1, 512), 1);
    assert_int_equal(blk_ask(f, 0, 0, 511), 1);
    assert_int_equal(blk_ask(f, 1, 0, 1), 1);
    assert_int_equal(f->disk.ops[BLK_READ] + f->disk.ops[BLK_WRITE], 0);
    f->disk.b.block_size = 4096;
    assert_int_equal(blk_ask(f, 0, 1, 4096), 1);
    assert_int_equal(blk_ask(f, 0, 8, 4096), 0);
    blk_finish(f);
}

static void readonly(void **state)
{
    struct blk_guest *f = blk_start(false, true, VIRTIO_F_VERSION_1 | 1 << 5, true);

    (void)state;
    assert_int_equal(blk_ask(f, 0, 0, 512), 0);
    assert_int_equal(blk_ask(f, 1, 0, 512), 1);
    assert_int_equal(range(f, 11, 0, 1, 0), 2); /* not offered */
    blk_finish(f);
}

static void backend_errors(void **state)
{
    struct blk_guest *f = blk_start(true, false, F_ALL, false);

    (void)state;
    f->disk.result = -EIO;
    assert_int_equal(blk_ask(f, 0, 0, 512), 1);
    f->disk.result = -EOPNOTSUPP;
    assert_int_equal(blk_ask(f, 4, 0, 0), 2);
    f->disk.refuse = -ENOMEM;
    assert_int_equal(blk_ask(f, 0, 0, 512), 1);
    blk_finish(f);
}

/* A driver without the flush feature has its writes on disk when they complete. */
static void write_through(void **state)
{
    struct blk_guest *f = blk_start(true, false, F_NO_FLUSH, false);

    (void)state;
    assert_int_equal(blk_ask(f, 1, 0, 512), 0);
    assert_int_equal(f->disk.ops[BLK_FLUSH], 1);
    assert_int_equal(blk_ask(f, 0, 0, 512), 0);
    assert_int_equal(f->disk.ops[BLK_FLUSH], 1);
    blk_finish(f);
}

static void *release_later(void *opaque)
{
    struct blk_guest *f = opaque;

    usleep(30000);
    f->disk.hold = false;
    fake_blk_release(&f->disk);
    return NULL;
}

static void quiesce_waits(void **state)
{
    struct blk_guest *f = blk_start(false, true, F_ALL, false);
    struct dev *dev = &f->d.v->dev;
    pthread_t t;
    uint32_t used;

    (void)state;
    f->disk.hold = true;
    blk_request(f, 0, 0, 512, 1);
    assert_true(wait_count(&f->disk.nheld, 1));
    pthread_create(&t, NULL, release_later, f);
    dev->cls->quiesce(dev);
    assert_int_equal(f->d.v->inflight, 0);
    assert_int_equal(blk_answer(f, &used), 0);
    pthread_join(t, NULL);

    /* While paused a request waits in the ring; resume picks it up. */
    blk_request(f, 0, 0, 512, 1);
    driver_settle(&f->d);
    assert_int_equal(f->disk.ops[BLK_READ], 1);
    dev->cls->resume(dev);
    assert_int_equal(blk_answer(f, &used), 0);
    blk_finish(f);
}

static void reset_waits(void **state)
{
    struct blk_guest *f = blk_start(false, true, F_ALL, false);

    (void)state;
    f->disk.hold = true;
    blk_request(f, 0, 0, 512, 1);
    assert_true(wait_count(&f->disk.nheld, 1));
    driver_set_status(&f->d, 0);
    assert_int_not_equal(driver_status(&f->d), 0);
    driver_set_status(&f->d, 1); /* too early: ignored */
    f->disk.hold = false;
    fake_blk_release(&f->disk);
    assert_int_equal(driver_status(&f->d), 0);
    assert_true(driver_start(&f->d, F_ALL));
    assert_int_equal(blk_ask(f, 0, 0, 512), 0);
    /* The machine's reset waits by itself. */
    f->disk.hold = true;
    blk_request(f, 0, 0, 512, 1);
    assert_true(wait_count(&f->disk.nheld, 1));
    pthread_t t;
    pthread_create(&t, NULL, release_later, f);
    pthread_mutex_lock(&f->d.v->dev.lock);
    f->d.v->dev.cls->reset(&f->d.v->dev);
    pthread_mutex_unlock(&f->d.v->dev.lock);
    assert_int_equal(driver_status(&f->d), 0);
    pthread_join(t, NULL);
    blk_finish(f);
}

static void many_in_flight(void **state)
{
    struct blk_guest *f = blk_start(false, true, F_ALL, false);
    uint32_t header[4] = {0, 0, 0, 0};
    bool seen[GUEST_QUEUE_SIZE] = {false};

    (void)state;
    f->disk.hold = true;
    g_put(&f->g, HEADER, header, sizeof(header));
    for (uint16_t i = 0; i < GUEST_QUEUE_SIZE; i += 2) {
        driver_desc(&f->d, 0, i, (struct g_desc){HEADER, 16, G_NEXT, i + 1});
        driver_desc(&f->d, 0, i + 1, (struct g_desc){DATA + 1024u * i, 513, G_WRITE, 0});
        driver_avail(&f->d, 0, i);
    }
    driver_kick(&f->d, 0);
    assert_true(wait_count(&f->disk.nheld, GUEST_QUEUE_SIZE / 2));
    f->disk.hold = false;
    fake_blk_release(&f->disk);
    for (unsigned i = 0; i < GUEST_QUEUE_SIZE / 2; i++) {
        uint32_t id, len;

        assert_true(driver_used(&f->d, 0, &id, &len));
        assert_true(id < GUEST_QUEUE_SIZE && !seen[id]);
        assert_int_equal(len, 513);
        seen[id] = true;
    }
    blk_finish(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transports),
        cmocka_unit_test(config),
        cmocka_unit_test(features_are_checked),
        cmocka_unit_test(other_requests),
        cmocka_unit_test(ranges),
        cmocka_unit_test(out_of_range),
        cmocka_unit_test(readonly),
        cmocka_unit_test(backend_errors),
        cmocka_unit_test(write_through),
        cmocka_unit_test(quiesce_waits),
        cmocka_unit_test(reset_waits),
        cmocka_unit_test(many_in_flight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
