/* The door to guest memory: bounds, slots that touch, ROM, atomics, code generations. */
#include "unit/cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "mem/guest_mem.h"

#define PAGE GUEST_PAGE_SIZE

/* RAM [0, 8 pages), RAM [8, 12 pages) in another slot, ROM at page 16, a hole between. */
struct fixture {
    struct guest_mem m;
    gpa_t written;
    uint64_t lines;
    unsigned nwritten;
};

static void code_written(void *opaque, gpa_t page, uint64_t lines)
{
    struct fixture *f = opaque;
    f->lines = lines;
    f->written = page;
    f->nwritten++;
}

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){0};
    assert_int_equal(guest_mem_init(&f.m, 16 * PAGE, NULL), 0);
    assert_int_equal(guest_mem_add_slot(&f.m, 0, 8 * PAGE, false, NULL), 0);
    assert_int_equal(guest_mem_add_slot(&f.m, 8 * PAGE, 4 * PAGE, false, NULL), 0);
    assert_int_equal(guest_mem_add_slot(&f.m, 16 * PAGE, PAGE, true, NULL), 0);
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

static void copies_across_slots(void **state)
{
    struct fixture *f = *state;
    uint8_t out[3 * PAGE], in[3 * PAGE];
    for (unsigned i = 0; i < sizeof(out); i++)
        out[i] = (uint8_t)(i * 7);
    assert_int_equal(gpa_write(&f->m, 7 * PAGE - 5, out, sizeof(out)), 0);
    assert_int_equal(gpa_read(&f->m, 7 * PAGE - 5, in, sizeof(in)), 0);
    assert_memory_equal(in, out, sizeof(in));
    assert_int_equal(gpa_fill(&f->m, 8 * PAGE - 1, 0xcc, 2), 0);
    assert_int_equal(gpa_read(&f->m, 8 * PAGE - 2, in, 4), 0);
    assert_int_equal(in[1], 0xcc);
    assert_int_equal(in[2], 0xcc);
    assert_int_not_equal(in[0], 0xcc);
    assert_int_equal(gpa_read(&f->m, 99 * PAGE, in, 0), 0);
}

static void bounds(void **state)
{
    struct fixture *f = *state;
    uint8_t b[16] = {0};
    assert_int_equal(gpa_read(&f->m, 12 * PAGE - 8, b, 16), -EFAULT);
    assert_int_equal(gpa_write(&f->m, 12 * PAGE - 8, b, 16), -EFAULT);
    assert_int_equal(gpa_read(&f->m, UINT64_MAX - 3, b, 16), -EFAULT);
    assert_int_equal(gpa_fill(&f->m, 13 * PAGE, 0, 1), -EFAULT);
    assert_null(gpa_pin(&f->m, 12 * PAGE - 8, 16, false));
    assert_null(gpa_pin(&f->m, 8 * PAGE - 8, 16, false)); /* two slots */
    assert_null(gpa_pin(&f->m, 0, SIZE_MAX, false));
    assert_null(gpa_pin(&f->m, 13 * PAGE, 1, false));
    assert_ptr_equal(gpa_pin(&f->m, 12 * PAGE - 8, 8, true), f->m.slots[1].host + 4 * PAGE - 8);
}

static void rom(void **state)
{
    struct fixture *f = *state;
    uint64_t v = 42;
    assert_int_equal(gpa_write(&f->m, 16 * PAGE, &v, 8), -EROFS);
    assert_int_equal(gpa_store(&f->m, 16 * PAGE, 8, 1), -EROFS);
    assert_int_equal(gpa_cas(&f->m, 16 * PAGE, 8, 0, 1), -EROFS);
    assert_null(gpa_pin(&f->m, 16 * PAGE, 8, true));
    assert_non_null(gpa_pin(&f->m, 16 * PAGE, 8, false));
    assert_int_equal(gpa_write_rom(&f->m, 16 * PAGE, &v, 8), 0);
    v = 0;
    assert_int_equal(gpa_load(&f->m, 16 * PAGE, 8, &v), 0);
    assert_int_equal(v, 42);
}

static void atomics(void **state)
{
    struct fixture *f = *state;
    uint64_t v;
    for (unsigned size = 1; size <= 8; size *= 2) {
        assert_int_equal(gpa_fill(&f->m, 0, 0xee, 16), 0);
        assert_int_equal(gpa_store(&f->m, 8, size, UINT64_C(0x1122334455667788)), 0);
        assert_int_equal(gpa_load(&f->m, 8, size, &v), 0);
        assert_true(v == (UINT64_C(0x1122334455667788) & (UINT64_MAX >> (64 - 8 * size))));
        assert_int_equal(gpa_load(&f->m, 7, 1, &v), 0);
        assert_int_equal(v, 0xee);
        if (size > 1)
            assert_int_equal(gpa_load(&f->m, 1, size, &v), -EINVAL);
    }
    assert_int_equal(gpa_load(&f->m, 0, 3, &v), -EINVAL);
    assert_int_equal(gpa_store(&f->m, 0, 16, 0), -EINVAL);
    assert_int_equal(gpa_load(&f->m, 12 * PAGE, 4, &v), -EFAULT);
    assert_int_equal(gpa_store(&f->m, 12 * PAGE, 4, 0), -EFAULT);
}

static void compare_and_swap(void **state)
{
    struct fixture *f = *state;
    uint64_t v;
    assert_int_equal(gpa_store(&f->m, 64, 8, UINT64_C(0xaaaaaaaa00000005)), 0);
    assert_int_equal(gpa_cas(&f->m, 64, 4, 4, 6), 0);
    assert_int_equal(gpa_cas(&f->m, 64, 4, 5, 6), 1);
    assert_int_equal(gpa_cas(&f->m, 64, 8, 6, 7), 0);
    assert_int_equal(gpa_cas(&f->m, 64, 8, UINT64_C(0xaaaaaaaa00000006), 7), 1);
    assert_int_equal(gpa_load(&f->m, 64, 8, &v), 0);
    assert_int_equal(v, 7);
    assert_int_equal(gpa_cas(&f->m, 64, 2, 7, 8), -EINVAL);
    assert_int_equal(gpa_cas(&f->m, 66, 4, 7, 8), -EINVAL);
    assert_int_equal(gpa_cas(&f->m, 12 * PAGE, 8, 0, 0), -EFAULT);
}

static uint32_t generation(struct fixture *f, unsigned page)
{
    return atomic_load(&f->m.slots[0].code_gen[page]);
}

static void code_goes_stale(void **state)
{
    struct fixture *f = *state;
    const struct mem_slot *s = &f->m.slots[0];
    uint8_t b[8] = {0};
    uint32_t gen, same;
    assert_false(guest_mem_code_marked(&f->m, s, 2 * PAGE, MEM_ALL_LINES, &same));
    gen = guest_mem_code_mark(&f->m, s, 2 * PAGE, MEM_ALL_LINES);
    assert_int_equal(gen, generation(f, 2));
    assert_true(guest_mem_code_marked(&f->m, s, 2 * PAGE, MEM_ALL_LINES, &same));
    assert_int_equal(same, gen);
    assert_int_equal(gpa_write(&f->m, PAGE, b, 8), 0); /* the neighbour */
    assert_int_equal(f->nwritten, 0);
    assert_int_equal(gpa_write(&f->m, 2 * PAGE - 4, b, 8), 0);
    assert_int_equal(f->nwritten, 1);
    assert_int_equal(f->written, 2 * PAGE);
    assert_int_not_equal(generation(f, 2), gen);
    assert_int_equal(atomic_load(&s->page_flags[2]), 0);
    assert_false(guest_mem_code_marked(&f->m, s, 2 * PAGE, MEM_ALL_LINES, &same));
    /* Said once until somebody decodes again. */
    assert_int_equal(gpa_store(&f->m, 2 * PAGE, 8, 1), 0);
    assert_int_equal(f->nwritten, 1);
    gen = guest_mem_code_mark(&f->m, s, 2 * PAGE, MEM_ALL_LINES);
    assert_int_equal(gpa_cas(&f->m, 2 * PAGE, 8, 0, 1), 0); /* not swapped: not written */
    assert_int_equal(f->nwritten, 1);
    assert_int_equal(gpa_cas(&f->m, 2 * PAGE, 8, 1, 2), 1);
    assert_int_equal(f->nwritten, 2);
    guest_mem_code_mark(&f->m, s, 2 * PAGE, MEM_ALL_LINES);
    gpa_wrote(&f->m, 2 * PAGE, 1);
    assert_int_equal(f->nwritten, 3);
    assert_int_equal(generation(f, 2), gen + 2);
    assert_int_equal(generation(f, 1), 0);
}

/* Only what was written goes stale, and is said to. */
static void lines_go_stale_alone(void **state)
{
    struct fixture *f = *state;
    const struct mem_slot *s = &f->m.slots[0];
    uint8_t b[64] = {0};
    f->nwritten = 0;
    uint32_t gen = guest_mem_code_mark(&f->m, s, 4 * PAGE, 7u << 10);
    assert_int_equal(gpa_write(&f->m, 4 * PAGE + 9 * 64, b, 64), 0); /* just before */
    assert_int_equal(gpa_write(&f->m, 4 * PAGE + 13 * 64, b, 8), 0); /* and behind */
    assert_int_equal(f->nwritten, 0);
    assert_int_equal(generation(f, 4), gen);
    assert_int_equal(gpa_write(&f->m, 4 * PAGE + 12 * 64 - 1, b, 2), 0);
    assert_int_equal(f->nwritten, 1);
    assert_true(f->lines == 6u << 10);
    assert_int_equal(generation(f, 4), gen + 1);
    assert_int_equal(gpa_write(&f->m, 4 * PAGE + 11 * 64, b, 8), 0); /* is no code now */
    assert_int_equal(f->nwritten, 1);
    assert_int_equal(gpa_write(&f->m, 4 * PAGE + 10 * 64, b, 1), 0);
    assert_int_equal(f->nwritten, 2);
    assert_true(f->lines == 1u << 10);
    assert_int_equal(generation(f, 4), gen + 2);
}

/*
 * Writers on two threads, a decoder on a third. What the decoder read under a generation that is
 * still current must be what is in memory once all have stopped.
 */
struct race {
    struct guest_mem *m;
    _Atomic bool stop;
    uint32_t gen;
    uint64_t decoded;
};

static void *writer(void *opaque)
{
    struct race *r = opaque;
    for (uint64_t i = 1; i < 100000; i++)
        assert_int_equal(gpa_store(r->m, 3 * PAGE, 8, i), 0);
    return NULL;
}

static void *decoder(void *opaque)
{
    struct race *r = opaque;
    const struct mem_slot *s = guest_mem_slot(r->m, 3 * PAGE);
    do { /* at least once, however late this thread starts */
        r->gen = guest_mem_code_mark(r->m, s, 3 * PAGE, MEM_ALL_LINES);
        assert_int_equal(gpa_load(r->m, 3 * PAGE, 8, &r->decoded), 0);
    } while (!atomic_load(&r->stop));
    return NULL;
}

static void stale_code_is_never_current(void **state)
{
    struct fixture *f = *state;
    pthread_t w[2], d;
    f->m.code_written = NULL;
    for (int round = 0; round < 5; round++) {
        struct race r = {.m = &f->m};
        uint64_t now;
        pthread_create(&d, NULL, decoder, &r);
        for (int i = 0; i < 2; i++)
            pthread_create(&w[i], NULL, writer, &r);
        pthread_join(w[0], NULL);
        atomic_store(&r.stop, true); /* while the other one may still write */
        pthread_join(d, NULL);
        pthread_join(w[1], NULL);
        assert_int_equal(gpa_load(&f->m, 3 * PAGE, 8, &now), 0);
        if (r.gen == generation(f, 3))
            assert_true(r.decoded == now);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(copies_across_slots, setup, teardown),
        cmocka_unit_test_setup_teardown(bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(rom, setup, teardown),
        cmocka_unit_test_setup_teardown(atomics, setup, teardown),
        cmocka_unit_test_setup_teardown(compare_and_swap, setup, teardown),
        cmocka_unit_test_setup_teardown(code_goes_stale, setup, teardown),
        cmocka_unit_test_setup_teardown(lines_go_stale_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(stale_code_is_never_current, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
