/*
 * Does a file look like something Linux takes as its initial RAM disk?
 */
#ifndef DOPPEL_BOARD_BOOT_INITRD_H
#define DOPPEL_BOARD_BOOT_INITRD_H

#include "board/boot/boot_file.h"

/* -ENOEXEC with a sentence when the file is of no format a kernel unpacks, or is a cpio archive
 * that is cut off or damaged. Compressed contents are left to the kernel. */
int initrd_check(const struct boot_file *img, struct error *err) must_check;

#endif
