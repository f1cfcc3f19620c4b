/* Any bytes as the head of a program: what passes may be mapped without a further look. */
#include <stdlib.h>

#include "process/linux/arena.h"
#include "process/linux/program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_segment(const struct program_segment *s, uint64_t file_size)
{
    if ((s->va | s->offset) & ~GUEST_PAGE_MASK || !s->mem_len || s->file_len > s->mem_len)
        abort();
    if (s->va > ARENA_SIZE || s->mem_len > ARENA_SIZE - s->va)
        abort();
    if (s->file_len && (s->offset > file_size || s->file_len > file_size - s->offset))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct program_image image;
    struct error err = {0};
    /* The file may be larger than its head. */
    uint64_t file_size = size & 1 ? size : size + (UINT64_C(1) << 40);
    int r = program_parse(&image, data, MIN(size, (size_t)PROGRAM_HEAD_SIZE), file_size, &err);
    if (r < 0) {
        if (!err.text[0])
            abort();
        return 0;
    }
    if (!image.nsegments || image.nsegments > PROGRAM_MAX_SEGMENTS || image.low >= image.high)
        abort();
    for (unsigned i = 0; i < image.nsegments; i++)
        check_segment(&image.segments[i], file_size);
    if (image.interp_len && image.interp_len > PATH_MAX)
        abort();
    return 0;
}
