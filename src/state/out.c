/*
 * Writing a saved machine. RAM that the guest never touched is found by asking the memfd for its
 * holes, pages of zeroes by looking; neither is stored.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/endian.h"
#include "state/file.h"
#include "state/format.h"

struct state_out {
    int fd;
    uint32_t records;
    ZSTD_CCtx *zstd;
    uint8_t *raw, *packed; /* a chunk's pages; a RAM_DATA payload */
};

static int write_all(int fd, const void *buf, size_t len, struct error *err)
{
    for (const uint8_t *p = buf; len;) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_set(err, n ? errno : EIO, "cannot write the machine's state: %s",
                             strerror(n ? errno : EIO));
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

static uint32_t checksum(const void *p, size_t len)
{
    return (uint32_t)crc32_z(0, p, len);
}

static int put_record(struct state_out *o, uint32_t tag, const void *payload, size_t len,
                      struct error *err)
{
    uint8_t h[RECORD_HEADER_SIZE];

    le_store32(h, tag);
    le_store32(h + 4, o->records++);
    le_store64(h + 8, len);
    le_store32(h + 16, checksum(payload, len));
    le_store32(h + 20, checksum(h, 20));
    int rc = write_all(o->fd, h, sizeof(h), err);
    return rc ? rc : write_all(o->fd, payload, len, err);
}

static int put_file_header(struct state_out *o, struct error *err)
{
    uint8_t h[FILE_HEADER_SIZE];

    memcpy(h, STATE_MAGIC, STATE_MAGIC_SIZE);
    le_store32(h + 8, STATE_FORMAT_VERSION);
    le_store32(h + 12, checksum(h, 12));
    return write_all(o->fd, h, sizeof(h), err);
}

int state_out_open(struct state_out **out, int fd, const char *config_json, struct error *err)
{
    size_t len = strlen(config_json);
    if (len > MAX_CONFIG)
        return error_set(err, E2BIG, "the machine's configuration is too long to be saved");
    struct state_out *o = calloc(1, sizeof(*o));
    if (!o)
        return error_set(err, ENOMEM, "no memory to save the machine");
    o->fd = fd;
    int rc = put_file_header(o, err);
    if (!rc)
        rc = put_record(o, TAG_CONFIG, config_json, len, err);
    if (rc)
        state_out_close(o);
    else
        *out = o;
    return rc;
}

void state_out_close(struct state_out *o)
{
    if (!o)
        return;
    ZSTD_freeCCtx(o->zstd);
    free(o->raw);
    free(o->packed);
    free(o);
}

int state_out_clock(struct state_out *o, uint64_t guest_ns, struct error *err)
{
    uint8_t p[CLOCK_SIZE];
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    le_store64(p, guest_ns);
    le_store64(p + 8, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
    return put_record(o, TAG_CLOCK, p, sizeof(p), err);
}

int state_out_section(struct state_out *o, const char *id, const struct state_desc *d, void *obj,
                      struct error *err)
{
    struct state_writer w = {0};
    int rc;

    state_save(&w, id, d, obj);
    if (w.err)
        rc = error_set(err, -w.err, "no memory to save '%s'", id);
    else if (w.len > MAX_SECTION)
        rc = error_set(err, E2BIG, "the state of '%s' is too large to be saved", id);
    else
        rc = put_record(o, TAG_SECTION, w.buf, w.len, err);
    state_writer_free(&w);
    return rc;
}

/* ---- RAM ---- */

static int put_ram_map(struct state_out *o, const struct guest_mem *m, struct error *err)
{
    uint8_t p[4 + MEM_MAX_SLOTS * RAM_SLOT_SIZE];

    le_store32(p, m->nslots);
    for (unsigned i = 0; i < m->nslots; i++) {
        uint8_t *s = p + 4 + i * RAM_SLOT_SIZE;
        le_store64(s, m->slots[i].base);
        le_store64(s + 8, m->slots[i].len);
        le_store32(s + 16, m->slots[i].readonly);
    }
    return put_record(o, TAG_RAM_MAP, p, 4 + m->nslots * RAM_SLOT_SIZE, err);
}

static bool is_zero(const uint8_t *page)
{
    /* Every byte equals the one before it, and the first is zero. */
    return !page[0] && !memcmp(page, page + 1, GUEST_PAGE_SIZE - 1);
}

/* Move the pages that are not zero to the front of `raw` and note them; how many there are. */
static unsigned squeeze(uint8_t *raw, unsigned pages, uint8_t *bitmap)
{
    unsigned kept = 0;

    memset(bitmap, 0, CHUNK_PAGES / 8);
    for (unsigned i = 0; i < pages; i++) {
        uint8_t *page = raw + i * GUEST_PAGE_SIZE;
        if (is_zero(page))
            continue;
        bitmap[i / 8] |= (uint8_t)(1u << i % 8);
        if (kept != i)
            memcpy(raw + kept * GUEST_PAGE_SIZE, page, GUEST_PAGE_SIZE);
        kept++;
    }
    return kept;
}

/* The pages behind the payload's header, compressed if that helps; stored length. */
static size_t pack(struct state_out *o, unsigned kept, uint32_t *method)
{
    const size_t len = kept * GUEST_PAGE_SIZE;
    uint8_t *to = o->packed + RAM_DATA_HEADER_SIZE;

    size_t n = ZSTD_compressCCtx(o->zstd, to, len, o->raw, len, 1);
    if (!ZSTD_isError(n)) {
        *method = RAM_ZSTD;
        return n;
    }
    memcpy(to, o->raw, len);
    *method = RAM_RAW;
    return len;
}

static int put_chunk(struct state_out *o, const struct guest_mem *m, unsigned slot, uint64_t first,
                     unsigned pages, struct error *err)
{
    gpa_t gpa = m->slots[slot].base + (first << GUEST_PAGE_SHIFT);
    uint8_t *h = o->packed;
    uint32_t method;

    int rc = gpa_read(m, gpa, o->raw, pages * GUEST_PAGE_SIZE);
    if (rc)
        return error_set(err, -rc, "cannot read guest memory at 0x%llx", (unsigned long long)gpa);
    unsigned kept = squeeze(o->raw, pages, h + 20);
    if (!kept)
        return 0;
    size_t len = pack(o, kept, &method);
    le_store32(h, slot);
    le_store32(h + 4, pages);
    le_store64(h + 8, first);
    le_store32(h + 16, method);
    return put_record(o, TAG_RAM_DATA, o->packed, RAM_DATA_HEADER_SIZE + len, err);
}

struct progress {
    state_progress_fn *fn;
    void *opaque;
    uint64_t before, total; /* bytes of the slots already done; of all */
};

static int report(const struct progress *pr, uint64_t page, struct error *err)
{
    if (pr->fn && pr->fn(pr->opaque, pr->before + (page << GUEST_PAGE_SHIFT), pr->total))
        return error_set(err, ECANCELED, "saving was cancelled");
    return 0;
}

static int put_slot(struct state_out *o, const struct guest_mem *m, unsigned slot,
                    const struct progress *pr, struct error *err)
{
    uint64_t page = 0, count;

    for (;;) {
        page = guest_mem_next_used(m, &m->slots[slot], page, &count);
        int rc = report(pr, page, err);
        if (rc || !count)
            return rc;
        unsigned n = (unsigned)MIN(count, CHUNK_PAGES);
        rc = put_chunk(o, m, slot, page, n, err);
        if (rc)
            return rc;
        page += n;
    }
}

static int ram_buffers(struct state_out *o, struct error *err)
{
    if (!o->zstd)
        o->zstd = ZSTD_createCCtx();
    if (!o->raw)
        o->raw = malloc(CHUNK_BYTES);
    if (!o->packed)
        o->packed = malloc(RAM_DATA_HEADER_SIZE + CHUNK_BYTES);
    if (!o->zstd || !o->raw || !o->packed)
        return error_set(err, ENOMEM, "no memory to save the machine");
    return 0;
}

int state_out_ram(struct state_out *o, const struct guest_mem *m, state_progress_fn *progress,
                  void *opaque, struct error *err)
{
    struct progress pr = {.fn = progress, .opaque = opaque};

    for (unsigned i = 0; i < m->nslots; i++)
        pr.total += m->slots[i].len;
    int rc = ram_buffers(o, err);
    if (!rc)
        rc = put_ram_map(o, m, err);
    for (unsigned i = 0; !rc && i < m->nslots; i++) {
        rc = put_slot(o, m, i, &pr, err);
        pr.before += m->slots[i].len;
    }
    return rc;
}

int state_out_finish(struct state_out *o, struct error *err)
{
    uint8_t p[4];
    le_store32(p, o->records);
    return put_record(o, TAG_END, p, sizeof(p), err);
}
