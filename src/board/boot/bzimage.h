/*
 * Linux bzImage files: setup header, then the kernel's own decompressor with the compressed kernel
 * inside. Unpacked on the host, or entered as it is and left to unpack itself.
 */
#ifndef DOPPEL_BOARD_BOOT_BZIMAGE_H
#define DOPPEL_BOARD_BOOT_BZIMAGE_H

#include "board/boot/load.h"

/* `head` are the first `len` bytes of l->kernel, which begin with a setup header. */
int bzimage_load(struct load *l, const uint8_t *head, size_t len, struct error *err) must_check;

#endif
