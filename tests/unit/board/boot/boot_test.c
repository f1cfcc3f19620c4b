/* boot_load() as a whole: the right loader for each file, a sentence for each that is none. */
#include "unit/board/boot/fixture.h"

#include <errno.h>

static uint8_t file[8192];

static void bad_kernels_are_refused(void **state)
{
    (void)state;
    f.in.kernel = "/nonexistent/vmlinuz";
    assert_refused(&f, -ENOENT, "kernel '/nonexistent/vmlinuz' does not exist");
    f.in.kernel = "/tmp";
    assert_refused(&f, -EISDIR, "is a directory");
    f.in.kernel = fixture_file(&f, "", 0);
    assert_refused(&f, -ENOEXEC, "is empty");
    f.in.kernel = fixture_file(&f, "hello", 5);
    assert_refused(&f, -ENOEXEC, "in no format this machine can boot");
}

static void vmlinux_is_entered_in_long_mode(void **state)
{
    (void)state;
    struct elf_file e = {.is64 = true,
                         .machine = EM_X86_64,
                         .entry = MIB,
                         .paddr = MIB,
                         .vaddr = UINT64_C(0xffffffff80100000),
                         .filesz = 64,
                         .memsz = 64};
    f.in.kernel = fixture_file(&f, file, make_elf(&e, file));
    f.in.cmdline = "a b c";
    assert_int_equal(fixture_boot(&f), 0);
    assert_string_equal(f.entry.protocol, "linux64");
    assert_int_equal(f.entry.mode, BOOT_LONG64);
    assert_int_equal(f.entry.rip, MIB);
    assert_guest(&f, f.entry.rsi + 0x202, "HdrS", 4);
    assert_guest(&f, guest_u32(&f, f.entry.rsi + 0x228), "a b c", 6);
}

static void elf_without_a_protocol_is_refused(void **state)
{
    (void)state;
    struct elf_file e = {
        .machine = EM_386, .entry = MIB, .paddr = MIB, .vaddr = MIB, .filesz = 64, .memsz = 64};
    f.in.kernel = fixture_file(&f, file, make_elf(&e, file));
    assert_refused(&f, -ENOEXEC, "neither a multiboot header nor a PVH note");
    e.is64 = true;
    e.machine = EM_X86_64;
    e.entry = UINT64_C(0x123400000000);
    f.in.kernel = fixture_file(&f, file, make_elf(&e, file));
    assert_refused(&f, -ENOEXEC, "entry point outside");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_with_fixture(bad_kernels_are_refused),
        test_with_fixture(vmlinux_is_entered_in_long_mode),
        test_with_fixture(elf_without_a_protocol_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
