/* Code written through one view runs through the other, and neither view is both. */
#include "unit/cmocka_all.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/execmem.h"

#ifdef __x86_64__
static void code_runs(void **state)
{
    (void)state;
    static const uint8_t mov_eax_42_ret[] = {0xb8, 42, 0, 0, 0, 0xc3};
    struct execmem m;
    struct error e;
    assert_int_equal(execmem_init(&m, 100, &e), 0);
    assert_int_equal(m.size, 4096);
    int (*fn)(void);
    void *code = execmem_add(&m, mov_eax_42_ret, sizeof(mov_eax_42_ret), 16);
    memcpy(&fn, &code, sizeof(fn));
    assert_int_equal(fn(), 42);
    /* Changed in place. */
    uint8_t *rw = execmem_to_rw(&m, code);
    rw[1] = 43;
    execmem_publish(&m, rw, 2);
    assert_int_equal(fn(), 43);
    assert_ptr_equal(execmem_to_rx(&m, rw), code);
    execmem_destroy(&m);
}
#endif

static void allocation_is_bounded(void **state)
{
    (void)state;
    struct execmem m;
    assert_int_equal(execmem_init(&m, 4096, NULL), 0);
    uint8_t *a = execmem_alloc(&m, 10, 1), *b = execmem_alloc(&m, 10, 64);
    assert_ptr_equal(a, m.rw);
    assert_ptr_equal(b, m.rw + 64);
    assert_null(execmem_alloc(&m, 4096 - 73, 1));
    assert_null(execmem_alloc(&m, SIZE_MAX, 1));
    assert_non_null(execmem_alloc(&m, 4096 - 74, 1));
    assert_null(execmem_alloc(&m, 1, 1));
    execmem_reset(&m);
    assert_ptr_equal(execmem_alloc(&m, 4096, 4096), m.rw);
    execmem_destroy(&m);
}

/* What the child of a fork writes is not seen by its parent, and it keeps what it was told to. */
static void children_have_their_own(void **state)
{
    (void)state;
    enum { KEPT = 64, RIGHT = 7 };
    struct execmem m;
    struct error e;
    int status = 0;
    assert_int_equal(execmem_init(&m, 2 * KEPT, &e), 0);
    memset(execmem_alloc(&m, 2 * KEPT, 1), 1, 2 * KEPT);
    pid_t child = fork();
    if (child == 0) {
        bool ok = execmem_unshare(&m, KEPT, &e) == 0 && m.used == KEPT;
        ok = ok && m.rx[KEPT - 1] == 1 && m.rx[KEPT] == 0;
        m.rw[0] = 2;
        _exit(ok && m.rx[0] == 2 ? RIGHT : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), RIGHT);
    assert_int_equal(m.rx[0], 1);
    assert_int_equal(m.rx[KEPT], 1);
    execmem_destroy(&m);
}

static void never_writable_and_executable(void **state)
{
    (void)state;
    struct execmem m;
    char line[512], perms[8];
    unsigned views = 0;
    assert_int_equal(execmem_init(&m, 8192, NULL), 0);
    FILE *f = fopen("/proc/self/maps", "r");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f)) {
        uintptr_t lo, hi;
        if (!strstr(line, "doppel-code"))
            continue;
        assert_int_equal(sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %7s", &lo, &hi, perms), 3);
        assert_string_equal(perms, lo == (uintptr_t)m.rw ? "rw-s" : "r-xs");
        views++;
    }
    fclose(f);
    assert_int_equal(views, 2);
    execmem_destroy(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef __x86_64__
        cmocka_unit_test(code_runs),
#endif
        cmocka_unit_test(allocation_is_bounded),
        cmocka_unit_test(children_have_their_own),
        cmocka_unit_test(never_writable_and_executable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
