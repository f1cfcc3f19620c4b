/*
 * A file that goes into the guest: kernel, initrd, firmware, or a buffer in its place.
 *
 * Files are read with pread(), never mapped: one that shrinks under us is a short read with a
 * sentence, not a SIGBUS.
 */
#ifndef DOPPEL_BOARD_BOOT_BOOT_FILE_H
#define DOPPEL_BOARD_BOOT_BOOT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/compiler.h"
#include "base/error.h"
#include "mem/guest_mem.h"

#define BOOT_FILE_MAX (UINT64_C(4) << 30) /* no kernel or initrd we could place is larger */

struct boot_file {
    const char *path; /* for messages; the caller's */
    const char *role; /* "kernel", "initrd": for messages */
    int fd;           /* -1: `mem` holds the bytes */
    const uint8_t *mem;
    uint64_t size;
    struct stat st; /* of the file; zero for a buffer */
};

/* Opens a regular file of 1 byte to BOOT_FILE_MAX. `path` and `role` must outlive the image. */
int boot_file_open(struct boot_file *img, const char *path, const char *role, struct error *err)
    must_check;
void boot_file_from_buffer(struct boot_file *img, const void *buf, uint64_t len, const char *path,
                           const char *role);
void boot_file_close(struct boot_file *img);

/* Bytes [off, off+len) into `buf`; -ENOEXEC with a sentence when the file ends before. */
int boot_file_read(const struct boot_file *img, uint64_t off, void *buf, size_t len,
                   struct error *err) must_check;
/* Where things are loaded. `zero`: it was never written, so zeroes need not be either. */
struct boot_ram {
    struct guest_mem *mem;
    bool zero;
};

/* Bytes [off, off+len) to `gpa`; -EFAULT with a sentence when that is not guest memory. */
int boot_file_load(const struct boot_file *img, uint64_t off, const struct boot_ram *ram, gpa_t gpa,
                   uint64_t len, struct error *err) must_check;

#endif
