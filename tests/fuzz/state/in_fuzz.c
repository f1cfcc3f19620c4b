/*
 * The reader of saved machines on hostile files: whatever comes, it ends with a sentence or a
 * loaded machine.
 *
 * Checksums would turn away nearly every mutation before it reaches anything of interest, so each
 * input is read twice: as it is, and with its checksums set right.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "base/endian.h"
#include "objects.h"
#include "state/file.h"
#include "state/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_clock(void *opaque, uint64_t guest_ns, uint64_t realtime_ns, struct error *err)
{
    (void)opaque;
    (void)guest_ns;
    (void)realtime_ns;
    (void)err;
    return 0;
}

static int on_section(void *opaque, const char *id, const uint8_t *body, size_t len,
                      struct error *err)
{
    struct whole obj;
    (void)opaque;
    (void)id;
    return state_load(body, len, &whole_state, &obj, err);
}

static int load(int fd, struct guest_mem *mem, struct error *err)
{
    static const struct state_in_ops ops = {.clock = on_clock, .section = on_section};
    struct state_in *in;

    int rc = state_in_open(&in, fd, err);
    if (rc)
        return rc;
    rc = state_in_load(in, &ops, NULL, mem, err);
    state_in_close(in);
    return rc;
}

static void load_bytes(const uint8_t *data, size_t size)
{
    struct guest_mem mem;
    struct error err = {""};

    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET))
        abort();
    if (small_machine(&mem))
        abort();
    if (load(fd, &mem, &err) && !err.text[0])
        abort();
    guest_mem_destroy(&mem);
    close(fd);
}

/* Follow the records as far as they go. */
static void set_checksums(uint8_t *p, size_t size)
{
    if (size < FILE_HEADER_SIZE)
        return;
    memcpy(p, STATE_MAGIC, STATE_MAGIC_SIZE);
    le_store32(p + 12, (uint32_t)crc32_z(0, p, 12));
    size_t at = FILE_HEADER_SIZE;
    for (uint32_t n = 0; size - at >= RECORD_HEADER_SIZE; n++) {
        uint8_t *r = p + at;
        at += RECORD_HEADER_SIZE;
        size_t len = MIN(le_load64(r + 8), size - at);
        le_store32(r + 4, n);
        le_store32(r + 16, (uint32_t)crc32_z(0, r + RECORD_HEADER_SIZE, len));
        le_store32(r + 20, (uint32_t)crc32_z(0, r, 20));
        at += len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + !size);

    if (!copy)
        return 0;
    memcpy(copy, data, size);
    load_bytes(copy, size);
    set_checksums(copy, size);
    load_bytes(copy, size);
    free(copy);
    return 0;
}
