/* Pages that are written all the time, and when they are no more. */
#include "unit/cmocka_all.h"

#include "base/evloop.h"
#include "mem/guest_mem.h"

#define PAGE GUEST_PAGE_SIZE

enum { MANY = 5000 };

struct fixture {
    struct guest_mem m;
    const struct mem_slot *s;
    uint64_t lines; /* told last */
    gpa_t page;
    unsigned told;
};

static void code_written(void *opaque, gpa_t page, uint64_t lines)
{
    struct fixture *f = opaque;
    f->page = page;
    f->lines = lines;
    f->told++;
}

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){0};
    assert_int_equal(guest_mem_init(&f.m, 512 * PAGE, NULL), 0);
    assert_int_equal(guest_mem_add_slot(&f.m, 0, 512 * PAGE, false, NULL), 0);
    f.s = &f.m.slots[0];
    f.m.code_written = code_written;
    f.m.code_opaque = &f;
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    guest_mem_destroy(&((struct fixture *)*state)->m);
    return 0;
}

/* Write and mark until the page is mixed; how often it took. */
static unsigned heat(struct fixture *f, gpa_t gpa, uint64_t marks)
{
    unsigned n = 0;
    guest_mem_code_mark(&f->m, f->s, gpa & GUEST_PAGE_MASK, marks);
    for (; n < MANY && !guest_mem_code_mixed(f->s, gpa); n++) {
        guest_mem_code_mark(&f->m, f->s, gpa & GUEST_PAGE_MASK, marks);
        assert_int_equal(gpa_store(&f->m, gpa, 1, n & 0xff), 0);
    }
    return n;
}

static void hot_pages_are_mixed(void **state)
{
    struct fixture *f = *state;
    unsigned hits = heat(f, PAGE + 0x40, 2), beside = heat(f, 2 * PAGE + 0x80, 2);
    assert_in_range(hits, 2, MANY - 1);
    assert_in_range(beside, hits + 1, MANY - 1); /* such writes cost less */
    assert_int_equal(f->page, 2 * PAGE);
    assert_true(f->lines == MEM_ALL_LINES); /* all that was decoded is stale */
    /* Nobody is told any more. */
    f->told = 0;
    assert_int_equal(gpa_store(&f->m, PAGE + 0x40, 8, 1), 0);
    assert_int_equal(f->told, 0);
    assert_false(guest_mem_code_mixed(f->s, 3 * PAGE));
}

/* Somebody may still want to be told. */
static void mixed_pages_can_be_marked(void **state)
{
    struct fixture *f = *state;
    heat(f, PAGE, 1);
    f->told = 0;
    uint32_t gen = guest_mem_code_mark(&f->m, f->s, PAGE, 1);
    assert_int_equal(gpa_store(&f->m, PAGE, 8, 1), 0);
    assert_int_equal(f->told, 1);
    assert_int_equal(atomic_load(&f->s->code_gen[1]), gen + 1);
    assert_true(guest_mem_code_mixed(f->s, PAGE));
}

static void calm_after_a_while(void **state)
{
    struct fixture *f = *state;
    assert_true(atomic_load(&f->m.mixed_until) == UINT64_MAX);
    heat(f, PAGE, 1);
    heat(f, 2 * PAGE, 1);
    uint64_t until = atomic_load(&f->m.mixed_until);
    assert_true(until > mono_ns() && until != UINT64_MAX);
    f->told = 0;
    guest_mem_code_calm(&f->m, until - 1);
    assert_int_equal(f->told, 0);
    guest_mem_code_calm(&f->m, until);
    assert_int_equal(f->told, 1);
    assert_int_equal(f->page, PAGE);
    assert_true(f->lines == MEM_ALL_LINES);
    assert_false(guest_mem_code_mixed(f->s, PAGE));
    assert_true(guest_mem_code_mixed(f->s, 2 * PAGE));
    assert_true(atomic_load(&f->m.mixed_until) > until);
    guest_mem_code_calm(&f->m, UINT64_MAX - 1);
    assert_true(atomic_load(&f->m.mixed_until) == UINT64_MAX);
    assert_in_range(heat(f, PAGE, 1), 2, MANY - 1); /* it begins anew */
}

/* There is a limit; beyond it pages are watched as ever. */
static void not_too_many(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < MEM_MIXED_PAGES; i++)
        assert_in_range(heat(f, i * PAGE, 1), 2, MANY - 1);
    assert_int_equal(heat(f, MEM_MIXED_PAGES * PAGE, 1), MANY);
    f->told = 0;
    guest_mem_code_mark(&f->m, f->s, MEM_MIXED_PAGES * PAGE, 1);
    assert_int_equal(gpa_store(&f->m, MEM_MIXED_PAGES * PAGE, 8, 1), 0);
    assert_int_equal(f->told, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hot_pages_are_mixed, setup, teardown),
        cmocka_unit_test_setup_teardown(mixed_pages_can_be_marked, setup, teardown),
        cmocka_unit_test_setup_teardown(calm_after_a_while, setup, teardown),
        cmocka_unit_test_setup_teardown(not_too_many, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
