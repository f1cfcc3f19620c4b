/* The arena: what the guest maps is there, what it unmaps is not, and it hears of changed code. */
#include "unit/cmocka_all.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "process/linux/arena.h"
#include "process/linux/host_call.h"

#define P GUEST_PAGE_SIZE

struct fixture {
    struct arena a;
    gva_t start, end; /* of code that changed */
    unsigned told;
};

/* As the process's own handler: a copy that fails says so. */
static void on_fault(int signo, siginfo_t *info, void *context)
{
    (void)info;
    if (!host_copy_fault(context))
        signal(signo, SIG_DFL);
}

static void code_changed(void *opaque, gva_t start, gva_t end)
{
    struct fixture *f = opaque;
    f->start = start;
    f->end = end;
    f->told++;
}

/* In the test: cmocka puts its own handler in before. */
static void catch_faults(void)
{
    struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &sa, NULL);
}

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){0};
    assert_int_equal(arena_init(&f.a, NULL), 0);
    f.a.code_changed = code_changed;
    f.a.opaque = &f;
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    arena_destroy(&f->a);
    return 0;
}

static int map(struct arena *a, gva_t start, gva_t end, uint8_t prot)
{
    struct arena_source src = {.fd = -1, .flags = MAP_PRIVATE};
    return arena_map(a, (struct area){start, end, prot, 0}, src);
}

static void copies(void **state)
{
    struct arena *a = &((struct fixture *)*state)->a;
    char text[16] = "";
    catch_faults();
    assert_int_equal(map(a, 16 * P, 18 * P, PROT_READ | PROT_WRITE), 0);
    assert_int_equal(guest_write(a, 17 * P - 2, "text", 5), 0);
    assert_int_equal(guest_read(a, text, 17 * P - 2, 5), 0);
    assert_string_equal(text, "text");
    assert_int_equal(guest_string(a, text, 17 * P - 2, sizeof(text)), 4);
    assert_int_equal(guest_string(a, text, 17 * P - 2, 3), -ENAMETOOLONG);
    assert_int_equal(guest_write(a, 18 * P - 2, "text", 5), -EFAULT);
    assert_int_equal(guest_read(a, text, 0, 1), -EFAULT);
    assert_int_equal(guest_read(a, text, ARENA_SIZE - 2, 5), -EFAULT);
    assert_int_equal(guest_read(a, text, UINT64_MAX, 5), -EFAULT);
    assert_int_equal(guest_write(a, 17 * P, text, SIZE_MAX), -EFAULT);
    /* A string without an end, at the end of what there is. */
    assert_int_equal(guest_write(a, 18 * P - 4, "abcd", 4), 0);
    assert_int_equal(guest_string(a, text, 18 * P - 4, sizeof(text)), -EFAULT);
}

static void rights(void **state)
{
    struct arena *a = &((struct fixture *)*state)->a;
    catch_faults();
    assert_int_equal(map(a, 16 * P, 20 * P, PROT_READ | PROT_WRITE), 0);
    assert_int_equal(arena_protect(a, 17 * P, 18 * P, PROT_READ | PROT_EXEC), 0);
    assert_int_equal(guest_write(a, 17 * P, "x", 1), -EFAULT);
    assert_false(arena_executable(a, 16 * P));
    assert_true(arena_executable(a, 17 * P + 9));
    assert_int_equal(arena_unmap(a, 16 * P, 18 * P), 0);
    assert_false(arena_executable(a, 17 * P));
    assert_int_equal(arena_protect(a, 17 * P, 19 * P, PROT_READ), -ENOMEM);
    assert_int_equal(guest_write(a, 18 * P, "x", 1), 0);
}

static void code(void **state)
{
    struct fixture *f = *state;
    struct arena *a = &f->a;
    assert_int_equal(map(a, 16 * P, 20 * P, PROT_READ | PROT_WRITE), 0);
    assert_int_equal(arena_protect(a, 16 * P, 17 * P, PROT_READ | PROT_EXEC), 0);
    assert_int_equal(f->told, 0);
    assert_int_equal(arena_protect(a, 16 * P, 18 * P, PROT_READ | PROT_WRITE), 0);
    assert_int_equal(f->told, 1);
    assert_int_equal(f->start, 16 * P);
    assert_int_equal(arena_unmap(a, 16 * P, 20 * P), 0);
    assert_int_equal(f->told, 1);
    assert_int_equal(map(a, 16 * P, 17 * P, PROT_EXEC), 0);
    assert_int_equal(map(a, 16 * P, 17 * P, PROT_READ), 0);
    assert_int_equal(f->told, 2);
}

static void moves(void **state)
{
    struct arena *a = &((struct fixture *)*state)->a;
    struct area from = {16 * P, 18 * P, PROT_READ | PROT_WRITE, AREA_PRIVATE_ANON};
    char text[8] = "";
    catch_faults();
    assert_int_equal(map(a, from.start, from.end, from.prot), 0);
    assert_int_equal(guest_write(a, 17 * P, "moved", 6), 0);
    assert_int_equal(arena_move(a, from, 32 * P, 5 * P, false), 0);
    assert_int_equal(guest_read(a, text, 33 * P, 6), 0);
    assert_string_equal(text, "moved");
    assert_int_equal(guest_write(a, 36 * P, "new", 4), 0);
    assert_int_equal(guest_read(a, text, 17 * P, 1), -EFAULT);
    assert_false(area_any(&a->areas, 16 * P, 18 * P, 0));
}

static void room(void **state)
{
    struct arena *a = &((struct fixture *)*state)->a;
    a->mmap_top = ARENA_SIZE - 3 * P;
    assert_int_equal(arena_gap(a, P), ARENA_SIZE - 4 * P);
    assert_int_equal(arena_gap(a, UINT64_C(4) << 20) % (UINT64_C(2) << 20), 0);
    assert_int_equal(arena_gap(a, ARENA_SIZE), 0);
    assert_true(arena_range_ok(a, 0, ARENA_SIZE));
    assert_false(arena_range_ok(a, P, ARENA_SIZE));
    assert_false(arena_range_ok(a, 1, P));
    assert_false(arena_range_ok(a, P, UINT64_MAX - P + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(copies, setup, teardown),
        cmocka_unit_test_setup_teardown(rights, setup, teardown),
        cmocka_unit_test_setup_teardown(code, setup, teardown),
        cmocka_unit_test_setup_teardown(moves, setup, teardown),
        cmocka_unit_test_setup_teardown(room, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
