/* Comparing and listing what descriptors describe: lockstep runs, tests, debugging. */
#include <stdio.h>
#include <string.h>

#include "state/host_int.h"
#include "state/state.h"

/* Where in the nesting we are: "seg[3].base". */
struct path {
    char text[160];
};

static struct path path_to(const struct path *outer, const struct state_field *f, uint32_t i)
{
    struct path p;
    int n = snprintf(p.text, sizeof(p.text), "%.60s%s%.60s", outer->text, *outer->text ? "." : "",
                     f->name);
    if (f->count > 1)
        snprintf(p.text + n, sizeof(p.text) - (size_t)n, "[%u]", (unsigned)i);
    return p;
}

static uint64_t element(const struct state_field *f, const uint8_t *p)
{
    return state_host_load(p, f->elem);
}

struct difference {
    char *what;
    size_t len;
};

static bool equal(const struct state_desc *d, const uint8_t *a, const uint8_t *b,
                  const struct path *outer, const struct difference *diff);

static bool equal_element(const struct state_field *f, const uint8_t *a, const uint8_t *b,
                          const struct path *p, const struct difference *diff)
{
    if (f->kind == STATE_NEST)
        return equal(f->nest, a, b, p, diff);
    uint64_t va = element(f, a), vb = element(f, b);
    if (va == vb)
        return true;
    if (diff->len)
        snprintf(diff->what, diff->len, "%s: 0x%llx != 0x%llx", p->text, (unsigned long long)va,
                 (unsigned long long)vb);
    return false;
}

static bool equal(const struct state_desc *d, const uint8_t *a, const uint8_t *b,
                  const struct path *outer, const struct difference *diff)
{
    for (uint32_t n = 0; n < d->nfields; n++) {
        const struct state_field *f = &d->fields[n];
        if (f->kind != STATE_NEST &&
            !memcmp(a + f->offset, b + f->offset, (size_t)f->elem * f->count))
            continue;
        for (uint32_t i = 0; i < f->count; i++) {
            size_t at = f->offset + (size_t)i * f->elem;
            struct path p = path_to(outer, f, i);
            if (!equal_element(f, a + at, b + at, &p, diff))
                return false;
        }
    }
    return true;
}

bool state_equal(const struct state_desc *d, const void *a, const void *b, char *what,
                 size_t what_len)
{
    const struct path top = {""};
    const struct difference diff = {what, what ? what_len : 0};

    if (diff.len)
        what[0] = 0;
    return equal(d, a, b, &top, &diff);
}

struct dump {
    void (*line)(void *, const char *);
    void *opaque;
};

static void dump(const struct state_desc *d, const uint8_t *obj, const struct path *outer,
                 const struct dump *to);

/* Sixteen bytes a line, lines of zeroes left out. */
static void dump_bytes(const struct state_field *f, const uint8_t *p, const struct path *outer,
                       const struct dump *to)
{
    for (uint32_t i = 0; i < f->count; i += 16) {
        static const uint8_t zero[16];
        uint32_t count = MIN(16, f->count - i);
        struct path at = path_to(outer, f, i);
        char text[256];
        if (!memcmp(p + i, zero, count))
            continue;
        int n = snprintf(text, sizeof(text), "%s =", at.text);
        for (uint32_t k = 0; k < count; k++)
            n += snprintf(text + n, sizeof(text) - (size_t)n, " %02x", p[i + k]);
        to->line(to->opaque, text);
    }
}

static void dump_element(const struct state_field *f, const uint8_t *p, const struct path *at,
                         const struct dump *to)
{
    char text[256];

    if (f->kind == STATE_NEST) {
        dump(f->nest, p, at, to);
        return;
    }
    snprintf(text, sizeof(text), "%s = 0x%llx", at->text, (unsigned long long)element(f, p));
    to->line(to->opaque, text);
}

static void dump(const struct state_desc *d, const uint8_t *obj, const struct path *outer,
                 const struct dump *to)
{
    for (uint32_t n = 0; n < d->nfields; n++) {
        const struct state_field *f = &d->fields[n];
        const uint8_t *p = obj + f->offset;
        if (f->kind == STATE_BYTES) {
            dump_bytes(f, p, outer, to);
            continue;
        }
        for (uint32_t i = 0; i < f->count; i++) {
            struct path at = path_to(outer, f, i);
            dump_element(f, p + (size_t)i * f->elem, &at, to);
        }
    }
}

void state_dump(const struct state_desc *d, const void *obj, void (*line)(void *, const char *),
                void *opaque)
{
    const struct path top = {""};
    const struct dump to = {line, opaque};
    dump(d, obj, &top, &to);
}
