/* ELF headers of RISC-V programs: [gABI 4, 5], [RISC-V ELF psABI]. */
#include "process/linux/program.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "process/linux/arena.h"

#ifndef EM_RISCV
#define EM_RISCV 243
#endif
enum { RISCV_EF_RVE = 8 }; /* e_flags: made for 16 registers */

bool program_is_riscv64(const uint8_t *head, size_t len)
{
    Elf64_Ehdr eh;
    if (len < sizeof(eh))
        return false;
    memcpy(&eh, head, sizeof(eh));
    return memcmp(eh.e_ident, ELFMAG, SELFMAG) == 0 && eh.e_ident[EI_CLASS] == ELFCLASS64 &&
           eh.e_ident[EI_DATA] == ELFDATA2LSB && eh.e_machine == EM_RISCV;
}

static int check_kind(const uint8_t *head, size_t len, struct error *err)
{
    if (len < SELFMAG || memcmp(head, ELFMAG, SELFMAG) != 0)
        return error_set(err, ENOEXEC, "is no ELF program");
    if (len > EI_CLASS && head[EI_CLASS] != ELFCLASS64)
        return error_set(err, ENOEXEC, "is a program of 32 bits; only 64-bit RISC-V runs here");
    if (len < sizeof(Elf64_Ehdr))
        return error_set(err, ENOEXEC, "ends inside its ELF header");
    if (!program_is_riscv64(head, len))
        return error_set(err, ENOEXEC, "is a program for another machine than 64-bit RISC-V");
    return 0;
}

static int check_header(const Elf64_Ehdr *eh, size_t len, struct error *err)
{
    if (eh->e_type != ET_EXEC && eh->e_type != ET_DYN)
        return error_set(err, ENOEXEC, "is an ELF file, but no program (type %u)", eh->e_type);
    if (eh->e_flags & RISCV_EF_RVE)
        return error_set(err, ENOEXEC, "is made for the embedded variant (RVE)");
    if (eh->e_phentsize != sizeof(Elf64_Phdr))
        return error_set(err, ENOEXEC, "has program headers of %u bytes instead of %zu",
                         eh->e_phentsize, sizeof(Elf64_Phdr));
    if (!eh->e_phnum || eh->e_phnum > PROGRAM_MAX_SEGMENTS)
        return error_set(err, ENOEXEC, "has %u program headers; 1 to %u are allowed", eh->e_phnum,
                         PROGRAM_MAX_SEGMENTS);
    if (eh->e_phoff > len || len - eh->e_phoff < eh->e_phnum * sizeof(Elf64_Phdr))
        return error_set(err, ENOEXEC, "has program headers beyond its first %u bytes",
                         PROGRAM_HEAD_SIZE);
    return 0;
}

static int check_segment(const Elf64_Phdr *ph, uint64_t file_size, struct error *err)
{
    if (ph->p_filesz > ph->p_memsz)
        return error_set(err, ENOEXEC, "has a segment with more bytes in the file than in memory");
    if (ph->p_offset > file_size || ph->p_filesz > file_size - ph->p_offset)
        return error_set(err, ENOEXEC, "has a segment beyond the file's end");
    if (ph->p_vaddr > ARENA_SIZE || ph->p_memsz > ARENA_SIZE - ph->p_vaddr)
        return error_set(err, ENOEXEC, "has a segment at %#llx, beyond user addresses",
                         (unsigned long long)ph->p_vaddr);
    if ((ph->p_vaddr ^ ph->p_offset) & ~GUEST_PAGE_MASK)
        return error_set(err, ENOEXEC,
                         "has a segment that lies in its page elsewhere than in the"
                         " file");
    return 0;
}

static uint8_t segment_prot(uint32_t flags)
{
    return (uint8_t)((flags & PF_R ? PROT_READ : 0) | (flags & PF_W ? PROT_WRITE : 0) |
                     (flags & PF_X ? PROT_EXEC : 0));
}

static int add_segment(struct program_image *out, const Elf64_Phdr *ph, uint64_t file_size,
                       struct error *err)
{
    int r = check_segment(ph, file_size, err);
    if (r < 0 || !ph->p_memsz)
        return r;
    uint64_t before = ph->p_vaddr & ~GUEST_PAGE_MASK;
    struct program_segment s = {
        .va = ph->p_vaddr - before,
        .offset = ph->p_offset - before,
        .file_len = ph->p_filesz ? ph->p_filesz + before : 0,
        .mem_len = ph->p_memsz + before,
        .prot = segment_prot(ph->p_flags),
    };
    if (out->nsegments && s.va < out->high - GUEST_PAGE_SIZE)
        return error_set(err, ENOEXEC, "has segments that overlap or are out of order");
    if (!out->nsegments)
        out->low = s.va;
    out->high = (s.va + s.mem_len + GUEST_PAGE_SIZE - 1) & GUEST_PAGE_MASK;
    out->segments[out->nsegments++] = s;
    return 0;
}

static int set_interp(struct program_image *out, const Elf64_Phdr *ph, uint64_t file_size,
                      struct error *err)
{
    if (ph->p_filesz < 2 || ph->p_filesz > PATH_MAX || ph->p_offset > file_size ||
        ph->p_filesz > file_size - ph->p_offset)
        return error_set(err, ENOEXEC, "names its dynamic linker in a way that cannot be read");
    out->interp_offset = ph->p_offset;
    out->interp_len = ph->p_filesz;
    return 0;
}

/* Where the segment that holds the program headers puts them. */
static gva_t find_phdr(const struct program_image *out, const Elf64_Ehdr *eh)
{
    for (unsigned i = 0; i < out->nsegments; i++) {
        const struct program_segment *s = &out->segments[i];
        if (eh->e_phoff >= s->offset && eh->e_phoff - s->offset < s->file_len)
            return s->va + (eh->e_phoff - s->offset);
    }
    return 0;
}

static int check_place(const struct program_image *out, struct error *err)
{
    if (!out->nsegments)
        return error_set(err, ENOEXEC, "has nothing to load");
    if (!out->pie && out->low < ARENA_MIN_ADDR)
        return error_set(err, ENOEXEC, "wants memory at %#llx, where none may be mapped",
                         (unsigned long long)out->low);
    if (out->high > ARENA_SIZE / 2 || (out->pie && out->high - out->low > ARENA_SIZE / 8))
        return error_set(err, ENOEXEC, "is too large");
    return 0;
}

int program_parse(struct program_image *out, const uint8_t *head, size_t len, uint64_t file_size,
                  struct error *err)
{
    *out = (struct program_image){0};
    int r = check_kind(head, len, err);
    if (r < 0)
        return r;
    Elf64_Ehdr eh;
    memcpy(&eh, head, sizeof(eh));
    r = check_header(&eh, len, err);
    for (unsigned i = 0; r == 0 && i < eh.e_phnum; i++) {
        Elf64_Phdr ph;
        memcpy(&ph, head + eh.e_phoff + i * sizeof(ph), sizeof(ph));
        if (ph.p_type == PT_LOAD)
            r = add_segment(out, &ph, file_size, err);
        else if (ph.p_type == PT_INTERP)
            r = set_interp(out, &ph, file_size, err);
    }
    if (r < 0)
        return r;
    out->pie = eh.e_type == ET_DYN;
    out->entry = eh.e_entry;
    out->phnum = eh.e_phnum;
    out->phdr = find_phdr(out, &eh);
    return check_place(out, err);
}
