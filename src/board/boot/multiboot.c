/*
 * Loading a multiboot kernel and its modules, and building the information structure.
 */
#include "board/boot/multiboot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/endian.h"
#include "board/boot/cpu_entry.h"
#include "board/boot/elf.h"

enum {
    HEADER_MAGIC = 0x1badb002,
    LOADER_MAGIC = 0x2badb002, /* in eax */
    HEADER_ALIGN = 4,
    SEARCH = 8192,
    /* Required-feature bits of the header's flags: we know modules' page alignment, memory
     * information, and ignore the wish for a video mode (bit 2). */
    FLAGS_KNOWN = 0x7,
    FLAGS_REQUIRED = 0xffff,
};

/* Byte offsets of the information structure, and the bits that say which members count. */
enum {
    INFO_FLAGS = 0,
    INFO_MEM_LOWER = 4,
    INFO_MEM_UPPER = 8,
    INFO_CMDLINE = 16,
    INFO_MODS_COUNT = 20,
    INFO_MODS_ADDR = 24,
    INFO_MMAP_LENGTH = 44,
    INFO_MMAP_ADDR = 48,
    INFO_LOADER_NAME = 64,
    INFO_SIZE = 120,
    INFO_HAS_MEM = 1 << 0,
    INFO_HAS_CMDLINE = 1 << 2,
    INFO_HAS_MODS = 1 << 3,
    INFO_HAS_MMAP = 1 << 6,
    INFO_HAS_LOADER_NAME = 1 << 9,
};

enum { MMAP_ENTRY = 24, MODULE_ENTRY = 16, MODULES_MAX = 16, TEXT_MAX = 4096 };

bool multiboot_find_header(const uint8_t *head, size_t len, struct multiboot_header *out)
{
    len = MIN(len, (size_t)SEARCH);
    for (size_t at = 0; at + 12 <= len; at += HEADER_ALIGN) {
        const uint8_t *h = head + at;
        if (le_load32(h) != HEADER_MAGIC)
            continue;
        uint32_t flags = le_load32(h + 4);
        if (HEADER_MAGIC + flags + le_load32(h + 8) != 0)
            continue;
        *out = (struct multiboot_header){.offset = (uint32_t)at, .flags = flags};
        if (!(flags & MULTIBOOT_ADDRESSES))
            return true;
        if (at + 32 > len)
            continue;
        out->header_addr = le_load32(h + 12);
        out->load_addr = le_load32(h + 16);
        out->load_end = le_load32(h + 20);
        out->bss_end = le_load32(h + 24);
        out->entry = le_load32(h + 28);
        return true;
    }
    return false;
}

static int bad_addresses(const struct load *l, struct error *err)
{
    return error_set(err, ENOEXEC, "kernel '%s' has a multiboot header with impossible addresses",
                     l->kernel.path);
}

/* "a.out kludge": the header itself says what goes where. [Multiboot 3.1.3] */
static int load_by_addresses(struct load *l, const struct multiboot_header *h, struct error *err)
{
    uint64_t before = (uint64_t)h->header_addr - h->load_addr; /* load_addr to header */
    if (h->load_addr > h->header_addr || before > h->offset)
        return bad_addresses(l, err);
    uint64_t from = h->offset - before;
    uint64_t len = h->load_end ? (uint64_t)h->load_end - h->load_addr : l->kernel.size - from;
    if (h->load_end && h->load_end < h->load_addr)
        return bad_addresses(l, err);
    uint64_t total = h->bss_end > h->load_addr + len ? h->bss_end - h->load_addr : len;

    int rc = place_claim(&l->place, h->load_addr, total, "kernel", err);
    if (!rc)
        rc = boot_file_load(&l->kernel, from, &l->ram, h->load_addr, len, err);
    if (!rc && !l->ram.zero && gpa_fill(l->ram.mem, h->load_addr + len, 0, total - len))
        rc = error_set(err, EFAULT, "cannot clear the kernel's memory");
    return rc ? rc : cpu_entry_prot32(l, h->entry, err);
}

static int load_elf(struct load *l, struct error *err)
{
    struct elf elf;
    int rc = elf_parse(&elf, &l->kernel, ELF_FOR_X86, err);
    if (!rc)
        rc = elf_load(&elf, &l->kernel, &l->ram, &l->place, err);
    if (rc)
        return rc;
    gpa_t entry = elf_entry(&elf);
    if (entry > UINT32_MAX)
        return error_set(err, ENOEXEC,
                         "kernel '%s' has a multiboot header but its entry point "
                         "%#" PRIx64 " is no 32-bit address",
                         l->kernel.path, entry);
    return cpu_entry_prot32(l, entry, err);
}

static int write_memory(struct load *l, uint8_t *info, struct error *err)
{
    const struct e820_map *map = l->in->map;
    uint8_t buf[E820_MAX * MMAP_ENTRY] = {0};
    uint64_t lower = 0, upper = 0;
    for (unsigned i = 0; i < map->n; i++) {
        const struct e820_entry *e = &map->e[i];
        uint8_t *m = buf + i * MMAP_ENTRY;
        le_store32(m, MMAP_ENTRY - 4); /* the size member does not count itself */
        le_store64(m + 4, e->base);
        le_store64(m + 12, e->len);
        le_store32(m + 20, e->type);
        if (e->type == E820_RAM && e->base == 0)
            lower = e->len;
        if (e->type == E820_RAM && e->base == 0x100000)
            upper = e->len;
    }
    gpa_t gpa;
    int rc = load_low(l, buf, map->n * MMAP_ENTRY, "memory map", &gpa, err);
    le_store32(info + INFO_MEM_LOWER, (uint32_t)(lower >> 10));
    le_store32(info + INFO_MEM_UPPER, (uint32_t)(upper >> 10));
    le_store32(info + INFO_MMAP_LENGTH, map->n * MMAP_ENTRY);
    le_store32(info + INFO_MMAP_ADDR, (uint32_t)gpa);
    le_store32(info, le_load32(info) | INFO_HAS_MEM | INFO_HAS_MMAP);
    return rc;
}

/* One module, "FILE [ARGUMENTS]"; its string is the whole text, as other loaders pass it. */
static int load_module(struct load *l, const char *text, uint8_t *entry, struct error *err)
{
    char path[TEXT_MAX];
    snprintf(path, sizeof(path), "%.*s", (int)strcspn(text, " "), text);
    struct boot_file img;
    int rc = boot_file_open(&img, path, "initrd", err);
    if (rc)
        return rc;
    gpa_t base, string;
    rc = place_find(&l->place, load_pages(img.size), UINT64_C(1) << 32, "module", &base, err);
    if (!rc)
        rc = boot_file_load(&img, 0, &l->ram, base, img.size, err);
    uint64_t size = img.size;
    boot_file_close(&img);
    if (!rc)
        rc = load_low(l, text, strlen(text) + 1, "module name", &string, err);
    if (rc)
        return rc;
    le_store32(entry, (uint32_t)base);
    le_store32(entry + 4, (uint32_t)(base + size));
    le_store32(entry + 8, (uint32_t)string);
    return 0;
}

static int load_modules(struct load *l, uint8_t *info, struct error *err)
{
    uint8_t list[MODULES_MAX * MODULE_ENTRY] = {0};
    unsigned n = 0;
    for (const char *p = l->in->initrd; p && *p;) {
        char text[TEXT_MAX];
        size_t len = strcspn(p, ",");
        if (len >= sizeof(text) || n == MODULES_MAX)
            return error_set(err, E2BIG, "too many or too long modules in --initrd");
        snprintf(text, sizeof(text), "%.*s", (int)len, p);
        int rc = load_module(l, text, list + n * MODULE_ENTRY, err);
        if (rc)
            return rc;
        n++;
        p += len + (p[len] == ',');
    }
    if (n == 0)
        return 0;
    gpa_t gpa;
    int rc = load_low(l, list, n * MODULE_ENTRY, "module list", &gpa, err);
    le_store32(info + INFO_MODS_COUNT, n);
    le_store32(info + INFO_MODS_ADDR, (uint32_t)gpa);
    le_store32(info, le_load32(info) | INFO_HAS_MODS);
    return rc;
}

/* The command line begins with the kernel's file name, which kernels skip. [Multiboot 3.3] */
static int write_strings(struct load *l, uint8_t *info, struct error *err)
{
    static const char loader[] = "doppel";
    char text[TEXT_MAX];
    const char *args = l->in->cmdline ? l->in->cmdline : "";
    int n = snprintf(text, sizeof(text), "%s%s%s", l->kernel.path, *args ? " " : "", args);
    if (n < 0 || (size_t)n >= sizeof(text))
        return error_set(err, E2BIG, "the kernel command line is longer than %d characters",
                         TEXT_MAX - 1);
    gpa_t gpa;
    int rc = load_low(l, text, (size_t)n + 1, "command line", &gpa, err);
    if (rc)
        return rc;
    le_store32(info + INFO_CMDLINE, (uint32_t)gpa);
    rc = load_low(l, loader, sizeof(loader), "loader name", &gpa, err);
    le_store32(info + INFO_LOADER_NAME, (uint32_t)gpa);
    le_store32(info, le_load32(info) | INFO_HAS_CMDLINE | INFO_HAS_LOADER_NAME);
    return rc;
}

int multiboot_load(struct load *l, const struct multiboot_header *h, struct error *err)
{
    uint8_t info[INFO_SIZE] = {0};
    l->out->protocol = "multiboot";
    if (h->flags & FLAGS_REQUIRED & ~FLAGS_KNOWN)
        return error_set(err, ENOEXEC,
                         "kernel '%s' requires a multiboot feature that is not "
                         "there (flags %#x)",
                         l->kernel.path, h->flags);
    int rc = h->flags & MULTIBOOT_ADDRESSES ? load_by_addresses(l, h, err) : load_elf(l, err);
    if (!rc)
        rc = write_memory(l, info, err);
    if (!rc)
        rc = load_modules(l, info, err);
    if (!rc)
        rc = write_strings(l, info, err);
    gpa_t gpa = 0;
    if (!rc)
        rc = load_low(l, info, sizeof(info), "multiboot information", &gpa, err);
    l->out->rax = LOADER_MAGIC;
    l->out->rbx = gpa;
    return rc;
}
