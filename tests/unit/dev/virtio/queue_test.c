/* Split virtqueues without a device: chains, indices, notifications. */
#include "unit/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "dev/virtio/queue.h"
#include "unit/dev/virtio/guest.h"

enum { SIZE = 8, DESC = 0x1000, AVAIL = 0x2000, USED = 0x3000, BUF = 0x10000 };

struct fixture {
    struct guest_mem mem;
    struct vqueue vq;
    uint16_t avail_idx;
};

static int setup(void **state)
{
    static struct fixture f;
    struct error err;

    memset(&f, 0, sizeof(f));
    assert_int_equal(guest_mem_init(&f.mem, 1 << 20, &err), 0);
    assert_int_equal(guest_mem_add_slot(&f.mem, 0, (1 << 20) - 8192, false, &err), 0);
    /* A gap, then a page of ROM. */
    assert_int_equal(guest_mem_add_slot(&f.mem, 1 << 20, 4096, true, &err), 0);
    f.vq.mem = &f.mem;
    f.vq.max_size = 256;
    vq_reset(&f.vq);
    f.vq.size = SIZE;
    f.vq.desc = DESC;
    f.vq.avail = AVAIL;
    f.vq.used = USED;
    f.vq.enabled = f.vq.live = f.vq.indirect = true;
    assert_int_equal(vq_check(&f.vq), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    guest_mem_destroy(&f->mem);
    return 0;
}

static void set16(struct fixture *f, gpa_t gpa, uint16_t v)
{
    assert_int_equal(gpa_store(&f->mem, gpa, 2, v), 0);
}

static uint16_t get16(struct fixture *f, gpa_t gpa)
{
    uint64_t v;

    assert_int_equal(gpa_load(&f->mem, gpa, 2, &v), 0);
    return (uint16_t)v;
}

static void desc(struct fixture *f, gpa_t table, unsigned i, struct g_desc d)
{
    assert_int_equal(gpa_write(&f->mem, table + 16 * i, &d, sizeof(d)), 0);
}

static void avail(struct fixture *f, uint16_t head)
{
    set16(f, AVAIL + 4 + 2u * (f->avail_idx % SIZE), head);
    set16(f, AVAIL + 2, ++f->avail_idx);
}

static void chain_shape(void **state)
{
    struct fixture *f = *state;
    struct vq_chain c;

    assert_int_equal(vq_pop(&f->vq, &c), 0);
    desc(f, DESC, 3, (struct g_desc){BUF, 100, G_NEXT, 5});
    desc(f, DESC, 5, (struct g_desc){BUF + 100, 0, G_NEXT, 1}); /* empty: vanishes */
    desc(f, DESC, 1, (struct g_desc){BUF + 200, 50, G_NEXT | G_WRITE, 0});
    desc(f, DESC, 0, (struct g_desc){BUF + 300, 60, G_WRITE, 7});
    avail(f, 3);
    assert_int_equal(vq_pop(&f->vq, &c), 1);
    assert_int_equal(c.head, 3);
    assert_int_equal(c.nout, 1);
    assert_int_equal(c.nin, 2);
    assert_int_equal(c.out_len, 100);
    assert_int_equal(c.in_len, 110);
    assert_int_equal(c.gpa[2], BUF + 300);
    assert_int_equal(vq_pop(&f->vq, &c), 0);
}

static void indirect_chain(void **state)
{
    struct fixture *f = *state;
    struct vq_chain c;

    desc(f, DESC, 0, (struct g_desc){BUF, 10, G_NEXT, 1});
    desc(f, DESC, 1, (struct g_desc){BUF + 0x1000, 48, G_INDIRECT | G_WRITE, 0});
    desc(f, BUF + 0x1000, 0, (struct g_desc){BUF + 10, 20, G_NEXT, 2});
    desc(f, BUF + 0x1000, 2, (struct g_desc){BUF + 50, 30, G_WRITE, 9});
    avail(f, 0);
    assert_int_equal(vq_pop(&f->vq, &c), 1);
    assert_int_equal(c.out_len, 30);
    assert_int_equal(c.in_len, 30);

    /* As long as a chain may be, and one longer. */
    for (uint16_t i = 0; i < 300; i++)
        desc(f, BUF + 0x1000, i, (struct g_desc){BUF, 1, i == 255 ? 0 : G_NEXT, i + 1});
    desc(f, DESC, 0, (struct g_desc){BUF + 0x1000, 256 * 16, G_INDIRECT, 0});
    avail(f, 0);
    assert_int_equal(vq_pop(&f->vq, &c), 1);
    assert_int_equal(c.nout, VQ_MAX_CHAIN);
    desc(f, BUF + 0x1000, 255, (struct g_desc){BUF, 1, G_NEXT, 256});
    desc(f, BUF + 0x1000, 256, (struct g_desc){BUF, 1, 0, 0});
    desc(f, DESC, 0, (struct g_desc){BUF + 0x1000, 257 * 16, G_INDIRECT, 0});
    avail(f, 0);
    assert_int_equal(vq_pop(&f->vq, &c), -EPROTO);
}

static void rom_is_not_writable(void **state)
{
    struct fixture *f = *state;
    struct vq_chain c;

    desc(f, DESC, 0, (struct g_desc){1 << 20, 16, 0, 0});
    avail(f, 0);
    assert_int_equal(vq_pop(&f->vq, &c), 1);
    desc(f, DESC, 0, (struct g_desc){1 << 20, 16, G_WRITE, 0});
    avail(f, 0);
    assert_int_equal(vq_pop(&f->vq, &c), -EPROTO);
    /* Over the end of RAM into the gap. */
    desc(f, DESC, 0, (struct g_desc){(1 << 20) - 8192 - 8, 16, 0, 0});
    assert_int_equal(vq_pop(&f->vq, &c), -EPROTO);
    f->vq.used = 1 << 20;
    assert_int_equal(vq_check(&f->vq), -EINVAL);
}

static void head_out_of_range(void **state)
{
    struct fixture *f = *state;
    struct vq_chain c;

    avail(f, SIZE);
    assert_int_equal(vq_pop(&f->vq, &c), -EPROTO);
}

/* The indices run through 65535 several times, in step with the driver's. */
static void wraps_around(void **state)
{
    struct fixture *f = *state;
    struct vq_chain c;

    desc(f, DESC, 2, (struct g_desc){BUF, 4, G_WRITE, 0});
    for (unsigned i = 0; i < 140000; i++) {
        avail(f, 2);
        if (i % 3)
            continue;
        for (int n = 0; vq_pop(&f->vq, &c) > 0; n++)
            vq_push(&f->vq, c.head, i);
        assert_int_equal(get16(f, USED + 2), f->avail_idx);
        assert_int_equal(f->vq.inuse, 0);
    }
}

static void give_back_and_batch(void **state)
{
    struct fixture *f = *state;
    struct vq_chain c;
    uint32_t elem[4];

    for (uint16_t i = 0; i < 3; i++) {
        desc(f, DESC, i, (struct g_desc){BUF, 4, G_WRITE, 0});
        avail(f, i);
    }
    assert_int_equal(vq_pop(&f->vq, &c), 1);
    assert_int_equal(vq_pop(&f->vq, &c), 1);
    assert_int_equal(c.head, 1);
    vq_unpop(&f->vq, 2);
    assert_int_equal(vq_pop(&f->vq, &c), 1);
    assert_int_equal(c.head, 0);
    vq_fill(&f->vq, 0, 0, 11);
    assert_int_equal(vq_pop(&f->vq, &c), 1);
    vq_fill(&f->vq, 1, c.head, 12);
    assert_int_equal(get16(f, USED + 2), 0);
    vq_publish(&f->vq, 2);
    assert_int_equal(get16(f, USED + 2), 2);
    assert_int_equal(gpa_read(&f->mem, USED + 4, elem, sizeof(elem)), 0);
    assert_int_equal(elem[0], 0);
    assert_int_equal(elem[1], 11);
    assert_int_equal(elem[2], 1);
    assert_int_equal(elem[3], 12);
}

static void not_live(void **state)
{
    struct fixture *f = *state;
    struct vq_chain c;

    avail(f, 0);
    f->vq.live = false;
    assert_int_equal(vq_pop(&f->vq, &c), 0);
    assert_false(vq_notify_on(&f->vq));
}

static void take_all(struct fixture *f, unsigned n)
{
    struct vq_chain c;

    desc(f, DESC, 0, (struct g_desc){BUF, 4, G_WRITE, 0});
    while (n--) {
        avail(f, 0);
        assert_int_equal(vq_pop(&f->vq, &c), 1);
        vq_push(&f->vq, c.head, 0);
    }
}

static void interrupts_by_flag(void **state)
{
    struct fixture *f = *state;

    take_all(f, 1);
    assert_true(vq_should_interrupt(&f->vq));
    set16(f, AVAIL, 1);
    take_all(f, 1);
    assert_false(vq_should_interrupt(&f->vq));
}

static void interrupts_by_index(void **state)
{
    struct fixture *f = *state;
    const gpa_t used_event = AVAIL + 4 + 2 * SIZE;

    f->vq.event_idx = true;
    set16(f, AVAIL, 1); /* the flag does not count any more */
    take_all(f, 1);
    assert_true(vq_should_interrupt(&f->vq)); /* nothing known yet: better once too often */
    set16(f, used_event, 3);                  /* "when you have used the fourth" */
    take_all(f, 1);
    assert_false(vq_should_interrupt(&f->vq));
    take_all(f, 1);
    assert_false(vq_should_interrupt(&f->vq));
    take_all(f, 1);
    assert_true(vq_should_interrupt(&f->vq));
    take_all(f, 1);
    assert_false(vq_should_interrupt(&f->vq));
    set16(f, used_event, 7); /* passed in a batch */
    take_all(f, 5);
    assert_true(vq_should_interrupt(&f->vq));
}

static void notifications_by_flag(void **state)
{
    struct fixture *f = *state;

    vq_notify_off(&f->vq);
    assert_int_equal(get16(f, USED), 1);
    assert_false(vq_notify_on(&f->vq));
    assert_int_equal(get16(f, USED), 0);
    avail(f, 0);
    assert_true(vq_notify_on(&f->vq));
}

static void notifications_by_index(void **state)
{
    struct fixture *f = *state;
    const gpa_t avail_event = USED + 4 + 8 * SIZE;
    struct vq_chain c;

    f->vq.event_idx = true;
    take_all(f, 2);
    assert_int_equal(vq_pop(&f->vq, &c), 0);
    assert_false(vq_notify_on(&f->vq));
    assert_int_equal(get16(f, avail_event), 2);
    /* Two there, both given back: the next notification is for the one after them. */
    avail(f, 0);
    avail(f, 0);
    assert_true(vq_notify_on(&f->vq));
    assert_int_equal(vq_pop(&f->vq, &c), 1);
    assert_int_equal(vq_pop(&f->vq, &c), 1);
    vq_unpop(&f->vq, 2);
    assert_false(vq_notify_on(&f->vq));
    assert_int_equal(get16(f, avail_event), 4);
    avail(f, 0);
    assert_true(vq_notify_on(&f->vq));
}

static void copies(void **state)
{
    struct fixture *f = *state;
    struct iovec iov[VQ_MAX_CHAIN];
    uint8_t in[64], out[64];
    struct vq_chain c;

    for (unsigned i = 0; i < sizeof(out); i++)
        out[i] = (uint8_t)(i + 1);
    assert_int_equal(gpa_write(&f->mem, BUF, out, 64), 0);
    desc(f, DESC, 0, (struct g_desc){BUF, 10, G_NEXT, 1});
    desc(f, DESC, 1, (struct g_desc){BUF + 10, 20, G_NEXT, 2});
    desc(f, DESC, 2, (struct g_desc){BUF + 100, 5, G_NEXT | G_WRITE, 3});
    desc(f, DESC, 3, (struct g_desc){BUF + 105, 7, G_WRITE, 0});
    avail(f, 0);
    assert_int_equal(vq_pop(&f->vq, &c), 1);
    assert_int_equal(vq_read(&c, 0, in, 64), 30);
    assert_memory_equal(in, out, 30);
    assert_int_equal(vq_read(&c, 7, in, 6), 6);
    assert_memory_equal(in, out + 7, 6);
    assert_int_equal(vq_read(&c, 10, in, 20), 20);
    assert_int_equal(vq_read(&c, 30, in, 1), 0);
    assert_int_equal(vq_read(&c, UINT64_MAX, in, 1), 0);

    assert_int_equal(vq_write(&f->mem, &c, 3, out, 64), 9);
    assert_int_equal(gpa_read(&f->mem, BUF + 100, in, 12), 0);
    assert_memory_equal(in + 3, out, 9);
    assert_int_equal(vq_write(&f->mem, &c, 12, out, 1), 0);

    assert_int_equal(vq_slice(&c, false, 9, 2, iov), 2);
    assert_int_equal(iov[0].iov_len, 1);
    assert_int_equal(*(uint8_t *)iov[1].iov_base, out[10]);
    assert_int_equal(vq_slice(&c, true, 5, 7, iov), 1);
    assert_int_equal(iov[0].iov_len, 7);
    assert_int_equal(vq_slice(&c, true, 0, 0, iov), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(chain_shape),
        T(indirect_chain),
        T(rom_is_not_writable),
        T(head_out_of_range),
        T(wraps_around),
        T(give_back_and_batch),
        T(not_live),
        T(interrupts_by_flag),
        T(interrupts_by_index),
        T(notifications_by_flag),
        T(notifications_by_index),
        T(copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
