/*
 * Decompressing the kernel inside a bzImage.
 */
#ifndef DOPPEL_BOARD_BOOT_UNPACK_H
#define DOPPEL_BOARD_BOOT_UNPACK_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"

#define UNPACK_MAX (UINT64_C(512) << 20) /* no kernel is near this; bounds hostile size fields */

struct unpacked {
    uint8_t *data; /* mmap'ed */
    size_t len;
};

/*
 * `src` is a bzImage's payload: one compressed stream (gzip, xz, lzma, zstd, lz4), then in all but
 * gzip the 4 bytes of its unpacked size that the kernel's build appends. An uncompressed ELF is
 * copied. -ENOTSUP, without a sentence, for other formats; -ENOEXEC when the data is damaged.
 */
int unpack(const uint8_t *src, size_t len, struct unpacked *out, struct error *err) must_check;
/* The same of a whole compressed file (gzip, xz, zstd, lz4), whose size need not be told. */
int unpack_file(const uint8_t *src, size_t len, struct unpacked *out, struct error *err) must_check;
void unpacked_free(struct unpacked *u);

#endif
