/*
 * A file that goes into the guest: kernel, initrd, firmware, or a buffer in its place.
 *
 * Files are read with pread(), never mapped: one that shrinks under us is a short read with a
 * sentence, not a SIGBUS.
 */
#ifndef DOPPEL_BOARD_BOOT_IMAGE_H
#define DOPPEL_BOARD_BOOT_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/compiler.h"
#include "base/error.h"
#include "mem/guest_mem.h"

#define IMAGE_MAX_SIZE (UINT64_C(4) << 30) /* no kernel or initrd we could place is larger */

struct image {
    const char *path; /* for messages; the caller's */
    const char *role; /* "kernel", "initrd": for messages */
    int fd;           /* -1: `mem` holds the bytes */
    const uint8_t *mem;
    uint64_t size;
    struct stat st; /* of the file; zero for a buffer */
};

/* Opens a regular file of 1 byte to IMAGE_MAX_SIZE. `path` and `role` must outlive the image. */
int image_open(struct image *img, const char *path, const char *role, struct error *err) must_check;
void image_from_buffer(struct image *img, const void *buf, uint64_t len, const char *path,
                       const char *role);
void image_close(struct image *img);

/* Bytes [off, off+len) into `buf`; -ENOEXEC with a sentence when the file ends before. */
int image_read(const struct image *img, uint64_t off, void *buf, size_t len, struct error *err)
    must_check;
/* Bytes [off, off+len) into guest RAM at `gpa`, which must be RAM. `skip_zero`: the destination is
 * known to be zero, holes of the file need not be written. */
int image_load(const struct image *img, uint64_t off, struct guest_mem *mem, gpa_t gpa,
               uint64_t len, bool skip_zero, struct error *err) must_check;

#endif
