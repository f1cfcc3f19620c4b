/* ELF parsing and loading: both classes, every truncation, hostile numbers, notes, entry points. */
#include "unit/board/boot/fixture.h"

#include <errno.h>

#include "board/boot/elf.h"

static uint8_t file[8192];

static struct elf_file plain(bool is64)
{
    return (struct elf_file){.is64 = is64,
                             .machine = is64 ? EM_X86_64 : EM_386,
                             .entry = MIB,
                             .vaddr = MIB,
                             .paddr = MIB,
                             .filesz = 0x800,
                             .memsz = 0x1800};
}

static int parse(struct elf *elf, struct boot_file *img, size_t len)
{
    boot_file_from_buffer(img, file, len, "test.elf", "kernel");
    f.err.text[0] = '\0';
    return elf_parse(elf, img, ELF_FOR_X86, &f.err);
}

static int load(const struct elf *elf, const struct boot_file *img, bool zero)
{
    struct place place;
    place_init(&place, &f.map);
    return elf_load(elf, img, &(struct boot_ram){&f.mem, zero}, &place, &f.err);
}

static void loads_both_classes(void **state)
{
    (void)state;
    static const uint8_t zeros[0x1000];
    for (int is64 = 0; is64 < 2; is64++) {
        struct elf_file e = plain(is64);
        struct elf elf;
        struct boot_file img;
        assert_int_equal(parse(&elf, &img, make_elf(&e, file)), 0);
        assert_int_equal(elf.is64, is64);
        assert_int_equal(gpa_fill(&f.mem, MIB, 0xaa, 0x2000), 0);
        assert_int_equal(load(&elf, &img, false), 0);
        assert_guest(&f, MIB, file + ELF_DATA_AT, 0x800);
        assert_guest(&f, MIB + 0x800, zeros, 0x1000); /* bss */
        assert_int_equal(guest_u32(&f, MIB + 0x1800), 0xaaaaaaaa);
        assert_int_equal(elf_entry(&elf), MIB);
    }
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    for (int is64 = 0; is64 < 2; is64++) {
        struct elf_file e = plain(is64);
        size_t len = make_elf(&e, file);
        for (size_t cut = 4; cut < len; cut++) {
            struct elf elf;
            struct boot_file img;
            assert_int_equal(parse(&elf, &img, cut), -ENOEXEC);
            assert_true(f.err.text[0]);
        }
    }
}

static void refuses(const struct elf_file *e, const char *words)
{
    struct elf elf;
    struct boot_file img;
    int rc = parse(&elf, &img, make_elf(e, file));
    if (!rc)
        rc = load(&elf, &img, false);
    assert_true(rc < 0);
    if (!strstr(f.err.text, words))
        fail_msg("\"%s\" lacks \"%s\"", f.err.text, words);
}

static void hostile_segments_are_refused(void **state)
{
    (void)state;
    struct elf_file e = plain(true);
    e.memsz = 0x700;
    refuses(&e, "more bytes in the file than in memory");
    e.memsz = UINT64_MAX - 100;
    refuses(&e, "wraps around");
    e.memsz = GUEST_RAM;
    refuses(&e, "too little memory");
    e.memsz = 0x1800;
    e.paddr = 0x9f000;
    refuses(&e, "no memory");
    e.paddr = UINT64_C(0xfee00000);
    refuses(&e, "no memory");
    e = plain(true);
    e.machine = EM_RISCV;
    refuses(&e, "not for x86");
}

static void odd_headers_are_refused(void **state)
{
    (void)state;
    struct elf_file e = plain(true);
    struct elf elf;
    struct boot_file img;
    size_t len = make_elf(&e, file);
    file[16] = ET_REL;
    assert_int_equal(parse(&elf, &img, len), -ENOEXEC);
    make_elf(&e, file);
    file[54] = 1; /* e_phentsize */
    assert_int_equal(parse(&elf, &img, len), -ENOEXEC);
    make_elf(&e, file);
    le_store16(file + 56, 0xffff); /* e_phnum */
    assert_int_equal(parse(&elf, &img, len), -ENOEXEC);
    make_elf(&e, file);
    le_store64(file + 32, UINT64_MAX - 8); /* e_phoff */
    assert_int_equal(parse(&elf, &img, len), -ENOEXEC);
    make_elf(&e, file);
    file[EI_CLASS] = 3;
    assert_int_equal(parse(&elf, &img, len), -ENOEXEC);
    make_elf(&e, file);
    le_store32(file + 64, PT_NULL); /* its only segment */
    assert_int_equal(parse(&elf, &img, len), -ENOEXEC);
    assert_non_null(strstr(f.err.text, "nothing to load"));
}

static void overlapping_segments_are_refused(void **state)
{
    (void)state;
    struct elf_file e = plain(true);
    e.note = "x";
    e.note_len = 1;
    size_t len = make_elf(&e, file);
    put_phdr(file + 64 + 56, true, PT_LOAD,
             (const uint64_t[]){ELF_DATA_AT, 0, MIB + 0x1000, 16, 16});
    struct elf elf;
    struct boot_file img;
    assert_int_equal(parse(&elf, &img, len), 0);
    assert_int_equal(load(&elf, &img, false), -ENOMEM);
    assert_non_null(strstr(f.err.text, "overlaps"));
}

static void entry_may_be_virtual(void **state)
{
    (void)state;
    struct elf_file e = plain(true);
    e.vaddr = UINT64_C(0xffffffff80000000);
    e.entry = e.vaddr + 0x40;
    struct elf elf;
    struct boot_file img;
    assert_int_equal(parse(&elf, &img, make_elf(&e, file)), 0);
    assert_int_equal(elf_entry(&elf), MIB + 0x40);
    elf.entry = MIB + 0x80; /* already physical */
    assert_int_equal(elf_entry(&elf), MIB + 0x80);
    elf.entry = 5; /* neither */
    assert_int_equal(elf_entry(&elf), 5);
}

/* Two notes: "AB" type 1 with 3 bytes, "Xen" type 18 with 4. */
static const uint8_t notes[] = "\x03\0\0\0\x03\0\0\0\x01\0\0\0AB\0\0abc\0"
                               "\x04\0\0\0\x04\0\0\0\x12\0\0\0Xen\0\x78\x56\x34\x12";

static void finds_notes(void **state)
{
    (void)state;
    struct elf_file e = plain(true);
    e.note = notes;
    e.note_len = sizeof(notes) - 1;
    struct elf elf;
    struct boot_file img;
    uint8_t desc[8] = {0};
    assert_int_equal(parse(&elf, &img, make_elf(&e, file)), 0);
    assert_int_equal(elf_note(&elf, &img, &(struct elf_note_id){"Xen", 18}, desc, 8, &f.err), 4);
    assert_int_equal(le_load32(desc), 0x12345678);
    assert_int_equal(elf_note(&elf, &img, &(struct elf_note_id){"AB", 1}, desc, 8, &f.err), 3);
    assert_int_equal(elf_note(&elf, &img, &(struct elf_note_id){"AB", 1}, desc, 2, &f.err), 2);
    assert_int_equal(elf_note(&elf, &img, &(struct elf_note_id){"Xen", 1}, desc, 8, &f.err),
                     -ENOENT);
}

static void damaged_notes_are_ignored(void **state)
{
    (void)state;
    uint8_t copy[sizeof(notes)];
    struct elf_file e = plain(true);
    for (size_t i = 0; i < sizeof(notes); i++) {
        for (int bit = 0; bit < 8; bit++) {
            memcpy(copy, notes, sizeof(notes));
            copy[i] ^= (uint8_t)(1 << bit);
            e.note = copy;
            e.note_len = i + 1;
            struct elf elf;
            struct boot_file img;
            uint8_t desc[8];
            assert_int_equal(parse(&elf, &img, make_elf(&e, file)), 0);
            int n = elf_note(&elf, &img, &(struct elf_note_id){"Xen", 18}, desc, 8, &f.err);
            assert_true(n == -ENOENT || (n >= 0 && n <= 8));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_with_fixture(loads_both_classes),
        test_with_fixture(every_truncation_is_refused),
        test_with_fixture(hostile_segments_are_refused),
        test_with_fixture(odd_headers_are_refused),
        test_with_fixture(overlapping_segments_are_refused),
        test_with_fixture(entry_may_be_virtual),
        test_with_fixture(finds_notes),
        test_with_fixture(damaged_notes_are_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
