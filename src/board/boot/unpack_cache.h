/*
 * Unpacked kernels kept from one start to the next, in ${XDG_CACHE_HOME:-~/.cache}/doppel/unpacked.
 *
 * Invariants
 * 1. An entry is found by the identity of the kernel file (device, inode, size, modification and
 *    change time to the nanosecond), which is stored in the entry and compared whole.
 * 2. An entry appears under its name only when complete and on disk: written under another name,
 *    synced, renamed. So a crash leaves no half entry, and readers never see one being written.
 * 3. Only a regular file owned by this user, which nobody else may write, is believed. Who can
 * write it could as well replace the user's kernels.
 * 4. The cache is an optimisation: no failure here is reported, the kernel is unpacked again.
 * 5. Zero pages are holes, so that loading skips them.
 */
#ifndef DOPPEL_BOARD_BOOT_UNPACK_CACHE_H
#define DOPPEL_BOARD_BOOT_UNPACK_CACHE_H

#include "board/boot/boot_file.h"

/* Was `kernel` unpacked before? Then `out` is the result; the caller closes it. */
bool unpack_cache_open(const struct boot_file *kernel, struct boot_file *out);
void unpack_cache_store(const struct boot_file *kernel, const uint8_t *data, size_t len);

#endif
