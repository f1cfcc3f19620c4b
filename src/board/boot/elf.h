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
    uint16_t machine;                          /* EM_386 or EM_X86_64 */
    uint64_t entry;                            /* as in the file; see elf_entry() */
    struct elf_segment load[ELF_MAX_SEGMENTS]; /* memsz > 0 */
    unsigned nload;
    struct elf_segment note[ELF_MAX_NOTES];
    unsigned nnote;
};

/* -ENOEXEC with a sentence unless `img` is an x86 executable with something to load. */
int elf_parse(struct elf *elf, const struct boot_file *img, struct error *err) must_check;

/* Claims and writes every segment, zeroes what the file does not fill. */
int elf_load(const struct elf *elf, const struct boot_file *img, const struct boot_ram *ram,
             struct place *place, struct error *err) must_check;

/* The physical address of the entry point, whether the file gives it as physical or virtual. */
gpa_t elf_entry(const struct elf *elf);

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
