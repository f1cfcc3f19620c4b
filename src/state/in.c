/*
 * Reading a saved machine. Nothing here is trusted: a length is checked against its record type's
 * cap before memory is taken for it, a checksum before the bytes are looked at, and the bytes
 * because whoever made the file could make the checksum as well.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/endian.h"
#include "state/file.h"
#include "state/format.h"

/* The record being read. */
struct record {
    uint32_t tag;
    uint8_t *payload;
    size_t len, cap;
};

struct state_in {
    int fd;
    uint32_t records;
    struct record rec;
    char *config;
    bool clock_seen, map_seen;
    ZSTD_DCtx *zstd;
    uint8_t *raw; /* a chunk's pages */
};

static int truncated(struct error *err)
{
    error_set(err, EINVAL, "the state file is cut off: it ends too early");
    return -ENODATA;
}

static int damaged(struct error *err, const char *where)
{
    error_set(err, EINVAL, "the state file is damaged (%s)", where);
    return -EINVAL;
}

/* Exactly `len` bytes; -ENODATA if it ends before. */
static int read_all(int fd, void *buf, size_t len, struct error *err)
{
    for (uint8_t *p = buf; len;) {
        ssize_t n = read(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set(err, errno, "cannot read the state file: %s", strerror(errno));
        if (n == 0)
            return truncated(err);
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

static uint32_t checksum(const void *p, size_t len)
{
    return (uint32_t)crc32_z(0, p, len);
}

static size_t record_cap(uint32_t tag)
{
    switch (tag) {
    case TAG_CONFIG:
        return MAX_CONFIG;
    case TAG_CLOCK:
        return CLOCK_SIZE;
    case TAG_SECTION:
        return MAX_SECTION;
    case TAG_RAM_MAP:
        return 4 + MEM_MAX_SLOTS * RAM_SLOT_SIZE;
    case TAG_RAM_DATA:
        return RAM_DATA_HEADER_SIZE + CHUNK_BYTES;
    case TAG_END:
        return 4;
    default:
        return 0;
    }
}

/* One byte more than the payload, always 0: the configuration is used as a string. */
static int reserve(struct record *r, size_t len, struct error *err)
{
    if (len < r->cap)
        return 0;
    uint8_t *p = realloc(r->payload, len + 1);
    if (!p)
        return error_set(err, ENOMEM, "no memory to read the state file");
    r->payload = p;
    r->cap = len + 1;
    return 0;
}

static int next_record(struct state_in *in, struct error *err)
{
    struct record *r = &in->rec;
    uint8_t h[RECORD_HEADER_SIZE];

    int rc = read_all(in->fd, h, sizeof(h), err);
    if (rc)
        return rc;
    if (le_load32(h + 20) != checksum(h, 20))
        return damaged(err, "checksum of a record header");
    r->tag = le_load32(h);
    uint64_t len = le_load64(h + 8);
    if (le_load32(h + 4) != in->records++)
        return damaged(err, "records out of order");
    if (!record_cap(r->tag))
        return damaged(err, "unknown kind of record");
    if (len > record_cap(r->tag))
        return damaged(err, "record too long");
    rc = reserve(r, len, err);
    if (!rc)
        rc = read_all(in->fd, r->payload, len, err);
    if (rc)
        return rc;
    r->len = len;
    r->payload[len] = 0;
    if (le_load32(h + 16) != checksum(r->payload, len))
        return damaged(err, "checksum of a record");
    return 0;
}

/* ---- header and configuration ---- */

static int check_file_header(struct state_in *in, struct error *err)
{
    uint8_t h[FILE_HEADER_SIZE];

    int rc = read_all(in->fd, h, STATE_MAGIC_SIZE, err);
    if (rc == -ENODATA || (!rc && memcmp(h, STATE_MAGIC, STATE_MAGIC_SIZE)))
        return error_set(err, EINVAL, "this is not a saved machine");
    if (!rc)
        rc = read_all(in->fd, h + STATE_MAGIC_SIZE, sizeof(h) - STATE_MAGIC_SIZE, err);
    if (rc)
        return rc;
    if (le_load32(h + 12) != checksum(h, 12))
        return damaged(err, "checksum of the file header");
    if (le_load32(h + 8) != STATE_FORMAT_VERSION)
        return error_set(err, EINVAL,
                         "the state file has format version %u, this program reads version %u",
                         (unsigned)le_load32(h + 8), (unsigned)STATE_FORMAT_VERSION);
    return 0;
}

static int read_config(struct state_in *in, struct error *err)
{
    int rc = next_record(in, err);
    if (rc)
        return rc;
    if (in->rec.tag != TAG_CONFIG)
        return damaged(err, "no configuration");
    if (strlen((char *)in->rec.payload) != in->rec.len)
        return damaged(err, "configuration is not text");
    in->config = strdup((char *)in->rec.payload);
    return in->config ? 0 : error_set(err, ENOMEM, "no memory to read the state file");
}

int state_in_open(struct state_in **out, int fd, struct error *err)
{
    struct state_in *in = calloc(1, sizeof(*in));
    if (!in)
        return error_set(err, ENOMEM, "no memory to read the state file");
    in->fd = fd;
    int rc = check_file_header(in, err);
    if (!rc)
        rc = read_config(in, err);
    if (rc)
        state_in_close(in);
    else
        *out = in;
    return rc == -ENODATA ? -EINVAL : rc;
}

const char *state_in_config(const struct state_in *in)
{
    return in->config;
}

void state_in_close(struct state_in *in)
{
    if (!in)
        return;
    ZSTD_freeDCtx(in->zstd);
    free(in->raw);
    free(in->rec.payload);
    free(in->config);
    free(in);
}

/* ---- the machine ---- */

/* Where a load goes. */
struct target {
    const struct state_in_ops *ops;
    void *opaque;
    struct guest_mem *mem;
};

static int load_clock(struct state_in *in, const struct target *t, struct error *err)
{
    const struct record *r = &in->rec;

    if (r->len != CLOCK_SIZE || in->clock_seen)
        return damaged(err, "clock");
    in->clock_seen = true;
    if (!t->ops->clock)
        return 0;
    return t->ops->clock(t->opaque, le_load64(r->payload), le_load64(r->payload + 8), err);
}

static int load_section(struct state_in *in, const struct target *t, struct error *err)
{
    struct state_section s;
    size_t pos = 0;

    int rc = state_next_section(in->rec.payload, in->rec.len, &pos, &s, err);
    if (rc < 0)
        return error_prefix(err, rc, "the state file is damaged");
    if (rc == 0 || pos != in->rec.len)
        return damaged(err, "section");
    if (!t->ops->section)
        return 0;
    rc = t->ops->section(t->opaque, s.id, s.body, s.len, err);
    return rc ? error_prefix(err, rc, "saved state of '%s'", s.id) : 0;
}

static int check_slot(const uint8_t *p, const struct mem_slot *s, struct error *err)
{
    uint64_t base = le_load64(p), len = le_load64(p + 8);

    if (base == s->base && len == s->len && le_load32(p + 16) == s->readonly)
        return 0;
    return error_set(err, EINVAL,
                     "the saved machine had 0x%llx bytes of memory at 0x%llx where this one has "
                     "0x%llx at 0x%llx",
                     (unsigned long long)len, (unsigned long long)base, (unsigned long long)s->len,
                     (unsigned long long)s->base);
}

static int load_ram_map(struct state_in *in, const struct target *t, struct error *err)
{
    const struct record *r = &in->rec;

    if (!t->mem || in->map_seen || r->len < 4)
        return damaged(err, "memory map");
    uint32_t n = le_load32(r->payload);
    if (n > MEM_MAX_SLOTS || r->len != 4 + n * RAM_SLOT_SIZE)
        return damaged(err, "memory map");
    if (n != t->mem->nslots)
        return error_set(err, EINVAL, "the saved machine had %u blocks of memory, this one has %u",
                         (unsigned)n, t->mem->nslots);
    for (uint32_t i = 0; i < n; i++) {
        int rc = check_slot(r->payload + 4 + i * RAM_SLOT_SIZE, &t->mem->slots[i], err);
        if (rc)
            return rc;
    }
    in->map_seen = true;
    in->zstd = ZSTD_createDCtx();
    in->raw = malloc(CHUNK_BYTES);
    if (!in->zstd || !in->raw)
        return error_set(err, ENOMEM, "no memory to read the state file");
    /* Pages of zeroes are not in the file. */
    return guest_mem_clear(t->mem, err);
}

/* A checked RAM_DATA header. */
struct chunk {
    const struct mem_slot *slot;
    uint64_t first;
    uint32_t pages, kept;
    const uint8_t *bitmap;
};

static int check_chunk(const struct record *r, const struct guest_mem *m, struct chunk *c,
                       struct error *err)
{
    const uint8_t *h = r->payload;

    if (r->len < RAM_DATA_HEADER_SIZE || le_load32(h) >= m->nslots)
        return damaged(err, "memory");
    *c = (struct chunk){.slot = &m->slots[le_load32(h)],
                        .pages = le_load32(h + 4),
                        .first = le_load64(h + 8),
                        .bitmap = h + 20};
    uint64_t total = c->slot->len >> GUEST_PAGE_SHIFT;
    if (c->pages > CHUNK_PAGES || c->first > total || c->pages > total - c->first)
        return damaged(err, "memory");
    for (unsigned i = 0; i < CHUNK_PAGES; i++) {
        bool kept = c->bitmap[i / 8] >> i % 8 & 1;
        if (kept && i >= c->pages)
            return damaged(err, "memory");
        c->kept += kept;
    }
    return 0;
}

/* The chunk's pages, exactly c->kept of them; NULL when they are not that. */
static const uint8_t *unpack(struct state_in *in, const struct chunk *c)
{
    const uint8_t *data = in->rec.payload + RAM_DATA_HEADER_SIZE;
    const size_t len = in->rec.len - RAM_DATA_HEADER_SIZE, want = c->kept * GUEST_PAGE_SIZE;

    switch (le_load32(in->rec.payload + 16)) {
    case RAM_RAW:
        return len == want ? data : NULL;
    case RAM_ZSTD:
        return ZSTD_decompressDCtx(in->zstd, in->raw, CHUNK_BYTES, data, len) == want ? in->raw
                                                                                      : NULL;
    default:
        return NULL;
    }
}

static int store_pages(struct guest_mem *m, const struct chunk *c, const uint8_t *page,
                       struct error *err)
{
    for (unsigned i = 0; i < c->pages; i++) {
        if (!(c->bitmap[i / 8] >> i % 8 & 1))
            continue;
        gpa_t gpa = c->slot->base + ((c->first + i) << GUEST_PAGE_SHIFT);
        int rc = gpa_write_rom(m, gpa, page, GUEST_PAGE_SIZE);
        if (rc)
            return error_set(err, -rc, "cannot write guest memory at 0x%llx",
                             (unsigned long long)gpa);
        page += GUEST_PAGE_SIZE;
    }
    return 0;
}

static int report(const struct target *t, const struct chunk *c, struct error *err)
{
    uint64_t end = c->slot->offset + ((c->first + c->pages) << GUEST_PAGE_SHIFT);
    if (t->ops->progress && t->ops->progress(t->opaque, end, t->mem->size))
        return error_set(err, ECANCELED, "loading was cancelled");
    return 0;
}

static int load_ram_data(struct state_in *in, const struct target *t, struct error *err)
{
    struct chunk c;

    if (!in->map_seen)
        return damaged(err, "memory without its map");
    int rc = check_chunk(&in->rec, t->mem, &c, err);
    if (rc)
        return rc;
    const uint8_t *pages = unpack(in, &c);
    if (!pages)
        return damaged(err, "compressed memory");
    rc = store_pages(t->mem, &c, pages, err);
    return rc ? rc : report(t, &c, err);
}

/* in->records counts the end marker itself already. */
static int check_end(const struct state_in *in, const struct target *t, struct error *err)
{
    const struct record *r = &in->rec;

    if (r->len != 4 || le_load32(r->payload) != in->records - 1)
        return damaged(err, "end marker");
    if (!in->clock_seen || (t->mem && !in->map_seen))
        return damaged(err, "parts are missing");
    return 0;
}

static int load_record(struct state_in *in, const struct target *t, struct error *err)
{
    switch (in->rec.tag) {
    case TAG_CLOCK:
        return load_clock(in, t, err);
    case TAG_SECTION:
        return load_section(in, t, err);
    case TAG_RAM_MAP:
        return load_ram_map(in, t, err);
    case TAG_RAM_DATA:
        return load_ram_data(in, t, err);
    default:
        return damaged(err, "record in the wrong place");
    }
}

int state_in_load(struct state_in *in, const struct state_in_ops *ops, void *opaque,
                  struct guest_mem *mem, struct error *err)
{
    const struct target t = {ops, opaque, mem};
    int rc;

    for (;;) {
        rc = next_record(in, err);
        if (rc || in->rec.tag == TAG_END)
            break;
        rc = load_record(in, &t, err);
        if (rc)
            break;
    }
    if (!rc)
        rc = check_end(in, &t, err);
    return rc == -ENODATA ? -EINVAL : rc;
}
