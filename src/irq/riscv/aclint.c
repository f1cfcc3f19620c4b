/* See aclint.h. Time is the guest clock's; a host timer runs while a comparison is to come. */
#include "irq/riscv/aclint.h"

#include <errno.h>
#include <stdlib.h>

enum { MTIMECMP = 0x4000, MTIME = 0xbff8, NS_PER_TICK = 1000000000 / ACLINT_HZ };

/* Three years; what is later than that is never, so that no sum overflows. */
#define TICKS_MAX (UINT64_C(1) << 50)

/* Written under dev.lock by a vCPU, read by others without. */
static uint64_t offset(const struct aclint *a)
{
    return __atomic_load_n(&a->mtime_offset, __ATOMIC_RELAXED);
}

static uint64_t clock_ticks(const struct aclint *a)
{
    return guest_clock_ns(a->dev.host->clock) / NS_PER_TICK;
}

uint64_t aclint_mtime(const struct aclint *a)
{
    return clock_ticks(a) + offset(a);
}

uint64_t aclint_deadline(const struct aclint *a, uint64_t ticks)
{
    uint64_t now = aclint_mtime(a);

    if (ticks <= now)
        return 0;
    /* Counted from now: mtime may have been set to anything, and wraps. */
    if (ticks - now > TICKS_MAX)
        return UINT64_MAX;
    return guest_clock_to_host(a->dev.host->clock, (ticks - now + clock_ticks(a)) * NS_PER_TICK);
}

/* dev.lock held, as for all below. */
static void update_timer(struct aclint *a, unsigned h)
{
    bool due = aclint_mtime(a) >= a->mtimecmp[h];

    irq_line_set(&a->hart[h].mtip, due);
    evloop_timer_start(&a->timer[h].timer, due ? UINT64_MAX : aclint_deadline(a, a->mtimecmp[h]));
}

/* Event loop thread. It may come early: the clock stood still meanwhile, or mtime was set. */
static void timer_fired(void *opaque)
{
    struct aclint_timer *t = opaque;

    pthread_mutex_lock(&t->aclint->dev.lock);
    update_timer(t->aclint, t->hart);
    pthread_mutex_unlock(&t->aclint->dev.lock);
}

static uint64_t get64(uint64_t reg, uint64_t off, unsigned size)
{
    return size == 8 ? reg : (uint32_t)(reg >> (off & 4) * 8);
}

static void put64(uint64_t *reg, uint64_t off, unsigned size, uint64_t val)
{
    unsigned shift = (off & 4) * 8;

    if (size == 8)
        *reg = val;
    else
        *reg = (*reg & ~(UINT64_C(0xffffffff) << shift)) | (val & 0xffffffff) << shift;
}

static enum io_status aclint_read(void *opaque, uint64_t off, unsigned size, uint64_t *val)
{
    struct aclint *a = opaque;

    *val = 0;
    if (off < MTIMECMP)
        *val = off / 4 < a->nharts && size == 4 ? a->msip[off / 4] : 0;
    else if (off >= MTIME && off < MTIME + 8)
        *val = get64(aclint_mtime(a), off, size);
    else if ((off - MTIMECMP) / 8 < a->nharts)
        *val = get64(a->mtimecmp[(off - MTIMECMP) / 8], off, size);
    return IO_OK;
}

static void write_mtime(struct aclint *a, uint64_t off, unsigned size, uint64_t val)
{
    uint64_t now = aclint_mtime(a), ticks = clock_ticks(a);

    put64(&now, off, size, val);
    __atomic_store_n(&a->mtime_offset, now - ticks, __ATOMIC_RELAXED);
    for (unsigned h = 0; h < a->nharts; h++)
        update_timer(a, h);
}

static void write_msip(struct aclint *a, unsigned h, uint64_t val)
{
    a->msip[h] = val & 1;
    irq_line_set(&a->hart[h].msip, a->msip[h]);
}

static enum io_status aclint_write(void *opaque, uint64_t off, unsigned size, uint64_t val)
{
    struct aclint *a = opaque;
    unsigned h = (unsigned)((off - MTIMECMP) / 8);

    if (off < MTIMECMP) {
        if (off / 4 < a->nharts && size == 4)
            write_msip(a, (unsigned)off / 4, val);
    } else if (off >= MTIME && off < MTIME + 8) {
        write_mtime(a, off, size, val);
    } else if (h < a->nharts) {
        put64(&a->mtimecmp[h], off, size, val);
        update_timer(a, h);
    }
    return IO_OK;
}

/* SETSSIP reads as zero; writing bit 0 sends an edge. [ACLINT 4.1] */
static enum io_status sswi_read(void *opaque, uint64_t off, unsigned size, uint64_t *val)
{
    (void)opaque;
    (void)off;
    (void)size;
    *val = 0;
    return IO_OK;
}

static enum io_status sswi_write(void *opaque, uint64_t off, unsigned size, uint64_t val)
{
    struct aclint *a = opaque;

    (void)size;
    if (off / 4 < a->nharts && val & 1)
        irq_line_set(&a->hart[off / 4].ssip, true);
    return IO_OK;
}

static const struct io_ops aclint_ops = {aclint_read, aclint_write, 4, 8, false};
static const struct io_ops sswi_ops = {sswi_read, sswi_write, 4, 4, false};

/* ---- life ---- */

static int aclint_post_load(void *obj, struct error *err)
{
    struct aclint *a = obj;

    for (unsigned h = 0; h < ACLINT_HARTS; h++)
        if (a->msip[h] > 1)
            return error_set(err, EINVAL, "the state of the ACLINT is not valid (hart %u)", h);
    return 0;
}

#define STATE_OWNER struct aclint
STATE_DESC(aclint_state, "aclint", 1, ACLINT_STATE, .post_load = aclint_post_load);
#undef STATE_OWNER

static void update_all(struct aclint *a)
{
    for (unsigned h = 0; h < a->nharts; h++) {
        irq_line_set(&a->hart[h].msip, a->msip[h]);
        update_timer(a, h);
    }
}

static void aclint_reset(struct dev *d)
{
    struct aclint *a = container_of(d, struct aclint, dev);

    a->mtime_offset = 0;
    for (unsigned h = 0; h < ACLINT_HARTS; h++) {
        a->msip[h] = 0;
        a->mtimecmp[h] = UINT64_MAX;
    }
    update_all(a);
}

static void aclint_resume(struct dev *d)
{
    struct aclint *a = container_of(d, struct aclint, dev);

    pthread_mutex_lock(&d->lock);
    update_all(a);
    pthread_mutex_unlock(&d->lock);
}

static void aclint_destroy(struct dev *d)
{
    struct aclint *a = container_of(d, struct aclint, dev);

    for (unsigned h = 0; h < a->nharts; h++)
        evloop_timer_stop(&a->timer[h].timer);
    dev_free(d);
}

static const struct dev_class aclint_class = {
    .name = "aclint",
    .state = &aclint_state,
    .reset = aclint_reset,
    .resume = aclint_resume,
    .destroy = aclint_destroy,
};

static int add_regions(struct aclint *a, gpa_t base, gpa_t sswi_base)
{
    const struct io_region clint = {"aclint", base, ACLINT_LEN, &aclint_ops, a, &a->dev.lock};
    const struct io_region sswi = {"aclint-sswi", sswi_base, ACLINT_SSWI_LEN,
                                   &sswi_ops,     a,         &a->dev.lock};
    int rc = io_space_add(a->dev.host->mmio, &clint);

    if (rc < 0)
        return rc;
    rc = io_space_add(a->dev.host->mmio, &sswi);
    if (rc < 0)
        io_space_remove(a->dev.host->mmio, base);
    return rc;
}

int aclint_create(struct aclint **out, const struct dev_host *host, gpa_t base, gpa_t sswi_base,
                  const struct aclint_hart *harts, unsigned nharts)
{
    struct aclint *a = nharts <= ACLINT_HARTS ? calloc(1, sizeof(*a)) : NULL;
    int rc;

    if (!a)
        return -ENOMEM;
    dev_init(&a->dev, &aclint_class, host, "aclint");
    a->nharts = nharts;
    for (unsigned h = 0; h < nharts; h++) {
        a->hart[h] = harts[h];
        a->mtimecmp[h] = UINT64_MAX;
        a->timer[h].aclint = a;
        a->timer[h].hart = h;
        evloop_timer_init(&a->timer[h].timer, host->loop, timer_fired, &a->timer[h]);
    }
    rc = add_regions(a, base, sswi_base);
    if (rc < 0) {
        aclint_destroy(&a->dev);
        return rc;
    }
    *out = a;
    return 0;
}
