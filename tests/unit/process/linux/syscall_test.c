/* The list of system calls is well-formed; and the host's calls: interrupted at any instruction. */
#include "unit/cmocka_all.h"

#include <string.h>
#include <sys/syscall.h>

#include "process/linux/host_call.h"
#include "process/linux/syscall.h"

static void letters(void **state)
{
    unsigned n = 0;
    (void)state;
    for (unsigned nr = 0; nr < SYSCALL_MAX; nr++) {
        const struct syscall_desc *d = syscall_find(nr);
        if (!d)
            continue;
        n++;
        size_t len = strlen(d->args);
        assert_true(len <= 6);
        assert_int_equal(strspn(d->args, "dilxuozspPbVam"), len);
        /* A size follows what has one. */
        for (size_t i = 0; i < len; i++)
            if (strchr("bVm", d->args[i]))
                assert_true(i + 1 < len && strchr("zid", d->args[i + 1]));
        assert_true(d->fn != NULL || d->host > 0 || strcmp(d->name, "read") == 0);
    }
    assert_true(n >= 200);
    assert_null(syscall_find(UINT64_MAX));
    assert_null(syscall_find(SYSCALL_MAX));
    assert_string_equal(syscall_find(222)->name, "mmap");
}

static void stops(void **state)
{
    _Atomic uint32_t stop = 0;
    const uint64_t args[6] = {0};
    (void)state;
    assert_true(host_call(&stop, SYS_getpid, args) > 0);
    stop = 10;
    assert_int_equal(host_call(&stop, SYS_getpid, args), HOST_CALL_STOPPED);
}

/* Before the call was entered, it never will be; elsewhere nothing changes. */
static void interrupts(void **state)
{
    ucontext_t uc;
    greg_t *pc = &uc.uc_mcontext.gregs[REG_RIP];
    unsigned moved = 0;
    (void)state;
    memset(&uc, 0, sizeof(uc));
    for (greg_t at = (greg_t)host_call; at < (greg_t)host_call + 64; at++) {
        *pc = at;
        host_call_interrupt(&uc);
        moved += *pc != at;
    }
    assert_in_range(moved, 3, 12);
    *pc = (greg_t)interrupts;
    host_call_interrupt(&uc);
    assert_int_equal(*pc, (greg_t)interrupts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters),
        cmocka_unit_test(stops),
        cmocka_unit_test(interrupts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
