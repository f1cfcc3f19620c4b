/*
 * Loading a RISC-V guest: kernel, firmware and initrd into RAM, and where each of them is.
 *
 * A kernel is a Linux Image [Linux Documentation/arch/riscv/boot-image-header.rst], also compressed
 * as a file, or an ELF executable. Files are hostile: every offset and size is checked, and a bad
 * file ends in one sentence. Called at power-on and again at every reset.
 */
#ifndef DOPPEL_BOARD_BOOT_RISCV_H
#define DOPPEL_BOARD_BOOT_RISCV_H

#include "board/boot/boot.h"

struct riscv_boot_in {
    const char *kernel, *initrd; /* no initrd: NULL */
    const char *firmware;        /* NULL: none */
    const struct e820_map *map;
    gpa_t kernel_base; /* where a kernel goes that may go anywhere; firmware ends below */
    gpa_t firmware_base;
    uint64_t fdt_len; /* room to keep for the device tree */
    bool ram_is_zero; /* RAM was never written: zero pages need not be */
};

struct riscv_boot {
    gpa_t entry;    /* of the kernel */
    bool bare;      /* the kernel runs in M-mode, as firmware does */
    gpa_t firmware; /* entry; 0: none */
    gpa_t fdt;      /* a multiple of 2 MiB with fdt_len bytes kept free */
    gpa_t initrd;
    uint64_t initrd_len;    /* 0: none */
    gpa_t tohost, fromhost; /* of the host-target interface; 0: none */
};

int riscv_boot_load(struct guest_mem *mem, const struct riscv_boot_in *in, struct riscv_boot *out,
                    struct error *err) must_check;

#endif
