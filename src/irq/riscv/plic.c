/*
 * See plic.h.
 *
 * Invariants
 * 1. All sources are level-triggered. A gateway passes a request on when its line is up, and then
 *    no other until that one was completed.
 * 2. A request that was passed on stays pending until it is claimed, whatever its line does.
 * 3. An output is up exactly while its context has a pending, enabled source above its threshold.
 */
#include "irq/riscv/plic.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The memory map. [PLIC 1.0.0 3] */
enum {
    PENDING = 0x1000,
    PENDING_END = PENDING + PLIC_WORDS * 4,
    ENABLE = 0x2000,
    ENABLE_STRIDE = 0x80,
    CONTEXT = 0x200000,
    CONTEXT_STRIDE = 0x1000,
    CONTEXT_THRESHOLD = 0,
    CONTEXT_CLAIM = 4,
};

/* dev.lock held, as for all below. */
static uint32_t *enables(struct plic *p, unsigned context)
{
    return &p->enable[context * PLIC_WORDS];
}

/* The source that the context would claim; 0: none. Of equals the lowest number wins. */
static unsigned best(struct plic *p, unsigned context)
{
    unsigned found = 0, priority = 0;

    for (unsigned w = 0; w < PLIC_WORDS; w++) {
        for (uint32_t bits = p->pending[w] & enables(p, context)[w]; bits; bits &= bits - 1) {
            unsigned n = w * 32 + (unsigned)__builtin_ctz(bits);

            if (p->priority[n] > priority) {
                found = n;
                priority = p->priority[n];
            }
        }
    }
    return found;
}

static void update(struct plic *p)
{
    for (unsigned c = 0; c < p->ncontexts; c++) {
        unsigned n = best(p, c);

        irq_line_set(&p->out[c], n && p->priority[n] > p->threshold[c]);
    }
}

/* What the gateways let through. */
static void pass_requests(struct plic *p)
{
    for (unsigned w = 0; w < PLIC_WORDS; w++)
        p->pending[w] |= p->lines[w] & ~p->claimed[w];
}

/* A claim does not look at the threshold: that masks the notification only. [PLIC 1.0.0 8] */
static unsigned claim(struct plic *p, unsigned context)
{
    unsigned n = best(p, context);

    if (n) {
        p->pending[n / 32] &= ~(1u << n % 32);
        p->claimed[n / 32] |= 1u << n % 32;
        update(p);
    }
    return n;
}

/* Of a source that is not enabled for the context a completion is ignored. [PLIC 1.0.0 9] */
static void complete(struct plic *p, unsigned context, uint32_t n)
{
    if (n >= PLIC_SOURCES || !(enables(p, context)[n / 32] & 1u << n % 32))
        return;
    p->claimed[n / 32] &= ~(1u << n % 32);
    pass_requests(p);
    update(p);
}

static void line_set(void *opaque, unsigned n, bool level)
{
    struct plic *p = opaque;
    uint32_t bit = 1u << n % 32;

    pthread_mutex_lock(&p->dev.lock);
    if (level != !!(p->lines[n / 32] & bit)) {
        p->lines[n / 32] ^= bit;
        pass_requests(p);
        if (level)
            update(p);
    }
    pthread_mutex_unlock(&p->dev.lock);
}

struct irq_line plic_line(struct plic *p, unsigned n)
{
    return (struct irq_line){line_set, p, n};
}

/* Which context the offset of a register belongs to, or -1; *reg is the offset within its part. */
static int context_of(const struct plic *p, uint64_t off, unsigned base, unsigned stride,
                      unsigned *reg)
{
    uint64_t c = (off - base) / stride;

    *reg = (unsigned)((off - base) % stride);
    return c < p->ncontexts ? (int)c : -1;
}

static uint32_t context_read(struct plic *p, uint64_t off)
{
    unsigned reg;
    int c = context_of(p, off, CONTEXT, CONTEXT_STRIDE, &reg);

    if (c < 0)
        return 0;
    if (reg == CONTEXT_THRESHOLD)
        return p->threshold[c];
    return reg == CONTEXT_CLAIM ? claim(p, (unsigned)c) : 0;
}

static uint32_t enable_read(struct plic *p, uint64_t off)
{
    unsigned reg;
    int c = context_of(p, off, ENABLE, ENABLE_STRIDE, &reg);

    return c < 0 || reg / 4 >= PLIC_WORDS ? 0 : enables(p, (unsigned)c)[reg / 4];
}

static enum io_status plic_read(void *opaque, uint64_t off, unsigned size, uint64_t *val)
{
    struct plic *p = opaque;

    (void)size;
    *val = 0;
    if (off >= CONTEXT)
        *val = context_read(p, off);
    else if (off >= ENABLE)
        *val = enable_read(p, off);
    else if (off >= PENDING && off < PENDING_END)
        *val = p->pending[(off - PENDING) / 4];
    else if (off / 4 < PLIC_SOURCES)
        *val = p->priority[off / 4];
    return IO_OK;
}

static void context_write(struct plic *p, uint64_t off, uint32_t val)
{
    unsigned reg;
    int c = context_of(p, off, CONTEXT, CONTEXT_STRIDE, &reg);

    if (c < 0)
        return;
    if (reg == CONTEXT_THRESHOLD)
        p->threshold[c] = (uint8_t)MIN(val, (uint32_t)PLIC_PRIORITY_MAX);
    else if (reg == CONTEXT_CLAIM)
        complete(p, (unsigned)c, val);
}

static void enable_write(struct plic *p, uint64_t off, uint32_t val)
{
    unsigned reg;
    int c = context_of(p, off, ENABLE, ENABLE_STRIDE, &reg);

    if (c >= 0 && reg / 4 < PLIC_WORDS)
        enables(p, (unsigned)c)[reg / 4] = reg ? val : val & ~1u;
}

static enum io_status plic_write(void *opaque, uint64_t off, unsigned size, uint64_t val)
{
    struct plic *p = opaque;

    (void)size;
    if (off >= CONTEXT)
        context_write(p, off, (uint32_t)val);
    else if (off >= ENABLE)
        enable_write(p, off, (uint32_t)val);
    else if (off && off / 4 < PLIC_SOURCES)
        p->priority[off / 4] = val & PLIC_PRIORITY_MAX;
    update(p);
    return IO_OK;
}

static const struct io_ops plic_ops = {plic_read, plic_write, 4, 4, false};

/* ---- life ---- */

static int plic_post_load(void *obj, struct error *err)
{
    struct plic *p = obj;
    uint32_t none = p->lines[0] | p->pending[0] | p->claimed[0];

    for (unsigned i = 0; i < PLIC_SOURCES; i++)
        if (p->priority[i] > PLIC_PRIORITY_MAX)
            return error_set(err, EINVAL, "the state of the PLIC is not valid (source %u)", i);
    for (unsigned i = 0; i < PLIC_CONTEXTS; i++) {
        none |= enables(p, i)[0];
        if (p->threshold[i] > PLIC_PRIORITY_MAX)
            return error_set(err, EINVAL, "the state of the PLIC is not valid (context %u)", i);
    }
    return none & 1 ? error_set(err, EINVAL, "the state of the PLIC is not valid (source 0)") : 0;
}

#define STATE_OWNER struct plic
STATE_DESC(plic_state, "plic", 1, PLIC_STATE, .post_load = plic_post_load);
#undef STATE_OWNER

/* The lines stay as the devices hold them. */
static void plic_reset(struct dev *d)
{
    struct plic *p = container_of(d, struct plic, dev);

    memset(p->priority, 0, sizeof(p->priority));
    memset(p->claimed, 0, sizeof(p->claimed));
    memset(p->pending, 0, sizeof(p->pending));
    memset(p->enable, 0, sizeof(p->enable));
    memset(p->threshold, 0, sizeof(p->threshold));
    pass_requests(p);
    update(p);
}

static void plic_resume(struct dev *d)
{
    struct plic *p = container_of(d, struct plic, dev);

    pthread_mutex_lock(&d->lock);
    update(p);
    pthread_mutex_unlock(&d->lock);
}

static const struct dev_class plic_class = {
    .name = "plic",
    .state = &plic_state,
    .reset = plic_reset,
    .resume = plic_resume,
    .destroy = dev_free,
};

int plic_create(struct plic **out, const struct dev_host *host, gpa_t base,
                const struct irq_line *outputs, unsigned ncontexts)
{
    struct plic *p = ncontexts <= PLIC_CONTEXTS ? calloc(1, sizeof(*p)) : NULL;
    int rc;

    if (!p)
        return -ENOMEM;
    dev_init(&p->dev, &plic_class, host, "plic");
    memcpy(p->out, outputs, ncontexts * sizeof(*outputs));
    p->ncontexts = ncontexts;
    rc = io_space_add(host->mmio,
                      &(struct io_region){"plic", base, PLIC_LEN, &plic_ops, p, &p->dev.lock});
    if (rc < 0) {
        dev_free(&p->dev);
        return rc;
    }
    *out = p;
    return 0;
}
