/* Every file a user may mistake for a kernel gets its own sentence. */
#include "unit/board/boot/fixture.h"

#include <errno.h>

#include "board/boot/classify.h"
#include "board/boot/multiboot.h"

static uint8_t head[CLASSIFY_HEAD];

static void expect(size_t len, enum kernel_kind kind, const char *words)
{
    struct kernel_class c;
    struct boot_file img;
    struct error err = {0};
    kernel_classify(head, len, &c);
    assert_int_equal(c.kind, kind);
    if (!words)
        return;
    boot_file_from_buffer(&img, head, len, "some/file", "kernel");
    assert_int_equal(kernel_refuse(&img, &c, "x86-64", &err), -ENOEXEC);
    assert_non_null(strstr(err.text, "some/file"));
    if (!strstr(err.text, words))
        fail_msg("\"%s\" lacks \"%s\"", err.text, words);
}

static void expect_kind(size_t at, const char *magic, size_t len, enum kernel_kind kind,
                        const char *words)
{
    memset(head, 0, sizeof(head));
    memcpy(head + at, magic, len);
    expect(sizeof(head), kind, words);
    expect(at + len, kind, words);
    expect(at + len - 1, KERNEL_FOREIGN, "kernel");
}

static void expect_magic(size_t at, const char *magic, size_t len, const char *words)
{
    expect_kind(at, magic, len, KERNEL_FOREIGN, words);
}

static void other_machines_are_named(void **state)
{
    (void)state;
    expect_kind(56, "RSC\x05", 4, KERNEL_RISCV_IMAGE,
                "is a Linux kernel for RISC-V, but this machine is x86-64");
    expect_magic(56, "ARM\x64", 4, "ARM64");
    expect_magic(36, "\x18\x28\x6f\x01", 4, "ARM");
}

static void other_formats_are_named(void **state)
{
    (void)state;
    expect_kind(0, "\x1f\x8b", 2, KERNEL_PACKED, "gzip file, not a kernel: decompress it first");
    expect_kind(0,
                "\xfd"
                "7zXZ",
                6, KERNEL_PACKED, "xz file");
    expect_kind(0, "\x28\xb5\x2f\xfd", 4, KERNEL_PACKED, "zstd file");
    expect_kind(0, "\x02\x21\x4c\x18", 4, KERNEL_PACKED, "lz4 file");
    expect_magic(0, "BZh", 3, "bzip2 file");
    expect_magic(0, "070701", 6, "cpio archive, not a kernel: is it the --initrd?");
    expect_magic(0, "QFI\xfb", 4, "qcow2 disk image, not a kernel: is it the --disk?");
    expect_magic(0, "MZ", 2, "an EFI or Windows program without a Linux header");
    expect_magic(0, "#!", 2, "a script");
    expect_magic(0x1fe, "\x55\xaa", 2, "boot sector or disk image");
    expect_magic(0, "hello", 5, "in no format this machine can boot");
}

static void elf_machines_are_told_apart(void **state)
{
    (void)state;
    struct elf_file e = {.is64 = true, .machine = EM_X86_64, .filesz = 16, .memsz = 16};
    make_elf(&e, head);
    expect(sizeof(head), KERNEL_ELF, NULL);
    expect(10, KERNEL_ELF, NULL); /* the ELF loader says what is wrong */
    e.machine = EM_RISCV;
    make_elf(&e, head);
    expect(sizeof(head), KERNEL_RISCV_ELF, "is an ELF file for RISC-V, but this machine is x86-64");
    e.machine = EM_AARCH64;
    make_elf(&e, head);
    expect(sizeof(head), KERNEL_FOREIGN, "for ARM64");
    e.machine = 0x1234;
    make_elf(&e, head);
    expect(sizeof(head), KERNEL_FOREIGN, "for another architecture");
    head[EI_DATA] = ELFDATA2MSB;
    head[18] = 0;
    head[19] = EM_S390;
    expect(sizeof(head), KERNEL_FOREIGN, "for s390");
}

static void linux_and_multiboot_are_recognised(void **state)
{
    (void)state;
    memset(head, 0, sizeof(head));
    memcpy(head, "MZ", 2); /* an EFI stub kernel is still a bzImage */
    memcpy(head + 0x1fe, "\x55\xaa\xeb\x66HdrS", 8);
    expect(sizeof(head), KERNEL_BZIMAGE, NULL);
    memset(head, 0, sizeof(head));
    le_store32(head + 100, 0x1badb002);
    le_store32(head + 104, 3);
    le_store32(head + 108, -(0x1badb002u + 3));
    expect(sizeof(head), KERNEL_MULTIBOOT, NULL);
    head[108] ^= 1;
    expect(sizeof(head), KERNEL_FOREIGN, "in no format");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_machines_are_named),
        cmocka_unit_test(other_formats_are_named),
        cmocka_unit_test(elf_machines_are_told_apart),
        cmocka_unit_test(linux_and_multiboot_are_recognised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
