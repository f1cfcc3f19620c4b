/*
 * fw_cfg: named blobs (kernel, ACPI tables, command line) for firmware and small kernels to fetch,
 * byte by byte or by DMA. Ports 0x510-0x51b. [QEMU docs/specs/fw_cfg]
 */
#ifndef DOPPEL_DEV_LEGACY_FW_CFG_H
#define DOPPEL_DEV_LEGACY_FW_CFG_H

#include "dev/dev.h"

enum {
    FW_CFG_SIGNATURE = 0x00,
    FW_CFG_ID = 0x01,
    FW_CFG_FILE_DIR = 0x19,
    FW_CFG_FILE_FIRST = 0x20,
    FW_CFG_MAX_ITEMS = 64,
    FW_CFG_NAME = 56,
};

/* Items are configuration, the same on resume; only the guest's place in them is state. */
#define FW_CFG_STATE(S, A, B, N)                                                                   \
    S(uint16_t, selected)                                                                          \
    S(uint32_t, offset)                                                                            \
    S(uint32_t, dma_high) /* upper half of the DMA descriptor's address */

struct fw_cfg_item {
    uint16_t key;
    uint32_t len;
    uint8_t *data;          /* owned */
    char name[FW_CFG_NAME]; /* of a file; else empty */
};

struct fw_cfg {
    struct dev dev;
    STATE_MEMBERS(FW_CFG_STATE)
    struct fw_cfg_item items[FW_CFG_MAX_ITEMS];
    unsigned nitems;
    uint16_t next_file;
};

extern const struct state_desc fw_cfg_state;

int fw_cfg_create(struct fw_cfg **out, const struct dev_host *host) must_check;
/* The same in memory: data at `base`, selector at + 8, DMA at + 16. */
int fw_cfg_create_mmio(struct fw_cfg **out, const struct dev_host *host, gpa_t base) must_check;
/* Both copy `data`. Before the machine runs. -EEXIST: the key or name is taken; -ENOSPC; -EINVAL:
 * name too long or empty; -ENOMEM. */
int fw_cfg_add_item(struct fw_cfg *f, uint16_t key, const void *data, uint32_t len) must_check;
int fw_cfg_add_file(struct fw_cfg *f, const char *name, const void *data, uint32_t len) must_check;

#endif
