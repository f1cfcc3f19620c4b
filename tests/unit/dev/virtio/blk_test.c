/* The block device over PCI (MSI-X, INTx, doorbells) and MMIO. */
#include "unit/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dev/virtio/blk.h"
#include "unit/dev/virtio/fake_blk.h"
#include "unit/dev/virtio/guest.h"

enum { HEADER = GUEST_DATA, STATUS = GUEST_DATA + 64, RANGE = GUEST_DATA + 128 };
enum { DATA = GUEST_DATA + 0x1000 };

#define F_BASE     (VIRTIO_F_VERSION_1 | (1 << 9) | (1 << 13) | (1 << 14))
#define F_ALL      (F_BASE | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX)
#define F_NO_FLUSH (F_ALL & ~(UINT64_C(1) << 9))

struct fixture {
    struct guest g;
    struct fake_blk disk;
    struct driver d;
};

static struct fixture *start(bool mmio, bool msix, uint64_t features, bool readonly)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct virtio_blk_config cfg = {.serial = "serial-0123456789abcdef"};
    struct virtio_dev *v;
    struct error err;

    guest_init(&f->g);
    fake_blk_init(&f->disk);
    f->disk.b.readonly = readonly;
    cfg.backend = &f->disk.b;
    assert_int_equal(virtio_blk_create(&v, &f->g.host, "virtio-blk0", &cfg, &err), 0);
    f->d.msix = msix;
    f->g.doorbells = msix;
    driver_attach(&f->d, &f->g, v, mmio);
    if (features)
        assert_true(driver_start(&f->d, features));
    return f;
}

static void finish(struct fixture *f)
{
    f->disk.hold = false;
    fake_blk_release(&f->disk);
    driver_detach(&f->d);
    assert_true(f->disk.closed);
    guest_destroy(&f->g);
    free(f);
}

/* Descriptors 0..: header, `len` bytes of data at DATA in `pieces`, status. */
static void request(struct fixture *f, uint32_t type, uint64_t sector, uint32_t len,
                    unsigned pieces)
{
    uint32_t header[4] = {type, 0, (uint32_t)sector, (uint32_t)(sector >> 32)};
    uint16_t flags = type == 0 || type == 8 ? G_NEXT | G_WRITE : G_NEXT;
    uint8_t none = 0xff;

    g_put(&f->g, HEADER, header, sizeof(header));
    g_put(&f->g, STATUS, &none, 1);
    driver_desc(&f->d, 0, 0, HEADER, 16, G_NEXT, 1);
    for (unsigned i = 0; i < pieces; i++)
        driver_desc(&f->d, 0, 1 + i, DATA + i * (len / pieces), len / pieces, flags,
                    (uint16_t)(2 + i));
    driver_desc(&f->d, 0, 1 + pieces, STATUS, 1, G_WRITE, 0);
    driver_avail(&f->d, 0, 0);
    driver_kick(&f->d, 0);
}

static uint8_t answer(struct fixture *f, uint32_t *len)
{
    uint32_t id = 99;
    uint8_t status;

    assert_true(driver_used(&f->d, 0, &id, len));
    assert_int_equal(id, 0);
    g_get(&f->g, STATUS, &status, 1);
    return status;
}

static uint8_t ask(struct fixture *f, uint32_t type, uint64_t sector, uint32_t len)
{
    uint32_t used;

    request(f, type, sector, len, len ? 1 : 0);
    return answer(f, &used);
}

static void read_write(struct fixture *f)
{
    uint8_t buf[2048], got[2048];
    uint32_t used;

    request(f, 0, 3, 2048, 4);
    assert_int_equal(answer(f, &used), 0);
    assert_int_equal(used, 2049);
    g_get(&f->g, DATA, got, sizeof(got));
    assert_memory_equal(got, f->disk.disk + 3 * 512, sizeof(got));

    for (unsigned i = 0; i < sizeof(buf); i++)
        buf[i] = (uint8_t)(7 * i);
    g_put(&f->g, DATA, buf, sizeof(buf));
    request(f, 1, 100, 2048, 2);
    assert_int_equal(answer(f, &used), 0);
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
        struct fixture *f = start(how[i].mmio, how[i].msix, how[i].features, false);

        for (unsigned n = 0; n < 40; n++) /* goes round the rings */
            read_write(f);
        if (how[i].msix)
            assert_true(wait_count(&f->g.msi_count[1], 1));
        else
            assert_int_equal(f->g.intx[how[i].mmio ? 0 : 1], 1);
        assert_int_equal(f->g.intx[2], 0);
        finish(f);
    }
}

static void config(void **state)
{
    struct fixture *f = start(false, true, 0, false);

    (void)state;
    assert_int_equal(driver_config(&f->d, 0, 4), FAKE_DISK / 512);
    assert_int_equal(driver_config(&f->d, 4, 4), 0);
    assert_int_equal(driver_config(&f->d, 12, 4), 254); /* seg_max */
    assert_int_equal(driver_config(&f->d, 20, 4), 512); /* blk_size */
    assert_int_equal(driver_config(&f->d, 40, 4), 1);   /* max_discard_seg */
    assert_int_equal(driver_config(&f->d, 62, 4), 0);   /* runs over the end */
    assert_int_equal(driver_config(&f->d, 0x800, 4), 0);
    assert_int_equal(driver_offered(&f->d), F_ALL | 1 << 2 | 1 << 6 | 1 << 10);
    finish(f);
}

static void features_are_checked(void **state)
{
    struct fixture *f = start(false, true, 0, false);

    (void)state;
    assert_false(driver_start(&f->d, F_BASE & ~VIRTIO_F_VERSION_1));
    assert_false(driver_start(&f->d, F_BASE | 1 << 5)); /* read-only was not offered */
    assert_false(driver_start(&f->d, F_BASE | UINT64_C(1) << 34));
    assert_true(driver_start(&f->d, F_BASE));
    finish(f);
}

static void other_requests(void **state)
{
    struct fixture *f = start(false, true, F_ALL, false);
    char id[21] = {0};
    uint32_t used;

    (void)state;
    request(f, 8, 0, 20, 1);
    assert_int_equal(answer(f, &used), 0);
    g_get(&f->g, DATA, id, 20);
    assert_string_equal(id, "serial-0123456789abc");

    assert_int_equal(ask(f, 4, 0, 0), 0);
    assert_int_equal(f->disk.ops[BLK_FLUSH], 1);
    assert_int_equal(ask(f, 2, 0, 0), 2);
    assert_int_equal(ask(f, 0xffffffff, 0, 512), 2);
    assert_int_equal(ask(f, 0, 5, 0), 0); /* nothing to read */
    finish(f);
}

static uint8_t range(struct fixture *f, uint32_t type, uint64_t sector, uint32_t n, uint32_t flags)
{
    const uint32_t r[4] = {(uint32_t)sector, (uint32_t)(sector >> 32), n, flags};

    g_put(&f->g, DATA, r, sizeof(r));
    return ask(f, type, 0, sizeof(r));
}

static void ranges(void **state)
{
    struct fixture *f = start(false, true, F_ALL, false);

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
    assert_int_equal(ask(f, 11, 0, 32), 1); /* two ranges */
    assert_int_equal(ask(f, 11, 0, 8), 2);
    assert_int_equal(f->disk.ops[BLK_DISCARD], 1);
    assert_int_equal(f->disk.ops[BLK_WRITE_ZEROES], 1);
    finish(f);
}

static void out_of_range(void **state)
{
    struct fixture *f = start(false, true, F_ALL, false);

    (void)state;
    assert_int_equal(ask(f, 0, 2048, 512), 1);
    assert_int_equal(ask(f, 0, 2047, 1024), 1);
    assert_int_equal(ask(f, 1, UINT64_MAX, 512), 1);
    assert_int_equal(ask(f, 1, UINT64_MAX / 512 + 1, 512), 1);
    assert_int_equal(ask(f, 0, 0, 511), 1);
    assert_int_equal(ask(f, 1, 0, 1), 1);
    assert_int_equal(f->disk.ops[BLK_READ] + f->disk.ops[BLK_WRITE], 0);
    f->disk.b.block_size = 4096;
    assert_int_equal(ask(f, 0, 1, 4096), 1);
    assert_int_equal(ask(f, 0, 8, 4096), 0);
    finish(f);
}

static void readonly(void **state)
{
    struct fixture *f = start(false, true, VIRTIO_F_VERSION_1 | 1 << 5, true);

    (void)state;
    assert_int_equal(ask(f, 0, 0, 512), 0);
    assert_int_equal(ask(f, 1, 0, 512), 1);
    assert_int_equal(range(f, 11, 0, 1, 0), 2); /* not offered */
    finish(f);
}

static void backend_errors(void **state)
{
    struct fixture *f = start(true, false, F_ALL, false);

    (void)state;
    f->disk.result = -EIO;
    assert_int_equal(ask(f, 0, 0, 512), 1);
    f->disk.result = -EOPNOTSUPP;
    assert_int_equal(ask(f, 4, 0, 0), 2);
    f->disk.refuse = -ENOMEM;
    assert_int_equal(ask(f, 0, 0, 512), 1);
    finish(f);
}

/* A driver without the flush feature has its writes on disk when they complete. */
static void write_through(void **state)
{
    struct fixture *f = start(true, false, F_NO_FLUSH, false);

    (void)state;
    assert_int_equal(ask(f, 1, 0, 512), 0);
    assert_int_equal(f->disk.ops[BLK_FLUSH], 1);
    assert_int_equal(ask(f, 0, 0, 512), 0);
    assert_int_equal(f->disk.ops[BLK_FLUSH], 1);
    finish(f);
}

static void *release_later(void *opaque)
{
    struct fixture *f = opaque;

    usleep(30000);
    f->disk.hold = false;
    fake_blk_release(&f->disk);
    return NULL;
}

static void quiesce_waits(void **state)
{
    struct fixture *f = start(false, true, F_ALL, false);
    struct dev *dev = &f->d.v->dev;
    pthread_t t;
    uint32_t used;

    (void)state;
    f->disk.hold = true;
    request(f, 0, 0, 512, 1);
    assert_true(wait_count(&f->disk.nheld, 1));
    pthread_create(&t, NULL, release_later, f);
    dev->cls->quiesce(dev);
    assert_int_equal(f->d.v->inflight, 0);
    assert_int_equal(answer(f, &used), 0);
    pthread_join(t, NULL);

    /* While paused a request waits in the ring; resume picks it up. */
    request(f, 0, 0, 512, 1);
    driver_settle(&f->d);
    assert_int_equal(f->disk.ops[BLK_READ], 1);
    dev->cls->resume(dev);
    assert_int_equal(answer(f, &used), 0);
    finish(f);
}

static void reset_waits(void **state)
{
    struct fixture *f = start(false, true, F_ALL, false);

    (void)state;
    f->disk.hold = true;
    request(f, 0, 0, 512, 1);
    assert_true(wait_count(&f->disk.nheld, 1));
    driver_set_status(&f->d, 0);
    assert_int_not_equal(driver_status(&f->d), 0);
    driver_set_status(&f->d, 1); /* too early: ignored */
    f->disk.hold = false;
    fake_blk_release(&f->disk);
    assert_int_equal(driver_status(&f->d), 0);
    assert_true(driver_start(&f->d, F_ALL));
    assert_int_equal(ask(f, 0, 0, 512), 0);
    /* The machine's reset waits by itself. */
    f->disk.hold = true;
    request(f, 0, 0, 512, 1);
    assert_true(wait_count(&f->disk.nheld, 1));
    pthread_t t;
    pthread_create(&t, NULL, release_later, f);
    pthread_mutex_lock(&f->d.v->dev.lock);
    f->d.v->dev.cls->reset(&f->d.v->dev);
    pthread_mutex_unlock(&f->d.v->dev.lock);
    assert_int_equal(driver_status(&f->d), 0);
    pthread_join(t, NULL);
    finish(f);
}

static void many_in_flight(void **state)
{
    struct fixture *f = start(false, true, F_ALL, false);
    uint32_t header[4] = {0, 0, 0, 0};
    bool seen[GUEST_QUEUE_SIZE] = {false};

    (void)state;
    f->disk.hold = true;
    g_put(&f->g, HEADER, header, sizeof(header));
    for (uint16_t i = 0; i < GUEST_QUEUE_SIZE; i += 2) {
        driver_desc(&f->d, 0, i, HEADER, 16, G_NEXT, i + 1);
        driver_desc(&f->d, 0, i + 1, DATA + 1024u * i, 513, G_WRITE, 0);
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
    finish(f);
}

/* --- drivers that break the rules --- */

static void no_header(struct fixture *f)
{
    driver_desc(&f->d, 0, 0, HEADER, 15, G_NEXT, 1);
    driver_desc(&f->d, 0, 1, STATUS, 1, G_WRITE, 0);
}

static void no_status(struct fixture *f)
{
    driver_desc(&f->d, 0, 0, HEADER, 16, 0, 0);
}

static void loop(struct fixture *f)
{
    driver_desc(&f->d, 0, 0, HEADER, 16, G_NEXT, 1);
    driver_desc(&f->d, 0, 1, HEADER, 16, G_NEXT, 0);
}

static void outside(struct fixture *f)
{
    driver_desc(&f->d, 0, 0, GUEST_RAM - 8, 16, G_NEXT, 1);
    driver_desc(&f->d, 0, 1, STATUS, 1, G_WRITE, 0);
}

static void wraps(struct fixture *f)
{
    driver_desc(&f->d, 0, 0, UINT64_MAX - 8, 16, G_NEXT, 1);
    driver_desc(&f->d, 0, 1, STATUS, 1, G_WRITE, 0);
}

static void huge(struct fixture *f)
{
    driver_desc(&f->d, 0, 0, HEADER, UINT32_MAX, G_NEXT, 1);
    driver_desc(&f->d, 0, 1, STATUS, 1, G_WRITE, 0);
}

static void next_outside(struct fixture *f)
{
    driver_desc(&f->d, 0, 0, HEADER, 16, G_NEXT, GUEST_QUEUE_SIZE);
}

static void readable_after_writable(struct fixture *f)
{
    driver_desc(&f->d, 0, 0, STATUS, 1, G_NEXT | G_WRITE, 1);
    driver_desc(&f->d, 0, 1, HEADER, 16, 0, 0);
}

static void index_jumps(struct fixture *f)
{
    f->d.q[0].next_avail += GUEST_QUEUE_SIZE;
}

static void nothing_at_all(struct fixture *f)
{
    driver_desc(&f->d, 0, 0, HEADER, 0, G_NEXT, 1);
    driver_desc(&f->d, 0, 1, STATUS, 0, G_WRITE, 0);
}

/* Tables for the indirect cases lie at RANGE. */
static void indirect(struct fixture *f, uint32_t len, uint16_t flags, struct g_desc first)
{
    g_put(&f->g, RANGE, &first, sizeof(first));
    driver_desc(&f->d, 0, 0, RANGE, len, flags, 1);
}

static void indirect_in_indirect(struct fixture *f)
{
    indirect(f, 32, G_INDIRECT, (struct g_desc){RANGE, 16, G_INDIRECT, 0});
}

static void indirect_odd_length(struct fixture *f)
{
    indirect(f, 17, G_INDIRECT, (struct g_desc){HEADER, 16, 0, 0});
}

static void indirect_empty(struct fixture *f)
{
    indirect(f, 0, G_INDIRECT, (struct g_desc){HEADER, 16, 0, 0});
}

static void indirect_with_next(struct fixture *f)
{
    indirect(f, 16, G_INDIRECT | G_NEXT, (struct g_desc){HEADER, 16, 0, 0});
}

static void indirect_loop(struct fixture *f)
{
    indirect(f, 16, G_INDIRECT, (struct g_desc){HEADER, 1, G_NEXT, 0});
}

static void indirect_next_outside(struct fixture *f)
{
    indirect(f, 16, G_INDIRECT, (struct g_desc){HEADER, 16, G_NEXT, 1});
}

static void indirect_outside(struct fixture *f)
{
    driver_desc(&f->d, 0, 0, GUEST_RAM - 16, 32, G_INDIRECT, 0);
}

static void too_many(struct fixture *f)
{
    for (uint16_t i = 0; i < 300; i++) {
        const struct g_desc d = {HEADER, 1, G_NEXT, (uint16_t)(i + 1)};

        g_put(&f->g, DATA + 16u * i, &d, sizeof(d));
    }
    driver_desc(&f->d, 0, 0, DATA, 300 * 16, G_INDIRECT, 0);
}

static void malice(void **state)
{
    void (*const evil[])(struct fixture *) = {
        no_header,
        no_status,
        loop,
        outside,
        wraps,
        huge,
        next_outside,
        readable_after_writable,
        index_jumps,
        nothing_at_all,
        indirect_in_indirect,
        indirect_odd_length,
        indirect_empty,
        indirect_with_next,
        indirect_loop,
        indirect_next_outside,
        indirect_outside,
        too_many,
    };
    struct fixture *f = start(false, true, 0, false);

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(evil); i++) {
        unsigned changes;

        assert_true(driver_start(&f->d, F_ALL));
        changes = f->g.msi_count[0];
        evil[i](f);
        driver_avail(&f->d, 0, 0);
        driver_kick(&f->d, 0);
        assert_true(driver_broken(&f->d));
        assert_true(wait_count(&f->g.msi_count[0], changes + 1)); /* configuration interrupt */
        /* Broken until reset. */
        driver_settle(&f->d);
        assert_int_equal(g_get16(&f->g, f->d.q[0].used + 2), 0);
    }
    /* Indirect descriptors that were not negotiated. */
    assert_true(driver_start(&f->d, F_BASE));
    indirect(f, 16, G_INDIRECT, (struct g_desc){HEADER, 16, 0, 0});
    driver_avail(&f->d, 0, 0);
    driver_kick(&f->d, 0);
    assert_true(driver_broken(&f->d));
    assert_true(driver_start(&f->d, F_ALL));
    read_write(f);
    finish(f);
}

/* A head made available again and again while the first is in flight. */
static void reuse_in_flight(void **state)
{
    struct fixture *f = start(false, true, F_ALL, false);

    (void)state;
    f->disk.hold = true;
    for (unsigned i = 0; i <= GUEST_QUEUE_SIZE; i++) {
        request(f, 0, 0, 512, 1);
        driver_settle(&f->d);
    }
    assert_true(driver_broken(&f->d));
    finish(f);
}

static void bad_rings(void **state)
{
    static const struct {
        gpa_t desc, avail, used;
        unsigned size;
    } bad[] = {
        {0x1008, 0x2000, 0x3000, 16},        {0x1000, 0x2001, 0x3000, 16},
        {0x1000, 0x2000, 0x3002, 16},        {GUEST_RAM - 16, 0x2000, 0x3000, 16},
        {0x1000, GUEST_RAM - 4, 0x3000, 16}, {0x1000, 0x2000, GUEST_RAM - 8, 16},
        {~UINT64_C(15), 0x2000, 0x3000, 16}, {0x1000, 0x2000, 0x3000, 0},
        {0x1000, 0x2000, 0x3000, 17},
    };
    struct fixture *f = start(false, true, F_ALL, false);
    struct virtio_dev *v = f->d.v;

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        const gpa_t addr[3] = {bad[i].desc, bad[i].avail, bad[i].used};

        driver_set_status(&f->d, 0);
        g_wr(&f->g, f->d.common + 0x16, 2, 0);
        g_wr(&f->g, f->d.common + 0x18, 2, bad[i].size);
        for (unsigned r = 0; r < 3; r++) {
            g_wr(&f->g, f->d.common + 0x20 + 8 * r, 4, (uint32_t)addr[r]);
            g_wr(&f->g, f->d.common + 0x24 + 8 * r, 4, addr[r] >> 32);
        }
        g_wr(&f->g, f->d.common + 0x1c, 2, 1);
        assert_int_equal(g_rd(&f->g, f->d.common + 0x1c, 2), 0);
        assert_true(driver_status(&f->d) & VIRTIO_S_NEEDS_RESET);
    }
    /* A queue that does not exist. */
    g_wr(&f->g, f->d.common + 0x16, 2, 7);
    assert_int_equal(g_rd(&f->g, f->d.common + 0x18, 2), 0);
    g_wr(&f->g, f->d.common + 0x1c, 2, 1);
    g_wr(&f->g, f->d.notify + 7 * 4, 2, 7);
    assert_false(v->vq[1].enabled);
    finish(f);
}

/* Every register, every width, rubbish: must only not crash. */
static void garbage(void **state)
{
    uint64_t x = 88172645463325252u;

    (void)state;
    for (int mmio = 0; mmio < 2; mmio++) {
        struct fixture *f = start(mmio, !mmio, F_ALL, false);
        gpa_t base = mmio ? GUEST_MMIO : f->d.common;

        for (unsigned i = 0; i < 200000; i++) {
            unsigned size = 1u << (x >> 60 & 3);
            gpa_t a = base + (x & (mmio ? 0x1f8 : 0x3ff8)) + ((x >> 32) & 7 & -size);

            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            if (x & 1)
                g_wr(&f->g, a, size, x >> 20);
            else
                g_rd(&f->g, a, size);
        }
        finish(f);
    }
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
        cmocka_unit_test(malice),
        cmocka_unit_test(reuse_in_flight),
        cmocka_unit_test(bad_rings),
        cmocka_unit_test(garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
