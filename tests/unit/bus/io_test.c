/* Dispatch: widths, alignment, splitting, spanning, overlap, locks. */
#include "unit/cmocka_all.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "bus/io.h"

/* A device that remembers its calls: "r2@4 " or "w1@0=ff ". */
struct probe {
    char log[256];
    pthread_mutex_t lock;
    enum io_status answer;
};

static void note(struct probe *p, const char *fmt, ...) printf_like(2, 3);
static void note(struct probe *p, const char *fmt, ...)
{
    va_list ap;
    size_t n = strlen(p->log);
    va_start(ap, fmt);
    vsnprintf(p->log + n, sizeof(p->log) - n, fmt, ap);
    va_end(ap);
}

/* Byte i of the device reads as 0x10 + i. */
static enum io_status probe_read(void *opaque, uint64_t off, unsigned size, uint64_t *val)
{
    struct probe *p = opaque;
    note(p, "r%u@%llx ", size, (unsigned long long)off);
    assert_int_equal(pthread_mutex_trylock(&p->lock), EBUSY);
    *val = 0;
    for (unsigned i = 0; i < size; i++)
        *val |= (0x10 + off + i) << 8 * i;
    return p->answer;
}

static enum io_status probe_write(void *opaque, uint64_t off, unsigned size, uint64_t val)
{
    struct probe *p = opaque;
    note(p, "w%u@%llx=%llx ", size, (unsigned long long)off, (unsigned long long)val);
    return p->answer;
}

struct fixture {
    struct io_space s;
    struct probe p;
};

static int setup(void **state)
{
    static struct fixture f;
    memset(&f, 0, sizeof(f));
    pthread_mutex_init(&f.p.lock, NULL);
    assert_int_equal(io_space_init(&f.s), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    io_space_destroy(&f->s);
    return 0;
}

static int add(struct fixture *f, uint64_t base, uint64_t len, const struct io_ops *ops)
{
    struct io_region r = {"probe", base, len, ops, &f->p, &f->p.lock};
    return io_space_add(&f->s, &r);
}

static void expect_read(struct fixture *f, uint64_t addr, unsigned size, enum io_status status,
                        uint64_t want, const char *log)
{
    uint64_t v = 0;
    f->p.log[0] = 0;
    assert_int_equal(io_space_read(&f->s, addr, size, &v), status);
    assert_true(v == want);
    assert_string_equal(f->p.log, log);
}

static const struct io_ops ops_1_4 = {probe_read, probe_write, 1, 4, false};
static const struct io_ops ops_4_4 = {probe_read, probe_write, 4, 4, false};
static const struct io_ops ops_1_1 = {probe_read, probe_write, 1, 1, false};
static const struct io_ops ops_loose = {probe_read, probe_write, 1, 8, true};
static const struct io_ops ops_none = {NULL, NULL, 1, 8, true};

static void widths(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add(f, 0x100, 16, &ops_1_4), 0);
    expect_read(f, 0x104, 1, IO_OK, 0x14, "r1@4 ");
    expect_read(f, 0x104, 4, IO_OK, 0x17161514, "r4@4 ");
    expect_read(f, 0x100, 8, IO_OK, UINT64_C(0x1716151413121110), "r4@0 r4@4 ");
    expect_read(f, 0x101, 4, IO_OK, 0x14131211, "r1@1 r2@2 r1@4 ");
    expect_read(f, 0x102, 4, IO_OK, 0x15141312, "r2@2 r2@4 ");
    f->p.log[0] = 0;
    assert_int_equal(io_space_write(&f->s, 0x103, 2, 0xbbaa), IO_OK);
    assert_int_equal(io_space_write(&f->s, 0x108, 8, UINT64_C(0x1122334455667788)), IO_OK);
    assert_string_equal(f->p.log, "w1@3=aa w1@4=bb w4@8=55667788 w4@c=11223344 ");
    assert_int_equal(pthread_mutex_trylock(&f->p.lock), 0);
}

static void too_narrow_fails(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add(f, 0x100, 16, &ops_4_4), 0);
    expect_read(f, 0x104, 2, IO_ERROR, 0xffff, "");
    expect_read(f, 0x102, 4, IO_ERROR, 0xffffffff, "");
    expect_read(f, 0x104, 4, IO_OK, 0x17161514, "r4@4 ");
    assert_int_equal(atomic_load(&f->s.unclaimed), 0);
}

static void unaligned_region(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add(f, 0x100, 16, &ops_loose), 0);
    expect_read(f, 0x101, 4, IO_OK, 0x14131211, "r4@1 ");
    expect_read(f, 0x103, 8, IO_OK, UINT64_C(0x1a19181716151413), "r8@3 ");
}

static void nobody_there(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add(f, 0x100, 16, &ops_1_4), 0);
    expect_read(f, 0, 1, IO_UNCLAIMED, 0xff, "");
    expect_read(f, 0x110, 2, IO_UNCLAIMED, 0xffff, "");
    expect_read(f, UINT64_MAX - 7, 8, IO_UNCLAIMED, UINT64_MAX, "");
    assert_int_equal(io_space_write(&f->s, 0xf0, 4, 1), IO_UNCLAIMED);
    assert_int_equal(atomic_load(&f->s.unclaimed), 4);
    expect_read(f, 0x100, 3, IO_ERROR, UINT64_MAX, "");
    expect_read(f, 0x100, 0, IO_ERROR, UINT64_MAX, "");
    expect_read(f, 0x100, 16, IO_ERROR, UINT64_MAX, "");
}

static void spans_regions_and_gaps(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add(f, 0x60, 1, &ops_1_1), 0);
    assert_int_equal(add(f, 0x62, 1, &ops_1_1), 0);
    expect_read(f, 0x60, 4, IO_OK, 0xff10ff10, "r1@0 r1@0 ");
    expect_read(f, 0x5f, 2, IO_OK, 0x10ff, "r1@0 ");
    expect_read(f, 0x61, 1, IO_UNCLAIMED, 0xff, "");
}

static void device_refuses(void **state)
{
    struct fixture *f = *state;
    f->p.answer = IO_ERROR;
    assert_int_equal(add(f, 0x100, 16, &ops_1_4), 0);
    assert_int_equal(add(f, 0x200, 16, &ops_none), 0);
    expect_read(f, 0x100, 4, IO_ERROR, 0xffffffff, "r4@0 ");
    expect_read(f, 0x200, 4, IO_UNCLAIMED, 0xffffffff, "");
    assert_int_equal(io_space_write(&f->s, 0x200, 4, 1), IO_UNCLAIMED);
}

static void overlap_and_removal(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add(f, 0x100, 16, &ops_1_4), 0);
    assert_int_equal(add(f, 0x10f, 1, &ops_1_4), -EEXIST);
    assert_int_equal(add(f, 0xf1, 16, &ops_1_4), -EEXIST);
    assert_int_equal(add(f, 0, UINT64_MAX, &ops_1_4), -EEXIST);
    assert_int_equal(add(f, 0xf0, 16, &ops_1_4), 0);
    assert_int_equal(add(f, 0x110, 16, &ops_1_4), 0);
    io_space_remove(&f->s, 0x101); /* not a base: nothing */
    expect_read(f, 0x100, 1, IO_OK, 0x10, "r1@0 ");
    io_space_remove(&f->s, 0x100);
    expect_read(f, 0x100, 1, IO_UNCLAIMED, 0xff, "");
    expect_read(f, 0xff, 1, IO_OK, 0x1f, "r1@f ");
    expect_read(f, 0x110, 1, IO_OK, 0x10, "r1@0 ");
}

static void bad_regions(void **state)
{
    struct fixture *f = *state;
    static const struct io_ops odd = {probe_read, probe_write, 3, 4, false};
    static const struct io_ops wide = {probe_read, probe_write, 1, 16, false};
    static const struct io_ops inverted = {probe_read, probe_write, 4, 2, false};
    assert_int_equal(add(f, 0, 0, &ops_1_4), -EINVAL);
    assert_int_equal(add(f, UINT64_MAX, 2, &ops_1_4), -EINVAL);
    assert_int_equal(add(f, 0, 8, &odd), -EINVAL);
    assert_int_equal(add(f, 0, 8, &wide), -EINVAL);
    assert_int_equal(add(f, 0, 8, &inverted), -EINVAL);
    /* The very top is a place like any other. */
    assert_int_equal(add(f, UINT64_MAX - 7, 8, &ops_1_4), 0);
    expect_read(f, UINT64_MAX, 1, IO_OK, 0x17, "r1@7 ");
}

static void many_regions_stay_sorted(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 101; i++)
        assert_int_equal(add(f, i * 37 % 101 * 0x10, 8, &ops_1_4), 0);
    for (unsigned i = 0; i < 101; i++) {
        expect_read(f, i * 0x10, 1, IO_OK, 0x10, "r1@0 ");
        expect_read(f, i * 0x10 + 8, 1, IO_UNCLAIMED, 0xff, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(widths, setup, teardown),
        cmocka_unit_test_setup_teardown(too_narrow_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(unaligned_region, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_there, setup, teardown),
        cmocka_unit_test_setup_teardown(spans_regions_and_gaps, setup, teardown),
        cmocka_unit_test_setup_teardown(device_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(overlap_and_removal, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_regions, setup, teardown),
        cmocka_unit_test_setup_teardown(many_regions_stay_sorted, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
