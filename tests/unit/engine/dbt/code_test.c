/* Entering, finding, linking and dropping blocks; no code is run. */
#include "unit/cmocka_all.h"

#include <string.h>

#include "engine/dbt/code.h"

enum { CACHE = 1 << 20, STUB = 64, PROLOGUE = 52, LEN = PROLOGUE + 40, BODY = PROLOGUE };
#define MEM_ALL UINT64_MAX
enum { SITE_AT = BODY + 4, LINK_AT = BODY + 12, PATCH = 64 };

static int set_up(void **state)
{
    static struct code_cache cc;
    struct error err;
    if (code_init(&cc, CACHE, &err) < 0)
        return -1;
    uint8_t *stub = execmem_alloc(&cc.mem, STUB, 64);
    code_seal(&cc, (uintptr_t)execmem_to_rx(&cc.mem, stub), PROLOGUE);
    *state = &cc;
    return 0;
}

static int tear_down(void **state)
{
    code_destroy(*state);
    return 0;
}

static struct code_block *add(struct code_cache *cc, gpa_t gpa, gpa_t gpa2, uint32_t ctx)
{
    static const uint8_t bytes[LEN] = {CODE_ENTRY_OPEN};
    static const uint32_t site_fix[] = {SITE_AT}, link_fix[] = {LINK_AT};
    struct code_site site = {.off = (uint16_t)(gpa & 0xfff), .len = 3, .access = 18};
    struct code_link link = {.off = 0x80, .patch = PATCH};
    struct code_draft d = {.gpa = gpa,
                           .gpa2 = gpa2,
                           .ctx = ctx,
                           .lines = UINT64_C(3) << (gpa & 0xfff) / 64,
                           .bytes = bytes,
                           .len = LEN,
                           .sites = &site,
                           .links = &link,
                           .nsites = 1,
                           .nlinks = 1,
                           .site_fix = site_fix,
                           .link_fix = link_fix};
    return code_add(cc, &d);
}

/* A block that checks itself. */
static struct code_block *add_checking(struct code_cache *cc, gpa_t gpa, const uint8_t *guest,
                                       uint16_t n)
{
    static const uint8_t bytes[LEN] = {CODE_ENTRY_OPEN};
    struct code_draft d = {.gpa = gpa,
                           .gpa2 = CODE_NO_PAGE,
                           .lines = 1,
                           .bytes = bytes,
                           .len = LEN,
                           .guest = guest,
                           .guest_bytes = n};
    return code_add(cc, &d);
}

static struct code_block *find_at(struct code_cache *cc, gpa_t gpa, gpa_t gpa2, uint32_t ctx)
{
    const struct code_place at = {.gpa = gpa, .gpa2 = gpa2, .ctx = ctx};
    return code_find(cc, &at);
}

static uint32_t word(const struct code_cache *cc, const struct code_block *b, uint32_t at)
{
    uint32_t v;
    memcpy(&v, cc->mem.rx + b->host + at, 4);
    return v;
}

static void find(void **state)
{
    struct code_cache *cc = *state;
    struct code_block *a = add(cc, 0x1010, CODE_NO_PAGE, 1);
    struct code_block *b = add(cc, 0x1010, CODE_NO_PAGE, 2);
    struct code_block *c = add(cc, 0x1ffe, 0x5000, 1);
    assert_ptr_equal(find_at(cc, 0x1010, CODE_NO_PAGE, 1), a);
    assert_ptr_equal(find_at(cc, 0x1010, CODE_NO_PAGE, 2), b);
    assert_ptr_equal(find_at(cc, 0x1ffe, 0x5000, 1), c);
    assert_null(find_at(cc, 0x1ffe, 0x6000, 1)); /* mapped elsewhere now */
    assert_null(find_at(cc, 0x1011, CODE_NO_PAGE, 1));
    assert_int_equal(code_entry(cc, a) % 8, 0); /* it gets closed by one store */
    assert_int_equal(word(cc, a, SITE_AT), 0);
    assert_int_equal(word(cc, b, SITE_AT), 1);
    assert_int_equal(word(cc, c, LINK_AT), 2);
    assert_int_equal(cc->links[2].block, 2);
}

static void sites(void **state)
{
    struct code_cache *cc = *state;
    uint32_t n = 99;
    add(cc, 0x1000, CODE_NO_PAGE, 0);
    struct code_block *b = add(cc, 0x2000, CODE_NO_PAGE, 0);
    assert_true(code_site_at(cc, code_entry(cc, b) + 18, &n));
    assert_int_equal(n, 1);
    assert_false(code_site_at(cc, code_entry(cc, b) + 19, &n));
    assert_false(code_site_at(cc, cc->miss, &n));
    assert_false(code_site_at(cc, (uintptr_t)&n, &n));
}

static void link(void **state)
{
    struct code_cache *cc = *state;
    struct code_block *from = add(cc, 0x1000, CODE_NO_PAGE, 0);
    struct code_block *to = add(cc, 0x1080, CODE_NO_PAGE, 0);
    code_link_to(cc, 0, to);
    uint64_t next = code_entry(cc, from) + PATCH + 4;
    assert_int_equal(next + (uint64_t)(int32_t)word(cc, from, PATCH), code_body(cc, to));
    code_link_to(cc, 0, from); /* by another vCPU, meanwhile */
    assert_int_equal(next + (uint64_t)(int32_t)word(cc, from, PATCH), code_body(cc, to));
}

static uint64_t leads_to(const struct code_cache *cc, const struct code_block *from)
{
    return code_entry(cc, from) + PATCH + 4 + (uint64_t)(int64_t)(int32_t)word(cc, from, PATCH);
}

/* Links to what is dropped are cut, those to what stays remain. */
static void links_to_dropped(void **state)
{
    struct code_cache *cc = *state;
    struct code_block *a = add(cc, 0x1000, CODE_NO_PAGE, 0);
    struct code_block *b = add(cc, 0x1100, CODE_NO_PAGE, 0);
    struct code_block *to = add(cc, 0x1200, CODE_NO_PAGE, 0);
    struct code_block *stays = add(cc, 0x1300, CODE_NO_PAGE, 0);
    code_link_to(cc, 0, to);
    code_link_to(cc, 1, to);
    code_link_to(cc, 2, to); /* a loop */
    code_link_to(cc, 3, b);
    assert_true(code_page_written(cc, 0x1000, UINT64_C(1) << 9)); /* its second line */
    assert_true(to->dead && !a->dead && !b->dead && !stays->dead);
    const uint64_t stub = LINK_AT - 2;
    assert_int_equal(leads_to(cc, a), code_entry(cc, a) + stub);
    assert_int_equal(leads_to(cc, b), code_entry(cc, b) + stub);
    assert_int_equal(leads_to(cc, to), code_entry(cc, to) + stub);
    assert_int_equal(leads_to(cc, stays), code_body(cc, b));
    assert_false(code_page_written(cc, 0x1000, UINT64_C(1) << 6));
    struct code_block *again = add(cc, 0x1200, CODE_NO_PAGE, 0);
    code_link_to(cc, 0, again);
    assert_int_equal(leads_to(cc, a), code_body(cc, again));
}

static bool closed(const struct code_cache *cc, const struct code_block *b)
{
    const uint8_t *p = cc->mem.rx + b->host;
    int32_t rel;
    memcpy(&rel, p + 1, 4);
    return code_entry_closed(code_entry(cc, b)) && p[0] == 0xe9 &&
           code_entry(cc, b) + 5 + (uint64_t)(int64_t)rel == cc->miss;
}

static void written_page(void **state)
{
    struct code_cache *cc = *state;
    struct code_block *a = add(cc, 0x1010, CODE_NO_PAGE, 1);
    struct code_block *two = add(cc, 0x1ffe, 0x5000, 1);
    struct code_block *other = add(cc, 0x5010, CODE_NO_PAGE, 1);
    struct code_block *far = add(cc, 0x9010, CODE_NO_PAGE, 1);
    assert_true(code_page_written(cc, 0x5000, MEM_ALL));
    assert_true(two->dead && other->dead && closed(cc, two) && closed(cc, other));
    assert_false(a->dead || far->dead || closed(cc, a));
    assert_null(find_at(cc, 0x1ffe, 0x5000, 1));
    assert_ptr_equal(find_at(cc, 0x1010, CODE_NO_PAGE, 1), a);
    assert_false(code_page_written(cc, 0x5000, MEM_ALL)); /* nothing there any more */
    assert_true(code_page_written(cc, 0x1000, MEM_ALL));
    assert_int_equal(cc->stats.invalidated, 3);
    struct code_block *again = add(cc, 0x1ffe, 0x5000, 1);
    assert_ptr_equal(find_at(cc, 0x1ffe, 0x5000, 1), again);
}

static struct code_block *find_now(struct code_cache *cc, gpa_t gpa, const uint8_t *now)
{
    const struct code_place at = {.gpa = gpa, .gpa2 = CODE_NO_PAGE, .bytes = now};
    return code_find(cc, &at);
}

/* Blocks that check themselves are found by what they were made from. */
static void versions(void **state)
{
    struct code_cache *cc = *state;
    uint8_t now[] = {0xb8, 0, 0, 0, 0, 0xc3};
    struct code_block *made[20];
    for (unsigned i = 0; i < 20; i++) {
        now[1] = (uint8_t)i;
        assert_null(find_now(cc, 0x1010, now));
        made[i] = add_checking(cc, 0x1010, now, sizeof(now));
        assert_ptr_equal(find_now(cc, 0x1010, now), made[i]);
        assert_null(find_now(cc, 0x1020, now));
    }
    for (unsigned i = 0; i < 20; i++) {
        now[1] = (uint8_t)i;
        assert_true(find_now(cc, 0x1010, now) == (i < 4 ? NULL : made[i])); /* the oldest go */
        assert_int_equal(closed(cc, made[i]), i < 4);
    }
    assert_int_equal(cc->stats.invalidated, 0);
    assert_true(code_page_written(cc, 0x1000, MEM_ALL));
    assert_int_equal(cc->stats.invalidated, 16);
    assert_null(find_now(cc, 0x1010, now));
}

/* Bytes that a mask leaves out may be anything. */
static void masked_version(void **state)
{
    struct code_cache *cc = *state;
    static const uint8_t bytes[LEN] = {CODE_ENTRY_OPEN}, guest[] = {0xb8, 1, 2, 3, 4, 0xc3},
                         mask[] = {0xff, 0, 0, 0, 0, 0xff};
    struct code_draft d = {.gpa = 0x1010,
                           .gpa2 = CODE_NO_PAGE,
                           .bytes = bytes,
                           .len = LEN,
                           .guest = guest,
                           .mask = mask,
                           .guest_bytes = sizeof(guest)};
    uint8_t now[] = {0xb8, 5, 6, 7, 8, 0xc3};
    const struct code_place at = {.gpa = 0x1010, .gpa2 = CODE_NO_PAGE, .bytes = now};
    struct code_block *b = code_add(cc, &d);
    assert_int_equal(code_versions(cc, &at), 1);
    assert_ptr_equal(code_find(cc, &at), b);
    now[5] = 0x90;
    assert_null(code_find(cc, &at));
    assert_int_equal(code_versions(cc, &at), 1);
    now[5] = 0xc3;
    now[0] = 0xb9;
    assert_null(code_find(cc, &at));
}

/* The bytes of one that reaches into a second page. */
static void version_in_two_pages(void **state)
{
    struct code_cache *cc = *state;
    static const uint8_t first[] = {0xb8, 1}, second[] = {2, 3, 4}, other[] = {2, 3, 5};
    static const uint8_t bytes[LEN] = {CODE_ENTRY_OPEN}, guest[] = {0xb8, 1, 2, 3, 4};
    struct code_draft d = {.gpa = 0x1ffe,
                           .gpa2 = 0x7000,
                           .bytes = bytes,
                           .len = LEN,
                           .guest = guest,
                           .guest_bytes = sizeof(guest)};
    struct code_block *b = code_add(cc, &d);
    struct code_place at = {.gpa = 0x1ffe, .gpa2 = 0x7000, .bytes = first, .more = second};
    assert_ptr_equal(code_find(cc, &at), b);
    at.more = other;
    assert_null(code_find(cc, &at));
}

/* Who links to a version that is stale again and again had better ask. */
static void links_to_stale(void **state)
{
    struct code_cache *cc = *state;
    static const uint8_t now[] = {0xc3};
    struct code_block *from = add(cc, 0x1000, CODE_NO_PAGE, 0);
    struct code_block *to = add_checking(cc, 0x1080, now, 1);
    code_link_to(cc, 0, to);
    for (unsigned i = 0; i < 3; i++) {
        code_went_stale(cc, 1);
        assert_int_equal(leads_to(cc, from), code_body(cc, to));
    }
    code_went_stale(cc, 1);
    assert_int_equal(leads_to(cc, from), code_entry(cc, from) + LINK_AT - 2);
    assert_false(to->dead);
}

static void full_and_flushed(void **state)
{
    struct code_cache *cc = *state;
    gpa_t gpa = 0x1000;
    uint32_t epoch = cc->epoch;
    while (add(cc, gpa, CODE_NO_PAGE, 0))
        gpa += 64;
    assert_true(cc->mem.used <= cc->mem.size);
    assert_true(gpa > 0x1000 + (CACHE / 2 / LEN) * 64);
    code_flush(cc);
    assert_int_equal(cc->epoch, epoch + 1);
    assert_null(find_at(cc, 0x1000, CODE_NO_PAGE, 0));
    assert_false(code_page_written(cc, 0x1000, MEM_ALL));
    struct code_block *b = add(cc, 0x1000, CODE_NO_PAGE, 0);
    assert_non_null(b);
    assert_true(code_entry(cc, b) >= cc->miss + STUB); /* stubs stay */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(find, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sites, set_up, tear_down),
        cmocka_unit_test_setup_teardown(link, set_up, tear_down),
        cmocka_unit_test_setup_teardown(links_to_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(written_page, set_up, tear_down),
        cmocka_unit_test_setup_teardown(versions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(masked_version, set_up, tear_down),
        cmocka_unit_test_setup_teardown(version_in_two_pages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(links_to_stale, set_up, tear_down),
        cmocka_unit_test_setup_teardown(full_and_flushed, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
