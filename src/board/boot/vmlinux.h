/*
 * An uncompressed x86-64 Linux kernel: an ELF file whose entry point is the kernel's 64-bit one.
 */
#ifndef DOPPEL_BOARD_BOOT_VMLINUX_H
#define DOPPEL_BOARD_BOOT_VMLINUX_H

#include "board/boot/elf.h"
#include "board/boot/load.h"

/* Loads l->kernel, a vmlinux file without a PVH note. */
int vmlinux_load(struct load *l, const struct elf *elf, struct error *err) must_check;

/*
 * Loads the vmlinux in `img`, unpacked from the bzImage that begins with `file` (ZP_HEADER_END
 * bytes), and enters it as the kernel's own decompressor would have done.
 *
 * It runs at the addresses it was linked for, so its relocations need not be applied: a guest
 * started this way has no KASLR.
 */
int vmlinux_load_unpacked(struct load *l, const struct boot_file *img, const uint8_t *file,
                          struct error *err) must_check;

#endif
