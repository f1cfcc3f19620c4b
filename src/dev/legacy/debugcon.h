/*
 * A write-only console on one port, for firmware and small kernels: 0xe9 (Bochs) or 0x402 (SeaBIOS
 * and OVMF). Reading gives 0xe9, which is how they find it.
 */
#ifndef DOPPEL_DEV_LEGACY_DEBUGCON_H
#define DOPPEL_DEV_LEGACY_DEBUGCON_H

#include "backend/char/chr.h"
#include "dev/dev.h"

/* `chr` outlives the device. One port each; `port` is part of the device's id. */
int debugcon_create(struct dev **out, const struct dev_host *host, uint16_t port,
                    struct chr_backend *chr) must_check;

#endif
