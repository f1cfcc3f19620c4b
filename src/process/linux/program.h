/*
 * What the headers of a RISC-V Linux program say, checked: the caller may map by them. Hostile
 * input: everything is copied and bounded here, and nothing is mapped.
 */
#ifndef DOPPEL_PROCESS_LINUX_PROGRAM_H
#define DOPPEL_PROCESS_LINUX_PROGRAM_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/compiler.h"
#include "base/error.h"

enum { PROGRAM_MAX_SEGMENTS = 64, PROGRAM_HEAD_SIZE = 4096 };

struct program_segment {
    gva_t va;        /* as in the file, of a whole page */
    uint64_t offset; /* the same place in the file */
    uint64_t file_len, mem_len;
    uint8_t prot; /* PROT_* */
};

struct program_image {
    bool pie;          /* may be placed anywhere; all addresses are relative then */
    gva_t low, high;   /* of the segments, whole pages */
    gva_t entry, phdr; /* phdr: where the program headers are in memory, 0: not mapped */
    uint16_t phnum;
    unsigned nsegments;
    struct program_segment segments[PROGRAM_MAX_SEGMENTS];
    uint64_t interp_offset, interp_len; /* of the dynamic linker's name in the file; 0: static */
};

/* Does it begin as an ELF file of this class and machine does? */
bool program_is_riscv64(const uint8_t *head, size_t len);

/*
 * `head` is the file's beginning (up to PROGRAM_HEAD_SIZE bytes of it), `file_size` all of it. The
 * sentence of an error follows the file's name: "is ...".
 */
int program_parse(struct program_image *out, const uint8_t *head, size_t len, uint64_t file_size,
                  struct error *err) must_check;

#endif
