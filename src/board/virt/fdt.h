/*
 * The device tree: what tells an unmodified kernel which chips are where. [Devicetree 0.4; Linux
 * Documentation/devicetree/bindings]
 */
#ifndef DOPPEL_BOARD_VIRT_FDT_H
#define DOPPEL_BOARD_VIRT_FDT_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/compiler.h"

enum { VIRT_FDT_SIZE = 64 << 10, VIRT_FDT_SEED = 64 };

/* What differs from one machine to the next; everything else is in layout.h. */
struct virt_fdt_config {
    unsigned nharts;
    uint64_t ram;
    const char *isa;     /* "rv64imac_..." */
    const char *cmdline; /* NULL: empty */
    gpa_t initrd;
    uint64_t initrd_len;         /* 0: none */
    unsigned virtio_mmio;        /* slots in use */
    uint8_t seed[VIRT_FDT_SEED]; /* randomness for the kernel's generator */
};

/* Build the tree into buf[cap]; -ENOSPC when it does not fit. */
int virt_fdt_build(const struct virt_fdt_config *cfg, void *buf, size_t cap) must_check;

#endif
