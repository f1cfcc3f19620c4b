/*
 * Recognising kernel files. Only magic numbers are looked at here; each loader checks the rest of
 * its own format.
 */
#include "board/boot/classify.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/endian.h"
#include "board/boot/multiboot.h"

/* A file format known by a magic number at a fixed place. */
struct foreign_magic {
    uint16_t off;
    uint8_t len;
    char magic[9];
    struct kernel_class class;
};

#define DECOMPRESS "decompress it first"

static const struct foreign_magic foreign[] = {
    {56, 4, "RSC\x05", {KERNEL_RISCV_IMAGE, "a Linux kernel", "RISC-V", NULL}},
    {56, 4, "ARM\x64", {KERNEL_FOREIGN, "an ARM64 Linux kernel", "ARM64", NULL}},
    {36, 4, "\x18\x28\x6f\x01", {KERNEL_FOREIGN, "an ARM Linux kernel", "ARM", NULL}},
    {0, 2, "\x1f\x8b", {KERNEL_PACKED, "a gzip file", NULL, DECOMPRESS}},
    {0,
     6,
     "\xfd"
     "7zXZ",
     {KERNEL_PACKED, "an xz file", NULL, DECOMPRESS}},
    {0, 4, "\x28\xb5\x2f\xfd", {KERNEL_PACKED, "a zstd file", NULL, DECOMPRESS}},
    {0, 4, "\x02\x21\x4c\x18", {KERNEL_PACKED, "an lz4 file", NULL, DECOMPRESS}},
    {0, 4, "\x04\x22\x4d\x18", {KERNEL_FOREIGN, "an lz4 file", NULL, DECOMPRESS}},
    {0, 3, "BZh", {KERNEL_FOREIGN, "a bzip2 file", NULL, DECOMPRESS}},
    {0, 4, "\x27\x05\x19\x56", {KERNEL_FOREIGN, "a U-Boot image", NULL, NULL}},
    {0, 4, "\xd0\x0d\xfe\xed", {KERNEL_FOREIGN, "a device tree or FIT image", NULL, NULL}},
    {0, 4, "\xfe\xed\xfa\xcf", {KERNEL_FOREIGN, "a Mach-O file", NULL, NULL}},
    {0, 4, "\xcf\xfa\xed\xfe", {KERNEL_FOREIGN, "a Mach-O file", NULL, NULL}},
    {0, 6, "070701", {KERNEL_FOREIGN, "a cpio archive", NULL, "is it the --initrd?"}},
    {0, 4, "QFI\xfb", {KERNEL_FOREIGN, "a qcow2 disk image", NULL, "is it the --disk?"}},
    {0, 8, "!<arch>\n", {KERNEL_FOREIGN, "an archive or Debian package", NULL, NULL}},
    {0, 2, "#!", {KERNEL_FOREIGN, "a script", NULL, NULL}},
    {0, 2, "MZ", {KERNEL_FOREIGN, "an EFI or Windows program without a Linux header", NULL, NULL}},
};

struct elf_machine {
    uint16_t id;
    const char *name;
};

static const struct elf_machine elf_machines[] = {
    {EM_RISCV, "RISC-V"},   {EM_AARCH64, "ARM64"}, {EM_ARM, "ARM"},       {EM_PPC64, "PowerPC"},
    {EM_PPC, "PowerPC"},    {EM_S390, "s390"},     {EM_MIPS, "MIPS"},     {EM_SPARCV9, "SPARC"},
    {EM_SPARC, "SPARC"},    {EM_68K, "m68k"},      {EM_IA_64, "Itanium"}, {EM_ALPHA, "Alpha"},
    {EM_PARISC, "PA-RISC"}, {258, "LoongArch"},
};

static void classify_elf(const uint8_t *head, size_t len, struct kernel_class *out)
{
    *out = (struct kernel_class){KERNEL_ELF, "an ELF file", "x86", NULL};
    if (len < 20)
        return; /* the ELF loader reports the truncation */
    bool big = head[EI_DATA] == ELFDATA2MSB;
    uint16_t machine = big ? (uint16_t)(head[18] << 8 | head[19]) : le_load16(head + 18);
    if (!big && (machine == EM_X86_64 || machine == EM_386))
        return;

    *out = (struct kernel_class){KERNEL_FOREIGN, "an ELF file", "another architecture", NULL};
    if (!big && machine == EM_RISCV && head[EI_CLASS] == ELFCLASS64)
        out->kind = KERNEL_RISCV_ELF;
    for (size_t i = 0; i < ARRAY_SIZE(elf_machines); i++)
        if (elf_machines[i].id == machine)
            out->machine = elf_machines[i].name;
}

void kernel_classify(const uint8_t *head, size_t len, struct kernel_class *out)
{
    if (len >= 4 && !memcmp(head, ELFMAG, SELFMAG)) {
        classify_elf(head, len, out);
        return;
    }
    /* [Linux boot protocol] 0x1fe boot flag, 0x202 "HdrS" */
    if (len >= 0x206 && le_load16(head + 0x1fe) == 0xaa55 && !memcmp(head + 0x202, "HdrS", 4)) {
        *out = (struct kernel_class){KERNEL_BZIMAGE, "a Linux kernel", "x86", NULL};
        return;
    }
    struct multiboot_header mb;
    if (multiboot_find_header(head, len, &mb)) {
        *out = (struct kernel_class){KERNEL_MULTIBOOT, "a multiboot kernel", "x86", NULL};
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
        const struct foreign_magic *f = &foreign[i];
        if (len >= (size_t)f->off + f->len && !memcmp(head + f->off, f->magic, f->len)) {
            *out = f->class;
            return;
        }
    }
    *out = (struct kernel_class){KERNEL_FOREIGN, NULL, NULL, NULL};
    if (len >= 0x200 && le_load16(head + 0x1fe) == 0xaa55)
        *out = (struct kernel_class){KERNEL_FOREIGN, "a boot sector or disk image", NULL,
                                     "is it the --disk?"};
}

int kernel_refuse(const struct boot_file *img, const struct kernel_class *c, const char *here,
                  struct error *err)
{
    if (c->machine)
        return error_set(err, ENOEXEC, "kernel '%s' is %s for %s, but this machine is %s",
                         img->path, c->what, c->machine, here);
    if (c->what && c->advice)
        return error_set(err, ENOEXEC, "kernel '%s' is %s, not a kernel: %s", img->path, c->what,
                         c->advice);
    if (c->what)
        return error_set(err, ENOEXEC, "kernel '%s' is %s, which this machine cannot boot",
                         img->path, c->what);
    return error_set(err, ENOEXEC,
                     "kernel '%s' is in no format this machine can boot (bzImage, PVH or "
                     "multiboot ELF; RISC-V: Image or ELF)",
                     img->path);
}

static const char *arch_of(enum kernel_kind kind)
{
    switch (kind) {
    case KERNEL_BZIMAGE:
    case KERNEL_ELF:
    case KERNEL_MULTIBOOT:
        return "x86_64";
    case KERNEL_RISCV_IMAGE:
    case KERNEL_RISCV_ELF:
        return "riscv64";
    case KERNEL_PACKED: /* only there a kernel's file is compressed as a whole */
        return "riscv64";
    default:
        return NULL;
    }
}

const char *kernel_arch(const char *path)
{
    uint8_t head[CLASSIFY_HEAD];
    struct kernel_class class = {.kind = KERNEL_FOREIGN};
    struct boot_file img;
    struct error err;
    if (boot_file_open(&img, path, "kernel", &err) < 0)
        return NULL;
    size_t len = MIN(img.size, sizeof(head));
    if (boot_file_read(&img, 0, head, len, &err) == 0)
        kernel_classify(head, len, &class);
    boot_file_close(&img);
    return arch_of(class.kind);
}
