/* Drivers that break the rules, against a disk: the device stops and says so, nothing else. */
#include "unit/cmocka_all.h"

#include "unit/dev/virtio/blk_guest.h"

static void no_header(struct blk_guest *f)
{
    driver_desc(&f->d, 0, 0, (struct g_desc){HEADER, 15, G_NEXT, 1});
    driver_desc(&f->d, 0, 1, (struct g_desc){STATUS, 1, G_WRITE, 0});
}

static void no_status(struct blk_guest *f)
{
    driver_desc(&f->d, 0, 0, (struct g_desc){HEADER, 16, 0, 0});
}

static void loop(struct blk_guest *f)
{
    driver_desc(&f->d, 0, 0, (struct g_desc){HEADER, 16, G_NEXT, 1});
    driver_desc(&f->d, 0, 1, (struct g_desc){HEADER, 16, G_NEXT, 0});
}

static void outside(struct blk_guest *f)
{
    driver_desc(&f->d, 0, 0, (struct g_desc){GUEST_RAM - 8, 16, G_NEXT, 1});
    driver_desc(&f->d, 0, 1, (struct g_desc){STATUS, 1, G_WRITE, 0});
}

static void wraps(struct blk_guest *f)
{
    driver_desc(&f->d, 0, 0, (struct g_desc){UINT64_MAX - 8, 16, G_NEXT, 1});
    driver_desc(&f->d, 0, 1, (struct g_desc){STATUS, 1, G_WRITE, 0});
}

static void huge(struct blk_guest *f)
{
    driver_desc(&f->d, 0, 0, (struct g_desc){HEADER, UINT32_MAX, G_NEXT, 1});
    driver_desc(&f->d, 0, 1, (struct g_desc){STATUS, 1, G_WRITE, 0});
}

static void next_outside(struct blk_guest *f)
{
    driver_desc(&f->d, 0, 0, (struct g_desc){HEADER, 16, G_NEXT, GUEST_QUEUE_SIZE});
}

static void readable_after_writable(struct blk_guest *f)
{
    driver_desc(&f->d, 0, 0, (struct g_desc){STATUS, 1, G_NEXT | G_WRITE, 1});
    driver_desc(&f->d, 0, 1, (struct g_desc){HEADER, 16, 0, 0});
}

static void index_jumps(struct blk_guest *f)
{
    f->d.q[0].next_avail += GUEST_QUEUE_SIZE;
}

static void nothing_at_all(struct blk_guest *f)
{
    driver_desc(&f->d, 0, 0, (struct g_desc){HEADER, 0, G_NEXT, 1});
    driver_desc(&f->d, 0, 1, (struct g_desc){STATUS, 0, G_WRITE, 0});
}

/* Tables for the indirect cases lie at RANGE. */
static void indirect(struct blk_guest *f, uint32_t len, uint16_t flags, struct g_desc first)
{
    g_put(&f->g, RANGE, &first, sizeof(first));
    driver_desc(&f->d, 0, 0, (struct g_desc){RANGE, len, flags, 1});
}

static void indirect_in_indirect(struct blk_guest *f)
{
    indirect(f, 32, G_INDIRECT, (struct g_desc){RANGE, 16, G_INDIRECT, 0});
}

static void indirect_odd_length(struct blk_guest *f)
{
    indirect(f, 17, G_INDIRECT, (struct g_desc){HEADER, 16, 0, 0});
}

static void indirect_empty(struct blk_guest *f)
{
    indirect(f, 0, G_INDIRECT, (struct g_desc){HEADER, 16, 0, 0});
}

static void indirect_with_next(struct blk_guest *f)
{
    indirect(f, 16, G_INDIRECT | G_NEXT, (struct g_desc){HEADER, 16, 0, 0});
}

static void indirect_loop(struct blk_guest *f)
{
    indirect(f, 16, G_INDIRECT, (struct g_desc){HEADER, 1, G_NEXT, 0});
}

static void indirect_next_outside(struct blk_guest *f)
{
    indirect(f, 16, G_INDIRECT, (struct g_desc){HEADER, 16, G_NEXT, 1});
}

static void indirect_outside(struct blk_guest *f)
{
    driver_desc(&f->d, 0, 0, (struct g_desc){GUEST_RAM - 16, 32, G_INDIRECT, 0});
}

static void too_many(struct blk_guest *f)
{
    for (uint16_t i = 0; i < 300; i++) {
        const struct g_desc d = {HEADER, 1, G_NEXT, (uint16_t)(i + 1)};

        g_put(&f->g, DATA + 16u * i, &d, sizeof(d));
    }
    driver_desc(&f->d, 0, 0, (struct g_desc){DATA, 300 * 16, G_INDIRECT, 0});
}

static void malice(void **state)
{
    void (*const evil[])(struct blk_guest *) = {
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
    struct blk_guest *f = blk_start(false, true, 0, false);

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
    assert_int_equal(blk_ask(f, 0, 3, 512), 0);
    blk_finish(f);
}

/* A head made available again and again while the first is in flight. */
static void reuse_in_flight(void **state)
{
    struct blk_guest *f = blk_start(false, true, F_ALL, false);

    (void)state;
    f->disk.hold = true;
    for (unsigned i = 0; i <= GUEST_QUEUE_SIZE; i++) {
        blk_request(f, 0, 0, 512, 1);
        driver_settle(&f->d);
    }
    assert_true(driver_broken(&f->d));
    blk_finish(f);
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
    struct blk_guest *f = blk_start(false, true, F_ALL, false);
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
    blk_finish(f);
}

/* Every register, every width, rubbish: must only not crash. */
static void garbage(void **state)
{
    uint64_t x = 88172645463325252u;

    (void)state;
    for (int mmio = 0; mmio < 2; mmio++) {
        struct blk_guest *f = blk_start(mmio, !mmio, F_ALL, false);
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
        blk_finish(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malice),
        cmocka_unit_test(reuse_in_flight),
        cmocka_unit_test(bad_rings),
        cmocka_unit_test(garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
