/*
 * A disk image on the host as an open, checked and locked file descriptor; what every format
 * stands on.
 */
#ifndef DOPPEL_BACKEND_BLOCK_IMAGE_H
#define DOPPEL_BACKEND_BLOCK_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/block/block.h"

struct image {
    int fd;          /* O_DIRECT when the cache mode is `none` */
    int buffered_fd; /* the same file through the page cache; -1 unless O_DIRECT */
    bool is_device, readonly, can_discard;
    uint64_t size;
    uint32_t block_size;              /* what the guest is told: 512 or the device's */
    uint32_t mem_align, offset_align; /* what O_DIRECT asks of buffers and offsets; else 1 */
    char id[21];
};

/*
 * Open, check and lock `o->path`. Nothing is created or written. On failure -errno with a sentence
 * and nothing stays open.
 */
int blk_image_open(struct image *img, const struct blk_options *o, struct error *err) must_check;
void blk_image_close(struct image *img);

#endif
