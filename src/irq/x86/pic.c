/*
 * See pic.h. Edge inputs latch in IRR until acknowledged, as KVM's do, so that a device may pulse
 * its line; level inputs follow it.
 */
#include "irq/x86/pic.h"

#include <errno.h>
#include <stdlib.h>

enum { CASCADE = 2, ICW1_INIT = 0x10, ICW1_ICW4 = 1, OCW3 = 8 };

/* How far `mask`'s most urgent input is from the top of the order; 8 when empty. */
static unsigned priority(const struct pic_chip *c, uint8_t mask)
{
    unsigned p = 0;

    while (p < 8 && !(mask & 1u << ((c->top + p) & 7)))
        p++;
    return p;
}

/* The input to present, or -1: more urgent than everything in service. */
static int highest(const struct pic_chip *c, bool master)
{
    uint8_t busy = c->isr;
    unsigned p = priority(c, c->irr & ~c->imr);

    if (c->special_mask)
        busy &= ~c->imr;
    if (c->special_nested && master)
        busy &= ~(1u << CASCADE);
    return p < priority(c, busy) ? (int)((c->top + p) & 7) : -1;
}

static void set_input(struct pic_chip *c, unsigned n, bool level)
{
    uint8_t bit = (uint8_t)(1u << n);

    if (c->elcr & bit)
        c->irr = level ? c->irr | bit : c->irr & ~bit;
    else if (level && !(c->lines & bit))
        c->irr |= bit;
    c->lines = level ? c->lines | bit : c->lines & ~bit;
}

static void update(struct pic *pic)
{
    struct pic_chip *m = &pic->chip[0], *s = &pic->chip[1];
    bool out;

    /* The slave's output falls and rises between two requests; a latched edge would miss that. */
    if (highest(s, false) >= 0) {
        m->irr |= 1u << CASCADE;
        m->lines |= 1u << CASCADE;
    } else {
        m->irr &= ~(1u << CASCADE);
        m->lines &= ~(1u << CASCADE);
    }
    out = highest(m, true) >= 0;
    if (out != pic->output) {
        pic->output = out;
        irq_line_set(&pic->intr, out);
    }
}

static void take(struct pic_chip *c, unsigned n)
{
    uint8_t bit = (uint8_t)(1u << n);

    if (!c->auto_eoi)
        c->isr |= bit;
    else if (c->rotate_auto_eoi)
        c->top = (n + 1) & 7;
    if (!(c->elcr & bit))
        c->irr &= ~bit;
}

/* One chip's half of the cycle. A request that went away gives input 7, not in service. */
static unsigned take_highest(struct pic_chip *c, bool master)
{
    int n = highest(c, master);

    if (n < 0)
        return 7;
    take(c, (unsigned)n);
    return (unsigned)n;
}

int pic_ack(struct pic *pic)
{
    struct pic_chip *m = &pic->chip[0], *s = &pic->chip[1];
    unsigned n;
    int vector = -1;

    pthread_mutex_lock(&pic->dev.lock);
    if (highest(m, true) >= 0) {
        n = take_highest(m, true);
        vector = m->base + (int)n;
        if (n == CASCADE)
            vector = s->base + (int)take_highest(s, false);
        update(pic);
    }
    pthread_mutex_unlock(&pic->dev.lock);
    return vector;
}

void pic_set(struct pic *pic, unsigned n, bool level)
{
    if (n > 15 || n == CASCADE)
        return;
    pthread_mutex_lock(&pic->dev.lock);
    set_input(&pic->chip[n / 8], n % 8, level);
    update(pic);
    pthread_mutex_unlock(&pic->dev.lock);
}

/* ---- registers ---- */

static void init_chip(struct pic_chip *c, uint8_t icw1)
{
    c->init_stage = 2;
    c->init_icw4 = icw1 & ICW1_ICW4;
    c->irr &= c->elcr; /* the edge detectors forget */
    c->imr = 0;
    c->isr = 0;
    c->top = 0;
    c->read_isr = c->poll = c->special_mask = c->special_nested = false;
    c->auto_eoi = c->rotate_auto_eoi = false;
}

static void end_of_interrupt(struct pic_chip *c, uint8_t n, bool rotate)
{
    c->isr &= ~(1u << n);
    if (rotate)
        c->top = (n + 1) & 7;
}

static void ocw2(struct pic_chip *c, uint8_t val)
{
    unsigned p;

    switch (val >> 5) {
    case 0: /* rotate in automatic EOI mode: clear, set */
    case 4:
        c->rotate_auto_eoi = val >> 5 == 4;
        break;
    case 1: /* non-specific EOI, and with rotation */
    case 5:
        p = priority(c, c->isr);
        if (p < 8)
            end_of_interrupt(c, (c->top + p) & 7, val >> 5 == 5);
        break;
    case 3: /* specific EOI, and with rotation */
    case 7:
        end_of_interrupt(c, val & 7, val >> 5 == 7);
        break;
    case 6: /* set priority */
        c->top = (val + 1) & 7;
        break;
    default:
        break;
    }
}

static void ocw3(struct pic_chip *c, uint8_t val)
{
    if (val & 0x04)
        c->poll = true;
    if (val & 0x02)
        c->read_isr = val & 1;
    if (val & 0x40)
        c->special_mask = val & 0x20;
}

static void write_command(struct pic_chip *c, uint8_t val)
{
    if (val & ICW1_INIT)
        init_chip(c, val);
    else if (val & OCW3)
        ocw3(c, val);
    else
        ocw2(c, val);
}

static void write_data(struct pic_chip *c, uint8_t val)
{
    switch (c->init_stage) {
    case 2:
        c->base = val & 0xf8;
        c->init_stage = 3;
        break;
    case 3: /* the cascade is wired */
        c->init_stage = c->init_icw4 ? 4 : 0;
        break;
    case 4:
        c->special_nested = val & 0x10;
        c->auto_eoi = val & 0x02;
        c->init_stage = 0;
        break;
    default:
        c->imr = val;
        break;
    }
}

static uint8_t read_poll(struct pic_chip *c, bool master)
{
    bool any = highest(c, master) >= 0;

    c->poll = false;
    return (uint8_t)((any ? 0x80 : 0) | take_highest(c, master));
}

static enum io_status chip_read(struct pic *pic, unsigned i, uint64_t off, uint64_t *val)
{
    struct pic_chip *c = &pic->chip[i];

    if (c->poll) {
        *val = read_poll(c, i == 0);
        update(pic);
    } else if (off & 1) {
        *val = c->imr;
    } else {
        *val = c->read_isr ? c->isr : c->irr;
    }
    return IO_OK;
}

static enum io_status chip_write(struct pic *pic, unsigned i, uint64_t off, uint64_t val)
{
    if (off & 1)
        write_data(&pic->chip[i], (uint8_t)val);
    else
        write_command(&pic->chip[i], (uint8_t)val);
    update(pic);
    return IO_OK;
}

static enum io_status master_read(void *opaque, uint64_t off, unsigned size, uint64_t *val)
{
    (void)size;
    return chip_read(opaque, 0, off, val);
}

static enum io_status master_write(void *opaque, uint64_t off, unsigned size, uint64_t val)
{
    (void)size;
    return chip_write(opaque, 0, off, val);
}

static enum io_status slave_read(void *opaque, uint64_t off, unsigned size, uint64_t *val)
{
    (void)size;
    return chip_read(opaque, 1, off, val);
}

static enum io_status slave_write(void *opaque, uint64_t off, unsigned size, uint64_t val)
{
    (void)size;
    return chip_write(opaque, 1, off, val);
}

static enum io_status elcr_read(void *opaque, uint64_t off, unsigned size, uint64_t *val)
{
    struct pic *pic = opaque;

    (void)size;
    *val = pic->chip[off & 1].elcr;
    return IO_OK;
}

/* Timer, keyboard, cascade, clock and coprocessor are edge-triggered for good. */
static enum io_status elcr_write(void *opaque, uint64_t off, unsigned size, uint64_t val)
{
    struct pic *pic = opaque;

    (void)size;
    pic->chip[off & 1].elcr = val & (off & 1 ? 0xde : 0xf8);
    update(pic);
    return IO_OK;
}

static const struct io_ops master_ops = {master_read, master_write, 1, 1, false};
static const struct io_ops slave_ops = {slave_read, slave_write, 1, 1, false};
static const struct io_ops elcr_ops = {elcr_read, elcr_write, 1, 1, false};

/* ---- life ---- */

static int chip_post_load(void *obj, struct error *err)
{
    struct pic_chip *c = obj;

    if (c->top > 7 || c->base & 7 || c->init_stage == 1 || c->init_stage > 4)
        return error_set(err, EINVAL, "the state of the interrupt controller (8259) is not valid");
    return 0;
}

#define STATE_OWNER struct pic_chip
STATE_DESC(pic_chip_state, "pic-chip", 1, PIC_CHIP_STATE, .post_load = chip_post_load);
#undef STATE_OWNER
#define STATE_OWNER struct pic
STATE_DESC(pic_state, "pic", 1, PIC_STATE);
#undef STATE_OWNER

static void pic_reset(struct dev *d)
{
    struct pic *pic = container_of(d, struct pic, dev);

    for (unsigned i = 0; i < 2; i++) {
        uint8_t lines = pic->chip[i].lines;

        pic->chip[i] = (struct pic_chip){.lines = lines};
    }
    update(pic);
}

/* Put the output on its wire again: the loaded state may differ from what was last shown. */
static void pic_resume(struct dev *d)
{
    struct pic *pic = container_of(d, struct pic, dev);

    pthread_mutex_lock(&d->lock);
    pic->output = highest(&pic->chip[0], true) >= 0;
    irq_line_set(&pic->intr, pic->output);
    pthread_mutex_unlock(&d->lock);
}

static const struct dev_class pic_class = {
    .name = "pic",
    .state = &pic_state,
    .reset = pic_reset,
    .resume = pic_resume,
    .destroy = dev_free,
};

int pic_create(struct pic **out, const struct dev_host *host, struct irq_line intr)
{
    struct pic *pic = calloc(1, sizeof(*pic));
    int rc;

    if (!pic)
        return -ENOMEM;
    dev_init(&pic->dev, &pic_class, host, "pic");
    pic->intr = intr;
    rc = io_space_add(host->pio,
                      &(struct io_region){"pic-master", 0x20, 2, &master_ops, pic, &pic->dev.lock});
    if (rc < 0)
        goto out_free;
    rc = io_space_add(host->pio,
                      &(struct io_region){"pic-slave", 0xa0, 2, &slave_ops, pic, &pic->dev.lock});
    if (rc < 0)
        goto out_master;
    rc = io_space_add(host->pio,
                      &(struct io_region){"pic-elcr", 0x4d0, 2, &elcr_ops, pic, &pic->dev.lock});
    if (rc < 0)
        goto out_slave;
    *out = pic;
    return 0;

out_slave:
    io_space_remove(host->pio, 0xa0);
out_master:
    io_space_remove(host->pio, 0x20);
out_free:
    dev_free(&pic->dev);
    return rc;
}
