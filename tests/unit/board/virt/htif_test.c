/* The host-target interface: exit, console bytes, answers, and words that are no memory. */
#include "unit/cmocka_all.h"

#include <stdlib.h>

#include "board/virt/htif.h"
#include "unit/fake/machine.h"

enum { RAM = 1 << 16, TOHOST = 0x1000, FROMHOST = 0x1040 };
#define CONSOLE_BYTE(c) (UINT64_C(1) << 56 | UINT64_C(1) << 48 | (uint8_t)(c))

struct env {
    struct fake_machine m;
    struct chr_backend console;
    struct htif *h;
};

static char written[8]; /* by the console, which brings no pointer of ours */
static size_t nwritten;

static void console_write(struct chr_backend *b, const uint8_t *buf, size_t len)
{
    (void)b;
    assert_true(nwritten + len < sizeof(written));
    for (size_t i = 0; i < len; i++)
        written[nwritten++] = (char)buf[i];
}

static const struct chr_backend_ops console_ops = {.name = "test", .write = console_write};

static int setup(void **state)
{
    struct env *e = calloc(1, sizeof(*e));
    nwritten = 0;
    fake_machine_init(&e->m);
    assert_int_equal(guest_mem_init(&e->m.mem, RAM, NULL), 0);
    assert_int_equal(guest_mem_add_slot(&e->m.mem, 0, RAM, false, NULL), 0);
    e->console.ops = &console_ops;
    assert_int_equal(htif_create(&e->h, &e->m.host, &e->console), 0);
    *state = e;
    return 0;
}

static int teardown(void **state)
{
    struct env *e = *state;
    fake_destroy(htif_dev(e->h));
    assert_int_equal(fake_timers_armed(), 0);
    guest_mem_destroy(&e->m.mem);
    fake_machine_destroy(&e->m);
    free(e);
    return 0;
}

/* The program writes a word, and some time passes. */
static void request(struct env *e, uint64_t word)
{
    assert_int_equal(gpa_store(&e->m.mem, TOHOST, 8, word), 0);
    fake_advance(10 * MS);
}

static uint64_t word_at(struct env *e, gpa_t gpa)
{
    uint64_t v;
    assert_int_equal(gpa_load(&e->m.mem, gpa, 8, &v), 0);
    return v;
}

static void start(struct env *e, gpa_t tohost, gpa_t fromhost)
{
    struct dev *d = htif_dev(e->h);
    htif_set(e->h, tohost, fromhost);
    d->cls->resume(d);
}

static void a_program_exits(void **state)
{
    struct env *e = *state;
    start(e, TOHOST, FROMHOST);
    request(e, 42 << 1 | 1);
    assert_int_equal(e->m.events[MACHINE_EXIT], 1);
    assert_int_equal(e->m.event_value, 42);
    assert_int_equal(word_at(e, TOHOST), 0);
    request(e, 42 << 1); /* a system call of the proxy kernel's: nobody does that */
    assert_int_equal(e->m.events[MACHINE_EXIT], 1);
}

static void a_program_writes(void **state)
{
    struct env *e = *state;
    start(e, TOHOST, FROMHOST);
    request(e, CONSOLE_BYTE('h'));
    assert_int_equal(word_at(e, TOHOST), 0);
    assert_true(word_at(e, FROMHOST) == (UINT64_C(0x101) << 48 | 1));
    request(e, CONSOLE_BYTE('i'));
    assert_int_equal(nwritten, 2);
    assert_memory_equal(written, "hi", 2);
    request(e, UINT64_C(9) << 56); /* no such device */
    assert_int_equal(nwritten, 2);
}

static void a_kernel_does_not_use_it(void **state)
{
    struct env *e = *state;
    start(e, 0, 0);
    assert_int_equal(fake_timers_armed(), 0);
    request(e, 3);
    assert_int_equal(e->m.events[MACHINE_EXIT], 0);
}

static void the_words_are_no_memory(void **state)
{
    struct env *e = *state;
    start(e, RAM, 0); /* as a hostile file says */
    fake_advance(10 * MS);
    start(e, TOHOST, RAM + 8);
    request(e, CONSOLE_BYTE('x'));
    assert_int_equal(nwritten, 1);
    start(e, TOHOST + 1, 0); /* not aligned */
    fake_advance(10 * MS);
    assert_int_equal(nwritten, 1);
}

/* While the machine stands, nothing is taken from it. */
static void a_paused_machine_is_left_alone(void **state)
{
    struct env *e = *state;
    start(e, TOHOST, 0);
    guest_clock_stop(&e->m.clock);
    request(e, 3);
    assert_int_equal(e->m.events[MACHINE_EXIT], 0);
    assert_int_equal(word_at(e, TOHOST), 3);
    guest_clock_start(&e->m.clock);
    fake_advance(10 * MS);
    assert_int_equal(e->m.events[MACHINE_EXIT], 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_program_exits),
        TEST(a_program_writes),
        TEST(a_kernel_does_not_use_it),
        TEST(the_words_are_no_memory),
        TEST(a_paused_machine_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
