/*
 * Builds hvm_start_info and what it points to.
 */
#include "board/boot/pvh.h"

#include <errno.h>
#include <inttypes.h>

#include "base/endian.h"
#include "board/boot/cpu_entry.h"

#define START_MAGIC 0x336ec578 /* "xEn3" with the top bit of the E set */

/* hvm_start_info, version 1, and its arrays' elements: byte offsets. */
enum {
    START_VERSION = 4,
    START_NR_MODULES = 12,
    START_MODLIST = 16,
    START_CMDLINE = 24,
    START_RSDP = 32,
    START_MEMMAP = 40,
    START_MEMMAP_ENTRIES = 48,
    START_SIZE = 56,
    MODULE_SIZE = 32, /* address, size, command line, reserved: 8 bytes each */
    MEMMAP_SIZE = 24, /* address 8, size 8, type 4, reserved 4 */
};

enum { PVH_CMDLINE_MAX = 16384 };

static const struct elf_note_id phys32_entry = {"Xen", 18}; /* XEN_ELFNOTE_PHYS32_ENTRY */

int pvh_entry(const struct elf *elf, const struct boot_file *img, gpa_t *entry, struct error *err)
{
    uint8_t desc[8] = {0};
    int n = elf_note(elf, img, &phys32_entry, desc, sizeof(desc), err);
    if (n == -ENOENT)
        return 0;
    if (n < 0)
        return n;
    *entry = le_load64(desc);
    if ((n != 4 && n != 8) || *entry > UINT32_MAX)
        return error_set(err, ENOEXEC, "kernel '%s' has a PVH note that names no 32-bit address",
                         img->path);
    return 1;
}

static int write_memmap(struct load *l, uint8_t *start, struct error *err)
{
    const struct e820_map *map = l->in->map;
    uint8_t buf[E820_MAX * MEMMAP_SIZE] = {0};
    for (unsigned i = 0; i < map->n; i++) {
        uint8_t *e = buf + i * MEMMAP_SIZE;
        le_store64(e, map->e[i].base);
        le_store64(e + 8, map->e[i].len);
        le_store32(e + 16, map->e[i].type);
    }
    gpa_t gpa;
    int rc = load_low(l, buf, map->n * MEMMAP_SIZE, "memory map", &gpa, err);
    le_store64(start + START_MEMMAP, gpa);
    le_store32(start + START_MEMMAP_ENTRIES, map->n);
    return rc;
}

static int write_modules(struct load *l, uint8_t *start, struct error *err)
{
    gpa_t base, gpa;
    uint64_t len;
    int rc = load_initrd(l, UINT64_C(1) << 32, &base, &len, err);
    if (rc || len == 0)
        return rc;
    uint8_t module[MODULE_SIZE] = {0};
    le_store64(module, base);
    le_store64(module + 8, len);
    rc = load_low(l, module, sizeof(module), "module list", &gpa, err);
    le_store64(start + START_MODLIST, gpa);
    le_store32(start + START_NR_MODULES, 1);
    return rc;
}

static int write_start_info(struct load *l, struct error *err)
{
    uint8_t start[START_SIZE] = {0};
    gpa_t cmdline, gpa = 0;
    le_store32(start, START_MAGIC);
    le_store32(start + START_VERSION, 1);
    le_store64(start + START_RSDP, l->in->rsdp);
    int rc = load_cmdline(l, PVH_CMDLINE_MAX, &cmdline, err);
    le_store64(start + START_CMDLINE, cmdline);
    if (!rc)
        rc = write_memmap(l, start, err);
    if (!rc)
        rc = write_modules(l, start, err);
    if (!rc)
        rc = load_low(l, start, sizeof(start), "start info", &gpa, err);
    l->out->rbx = gpa;
    return rc;
}

int pvh_load(struct load *l, const struct elf *elf, gpa_t entry, struct error *err)
{
    l->out->protocol = "pvh";
    int rc = elf_load(elf, &l->kernel, &l->ram, &l->place, err);
    if (!rc)
        rc = cpu_entry_prot32(l, entry, err);
    return rc ? rc : write_start_info(l, err);
}
