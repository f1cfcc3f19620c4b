/* The list of mapped areas, against a plain array of pages. */
#include "unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "process/linux/area.h"

enum { PAGES = 64, ROUNDS = 20000 };

static struct area area(unsigned first, unsigned end, uint8_t prot)
{
    return (struct area){first * GUEST_PAGE_SIZE, end * GUEST_PAGE_SIZE, prot, 0};
}

static void check_against(const struct area_map *m, const int *pages)
{
    for (size_t i = 0; i < m->n; i++) {
        assert_true(m->areas[i].start < m->areas[i].end);
        if (i)
            assert_true(m->areas[i - 1].end <= m->areas[i].start);
    }
    for (unsigned p = 1; p < PAGES; p++) {
        const struct area *a = area_find(m, p * GUEST_PAGE_SIZE + 5);
        assert_int_equal(a ? a->prot : -1, pages[p]);
    }
}

/* Random changes leave what a plain array says. */
static void changes(void **state)
{
    struct area_map m = {0};
    int pages[PAGES];
    (void)state;
    srandom(1);
    memset(pages, 0xff, sizeof(pages));
    for (int round = 0; round < ROUNDS; round++) {
        unsigned first = 1 + (unsigned)random() % (PAGES - 2);
        unsigned end = first + 1 + (unsigned)random() % (PAGES - first - 1);
        uint8_t prot = (uint8_t)(random() & 3);
        struct area a = area(first, end, prot);
        long what = random() % 3;
        if (what == 0)
            assert_int_equal(area_set(&m, a), 0);
        else if (what == 1)
            assert_int_equal(area_clear(&m, a.start, a.end), 0);
        else
            assert_int_equal(area_protect(&m, a.start, a.end, prot), 0);
        for (unsigned p = first; p < end; p++)
            pages[p] = what == 0 ? prot : what == 1 ? -1 : pages[p] < 0 ? -1 : prot;
        check_against(&m, pages);
        bool covered = true, any = false;
        for (unsigned p = first; p < end; p++) {
            covered = covered && pages[p] >= 0;
            any |= pages[p] >= 0;
        }
        assert_int_equal(area_covers(&m, a.start, a.end), covered);
        assert_int_equal(area_any(&m, a.start, a.end, 0), any);
    }
    area_map_free(&m);
}

/* Neighbours that are alike are one area. */
static void joins(void **state)
{
    struct area_map m = {0};
    (void)state;
    assert_int_equal(area_set(&m, area(1, 2, 3)), 0);
    assert_int_equal(area_set(&m, area(3, 4, 3)), 0);
    assert_int_equal(m.n, 2);
    assert_int_equal(area_set(&m, area(2, 3, 3)), 0);
    assert_int_equal(m.n, 1);
    assert_int_equal(area_protect(&m, 2 * GUEST_PAGE_SIZE, 3 * GUEST_PAGE_SIZE, 1), 0);
    assert_int_equal(m.n, 3);
    area_map_free(&m);
}

/* The highest room, aligned, between any two areas, below the first and above the last. */
static void gaps(void **state)
{
    struct area_map m = {0};
    const uint64_t P = GUEST_PAGE_SIZE;
    (void)state;
    assert_int_equal(area_gap(&m, P, P, 10 * P, P), 9 * P);
    assert_int_equal(area_set(&m, area(3, 4, 1)), 0);
    assert_int_equal(area_set(&m, area(8, 10, 1)), 0);
    assert_int_equal(area_gap(&m, 4 * P, P, 10 * P, P), 4 * P);
    assert_int_equal(area_gap(&m, 2 * P, P, 10 * P, 4 * P), 4 * P);
    assert_int_equal(area_gap(&m, 5 * P, P, 10 * P, P), 0);
    assert_int_equal(area_gap(&m, 2 * P, P, 4 * P, P), P);
    assert_int_equal(area_gap(&m, 3 * P, P, 4 * P, P), 0);
    assert_int_equal(area_gap(&m, P, P, 20 * P, P), 19 * P);
    area_map_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes),
        cmocka_unit_test(joins),
        cmocka_unit_test(gaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
