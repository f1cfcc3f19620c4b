/*
 * boot_load(): look at the kernel file, hand it to the loader for its kind.
 */
#include "board/boot/boot.h"

#include <errno.h>
#include <string.h>

#include "board/boot/bzimage.h"
#include "board/boot/classify.h"
#include "board/boot/elf.h"
#include "board/boot/load.h"
#include "board/boot/multiboot.h"
#include "board/boot/pvh.h"
#include "board/boot/vmlinux.h"

/* An ELF file may be entered three ways. Multiboot first, as other loaders do. */
static int elf_boot(struct load *l, const uint8_t *head, size_t len, struct error *err)
{
    struct multiboot_header mb;
    if (multiboot_find_header(head, len, &mb))
        return multiboot_load(l, &mb, err);

    struct elf elf;
    gpa_t entry;
    int rc = elf_parse(&elf, &l->kernel, ELF_FOR_X86, err);
    if (!rc)
        rc = pvh_entry(&elf, &l->kernel, &entry, err);
    if (rc < 0)
        return rc;
    return rc ? pvh_load(l, &elf, entry, err) : vmlinux_load(l, &elf, err);
}

static int kernel_load(struct load *l, struct error *err)
{
    uint8_t head[CLASSIFY_HEAD];
    size_t len = MIN(l->kernel.size, sizeof(head));
    int rc = boot_file_read(&l->kernel, 0, head, len, err);
    if (rc)
        return rc;
    struct kernel_class class;
    kernel_classify(head, len, &class);
    switch (class.kind) {
    case KERNEL_BZIMAGE:
        return bzimage_load(l, head, len, err);
    case KERNEL_ELF:
        return elf_boot(l, head, len, err);
    case KERNEL_MULTIBOOT: {
        struct multiboot_header mb;
        (void)multiboot_find_header(head, len, &mb);
        return multiboot_load(l, &mb, err);
    }
    default:
        return kernel_refuse(&l->kernel, &class, "x86-64", err);
    }
}

int boot_load(struct guest_mem *mem, const struct boot_params_in *in, struct boot_entry *out,
              struct error *err)
{
    struct load l = {.ram = {mem, in->ram_is_zero}, .in = in, .out = out};
    memset(out, 0, sizeof(*out));
    place_init(&l.place, in->map);
    int rc = boot_file_open(&l.kernel, in->kernel, "kernel", err);
    if (rc)
        return rc;
    rc = kernel_load(&l, err);
    boot_file_close(&l.kernel);
    return rc;
}
