/*
 * ELF loading. [System V ABI, chapters 4 and 5]
 *
 * Two header layouts are brought to one in elf_parse(); nothing after it knows the class.
 */
#include "board/boot/elf.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/endian.h"

enum { NOTES_MAX = 64 * 1024, PHDR_MAX = 64 };

/* Where the two classes keep what we read. */
struct elf_layout {
    uint8_t word; /* bytes of an address */
    uint8_t ehsize, e_entry, e_phoff, e_phentsize, e_phnum;
    uint8_t phsize, p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align;
};

#define LAYOUT(E, P, bytes)                                                                        \
    {                                                                                              \
        bytes, sizeof(E), offsetof(E, e_entry), offsetof(E, e_phoff), offsetof(E, e_phentsize),    \
            offsetof(E, e_phnum), sizeof(P), offsetof(P, p_offset), offsetof(P, p_vaddr),          \
            offsetof(P, p_paddr), offsetof(P, p_filesz), offsetof(P, p_memsz),                     \
            offsetof(P, p_align),                                                                  \
    }

static const struct elf_layout layout32 = LAYOUT(Elf32_Ehdr, Elf32_Phdr, 4);
static const struct elf_layout layout64 = LAYOUT(Elf64_Ehdr, Elf64_Phdr, 8);

static int bad(const struct boot_file *img, const char *why, struct error *err)
{
    return error_set(err, ENOEXEC, "%s '%s' is not a valid ELF executable: %s", img->role,
                     img->path, why);
}

static int parse_segment(struct elf *elf, const struct boot_file *img, const struct elf_layout *lay,
                         const uint8_t *ph, struct error *err)
{
    uint32_t type = le_load32(ph);
    if (type != PT_LOAD && type != PT_NOTE)
        return 0;
    struct elf_segment s = {
        .offset = le_load(ph + lay->p_offset, lay->word),
        .filesz = le_load(ph + lay->p_filesz, lay->word),
        .memsz = le_load(ph + lay->p_memsz, lay->word),
        .vaddr = le_load(ph + lay->p_vaddr, lay->word),
        .align = le_load(ph + lay->p_align, lay->word),
        .paddr = le_load(ph + lay->p_paddr, lay->word),
    };
    if (s.filesz && (s.offset > img->size || s.filesz > img->size - s.offset))
        return error_set(err, ENOEXEC,
                         "%s '%s' is truncated: a segment ends at byte %" PRIu64
                         " and the file at %" PRIu64,
                         img->role, img->path, s.offset + s.filesz, img->size);
    if (type == PT_NOTE) {
        if (elf->nnote < ELF_MAX_NOTES)
            elf->note[elf->nnote++] = s;
        return 0;
    }
    if (s.filesz > s.memsz)
        return bad(img, "a segment has more bytes in the file than in memory", err);
    if (s.memsz == 0)
        return 0;
    if (s.paddr + s.memsz < s.paddr)
        return bad(img, "a segment wraps around the end of memory", err);
    if (elf->nload == ELF_MAX_SEGMENTS)
        return bad(img, "it has too many segments", err);
    elf->load[elf->nload++] = s;
    return 0;
}

static int parse_segments(struct elf *elf, const struct boot_file *img,
                          const struct elf_layout *lay, const uint8_t *eh, struct error *err)
{
    uint64_t off = le_load(eh + lay->e_phoff, lay->word);
    unsigned n = le_load16(eh + lay->e_phnum);
    if (n == 0 || le_load16(eh + lay->e_phentsize) != lay->phsize)
        return bad(img, "it has no program headers (an object file or library?)", err);
    if (n > PHDR_MAX)
        return bad(img, "it has too many program headers", err);
    for (unsigned i = 0; i < n; i++) {
        uint8_t ph[sizeof(Elf64_Phdr)];
        int rc = boot_file_read(img, off + (uint64_t)i * lay->phsize, ph, lay->phsize, err);
        if (!rc)
            rc = parse_segment(elf, img, lay, ph, err);
        if (rc)
            return rc;
    }
    if (elf->nload == 0)
        return bad(img, "it has nothing to load", err);
    return 0;
}

static bool is_for(const struct elf *elf, enum elf_for machine)
{
    if (machine == ELF_FOR_RISCV64)
        return elf->is64 && elf->machine == EM_RISCV;
    return elf->machine == EM_386 || elf->machine == EM_X86_64;
}

int elf_parse(struct elf *elf, const struct boot_file *img, enum elf_for machine, struct error *err)
{
    uint8_t eh[sizeof(Elf64_Ehdr)] = {0};
    memset(elf, 0, sizeof(*elf));
    int rc = boot_file_read(img, 0, eh, MIN(img->size, sizeof(eh)), err);
    if (rc)
        return rc;
    if (memcmp(eh, ELFMAG, SELFMAG) != 0)
        return bad(img, "it has no ELF header", err);
    if (eh[EI_DATA] != ELFDATA2LSB || (eh[EI_CLASS] != ELFCLASS32 && eh[EI_CLASS] != ELFCLASS64))
        return bad(img, "its class or byte order is unknown", err);
    elf->is64 = eh[EI_CLASS] == ELFCLASS64;
    const struct elf_layout *lay = elf->is64 ? &layout64 : &layout32;
    if (img->size < lay->ehsize)
        return error_set(err, ENOEXEC, "%s '%s' is truncated: it ends inside the ELF header",
                         img->role, img->path);
    elf->machine = le_load16(eh + 18);
    if (!is_for(elf, machine))
        return bad(img, machine == ELF_FOR_X86 ? "it is not for x86" : "it is not for RISC-V", err);
    if (le_load16(eh + 16) == ET_REL)
        return bad(img, "it is an object file, not linked yet", err);
    elf->entry = le_load(eh + lay->e_entry, lay->word);
    if (elf->is64) {
        elf->shoff = le_load64(eh + offsetof(Elf64_Ehdr, e_shoff));
        elf->shentsize = le_load16(eh + offsetof(Elf64_Ehdr, e_shentsize));
        elf->shnum = le_load16(eh + offsetof(Elf64_Ehdr, e_shnum));
    }
    return parse_segments(elf, img, lay, eh, err);
}

int elf_load(const struct elf *elf, const struct boot_file *img, const struct boot_ram *ram,
             struct place *place, struct error *err)
{
    /* From the last: a guest with too little memory is told how much the whole kernel wants. */
    for (unsigned i = elf->nload; i-- > 0;) {
        const struct elf_segment *s = &elf->load[i];
        int rc = place_claim(place, s->paddr, s->memsz, "kernel", err);
        if (!rc)
            rc = boot_file_load(img, s->offset, ram, s->paddr, s->filesz, err);
        if (!rc && !ram->zero && s->memsz > s->filesz &&
            gpa_fill(ram->mem, s->paddr + s->filesz, 0, s->memsz - s->filesz))
            rc = error_set(err, EFAULT, "cannot clear the kernel's memory at %#" PRIx64, s->paddr);
        if (rc)
            return rc;
    }
    return 0;
}

gpa_t elf_physical(const struct elf *elf, uint64_t addr)
{
    for (unsigned i = 0; i < elf->nload; i++) {
        const struct elf_segment *s = &elf->load[i];
        if (addr >= s->paddr && addr - s->paddr < s->memsz)
            return addr;
    }
    for (unsigned i = 0; i < elf->nload; i++) {
        const struct elf_segment *s = &elf->load[i];
        if (addr >= s->vaddr && addr - s->vaddr < s->memsz)
            return addr - s->vaddr + s->paddr;
    }
    return addr;
}

gpa_t elf_entry(const struct elf *elf)
{
    return elf_physical(elf, elf->entry);
}

void elf_move(struct elf *elf, uint64_t bias)
{
    for (unsigned i = 0; i < elf->nload; i++)
        elf->load[i].paddr += bias;
}

/* Rounds up to the note alignment: 4, except in segments that say 8. */
static uint64_t note_align(const struct elf_segment *s, uint64_t n)
{
    uint64_t a = s->align == 8 ? 8 : 4;
    return (n + a - 1) & ~(a - 1);
}

/* Looks through the notes in buf[len]; the descriptor's length, or -ENOENT. */
static int find_note(const struct elf_segment *s, const uint8_t *buf, uint64_t len,
                     const struct elf_note_id *id, void *desc, size_t cap)
{
    uint64_t at = 0;
    while (len - at >= 12) {
        uint64_t namesz = le_load32(buf + at), descsz = le_load32(buf + at + 4);
        uint64_t name_at = at + 12, desc_at = note_align(s, name_at + namesz);
        uint64_t next = note_align(s, desc_at + descsz);
        if (desc_at + descsz > len)
            break;
        if (le_load32(buf + at + 8) == id->type && namesz == strlen(id->name) + 1 &&
            !memcmp(buf + name_at, id->name, namesz)) {
            memcpy(desc, buf + desc_at, MIN(descsz, cap));
            return (int)MIN(descsz, cap);
        }
        if (next >= len)
            break;
        at = next;
    }
    return -ENOENT;
}

int elf_note(const struct elf *elf, const struct boot_file *img, const struct elf_note_id *id,
             void *desc, size_t cap, struct error *err)
{
    int rc = -ENOENT;
    for (unsigned i = 0; i < elf->nnote && rc == -ENOENT; i++) {
        const struct elf_segment *s = &elf->note[i];
        if (s->filesz > NOTES_MAX)
            continue;
        uint8_t *buf = malloc(s->filesz + 1);
        if (!buf)
            return error_set(err, ENOMEM, "out of memory");
        rc = boot_file_read(img, s->offset, buf, s->filesz, err);
        if (!rc)
            rc = find_note(s, buf, s->filesz, id, desc, cap);
        free(buf);
    }
    return rc;
}
