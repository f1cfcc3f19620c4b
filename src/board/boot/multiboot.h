/*
 * Multiboot 1: small kernels with a header in their first 8 KiB, started in 32-bit protected mode
 * with the information structure in ebx. [Multiboot Specification 0.6.96]
 */
#ifndef DOPPEL_BOARD_BOOT_MULTIBOOT_H
#define DOPPEL_BOARD_BOOT_MULTIBOOT_H

#include <stddef.h>

#include "board/boot/load.h"

/* The header's fields; the addresses count only with MULTIBOOT_ADDRESSES. */
struct multiboot_header {
    uint32_t offset; /* of the header in the file */
    uint32_t flags;
    uint32_t header_addr, load_addr, load_end, bss_end, entry;
};

#define MULTIBOOT_ADDRESSES (1u << 16)

/* Looks in the first 8 KiB of the file; `len` may be less. */
bool multiboot_find_header(const uint8_t *head, size_t len, struct multiboot_header *out);

int multiboot_load(struct load *l, const struct multiboot_header *h, struct error *err) must_check;

#endif
