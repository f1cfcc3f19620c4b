/*
 * The PVH boot protocol: an ELF kernel whose Xen note names a 32-bit entry point, started with
 * hvm_start_info in ebx. [Xen docs/misc/pvh, public/arch-x86/hvm/start_info.h]
 */
#ifndef DOPPEL_BOARD_BOOT_PVH_H
#define DOPPEL_BOARD_BOOT_PVH_H

#include "board/boot/elf.h"
#include "board/boot/load.h"

/* 1: *entry is the entry point; 0: not a PVH kernel; or an error with a sentence. */
int pvh_entry(const struct elf *elf, const struct boot_file *img, gpa_t *entry, struct error *err)
    must_check;
int pvh_load(struct load *l, const struct elf *elf, gpa_t entry, struct error *err) must_check;

#endif
