/*
 * Looking up a symbol. The table is nobody's to trust: without a sound one there is no symbol.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/endian.h"
#include "board/boot/elf.h"

enum { TABLE_MAX = 16 << 20, SECTIONS_MAX = 4096 };

struct section {
    uint32_t type, link;
    uint64_t offset, size;
};

static bool read_section(const struct elf *elf, const struct boot_file *img, unsigned n,
                         struct section *s)
{
    uint8_t sh[sizeof(Elf64_Shdr)];
    struct error err;
    uint64_t at = elf->shoff + (uint64_t)n * sizeof(sh);
    if (n >= elf->shnum || at < elf->shoff || boot_file_read(img, at, sh, sizeof(sh), &err) < 0)
        return false;
    s->type = le_load32(sh + offsetof(Elf64_Shdr, sh_type));
    s->link = le_load32(sh + offsetof(Elf64_Shdr, sh_link));
    s->offset = le_load64(sh + offsetof(Elf64_Shdr, sh_offset));
    s->size = le_load64(sh + offsetof(Elf64_Shdr, sh_size));
    return true;
}

/* The section's bytes and a 0 behind them, to be freed by the caller; NULL: not sound. */
static uint8_t *section_bytes(const struct boot_file *img, const struct section *s)
{
    struct error err;
    uint8_t *buf = s->size <= TABLE_MAX ? calloc(1, s->size + 1) : NULL;
    if (buf && boot_file_read(img, s->offset, buf, s->size, &err) < 0) {
        free(buf);
        buf = NULL;
    }
    return buf;
}

static bool search(const uint8_t *table, uint64_t len, const char *names, uint64_t names_len,
                   const char *name, uint64_t *value)
{
    for (uint64_t at = 0; len - at >= sizeof(Elf64_Sym); at += sizeof(Elf64_Sym)) {
        const uint8_t *sym = table + at;
        uint32_t st_name = le_load32(sym + offsetof(Elf64_Sym, st_name));
        uint16_t shndx = le_load16(sym + offsetof(Elf64_Sym, st_shndx));
        if (st_name >= names_len || shndx == SHN_UNDEF || strcmp(names + st_name, name) != 0)
            continue;
        *value = le_load64(sym + offsetof(Elf64_Sym, st_value));
        return true;
    }
    return false;
}

static bool search_section(const struct elf *elf, const struct boot_file *img,
                           const struct section *s, const char *name, uint64_t *value)
{
    struct section strings;
    if (!read_section(elf, img, s->link, &strings))
        return false;
    uint8_t *table = section_bytes(img, s), *names = section_bytes(img, &strings);
    bool found =
        table && names && search(table, s->size, (const char *)names, strings.size, name, value);
    free(table);
    free(names);
    return found;
}

bool elf_symbol(const struct elf *elf, const struct boot_file *img, const char *name,
                uint64_t *value)
{
    struct section s;
    if (!elf->is64 || elf->shentsize != sizeof(Elf64_Shdr))
        return false;
    for (unsigned n = 0; n < MIN(elf->shnum, SECTIONS_MAX) && read_section(elf, img, n, &s); n++)
        if (s.type == SHT_SYMTAB)
            return search_section(elf, img, &s, name, value);
    return false;
}
