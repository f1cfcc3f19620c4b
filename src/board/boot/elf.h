/*
 * ELF executables, 32- and 64-bit little-endian: bounded parsing, segments into guest RAM at their
 * physical addresses, notes.
 */
#ifndef DOPPEL_BOARD_BOOT_ELF_H
#define DOPPEL_BOARD_BOOT_ELF_H

#include "board/boot/boot_file.h"
#include "board/boot/place.h"

enum { ELF_MAX_SEGMENTS = 32, ELF_MAX_NOTES = 4 };

struct elf_segment {
    uint64_t offset, filesz, memsz, vaddr, align;
    gpa_t paddr;
};

struct elf {
    bool is64;
    uint16_t machine; /* EM_386, EM_X86_64, EM_RISCV */
    uint64_t entry;   /* as in the file; see elf_entry() */
    uint64_t shoff;   /* section headers, for elf_symbol() */
    uint16_t shnum, shentsize;
    struct elf_segment load[ELF_MAX_SEGMENTS]; /* memsz > 0 */
    unsigned nload;
    struct elf_segment note[ELF_MAX_NOTES];
    unsigned nnote;
};

/* -ENOEXEC with a sentence unless `img` is an executable for that machine with something to load.
 * 32-bit ones count as x86 too. */
enum elf_for { ELF_FOR_X86, ELF_FOR_RISCV64 };
int elf_parse(struct elf *elf, const struct boot_file *img, enum elf_for machine, struct error *err)
    must_check;

/* Claims and writes every segment, zeroes what the file does not fill. */
int elf_load(const struct elf *elf, const struct boot_file *img, const struct boot_ram *ram,
             struct place *place, struct error *err) must_check;

/* The physical address of the entry point, whether the file gives it as physical or virtual. */
gpa_t elf_entry(const struct elf *elf);
/* The same of any address in the file. */
gpa_t elf_physical(const struct elf *elf, uint64_t addr);

/* The value of a symbol of the file's symbol table; false: there is no such, or no sound table. */
bool elf_symbol(const struct elf *elf, const struct boot_file *img, const char *name,
                uint64_t *value);
/* Move everything by `bias` bytes: the segments' physical addresses only. */
void elf_move(struct elf *elf, uint64_t bias);

struct elf_note_id {
    const char *name;
    uint32_t type;
};

/*
 * The contents of a note, at most `cap` bytes, into `desc`. Returns its length, -ENOENT when there
 * is none, or another error with a sentence.
 */
int elf_note(const struct elf *elf, const struct boot_file *img, const struct elf_note_id *id,
             void *desc, size_t cap, struct error *err) must_check;

#endif
