/* The ACPI tables: found the way an OS finds them, sums right, and clean in Intel's own compiler.
 */
#include "unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/endian.h"
#include "board/pc/acpi.h"
#include "board/pc/layout.h"

#define BASE PC_BIOS_BASE

static uint8_t buf[PC_BIOS_SIZE];
static size_t len;

static uint8_t sum(const uint8_t *p, size_t n)
{
    uint8_t s = 0;
    while (n--)
        s = (uint8_t)(s + *p++);
    return s;
}

static void build(const struct acpi_config *cfg)
{
    memset(buf, 0, sizeof(buf));
    assert_int_equal(acpi_build(cfg, BASE, buf, sizeof(buf), &len), 0);
}

static uint8_t *at(uint64_t gpa)
{
    assert_true(gpa >= BASE && gpa < BASE + len);
    return buf + (gpa - BASE);
}

static void check_table(const uint8_t *t)
{
    uint32_t n = le_load32(t + 4);
    assert_true(n >= 36 && t + n <= buf + len);
    assert_int_equal(sum(t, n), 0);
    assert_memory_equal(t + 10, "DOPPEL", 6);
}

/* The table with this signature, through the XSDT; DSDT and FACS through the FADT. */
static uint8_t *find(const char *signature)
{
    if (!memcmp(signature, "DSDT", 4))
        return at(le_load64(find("FACP") + 140));
    if (!memcmp(signature, "FACS", 4))
        return at(le_load32(find("FACP") + 36));
    uint8_t *xsdt = at(le_load64(buf + 24)), *rsdt = at(le_load32(buf + 16));
    check_table(xsdt);
    check_table(rsdt);
    if (!memcmp(signature, "XSDT", 4))
        return xsdt;
    for (uint32_t i = 0; i < (le_load32(xsdt + 4) - 36) / 8; i++) {
        uint8_t *t = at(le_load64(xsdt + 36 + i * 8));
        assert_ptr_equal(t, at(le_load32(rsdt + 36 + i * 4)));
        if (!memcmp(t, signature, 4))
            return t;
    }
    fail_msg("no %s", signature);
    return NULL;
}

static void all_tables_are_found(void **state)
{
    (void)state;
    static const char *const names[] = {"XSDT", "FACP", "APIC", "MCFG", "DSDT"};
    build(&(struct acpi_config){.ncpus = 4, .i8042 = true, .fw_cfg = true});
    assert_memory_equal(buf, "RSD PTR ", 8);
    assert_int_equal(sum(buf, 20), 0);
    assert_int_equal(sum(buf, 36), 0);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        uint8_t *t = find(names[i]);
        assert_memory_equal(t, names[i], 4);
        check_table(t);
    }
    uint8_t *facs = find("FACS");
    assert_memory_equal(facs, "FACS", 4);
    assert_int_equal((facs - buf) % 64, 0);
}

static void fadt_says_where_power_is(void **state)
{
    (void)state;
    build(&(struct acpi_config){.ncpus = 1, .i8042 = true});
    uint8_t *f = find("FACP");
    assert_int_equal(le_load16(f + 46), PC_IRQ_SCI);
    assert_int_equal(le_load32(f + 48), 0); /* no SMI command port: always in ACPI mode */
    assert_int_equal(le_load32(f + 56), PC_PORT_PM1_EVT);
    assert_int_equal(le_load64(f + 152), PC_PORT_PM1_EVT);
    assert_int_equal(le_load32(f + 64), PC_PORT_PM1_CNT);
    assert_int_equal(le_load32(f + 76), PC_PORT_PM_TIMER);
    assert_int_equal(le_load64(f + 120), PC_PORT_RESET);
    assert_int_equal(f[128], PC_RESET_VALUE);
    assert_int_equal(le_load16(f + 109) & 2, 2);
    assert_int_equal(le_load32(f + 112) >> 20 & 1, 0); /* not hardware-reduced */
    build(&(struct acpi_config){.ncpus = 1});
    assert_int_equal(le_load16(find("FACP") + 109) & 2, 0);
}

static void madt_lists_every_cpu(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 8; n++) {
        build(&(struct acpi_config){.ncpus = n});
        uint8_t *m = find("APIC"), *end = m + le_load32(m + 4);
        unsigned lapics = 0, ioapics = 0, overrides = 0;
        assert_int_equal(le_load32(m + 36), PC_LAPIC_BASE);
        for (uint8_t *p = m + 44; p < end; p += p[1]) {
            assert_true(p[1] >= 6 && p + p[1] <= end);
            if (p[0] == 0)
                assert_int_equal(p[3], lapics++);
            ioapics += p[0] == 1;
            overrides += p[0] == 2;
        }
        assert_int_equal(lapics, n);
        assert_int_equal(ioapics, 1);
        assert_int_equal(overrides, 2);
    }
}

static void a_small_buffer_is_noticed(void **state)
{
    (void)state;
    struct acpi_config cfg = {.ncpus = 8, .i8042 = true, .fw_cfg = true};
    build(&cfg);
    size_t full = len;
    for (size_t cap = 0; cap < full; cap += 7)
        assert_int_equal(acpi_build(&cfg, BASE, buf, cap, &len), -ENOSPC);
    assert_int_equal(acpi_build(&cfg, BASE, buf, full, &len), 0);
}

/* Runs iasl silently in `dir`; its exit status, 127 when there is no iasl. */
static int iasl(const char *dir, const char *option, const char *name)
{
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(null, 1);
        dup2(null, 2);
        if (chdir(dir) == 0)
            execlp("iasl", "iasl", option, name, (char *)NULL);
        _exit(127);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void write_table(const char *dir, const char *name)
{
    char path[128];
    uint8_t *t = find(name);
    snprintf(path, sizeof(path), "%s/%s.dat", dir, name);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_int_equal(fwrite(t, 1, le_load32(t + 4), out), le_load32(t + 4));
    assert_int_equal(fclose(out), 0);
}

static void iasl_takes_them_apart_and_together(void **state)
{
    (void)state;
    static const char *const names[] = {"XSDT", "FACP", "FACS", "APIC", "MCFG", "DSDT"};
    char dir[] = "/tmp/doppel-acpi-test-XXXXXX", file[32], cmd[64];
    if (iasl("/tmp", "-v", "") == 127)
        skip(); /* acpica-tools is not installed */
    assert_non_null(mkdtemp(dir));
    build(&(struct acpi_config){.ncpus = 8, .i8042 = true, .fw_cfg = true});
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        write_table(dir, names[i]);
        snprintf(file, sizeof(file), "%s.dat", names[i]);
        assert_int_equal(iasl(dir, "-d", file), 0);
        snprintf(file, sizeof(file), "%s.dsl", names[i]);
        assert_int_equal(iasl(dir, "-we", file), 0); /* warnings are errors */
    }
    snprintf(cmd, sizeof(cmd), "rm -r '%s'", dir);
    assert_int_equal(system(cmd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_tables_are_found),
        cmocka_unit_test(fadt_says_where_power_is),
        cmocka_unit_test(madt_lists_every_cpu),
        cmocka_unit_test(a_small_buffer_is_noticed),
        cmocka_unit_test(iasl_takes_them_apart_and_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
