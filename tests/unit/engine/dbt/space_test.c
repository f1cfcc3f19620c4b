/* Page table, log and jump table of one address space. */
#include "unit/cmocka_all.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/dbt/space.h"

#define HIGH UINT64_C(0xffff888000000000)

static const struct space_stubs stubs = {0x1111, 0x2222};

static int set_up(void **state)
{
    static struct space s;
    struct error err;
    int fd = memfd_create("hot", 0);
    if (fd < 0 || ftruncate(fd, 4096) < 0 || space_init(&s, fd, &stubs, &err) < 0)
        return -1;
    close(fd);
    *state = &s;
    return 0;
}

static int tear_down(void **state)
{
    space_destroy(*state);
    return 0;
}

static void fill(struct space *s, gva_t va, uint64_t read, uint64_t write, bool local)
{
    space_fill(s, va, (struct space_entry){read, write}, local);
}

static void is(const struct space *s, gva_t va, uint64_t read, uint64_t write)
{
    assert_int_equal(space_entry(s, va)->read, read);
    assert_int_equal(space_entry(s, va)->write, write);
}

static void pages(void **state)
{
    struct space *s = *state;
    fill(s, 0x5000, 0x100, 0x200, true);
    fill(s, HIGH + 0x7000, 0x300, 0, false);
    is(s, 0x5fff, 0x100, 0x200);
    is(s, 0x6000, 0, 0);
    is(s, HIGH + 0x7000, 0x300, 0);
    space_clear_local(s);
    is(s, 0x5000, 0, 0);
    is(s, HIGH + 0x7000, 0x300, 0);
    fill(s, 0x5000, 0x100, 0x200, true);
    space_drop_page(s, 0x5123);
    is(s, 0x5000, 0, 0);
    fill(s, 0x5000, 0x400, 0, true); /* its index stands in the log twice now */
    space_clear(s);
    is(s, 0x5000, 0, 0);
    is(s, HIGH + 0x7000, 0, 0);
}

/* Addresses that differ in bits 43-63 only have one entry: the last one has it. */
static void aliases(void **state)
{
    struct space *s = *state;
    fill(s, 0x5000, 0x100, 0x100, true);
    fill(s, 0x5000 | UINT64_C(1) << 43, 0x200, 0, true);
    is(s, 0x5000, 0x200, 0);
}

/* ... and goes with its address space, even if it came in a global page's place. */
static void local_alias_of_a_global_page(void **state)
{
    struct space *s = *state;
    fill(s, UINT64_C(0xffff800000005000), 0x100, 0x100, false);
    fill(s, 0x5000, 0x200, 0, true);
    space_clear_local(s);
    is(s, 0x5000, 0, 0);
}

static void writes_to_a_host_page(void **state)
{
    struct space *s = *state;
    const uint64_t host = UINT64_C(0x7f1234560000);
    fill(s, 0x5000, host - 0x5000, host - 0x5000, true);
    fill(s, HIGH, host - HIGH, host - HIGH, false);
    fill(s, 0x6000, host + 0x1000 - 0x6000, host + 0x1000 - 0x6000, true);
    space_drop_write(s, host);
    is(s, 0x5000, host - 0x5000, 0);
    is(s, HIGH, host - HIGH, 0);
    is(s, 0x6000, host + 0x1000 - 0x6000, host + 0x1000 - 0x6000);
}

/* One address, another one instead, both; forgotten and filled again. */
static void writers_come_and_go(void **state)
{
    struct space *s = *state;
    const uintptr_t host = 0x7f0000123000;
    fill(s, 0x5000, host - 0x5000, host - 0x5000, false);
    space_drop_write(s, host);
    is(s, 0x5000, host - 0x5000, 0);
    space_drop_page(s, 0x5000);
    fill(s, 0x9000, host - 0x9000, host - 0x9000, false);
    fill(s, 0x5000, host - 0x5000, host - 0x5000, false);
    space_drop_write(s, host);
    is(s, 0x5000, host - 0x5000, 0);
    is(s, 0x9000, host - 0x9000, 0);
    space_clear(s);
    fill(s, 0x9000, host - 0x9000, host - 0x9000, true);
    space_drop_write(s, host + ((uintptr_t)SPACE_WRITERS << 12)); /* the same slot */
    is(s, 0x9000, host - 0x9000, host - 0x9000);
    space_drop_write(s, host);
    is(s, 0x9000, host - 0x9000, 0);
}

/* The log has an end: then all is forgotten rather than something unlogged. */
static void full_log(void **state)
{
    struct space *s = *state;
    for (uint64_t i = 0; i < SPACE_LOG; i++)
        fill(s, i << 12, 1, 1, i & 1);
    is(s, 0, 1, 1);
    fill(s, (uint64_t)SPACE_LOG << 12, 2, 2, true);
    is(s, (uint64_t)SPACE_LOG << 12, 2, 2);
    space_clear(s);
    for (uint64_t i = 0; i <= SPACE_LOG; i++)
        is(s, i << 12, 0, 0);
}

/* A page that comes and goes must not fill the log up and take the others with it for ever. */
static void page_that_comes_and_goes(void **state)
{
    struct space *s = *state;
    for (unsigned i = 0; i < 3 * SPACE_LOG; i++) {
        fill(s, 0x5000, 1, 1, true);
        space_drop_page(s, 0x5000);
    }
    assert_true(s->nlog <= SPACE_LOG && s->nlocal <= SPACE_LOG);
    fill(s, 0x9000, 7, 7, true);
    space_clear_local(s);
    is(s, 0x9000, 0, 0);
}

static struct space_jump *table_of(struct space *s)
{
    return (struct space_jump *)(void *)(s->base + SPACE_JUMP_TABLE);
}

static unsigned slots_with(struct space *s, uint64_t code)
{
    unsigned n = 0;
    for (unsigned i = 0; i < SPACE_JUMPS; i++)
        n += table_of(s)[i].code == code;
    return n;
}

static void jumps(void **state)
{
    struct space *s = *state;
    space_jumps_clear(s);
    assert_int_equal(slots_with(s, stubs.miss), SPACE_JUMPS - 1);
    assert_int_equal(table_of(s)[SPACE_SLOT_ATTEND].code, stubs.attend);
    assert_false(space_has_jumps(s, 0x401000));
    space_jump_set(s, 0x401236, 0x3333);
    space_jump_set(s, HIGH + 0x236, 0x4444); /* the same bits, in the kernel's half */
    assert_int_equal(slots_with(s, 0x3333), 1);
    assert_int_equal(slots_with(s, 0x4444), 1);
    assert_true(space_has_jumps(s, 0x401fff));
    space_jump_set(s, 0, 0x5555); /* would be the slot that attends to requests */
    assert_int_equal(slots_with(s, 0x5555), 0);
    space_jumps_clear(s);
    assert_int_equal(slots_with(s, stubs.miss), SPACE_JUMPS - 1);
    assert_false(space_has_jumps(s, 0x401000));
}

/* More than the log holds; pages and all are forgotten as well then. */
static void many_jumps(void **state)
{
    struct space *s = *state;
    space_jumps_clear(s);
    for (gva_t va = 0x400000; va < 0x400000 + 4 * SPACE_JUMP_LOG; va++)
        space_jump_set(s, va, 0x3333);
    assert_true(slots_with(s, 0x3333) > SPACE_JUMP_LOG);
    space_jumps_drop_page(s, 0x400000 + 4 * SPACE_JUMP_LOG - 1);
    assert_int_equal(space_jump_get(s, 0x400000 + 4 * SPACE_JUMP_LOG - 1), 0);
    space_jumps_clear(s);
    assert_int_equal(slots_with(s, stubs.miss), SPACE_JUMPS - 1);
    space_jump_set(s, 0x402345, 0x3333);
    space_jumps_clear(s);
    assert_int_equal(space_jump_get(s, 0x402345), 0);
}

static void jumps_of_a_page(void **state)
{
    struct space *s = *state;
    const gva_t other = (UINT64_C(1) << 27) + 0x402000; /* the same bit as 0x403000's */
    space_jumps_clear(s);
    space_jump_set(s, 0x402345, 0x3333);
    space_jump_set(s, 0x403345, 0x4444);
    space_jump_set(s, other + 0x111, 0x5555);
    assert_int_equal(space_jump_get(s, 0x402345), 0x3333);
    space_jumps_drop_page(s, 0x402fff);
    assert_int_equal(space_jump_get(s, 0x402345), 0);
    assert_int_equal(space_jump_get(s, 0x403345), 0x4444);
    assert_false(space_has_jumps(s, 0x402000));
    space_jumps_drop_page(s, 0x403000);
    assert_int_equal(space_jump_get(s, other + 0x111), 0x5555);
    assert_true(space_has_jumps(s, other));
}

/* Nothing comes to lie there while the VM lives; then the next VM may have the same addresses. */
static void places_of_strays(void **state)
{
    struct space_aliases al, second;
    struct error err;
    void *ram = mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(space_reserve_aliases(&al, (uintptr_t)ram, 1 << 20, &err), 0);
        assert_true(al.made != 0);
        /* The places are taken: an error, or under a sanitizer, which has some itself, none left.
         */
        int r = space_reserve_aliases(&second, (uintptr_t)ram, 1 << 20, &err);
        assert_true(r == -EEXIST || (r == 0 && second.made == 0));
        space_release_aliases(&second);
        space_release_aliases(&al);
    }
    munmap(ram, 1 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(aliases, set_up, tear_down),
        cmocka_unit_test_setup_teardown(local_alias_of_a_global_page, set_up, tear_down),
        cmocka_unit_test_setup_teardown(writes_to_a_host_page, set_up, tear_down),
        cmocka_unit_test_setup_teardown(writers_come_and_go, set_up, tear_down),
        cmocka_unit_test_setup_teardown(full_log, set_up, tear_down),
        cmocka_unit_test_setup_teardown(page_that_comes_and_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(jumps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_jumps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(jumps_of_a_page, set_up, tear_down),
        cmocka_unit_test(places_of_strays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
