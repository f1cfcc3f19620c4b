/* Initial RAM disks that would only make the guest panic are refused before it starts. */
#include "unit/board/boot/fixture.h"

#include <errno.h>

#include "board/boot/initrd.h"

static char archive[4096];

/* Appends a newc entry; the new length. */
static size_t entry(size_t at, const char *name, size_t size)
{
    at += (size_t)sprintf(archive + at,
                          "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x", 1,
                          0100644, 0, 0, 1, 0, size, 0, 0, 0, 0, strlen(name) + 1, 0);
    at += (size_t)sprintf(archive + at, "%s", name) + 1;
    at = (at + 3) & ~(size_t)3;
    memset(archive + at, 'd', size);
    return (at + size + 3) & ~(size_t)3;
}

static size_t make_archive(void)
{
    memset(archive, 0, sizeof(archive));
    size_t n = entry(0, "init", 500);
    n = entry(n, "etc/passwd", 3);
    return entry(n, "TRAILER!!!", 0);
}

static int check(size_t len, struct error *err)
{
    struct boot_file img;
    boot_file_from_buffer(&img, archive, len, "rd", "initrd");
    return initrd_check(&img, err);
}

static void accepts_cpio(void **state)
{
    (void)state;
    struct error err = {0};
    size_t n = make_archive();
    assert_int_equal(check(n, &err), 0);
    assert_int_equal(check(sizeof(archive), &err), 0); /* padding */
    memcpy(archive + n, "\x1f\x8b", 2);                /* a compressed archive behind it */
    assert_int_equal(check(sizeof(archive), &err), 0);
}

static void truncation_is_told(void **state)
{
    (void)state;
    size_t n = make_archive(), ok = 0;
    for (size_t cut = 6; cut < n; cut++) {
        struct error err = {0};
        int rc = check(cut, &err);
        if (rc == 0) {
            ok++; /* between two entries, where nothing shows that more should follow */
            continue;
        }
        assert_int_equal(rc, -ENOEXEC);
        assert_non_null(strstr(err.text, "is truncated"));
    }
    assert_true(ok <= 12);
}

static void corruption_is_told(void **state)
{
    (void)state;
    struct error err = {0};
    size_t n = make_archive();
    archive[54] = 'x'; /* file size */
    assert_int_equal(check(n, &err), -ENOEXEC);
    assert_non_null(strstr(err.text, "corrupt: no valid cpio entry at byte 0"));
    make_archive();
    memcpy(archive + 94, "ffffffff", 8); /* name size */
    assert_int_equal(check(n, &err), -ENOEXEC);
    make_archive();
    archive[616 + 2] = 'X'; /* the second entry's magic */
    assert_int_equal(check(n, &err), -ENOEXEC);
    assert_non_null(strstr(err.text, "at byte 616"));
}

static void other_formats(void **state)
{
    (void)state;
    static const char *const good[] = {"\x1f\x8b", "BZh", "\x28\xb5\x2f\xfd", "hsqs",
                                       "\x02\x21\x4c\x18"};
    struct error err = {0};
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        memset(archive, 0, sizeof(archive));
        strcpy(archive, good[i]);
        assert_int_equal(check(100, &err), 0);
    }
    memset(archive, 0, sizeof(archive));
    memcpy(archive + 0x438, "\x53\xef", 2);
    assert_int_equal(check(sizeof(archive), &err), 0);
    strcpy(archive, "hello");
    memset(archive + 0x438, 0, 2);
    assert_int_equal(check(5, &err), -ENOEXEC);
    assert_non_null(strstr(err.text, "neither a cpio archive"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_cpio),
        cmocka_unit_test(truncation_is_told),
        cmocka_unit_test(corruption_is_told),
        cmocka_unit_test(other_formats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
