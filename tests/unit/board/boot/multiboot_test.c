/* Multiboot kernels as ELF and with addresses in the header; the information structure. */
#include "unit/board/boot/fixture.h"

#include <errno.h>

#include "board/boot/multiboot.h"

enum { MAGIC = 0x1badb002, HEADER_AT = 0x180 };

static uint8_t file[8192];
static size_t file_len;

static void put_header(uint32_t flags, const uint32_t addresses[5])
{
    le_store32(file + HEADER_AT, MAGIC);
    le_store32(file + HEADER_AT + 4, flags);
    le_store32(file + HEADER_AT + 8, -(MAGIC + flags));
    for (int i = 0; addresses && i < 5; i++)
        le_store32(file + HEADER_AT + 12 + i * 4, addresses[i]);
}

static void make_elf_kernel(uint32_t flags)
{
    struct elf_file e = {.machine = EM_386,
                         .entry = MIB + 8,
                         .vaddr = MIB,
                         .paddr = MIB,
                         .filesz = 0x800,
                         .memsz = 0x1800};
    file_len = make_elf(&e, file);
    put_header(flags, NULL);
}

static void use_file(void)
{
    for (unsigned i = 0; i < f.npaths; i++)
        unlink(f.path[i]);
    f.npaths = 0;
    f.in.kernel = fixture_file(&f, file, file_len);
}

static void elf_with_modules(void **state)
{
    (void)state;
    char modules[256], want[256];
    make_elf_kernel(3);
    use_file();
    const char *a = fixture_file(&f, "first", 5), *b = fixture_file(&f, "second!", 7);
    snprintf(modules, sizeof(modules), "%s -x 1,%s", a, b);
    f.in.initrd = modules;
    f.in.cmdline = "test=1";
    assert_int_equal(fixture_boot(&f), 0);
    assert_string_equal(f.entry.protocol, "multiboot");
    assert_int_equal(f.entry.mode, BOOT_PROT32);
    assert_int_equal(f.entry.rip, MIB + 8);
    assert_int_equal(f.entry.rax, 0x2badb002);

    gpa_t info = f.entry.rbx;
    assert_int_equal(guest_u32(&f, info), 1 << 0 | 1 << 2 | 1 << 3 | 1 << 6 | 1 << 9);
    assert_int_equal(guest_u32(&f, info + 4), 0x9fc00 / 1024);
    assert_int_equal(guest_u32(&f, info + 8), 63 * 1024);
    snprintf(want, sizeof(want), "%s test=1", f.in.kernel);
    assert_guest(&f, guest_u32(&f, info + 16), want, strlen(want) + 1);
    assert_int_equal(guest_u32(&f, info + 20), 2);
    gpa_t mods = guest_u32(&f, info + 24);
    assert_guest(&f, guest_u32(&f, mods), "first", 5);
    assert_int_equal(guest_u32(&f, mods + 4) - guest_u32(&f, mods), 5);
    assert_int_equal(guest_u32(&f, mods) % GUEST_PAGE_SIZE, 0);
    snprintf(want, sizeof(want), "%s -x 1", a);
    assert_guest(&f, guest_u32(&f, mods + 8), want, strlen(want) + 1);
    assert_guest(&f, guest_u32(&f, mods + 16), "second!", 7);
    assert_guest(&f, guest_u32(&f, info + 64), "doppel", 7);
}

static void memory_map(void **state)
{
    (void)state;
    make_elf_kernel(0);
    use_file();
    assert_int_equal(fixture_boot(&f), 0);
    gpa_t map = guest_u32(&f, f.entry.rbx + 48);
    assert_int_equal(guest_u32(&f, f.entry.rbx + 44), 24 * f.map.n);
    for (unsigned i = 0; i < f.map.n; i++, map += 24) {
        assert_int_equal(guest_u32(&f, map), 20);
        assert_int_equal(guest_u64(&f, map + 4), f.map.e[i].base);
        assert_int_equal(guest_u64(&f, map + 12), f.map.e[i].len);
        assert_int_equal(guest_u32(&f, map + 20), f.map.e[i].type);
    }
}

/* A flat binary loaded from file offset 0x80 on. */
static void addresses_in_the_header(void **state)
{
    (void)state;
    memset(file, 0, sizeof(file));
    for (size_t i = 0x200; i < 0x800; i++)
        file[i] = (uint8_t)(i * 3);
    file_len = 0x800;
    put_header(1 << 16, (const uint32_t[]){MIB + 0x100, MIB, MIB + 0x600, MIB + 0x1000, MIB + 4});
    use_file();
    assert_int_equal(gpa_fill(&f.mem, MIB, 0xaa, 0x2000), 0);
    assert_int_equal(fixture_boot(&f), 0);
    assert_int_equal(f.entry.rip, MIB + 4);
    assert_guest(&f, MIB, file + 0x80, 0x600);
    assert_int_equal(guest_u64(&f, MIB + 0x600), 0);
    assert_int_equal(guest_u32(&f, MIB + 0x1000), 0xaaaaaaaa);
    /* load_end 0: all of the file; bss_end 0: no bss */
    put_header(1 << 16, (const uint32_t[]){MIB + 0x100, MIB, 0, 0, MIB + 4});
    use_file();
    assert_int_equal(fixture_boot(&f), 0);
    assert_guest(&f, MIB, file + 0x80, 0x780);
}

static void bad_addresses_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint32_t a[5];
        const char *words;
    } bad[] = {
        {{MIB, MIB + 4, 0, 0, MIB}, "impossible addresses"},      /* loads above the header */
        {{MIB + 0x1000, MIB, 0, 0, MIB}, "impossible addresses"}, /* from before the file */
        {{MIB, MIB, MIB - 1, 0, MIB}, "impossible addresses"},    /* ends before it begins */
        {{MIB, MIB, MIB + 0x10000, 0, MIB}, "truncated"},         /* more than the file has */
        {{MIB, MIB, 0, 0xffffffff, MIB}, "no memory"},            /* bss beyond RAM */
        {{0xa0000, 0xa0000, 0, 0, MIB}, "no memory"},
    };
    memset(file, 0, sizeof(file));
    file_len = 0x800;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        put_header(1 << 16, bad[i].a);
        use_file();
        assert_int_equal(fixture_boot(&f) < 0, true);
        if (!strstr(f.err.text, bad[i].words))
            fail_msg("%zu: \"%s\" lacks \"%s\"", i, f.err.text, bad[i].words);
    }
}

static void unknown_requirements_are_refused(void **state)
{
    (void)state;
    make_elf_kernel(1 << 5);
    use_file();
    assert_refused(&f, -ENOEXEC, "requires a multiboot feature");
    make_elf_kernel(1 << 20); /* optional ones are not */
    use_file();
    assert_int_equal(fixture_boot(&f), 0);
}

static void bad_modules_are_refused(void **state)
{
    (void)state;
    char many[64];
    make_elf_kernel(0);
    use_file();
    f.in.initrd = "/nonexistent arg";
    assert_refused(&f, -ENOENT, "initrd '/nonexistent' does not exist");
    const char *a = fixture_file(&f, "m", 1);
    snprintf(many, sizeof(many), "%s,", a);
    f.in.initrd = many;
    assert_int_equal(fixture_boot(&f), 0); /* a comma at the end */
    char *text = calloc(1, 4096);
    for (int i = 0; i < 17; i++)
        strcat(text, many);
    f.in.initrd = text;
    assert_refused(&f, -E2BIG, "too many");
    free(text);
}

static void the_header_is_within_8_kib(void **state)
{
    (void)state;
    struct multiboot_header h;
    static uint8_t head[16384];
    for (size_t at = 8192 - 16; at < 8192 + 16; at++) {
        memset(head, 0, sizeof(head));
        le_store32(head + at, MAGIC);
        le_store32(head + at + 8, -(uint32_t)MAGIC);
        assert_int_equal(multiboot_find_header(head, sizeof(head), &h),
                         at % 4 == 0 && at + 12 <= 8192);
    }
    for (size_t len = 0; len < 12; len++)
        assert_false(multiboot_find_header(head, len, &h));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_with_fixture(elf_with_modules),
        test_with_fixture(memory_map),
        test_with_fixture(addresses_in_the_header),
        test_with_fixture(bad_addresses_are_refused),
        test_with_fixture(unknown_requirements_are_refused),
        test_with_fixture(bad_modules_are_refused),
        test_with_fixture(the_header_is_within_8_kib),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
