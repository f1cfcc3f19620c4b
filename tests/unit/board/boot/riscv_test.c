/* RISC-V kernels, firmware and initrd: where they go, and which files are refused. */
#include "unit/board/boot/fixture.h"

#include <errno.h>
#include <zlib.h>

#include "board/boot/riscv.h"

#define RAM_BASE    UINT64_C(0x80000000)
#define KERNEL_BASE UINT64_C(0x80200000)

enum { FDT_LEN = 64 << 10, IMAGE = 8192 };

static struct guest_mem mem;
static struct e820_map map = {.e = {{RAM_BASE, GUEST_RAM, E820_RAM}}, .n = 1};
static struct riscv_boot_in in;
static struct riscv_boot out;
static struct error err;

static int setup(void **state)
{
    (void)state;
    memset(&f, 0, sizeof(f));
    assert_int_equal(guest_mem_init(&mem, GUEST_RAM, &err), 0);
    assert_int_equal(guest_mem_add_slot(&mem, RAM_BASE, GUEST_RAM, false, &err), 0);
    in = (struct riscv_boot_in){.map = &map,
                                .kernel_base = KERNEL_BASE,
                                .firmware_base = RAM_BASE,
                                .fdt_len = FDT_LEN,
                                .ram_is_zero = true};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < f.npaths; i++)
        unlink(f.path[i]);
    guest_mem_destroy(&mem);
    return 0;
}

static void make_image(uint8_t *image)
{
    memset(image, 0, IMAGE);
    memcpy(image, "MZ", 2);
    le_store64(image + 8, 0x200000);
    le_store64(image + 16, 0x100000);
    memcpy(image + 48, "RISCV\0\0\0RSC\x05", 12);
    memcpy(image + 4096, "kernel", 7);
}

static void boots(void)
{
    err.text[0] = 0;
    if (riscv_boot_load(&mem, &in, &out, &err) != 0)
        fail_msg("%s", err.text);
}

static void is_refused(int rc, const char *words)
{
    err.text[0] = 0;
    assert_int_equal(riscv_boot_load(&mem, &in, &out, &err), rc);
    if (!strstr(err.text, words))
        fail_msg("\"%s\" lacks \"%s\"", err.text, words);
}

static void expect_text(gpa_t gpa, const char *text)
{
    char buf[16] = "";
    assert_int_equal(gpa_read(&mem, gpa, buf, strlen(text) + 1), 0);
    assert_string_equal(buf, text);
}

static void an_image(void **state)
{
    uint8_t image[IMAGE];
    make_image(image);
    in.kernel = fixture_file(&f, image, sizeof(image));
    boots();
    assert_int_equal(out.entry, KERNEL_BASE);
    assert_false(out.bare);
    expect_text(KERNEL_BASE + 4096, "kernel");
    assert_int_equal(out.fdt % 0x200000, 0);
    assert_true(out.fdt + FDT_LEN <= RAM_BASE + GUEST_RAM);
    assert_int_equal(out.initrd_len, 0);
    (void)state;
}

static void a_packed_image(void **state)
{
    uint8_t image[IMAGE], packed[IMAGE];
    z_stream z = {.next_in = image, .avail_in = IMAGE, .next_out = packed, .avail_out = IMAGE};
    make_image(image);
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, 0), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    in.kernel = fixture_file(&f, packed, z.total_out);
    boots();
    expect_text(KERNEL_BASE + 4096, "kernel");
    packed[z.total_out / 2] ^= 0xff;
    in.kernel = fixture_file(&f, packed, z.total_out);
    is_refused(-ENOEXEC, "corrupt");
    in.kernel = fixture_file(&f, packed, 12);
    is_refused(-ENOEXEC, "truncated");
    deflateEnd(&z);
    (void)state;
}

static void a_packed_something(void **state)
{
    uint8_t data[IMAGE] = "hello", packed[IMAGE];
    z_stream z = {.next_in = data, .avail_in = IMAGE, .next_out = packed, .avail_out = IMAGE};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, 0), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    in.kernel = fixture_file(&f, packed, z.total_out);
    is_refused(-ENOEXEC, "a gzip file without a RISC-V kernel in it");
    deflateEnd(&z);
    (void)state;
}

static void an_initrd(void **state)
{
    uint8_t image[IMAGE];
    make_image(image);
    in.kernel = fixture_file(&f, image, sizeof(image));
    in.initrd = fixture_file(&f, "\x1f\x8b initrd", 9);
    boots();
    assert_int_equal(out.initrd_len, 9);
    assert_true(out.initrd + 9 <= out.fdt);
    assert_true(out.initrd > KERNEL_BASE + 0x100000);
    in.initrd = fixture_file(&f, "nothing", 7);
    is_refused(-ENOEXEC, "initrd");
    (void)state;
}

static void hostile_headers(void **state)
{
    uint8_t image[IMAGE];
    make_image(image);
    le_store64(image + 8, 0x200001);
    in.kernel = fixture_file(&f, image, sizeof(image));
    is_refused(-ENOEXEC, "asks for a place");
    le_store64(image + 8, UINT64_MAX - 0x1fffff);
    in.kernel = fixture_file(&f, image, sizeof(image));
    is_refused(-ENOEXEC, "asks for a place");
    make_image(image);
    le_store64(image + 16, UINT64_MAX);
    in.kernel = fixture_file(&f, image, sizeof(image));
    is_refused(-ENOEXEC, "promises");
    le_store64(image + 16, GUEST_RAM);
    in.kernel = fixture_file(&f, image, sizeof(image));
    is_refused(-ENOMEM, "kernel");
    (void)state;
}

static void wrong_files(void **state)
{
    uint8_t image[IMAGE];
    make_image(image);
    in.kernel = fixture_file(&f, image, 60);
    is_refused(-ENOEXEC, "truncated");
    make_image(image);
    le_store64(image + 24, 1);
    in.kernel = fixture_file(&f, image, sizeof(image));
    is_refused(-ENOEXEC, "big-endian");
    struct elf_file e = {.is64 = true, .machine = EM_X86_64, .filesz = 16, .memsz = 16};
    make_elf(&e, image);
    in.kernel = fixture_file(&f, image, sizeof(image));
    is_refused(-ENOEXEC, "for x86, but this machine is RISC-V");
    in.kernel = fixture_file(&f, "anything", 8);
    is_refused(-ENOEXEC, "in no format");
    (void)state;
}

/* Firmware and what it starts, whatever that is. */
static void firmware(void **state)
{
    static uint8_t big[(2 << 20) + 1];
    in.kernel = fixture_file(&f, "a loader", 9);
    in.firmware = fixture_file(&f, "firmware", 9);
    boots();
    assert_int_equal(out.firmware, RAM_BASE);
    assert_int_equal(out.entry, KERNEL_BASE);
    expect_text(RAM_BASE, "firmware");
    expect_text(KERNEL_BASE, "a loader");
    in.firmware = fixture_file(&f, big, sizeof(big));
    is_refused(-EFBIG, "there is room for 2048");
    in.firmware = "/nonexistent";
    is_refused(-ENOENT, "firmware '/nonexistent' does not exist");
    (void)state;
}

/* An ELF file at the start of RAM is firmware itself; one linked high is moved to the kernel's
 * place. */
static void elf_files(void **state)
{
    uint8_t file[IMAGE];
    (void)state;
    struct elf_file e = {.is64 = true,
                         .machine = EM_RISCV,
                         .entry = RAM_BASE + 4,
                         .paddr = RAM_BASE,
                         .vaddr = RAM_BASE,
                         .filesz = 16,
                         .memsz = 4096};
    make_elf(&e, file);
    in.kernel = fixture_file(&f, file, sizeof(file));
    boots();
    assert_int_equal(out.entry, RAM_BASE + 4);
    assert_true(out.bare);
    assert_int_equal(out.tohost, 0);
    e.paddr = 0;
    e.vaddr = UINT64_C(0xffffffff80000000);
    e.entry = e.vaddr + 8;
    make_elf(&e, file);
    in.kernel = fixture_file(&f, file, sizeof(file));
    boots();
    assert_int_equal(out.entry, KERNEL_BASE + 8);
    assert_false(out.bare);
}

/* A symbol table with one name behind an executable that make_elf() made. */
static void add_symbol(uint8_t *file, const char *name, uint64_t value)
{
    enum { SYMBOLS = 0x1800, STRINGS = 0x1880, SECTIONS = 0x1900 };
    Elf64_Ehdr *eh = (Elf64_Ehdr *)file;
    const Elf64_Sym sym = {.st_name = 1, .st_shndx = 1, .st_value = value, .st_size = 8};
    const Elf64_Shdr sections[] = {
        {0},
        {.sh_type = SHT_SYMTAB, .sh_offset = SYMBOLS, .sh_size = 2 * sizeof(sym), .sh_link = 2},
        {.sh_type = SHT_STRTAB, .sh_offset = STRINGS, .sh_size = 16},
    };
    memcpy(file + SYMBOLS + sizeof(sym), &sym, sizeof(sym));
    strcpy((char *)file + STRINGS + 1, name);
    memcpy(file + SECTIONS, sections, sizeof(sections));
    eh->e_shoff = SECTIONS;
    eh->e_shentsize = sizeof(Elf64_Shdr);
    eh->e_shnum = ARRAY_SIZE(sections);
}

static void a_tohost_symbol(void **state)
{
    (void)state;
    static uint8_t file[IMAGE] __attribute__((aligned(8)));
    Elf64_Ehdr *eh = (Elf64_Ehdr *)file;
    struct elf_file e = {.is64 = true,
                         .machine = EM_RISCV,
                         .entry = KERNEL_BASE,
                         .paddr = KERNEL_BASE,
                         .vaddr = KERNEL_BASE + 0x10000000,
                         .filesz = 16,
                         .memsz = 4096};
    make_elf(&e, file);
    add_symbol(file, "tohost", e.vaddr + 64);
    in.kernel = fixture_file(&f, file, sizeof(file));
    boots();
    assert_int_equal(out.tohost, KERNEL_BASE + 64); /* where the program's address is */
    assert_int_equal(out.fromhost, 0);
    assert_true(out.bare);
    add_symbol(file, "tohosts", e.vaddr);
    in.kernel = fixture_file(&f, file, sizeof(file));
    boots();
    assert_int_equal(out.tohost, 0);
    assert_false(out.bare);
    add_symbol(file, "tohost", e.vaddr);
    ((Elf64_Shdr *)(file + eh->e_shoff))[2].sh_offset = UINT64_MAX - 8; /* strings nowhere */
    in.kernel = fixture_file(&f, file, sizeof(file));
    boots();
    assert_int_equal(out.tohost, 0);
    eh->e_shoff = UINT64_MAX - 63; /* headers nowhere */
    in.kernel = fixture_file(&f, file, sizeof(file));
    boots();
    assert_int_equal(out.tohost, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_image),  TEST(a_packed_image),  TEST(a_packed_something),
        TEST(an_initrd), TEST(hostile_headers), TEST(wrong_files),
        TEST(firmware),  TEST(elf_files),       TEST(a_tohost_symbol),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
