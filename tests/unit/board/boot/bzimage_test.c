/* bzImage files made here: header checks, unpacking on the host and in the guest, the zero page. */
#include "unit/board/boot/fixture.h"

#include <errno.h>
#include <zstd.h>

#include "board/boot/zero_page.h"

enum { SETUP = 5 * 512, PAYLOAD_AT = 0x400, PREF = 16 << 20 };

static uint8_t file[32768], vmlinux[8192];
static size_t file_len;

/* A kernel of 4 setup sectors, whose payload is a zstd-compressed ELF at 16 MiB. */
static void make_bzimage(void)
{
    struct elf_file e = {.is64 = true,
                         .machine = EM_X86_64,
                         .entry = PREF + 0x10,
                         .vaddr = UINT64_C(0xffffffff81000000),
                         .paddr = PREF,
                         .filesz = 0x1000,
                         .memsz = 0x3000};
    size_t elf = make_elf(&e, vmlinux);
    memset(file, 0, sizeof(file));
    uint8_t *payload = file + SETUP + PAYLOAD_AT;
    size_t n = ZSTD_compress(payload, sizeof(file) - SETUP - PAYLOAD_AT, vmlinux, elf, 1);
    assert_false(ZSTD_isError(n));
    le_store32(payload + n, (uint32_t)elf);
    n += 4;
    size_t code = (PAYLOAD_AT + n + 15) & ~(size_t)15;
    file_len = SETUP + code;

    file[ZP_SETUP_SECTS] = 4;
    le_store32(file + ZP_SYSSIZE, (uint32_t)(code / 16));
    le_store16(file + ZP_BOOT_FLAG, 0xaa55);
    memcpy(file + ZP_JUMP, "\xeb\x66HdrS", 6);
    le_store16(file + ZP_VERSION, 0x020f);
    file[ZP_LOADFLAGS] = LOADED_HIGH | KASLR_FLAG;
    le_store32(file + ZP_INITRD_ADDR_MAX, 0x7fffffff);
    le_store32(file + ZP_KERNEL_ALIGNMENT, 0x200000);
    le_store16(file + ZP_XLOADFLAGS, XLF_KERNEL_64);
    le_store32(file + ZP_CMDLINE_SIZE, 200);
    le_store32(file + ZP_PAYLOAD_OFFSET, PAYLOAD_AT);
    le_store32(file + ZP_PAYLOAD_LENGTH, (uint32_t)n);
    le_store64(file + ZP_PREF_ADDRESS, PREF);
    le_store32(file + ZP_INIT_SIZE, 1 << 20);
}

static int setup(void **state)
{
    setup_fixture(state);
    make_bzimage();
    return 0;
}

static void use_file(void)
{
    for (unsigned i = 0; i < f.npaths; i++)
        unlink(f.path[i]);
    f.npaths = 0;
    f.in.kernel = fixture_file(&f, file, file_len);
}

static void assert_zero_page(gpa_t kernel)
{
    gpa_t zp = f.entry.rsi;
    assert_true(zp && zp + ZP_SIZE <= LOAD_LOW_LIMIT);
    assert_guest(&f, zp + ZP_MAGIC, "HdrS", 4);
    assert_int_equal(guest_u32(&f, zp + ZP_CODE32_START), kernel);
    assert_int_equal(guest_u64(&f, zp + ZP_RSDP), 0xe0000);
    uint8_t bytes[2];
    assert_int_equal(gpa_read(&f.mem, zp + ZP_TYPE_OF_LOADER, bytes, 2), 0);
    assert_int_equal(bytes[0], 0xff);
    assert_int_equal(bytes[1], LOADED_HIGH); /* and no KASLR_FLAG */
    assert_int_equal(guest_u32(&f, zp + ZP_E820_ENTRIES) & 0xff, f.map.n);
    assert_int_equal(guest_u64(&f, zp + ZP_E820_TABLE + 2 * 20), MIB);
    assert_int_equal(guest_u64(&f, zp + ZP_E820_TABLE + 2 * 20 + 8), GUEST_RAM - MIB);
    assert_int_equal(guest_u32(&f, zp + ZP_E820_TABLE + 2 * 20 + 16), E820_RAM);
    assert_guest(&f, guest_u32(&f, zp + ZP_CMD_LINE), "console=x", 10);
    gpa_t rd = guest_u32(&f, zp + ZP_RAMDISK_IMAGE);
    assert_int_equal(guest_u32(&f, zp + ZP_RAMDISK_SIZE), 6);
    assert_int_equal(rd, GUEST_RAM - GUEST_PAGE_SIZE);
    assert_guest(&f, rd, "\x1f\x8bxxxx", 6);
}

static void unpacks_on_the_host(void **state)
{
    (void)state;
    use_file();
    f.in.initrd = fixture_file(&f, "\x1f\x8bxxxx", 6);
    f.in.cmdline = "console=x";
    f.in.rsdp = 0xe0000;
    for (int round = 0; round < 3; round++) { /* the same again at every reset */
        f.in.ram_is_zero = round == 0;
        assert_int_equal(gpa_fill(&f.mem, PREF, 0, 0x3000), 0);
        if (round)
            assert_int_equal(gpa_fill(&f.mem, 0, 0xcc, GUEST_RAM), 0);
        assert_int_equal(fixture_boot(&f), 0);
        assert_string_equal(f.entry.protocol, "linux64");
        assert_int_equal(f.entry.mode, BOOT_LONG64);
        assert_int_equal(f.entry.rip, PREF + 0x10);
        assert_guest(&f, PREF, vmlinux + ELF_DATA_AT, 0x1000);
        assert_int_equal(guest_u64(&f, PREF + 0x2ff8), 0);
        assert_zero_page(PREF + 0x10);
    }
}

static void leaves_unpacking_to_the_guest(void **state)
{
    (void)state;
    use_file();
    f.in.initrd = fixture_file(&f, "\x1f\x8bxxxx", 6);
    f.in.cmdline = "console=x";
    f.in.rsdp = 0xe0000;
    f.in.guest_unpack = true;
    assert_int_equal(fixture_boot(&f), 0);
    assert_int_equal(f.entry.rip, PREF + 0x200);
    assert_guest(&f, PREF, file + SETUP, file_len - SETUP);
    assert_zero_page(PREF);
}

static void unknown_compression_is_left_to_the_guest(void **state)
{
    (void)state;
    memcpy(file + SETUP + PAYLOAD_AT, "BZh9", 4);
    use_file();
    assert_int_equal(fixture_boot(&f), 0);
    assert_int_equal(f.entry.rip, PREF + 0x200);
}

static void a_32_bit_kernel_starts_in_protected_mode(void **state)
{
    (void)state;
    le_store16(file + ZP_XLOADFLAGS, 0);
    use_file();
    assert_int_equal(fixture_boot(&f), 0);
    assert_string_equal(f.entry.protocol, "linux32");
    assert_int_equal(f.entry.mode, BOOT_PROT32);
    assert_int_equal(f.entry.rip, PREF);
}

static void no_command_line_and_no_initrd(void **state)
{
    (void)state;
    use_file();
    assert_int_equal(fixture_boot(&f), 0);
    assert_int_equal(guest_u32(&f, f.entry.rsi + ZP_CMD_LINE), 0);
    assert_int_equal(guest_u32(&f, f.entry.rsi + ZP_RAMDISK_SIZE), 0);
}

static void bad_headers_are_refused(void **state)
{
    (void)state;
    size_t full = file_len;
    file_len = 600;
    use_file();
    assert_refused(&f, -ENOEXEC, "truncated: it ends inside the setup code");
    file_len = full - 1;
    use_file();
    assert_refused(&f, -ENOEXEC, "truncated: its header promises");
    file_len = full;
    le_store16(file + ZP_VERSION, 0x0203);
    use_file();
    assert_refused(&f, -ENOEXEC, "too old: boot protocol 2.03");
    make_bzimage();
    le_store32(file + ZP_PAYLOAD_LENGTH, UINT32_MAX);
    use_file();
    assert_refused(&f, -ENOEXEC, "contradicts itself");
}

static void bad_payloads_are_refused(void **state)
{
    (void)state;
    memset(file + SETUP + PAYLOAD_AT + 6, 0xff, 20);
    use_file();
    assert_refused(&f, -ENOEXEC, "corrupt: its zstd-compressed part cannot be unpacked");
    make_bzimage();
    le_store32(file + SETUP + PAYLOAD_AT + le_load32(file + ZP_PAYLOAD_LENGTH) - 4, 3);
    use_file();
    assert_refused(&f, -ENOEXEC, "corrupt");
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    char longline[256];
    memset(longline, 'a', 201);
    longline[201] = '\0';
    use_file();
    f.in.cmdline = longline;
    assert_refused(&f, -E2BIG, "has 201 characters; this kernel takes at most 200");
    longline[200] = '\0';
    assert_int_equal(fixture_boot(&f), 0);
    f.map.e[2].len = 8 * MIB;
    assert_refused(&f, -ENOMEM, "too little memory: the kernel ends at 17 MiB");
    f.map.e[2].len = GUEST_RAM - MIB;
    f.in.initrd = "/nonexistent";
    assert_refused(&f, -ENOENT, "initrd '/nonexistent' does not exist");
}

static void an_initrd_stays_below_its_limit(void **state)
{
    (void)state;
    le_store32(file + ZP_INITRD_ADDR_MAX, 0x1ffffff);
    use_file();
    f.in.initrd = fixture_file(&f, "\x1f\x8bxxxx", 6);
    assert_int_equal(fixture_boot(&f), 0);
    assert_int_equal(guest_u32(&f, f.entry.rsi + ZP_RAMDISK_IMAGE), 0x1fff000);
    le_store32(file + ZP_INITRD_ADDR_MAX, PREF + 0x2fff); /* the kernel is there */
    use_file();
    f.in.initrd = fixture_file(&f, "\x1f\x8bxxxx", 6);
    assert_int_equal(fixture_boot(&f), 0);
    assert_int_equal(guest_u32(&f, f.entry.rsi + ZP_RAMDISK_IMAGE), PREF - 0x1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(unpacks_on_the_host, setup, teardown_fixture),
        cmocka_unit_test_setup_teardown(leaves_unpacking_to_the_guest, setup, teardown_fixture),
        cmocka_unit_test_setup_teardown(unknown_compression_is_left_to_the_guest, setup,
                                        teardown_fixture),
        cmocka_unit_test_setup_teardown(a_32_bit_kernel_starts_in_protected_mode, setup,
                                        teardown_fixture),
        cmocka_unit_test_setup_teardown(no_command_line_and_no_initrd, setup, teardown_fixture),
        cmocka_unit_test_setup_teardown(bad_headers_are_refused, setup, teardown_fixture),
        cmocka_unit_test_setup_teardown(bad_payloads_are_refused, setup, teardown_fixture),
        cmocka_unit_test_setup_teardown(what_does_not_fit_is_refused, setup, teardown_fixture),
        cmocka_unit_test_setup_teardown(an_initrd_stays_below_its_limit, setup, teardown_fixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
