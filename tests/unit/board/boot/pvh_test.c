/* PVH: the entry note and hvm_start_info. [Xen public/arch-x86/hvm/start_info.h] */
#include "unit/board/boot/fixture.h"

#include <errno.h>

static uint8_t file[8192];

static const uint8_t note32[] = "\x04\0\0\0\x04\0\0\0\x12\0\0\0Xen\0\x40\0\x10\0";
static const uint8_t note64[] = "\x04\0\0\0\x08\0\0\0\x12\0\0\0Xen\0\x40\0\x10\0\0\0\0";
static const uint8_t note_high[] = "\x04\0\0\0\x08\0\0\0\x12\0\0\0Xen\0\x40\0\x10\0\x01\0\0";

static void use_kernel(bool is64, const uint8_t *note, size_t note_len)
{
    struct elf_file e = {.is64 = is64,
                         .machine = is64 ? EM_X86_64 : EM_386,
                         .entry = MIB,
                         .vaddr = MIB,
                         .paddr = MIB,
                         .filesz = 0x800,
                         .memsz = 0x1800,
                         .note = note,
                         .note_len = note_len};
    f.in.kernel = fixture_file(&f, file, make_elf(&e, file));
}

static void starts_with_everything(void **state)
{
    (void)state;
    use_kernel(true, note64, sizeof(note64));
    f.in.initrd = fixture_file(&f, "\x1f\x8bxxxx", 6);
    f.in.cmdline = "hello world";
    f.in.rsdp = 0xe0000;
    assert_int_equal(fixture_boot(&f), 0);
    assert_string_equal(f.entry.protocol, "pvh");
    assert_int_equal(f.entry.mode, BOOT_PROT32);
    assert_int_equal(f.entry.rip, MIB + 0x40);

    gpa_t info = f.entry.rbx;
    assert_int_equal(guest_u32(&f, info), 0x336ec578);
    assert_int_equal(guest_u32(&f, info + 4), 1);
    assert_int_equal(guest_u32(&f, info + 12), 1);
    gpa_t module = guest_u64(&f, info + 16);
    assert_guest(&f, guest_u64(&f, module), "\x1f\x8bxxxx", 6);
    assert_int_equal(guest_u64(&f, module + 8), 6);
    assert_guest(&f, guest_u64(&f, info + 24), "hello world", 12);
    assert_int_equal(guest_u64(&f, info + 32), 0xe0000);
    gpa_t map = guest_u64(&f, info + 40);
    assert_int_equal(guest_u32(&f, info + 48), f.map.n);
    for (unsigned i = 0; i < f.map.n; i++) {
        assert_int_equal(guest_u64(&f, map + i * 24), f.map.e[i].base);
        assert_int_equal(guest_u64(&f, map + i * 24 + 8), f.map.e[i].len);
        assert_int_equal(guest_u32(&f, map + i * 24 + 16), f.map.e[i].type);
    }
}

static void starts_with_nothing(void **state)
{
    (void)state;
    use_kernel(false, note32, sizeof(note32));
    assert_int_equal(fixture_boot(&f), 0);
    assert_string_equal(f.entry.protocol, "pvh");
    assert_int_equal(f.entry.rip, MIB + 0x40);
    assert_int_equal(guest_u32(&f, f.entry.rbx + 12), 0);
    assert_int_equal(guest_u64(&f, f.entry.rbx + 24), 0);
}

static void an_entry_above_4g_is_refused(void **state)
{
    (void)state;
    use_kernel(true, note_high, sizeof(note_high));
    assert_refused(&f, -ENOEXEC, "PVH note that names no 32-bit address");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_with_fixture(starts_with_everything),
        test_with_fixture(starts_with_nothing),
        test_with_fixture(an_entry_above_4g_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
