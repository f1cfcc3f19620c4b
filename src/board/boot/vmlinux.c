/*
 * Entering startup_64: 64-bit mode, paging on with one-to-one page tables over kernel, zero page
 * and command line, rsi = zero page, interrupts off. [Linux boot.rst "64-bit Boot Protocol"]
 */
#include "board/boot/vmlinux.h"

#include <elf.h>
#include <errno.h>

#include "board/boot/cpu_entry.h"
#include "board/boot/zero_page.h"

static int load(struct load *l, const struct elf *elf, const struct boot_file *img,
                const uint8_t *file, struct error *err)
{
    if (!elf->is64 || elf->machine != EM_X86_64)
        return error_set(err, ENOEXEC,
                         "kernel '%s' is a 32-bit ELF file with neither a multiboot header nor a "
                         "PVH note",
                         img->path);
    gpa_t entry = elf_entry(elf);
    if (entry > UINT32_MAX)
        return error_set(err, ENOEXEC, "kernel '%s' has its entry point outside what it loads",
                         img->path);
    l->out->protocol = "linux64";
    int rc = elf_load(elf, img, &l->ram, &l->place, err);
    if (!rc)
        rc = cpu_entry_long64(l, entry, err);
    return rc ? rc : zero_page_load(l, file, entry, err);
}

int vmlinux_load(struct load *l, const struct elf *elf, struct error *err)
{
    return load(l, elf, &l->kernel, NULL, err);
}

int vmlinux_load_unpacked(struct load *l, const struct boot_file *img, const uint8_t *file,
                          struct error *err)
{
    struct elf elf;
    int rc = elf_parse(&elf, img, ELF_FOR_X86, err);
    return rc ? rc : load(l, &elf, img, file, err);
}
