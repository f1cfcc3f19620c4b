/*
 * Saving and loading what descriptors describe. The wire format is in docs/state-format.md.
 *
 * Loading walks the bytes twice: once to check every length, name and value against the descriptor,
 * once to store. So an object is never left half loaded by a bad stream, and the second walk cannot
 * fail but for post_load.
 */
#include "state/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/endian.h"
#include "state/host_int.h"

/* ---- writing ---- */

/* Room for `n` more bytes, counted as written; NULL when memory is short. */
static uint8_t *extend(struct state_writer *w, size_t n)
{
    if (w->err)
        return NULL;
    if (n > w->cap - w->len) {
        size_t cap = MAX(w->cap * 2, w->len + n + 1024);
        uint8_t *buf = realloc(w->buf, cap);
        if (!buf) {
            w->err = -ENOMEM;
            return NULL;
        }
        w->buf = buf;
        w->cap = cap;
    }
    w->len += n;
    return w->buf + w->len - n;
}

static void put_uint(struct state_writer *w, unsigned size, uint64_t v)
{
    uint8_t *p = extend(w, size);
    if (p)
        le_store(p, size, v);
}

static void put_name(struct state_writer *w, const char *name)
{
    size_t n = strnlen(name, UINT8_MAX);
    put_uint(w, 1, n);
    uint8_t *p = extend(w, n);
    if (p)
        memcpy(p, name, n);
}

/* A length field to be filled by put_length(), which counts from behind it. */
static size_t reserve_length(struct state_writer *w)
{
    put_uint(w, 4, 0);
    return w->len;
}

static void put_length(struct state_writer *w, size_t from)
{
    if (!w->err)
        le_store32(w->buf + from - 4, (uint32_t)(w->len - from));
}

static void put_body(struct state_writer *w, const struct state_desc *d, void *obj);

static void put_data(struct state_writer *w, const struct state_field *f, uint8_t *p)
{
    uint8_t *to;

    switch (f->kind) {
    case STATE_BYTES:
        to = extend(w, f->count);
        if (to)
            memcpy(to, p, f->count);
        break;
    case STATE_NEST:
        for (uint32_t i = 0; i < f->count; i++, p += f->elem) {
            size_t from = reserve_length(w);
            put_body(w, f->nest, p);
            put_length(w, from);
        }
        break;
    default:
        for (uint32_t i = 0; i < f->count; i++, p += f->elem)
            put_uint(w, f->elem, state_host_load(p, f->elem));
    }
}

/* The size of a nested struct is the compiler's business, not the format's. */
static uint32_t wire_elem(const struct state_field *f)
{
    return f->kind == STATE_NEST ? 0 : f->elem;
}

static void put_body(struct state_writer *w, const struct state_desc *d, void *obj)
{
    if (d->pre_save)
        d->pre_save(obj);
    put_name(w, d->name);
    put_uint(w, 4, d->version);
    put_uint(w, 2, d->nfields);
    for (uint32_t i = 0; i < d->nfields; i++) {
        const struct state_field *f = &d->fields[i];
        put_name(w, f->name);
        put_uint(w, 1, f->kind);
        put_uint(w, 4, wire_elem(f));
        put_uint(w, 4, f->count);
        size_t from = reserve_length(w);
        put_data(w, f, (uint8_t *)obj + f->offset);
        put_length(w, from);
    }
}

void state_save(struct state_writer *w, const char *id, const struct state_desc *d, void *obj)
{
    size_t from = reserve_length(w);
    put_name(w, id);
    put_body(w, d, obj);
    put_length(w, from);
}

void state_writer_free(struct state_writer *w)
{
    free(w->buf);
    *w = (struct state_writer){0};
}

/* ---- reading ---- */

struct cursor {
    const uint8_t *p;
    size_t left;
    struct error *err;
};

static int ends_early(const struct cursor *c)
{
    error_set(c->err, EINVAL, "the data ends in the middle of a field");
    return -EINVAL;
}

static int take(struct cursor *c, size_t n, const uint8_t **p)
{
    if (n > c->left)
        return ends_early(c);
    *p = c->p;
    c->p += n;
    c->left -= n;
    return 0;
}

static int take_uint(struct cursor *c, unsigned size, uint64_t *v)
{
    const uint8_t *p;
    int rc = take(c, size, &p);
    if (!rc)
        *v = le_load(p, size);
    return rc;
}

/* A name of printable ASCII, because it will stand in sentences. */
static int take_name(struct cursor *c, char *buf, size_t size)
{
    const uint8_t *p;
    uint64_t n;

    int rc = take_uint(c, 1, &n);
    if (!rc)
        rc = take(c, n, &p);
    if (rc)
        return rc;
    if (n >= size)
        return error_set(c->err, EINVAL, "a name in it is too long");
    for (size_t i = 0; i < n; i++) {
        if (p[i] <= 0x20 || p[i] >= 0x7f)
            return error_set(c->err, EINVAL, "a name in it is not text");
    }
    memcpy(buf, p, n);
    buf[n] = 0;
    return 0;
}

/* The next `n` bytes as a cursor of their own. */
static int take_part(struct cursor *c, struct cursor *part)
{
    uint64_t n;
    *part = (struct cursor){.err = c->err};
    int rc = take_uint(c, 4, &n);
    if (!rc)
        rc = take(c, n, &part->p);
    if (!rc)
        part->left = n;
    return rc;
}

/* All get_* functions: `obj` NULL = check only. */
static int get_body(struct cursor *c, const struct state_desc *d, uint8_t *obj);

static int get_uints(struct cursor *c, const struct state_field *f, uint8_t *obj)
{
    for (uint32_t i = 0; i < f->count; i++) {
        uint64_t v;
        int rc = take_uint(c, f->elem, &v);
        if (rc)
            return rc;
        if (f->kind == STATE_BOOL && v > 1)
            return error_set(c->err, EINVAL, "it is neither true nor false");
        if (obj)
            state_host_store(obj + f->offset + (size_t)i * f->elem, f->elem, v);
    }
    return 0;
}

static int get_nested(struct cursor *c, const struct state_field *f, uint8_t *obj)
{
    for (uint32_t i = 0; i < f->count; i++) {
        struct cursor part;
        int rc = take_part(c, &part);
        if (!rc)
            rc = get_body(&part, f->nest, obj ? obj + f->offset + (size_t)i * f->elem : NULL);
        if (rc)
            return rc;
    }
    return 0;
}

static int get_bytes(struct cursor *c, const struct state_field *f, uint8_t *obj)
{
    const uint8_t *p;
    int rc = take(c, f->count, &p);
    if (!rc && obj)
        memcpy(obj + f->offset, p, f->count);
    return rc;
}

static int get_data(struct cursor *c, const struct state_field *f, uint8_t *obj)
{
    int rc;

    switch (f->kind) {
    case STATE_BYTES:
        rc = get_bytes(c, f, obj);
        break;
    case STATE_NEST:
        rc = get_nested(c, f, obj);
        break;
    default:
        rc = get_uints(c, f, obj);
    }
    if (!rc && c->left)
        rc = error_set(c->err, EINVAL, "it is longer than it says");
    return rc;
}

/* Which field of `d` this is; each may come once. */
static int match_field(struct cursor *c, const struct state_desc *d, uint8_t *seen, char *name,
                       const struct state_field **out)
{
    int rc = take_name(c, name, UINT8_MAX + 1);
    if (rc)
        return rc;
    for (uint32_t i = 0; i < d->nfields; i++) {
        if (strcmp(d->fields[i].name, name))
            continue;
        if (seen[i])
            return error_set(c->err, EINVAL, "field '%s' is there twice", name);
        seen[i] = 1;
        *out = &d->fields[i];
        return 0;
    }
    return error_set(c->err, EINVAL, "field '%s' is not known here", name);
}

static int get_field(struct cursor *c, const struct state_desc *d, uint8_t *seen, uint8_t *obj)
{
    char name[UINT8_MAX + 1];
    const struct state_field *f = NULL;
    struct cursor data;
    uint64_t kind, elem, count;

    int rc = match_field(c, d, seen, name, &f);
    if (rc)
        return rc;
    if ((rc = take_uint(c, 1, &kind)) || (rc = take_uint(c, 4, &elem)) ||
        (rc = take_uint(c, 4, &count)) || (rc = take_part(c, &data)))
        return rc;
    if (kind != f->kind || elem != wire_elem(f) || count != f->count)
        return error_set(c->err, EINVAL, "field '%s' has another size here", name);
    rc = get_data(&data, f, obj);
    return rc ? error_prefix(c->err, rc, "field '%s'", name) : 0;
}

static int get_head(struct cursor *c, const struct state_desc *d)
{
    char name[UINT8_MAX + 1];
    uint64_t version, nfields;
    int rc;

    if ((rc = take_name(c, name, sizeof(name))) || (rc = take_uint(c, 4, &version)) ||
        (rc = take_uint(c, 2, &nfields)))
        return rc;
    if (strcmp(name, d->name))
        return error_set(c->err, EINVAL, "it holds a '%s', not a '%s'", name, d->name);
    if (version != d->version)
        return error_set(c->err, EINVAL, "version %u of '%s' is not the one known here (%u)",
                         (unsigned)version, name, (unsigned)d->version);
    /* Fields are distinct and known, so the same number means that none is missing. */
    if (nfields != d->nfields || nfields > STATE_MAX_FIELDS)
        return error_set(c->err, EINVAL, "'%s' has %u fields here, not %u", name,
                         (unsigned)d->nfields, (unsigned)nfields);
    return 0;
}

static int get_body(struct cursor *c, const struct state_desc *d, uint8_t *obj)
{
    uint8_t seen[STATE_MAX_FIELDS] = {0};

    int rc = get_head(c, d);
    for (uint32_t i = 0; !rc && i < d->nfields; i++)
        rc = get_field(c, d, seen, obj);
    if (!rc && c->left)
        rc = error_set(c->err, EINVAL, "there is more behind the last field of '%s'", d->name);
    if (!rc && obj && d->post_load)
        rc = d->post_load(obj, c->err);
    return rc;
}

int state_load(const uint8_t *body, size_t len, const struct state_desc *d, void *obj,
               struct error *err)
{
    struct cursor check = {body, len, err}, store = {body, len, err};

    int rc = get_body(&check, d, NULL);
    return rc ? rc : get_body(&store, d, obj);
}

int state_next_section(const uint8_t *buf, size_t len, size_t *pos, struct state_section *s,
                       struct error *err)
{
    struct cursor c = {buf + *pos, len - *pos, err}, part;

    if (!c.left)
        return 0;
    int rc = take_part(&c, &part);
    if (!rc)
        rc = take_name(&part, s->id, sizeof(s->id));
    if (rc)
        return rc;
    s->body = part.p;
    s->len = part.left;
    *pos = len - c.left;
    return 1;
}
