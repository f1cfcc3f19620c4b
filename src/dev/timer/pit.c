/*
 * See pit.h. Counters are arithmetic on the guest clock: nothing counts down. A host timer exists
 * only while channel 0 has an interrupt to come.
 */
#include "dev/timer/pit.h"

#include <errno.h>
#include <stdlib.h>

#include "dev/timer/ticks.h"

/*
 * Channel 0 never interrupts more often than this: with a count of 1 the guest would otherwise keep
 * the event loop busy 1.2 million times a second, and with it every device.
 */
#define MIN_PERIOD_NS UINT64_C(20000)

enum { PORT_PIT = 0x40, PORT_SYSTEM = 0x61, OFF_CONTROL = 3 };
enum { ACCESS_LOW = 1, ACCESS_HIGH = 2, ACCESS_BOTH = 3 };
enum { SYS_GATE2 = 1, SYS_SPEAKER = 2, SYS_REFRESH = 0x10, SYS_OUT2 = 0x20 };

static uint64_t now_tick(const struct pit *pit)
{
    return ticks_from_ns(guest_clock_ns(pit->dev.host->clock), PIT_HZ);
}

/* Modes 1 and 5 count on without the gate, which only triggers them. */
static bool gate_holds(const struct pit_channel *c)
{
    return !c->gate && c->mode != 1 && c->mode != 5;
}

static uint64_t elapsed(const struct pit *pit, const struct pit_channel *c)
{
    uint64_t now = now_tick(pit);

    if (gate_holds(c))
        return c->held;
    return c->counting && now > c->start_tick ? now - c->start_tick : 0;
}

static bool periodic(const struct pit_channel *c)
{
    return c->mode == 2 || c->mode == 3;
}

/* The counting element, 0-65535. */
static uint16_t counter(const struct pit *pit, const struct pit_channel *c)
{
    uint64_t d = elapsed(pit, c);

    if (c->mode == 3) /* counts down by two, twice a period */
        return (uint16_t)(c->count - 2 * d % c->count);
    if (c->mode == 2)
        return (uint16_t)(c->count - d % c->count);
    return (uint16_t)(c->count - d); /* wraps and goes on */
}

static bool output(const struct pit *pit, const struct pit_channel *c)
{
    uint64_t d = elapsed(pit, c);

    switch (c->mode) {
    case 0:
        return c->counting && d >= c->count;
    case 1:
        return !c->counting || d >= c->count;
    case 2:
        return !c->counting || d % c->count != c->count - 1;
    case 3:
        return !c->counting || d % c->count < (c->count + 1) / 2;
    default: /* 4, 5: one tick low at the end */
        return !c->counting || d != c->count;
    }
}

static uint16_t to_bcd(unsigned v)
{
    return (uint16_t)(v % 10 | v / 10 % 10 << 4 | v / 100 % 10 << 8 | v / 1000 % 10 << 12);
}

static unsigned from_bcd(unsigned v)
{
    return (v & 15) + (v >> 4 & 15) * 10 + (v >> 8 & 15) * 100 + (v >> 12 & 15) * 1000;
}

/* ---- channel 0's interrupt ---- */

static uint64_t tick_ns(uint64_t tick)
{
    return ticks_to_ns(tick, PIT_HZ);
}

/* Guest clock ns of the next rising edge of channel 0's output; 0 when none comes. */
static uint64_t next_edge(const struct pit *pit)
{
    const struct pit_channel *c = &pit->channel[0];

    if (!c->counting || c->mode == PIT_UNPROGRAMMED)
        return 0;
    if (periodic(c))
        return tick_ns(c->start_tick + (elapsed(pit, c) / c->count + 1) * c->count);
    /* Mode 0 rises when the count ends, the strobes a tick later. */
    return c->edge_due ? tick_ns(c->start_tick + c->count + (c->mode >= 4)) : 0;
}

static void arm(struct pit *pit, uint64_t not_before)
{
    uint64_t at = pit->parked || pit->in_engine ? 0 : next_edge(pit);

    pit->due = at ? MAX(at, not_before) : 0;
    if (pit->due)
        evloop_timer_start(&pit->timer, guest_clock_to_host(pit->dev.host->clock, pit->due));
    else
        evloop_timer_stop(&pit->timer);
}

static void pit_fired(void *opaque)
{
    struct pit *pit = opaque;
    uint64_t now;

    pthread_mutex_lock(&pit->dev.lock);
    now = guest_clock_ns(pit->dev.host->clock);
    if (pit->due && now >= pit->due) { /* else re-armed while this call waited for the lock */
        /* Edges are what counts; between them the output is up nearly all the time. */
        irq_line_set(&pit->irq, false);
        irq_line_set(&pit->irq, true);
        pit->channel[0].edge_due = false;
        arm(pit, now + MIN_PERIOD_NS);
    }
    pthread_mutex_unlock(&pit->dev.lock);
}

/* The output after a register write: low in mode 0 until the count ends, else high. */
static void channel0_changed(struct pit *pit)
{
    struct pit_channel *c = &pit->channel[0];

    if (!pit->in_engine)
        irq_line_set(&pit->irq, c->mode != PIT_UNPROGRAMMED && output(pit, c));
    arm(pit, 0);
}

/* ---- registers ---- */

static void start(struct pit *pit, struct pit_channel *c)
{
    c->start_tick = now_tick(pit);
    c->held = 0;
    c->counting = true;
    c->edge_due = !periodic(c);
    if (c == &pit->channel[0])
        channel0_changed(pit);
}

static void load(struct pit *pit, struct pit_channel *c, unsigned value)
{
    c->count = c->bcd ? from_bcd(value) : value;
    if (!c->count)
        c->count = c->bcd ? 10000 : 65536;
    /* Modes 1 and 5 wait for the gate; channels 0 and 1 have theirs tied high and never see an
     * edge. */
    if (c->mode != 1 && c->mode != 5)
        start(pit, c);
}

static void write_count(struct pit *pit, struct pit_channel *c, uint8_t val)
{
    switch (c->access) {
    case ACCESS_LOW:
        load(pit, c, val);
        break;
    case ACCESS_HIGH:
        load(pit, c, (unsigned)val << 8);
        break;
    case ACCESS_BOTH:
        if (c->write_high_next)
            load(pit, c, c->write_low | (unsigned)val << 8);
        else
            c->write_low = val;
        c->write_high_next = !c->write_high_next;
        break;
    default: /* never programmed */
        break;
    }
}

static uint16_t visible_count(const struct pit *pit, const struct pit_channel *c)
{
    uint16_t v = counter(pit, c);

    return c->bcd ? to_bcd(v) : v;
}

static void latch_count(struct pit *pit, struct pit_channel *c)
{
    if (c->latched)
        return; /* the first latch holds until read */
    c->latched_count = visible_count(pit, c);
    c->latched = c->access == ACCESS_BOTH ? 2 : 1;
}

static void latch_status(struct pit *pit, struct pit_channel *c)
{
    if (c->status_latched)
        return;
    c->status = (uint8_t)(output(pit, c) << 7 | (!c->counting) << 6 | (c->access & 3) << 4 |
                          (c->mode & 7) << 1 | c->bcd);
    c->status_latched = true;
}

static void read_back(struct pit *pit, uint8_t val)
{
    for (unsigned i = 0; i < PIT_CHANNELS; i++) {
        if (!(val & 2u << i))
            continue;
        if (!(val & 0x20))
            latch_count(pit, &pit->channel[i]);
        if (!(val & 0x10))
            latch_status(pit, &pit->channel[i]);
    }
}

static void set_mode(struct pit *pit, struct pit_channel *c, uint8_t val)
{
    unsigned mode = (val >> 1) & 7;

    c->mode = (uint8_t)(mode > 5 ? mode & 3 : mode);
    c->access = (val >> 4) & 3;
    c->bcd = val & 1;
    c->counting = false;
    c->count = 65536;
    c->held = 0;
    c->edge_due = false;
    c->write_high_next = c->read_high_next = false;
    c->latched = 0;
    c->status_latched = false;
    if (c == &pit->channel[0])
        channel0_changed(pit);
}

static void write_control(struct pit *pit, uint8_t val)
{
    unsigned n = val >> 6;

    if (n == 3)
        read_back(pit, val);
    else if (!(val & 0x30))
        latch_count(pit, &pit->channel[n]);
    else
        set_mode(pit, &pit->channel[n], val);
}

static uint8_t read_latched(struct pit_channel *c)
{
    if (c->access == ACCESS_BOTH && c->latched == 2) {
        c->latched = 1;
        return (uint8_t)c->latched_count;
    }
    c->latched = 0;
    return (uint8_t)(c->access == ACCESS_LOW ? c->latched_count : c->latched_count >> 8);
}

static uint8_t read_count(struct pit *pit, struct pit_channel *c)
{
    uint16_t v;
    bool high;

    if (c->status_latched) {
        c->status_latched = false;
        return c->status;
    }
    if (c->latched)
        return read_latched(c);
    v = visible_count(pit, c);
    high = c->access == ACCESS_HIGH;
    if (c->access == ACCESS_BOTH) {
        high = c->read_high_next;
        c->read_high_next = !c->read_high_next;
    }
    return (uint8_t)(high ? v >> 8 : v);
}

static enum io_status pit_read(void *opaque, uint64_t off, unsigned size, uint64_t *val)
{
    struct pit *pit = opaque;

    (void)size;
    *val = off == OFF_CONTROL ? 0 : read_count(pit, &pit->channel[off]);
    return IO_OK;
}

static enum io_status pit_write(void *opaque, uint64_t off, unsigned size, uint64_t val)
{
    struct pit *pit = opaque;

    (void)size;
    if (off == OFF_CONTROL)
        write_control(pit, (uint8_t)val);
    else
        write_count(pit, &pit->channel[off], (uint8_t)val);
    return IO_OK;
}

static enum io_status system_read(void *opaque, uint64_t off, unsigned size, uint64_t *val)
{
    struct pit *pit = opaque;
    /* The DRAM refresh toggle changes every 15 us; old delay loops count it. */
    bool refresh = guest_clock_ns(pit->dev.host->clock) / 15000 & 1;

    (void)off;
    (void)size;
    *val = (pit->channel[2].gate ? SYS_GATE2 : 0) | (pit->speaker ? SYS_SPEAKER : 0) |
           (refresh ? SYS_REFRESH : 0) | (output(pit, &pit->channel[2]) ? SYS_OUT2 : 0);
    return IO_OK;
}

/* The gate holds modes 0 and 4, restarts 2 and 3, and triggers 1 and 5. */
static void set_gate(struct pit *pit, struct pit_channel *c, bool gate)
{
    uint64_t counted = elapsed(pit, c);

    if (gate == c->gate)
        return;
    c->gate = gate;
    if (!gate)
        c->held = counted;
    else if (c->mode == 0 || c->mode == 4)
        c->start_tick = now_tick(pit) - counted;
    else
        start(pit, c);
}

static enum io_status system_write(void *opaque, uint64_t off, unsigned size, uint64_t val)
{
    struct pit *pit = opaque;

    (void)off;
    (void)size;
    set_gate(pit, &pit->channel[2], val & SYS_GATE2);
    pit->speaker = val & SYS_SPEAKER;
    return IO_OK;
}

static const struct io_ops pit_ops = {pit_read, pit_write, 1, 1, false};
static const struct io_ops system_ops = {system_read, system_write, 1, 1, false};

/* ---- life ---- */

static int channel_post_load(void *obj, struct error *err)
{
    struct pit_channel *c = obj;

    if ((c->mode > 5 && c->mode != PIT_UNPROGRAMMED) || c->access > 3 || c->latched > 2 ||
        !c->count || c->count > 65536)
        return error_set(err, EINVAL, "the state of the interval timer (8254) is not valid");
    return 0;
}

#define STATE_OWNER struct pit_channel
STATE_DESC(pit_channel_state, "pit-channel", 1, PIT_CHANNEL_STATE, .post_load = channel_post_load);
#undef STATE_OWNER
#define STATE_OWNER struct pit
STATE_DESC(pit_state, "pit", 1, PIT_STATE);
#undef STATE_OWNER

/* dev.lock held */
static void pit_reset(struct dev *d)
{
    struct pit *pit = container_of(d, struct pit, dev);

    for (unsigned i = 0; i < PIT_CHANNELS; i++)
        pit->channel[i] =
            (struct pit_channel){.mode = PIT_UNPROGRAMMED, .gate = i != 2, .count = 65536};
    pit->speaker = false;
    channel0_changed(pit);
}

static void pit_quiesce(struct dev *d)
{
    struct pit *pit = container_of(d, struct pit, dev);

    pthread_mutex_lock(&d->lock);
    pit->parked = true;
    arm(pit, 0);
    pthread_mutex_unlock(&d->lock);
}

static void pit_resume(struct dev *d)
{
    struct pit *pit = container_of(d, struct pit, dev);

    pthread_mutex_lock(&d->lock);
    pit->parked = false;
    arm(pit, 0);
    pthread_mutex_unlock(&d->lock);
}

static void pit_destroy(struct dev *d)
{
    struct pit *pit = container_of(d, struct pit, dev);

    evloop_timer_stop(&pit->timer);
    dev_free(d);
}

static const struct dev_class pit_class = {
    .name = "pit",
    .state = &pit_state,
    .reset = pit_reset,
    .quiesce = pit_quiesce,
    .resume = pit_resume,
    .destroy = pit_destroy,
};

int pit_create(struct pit **out, const struct dev_host *host, struct irq_line irq, bool in_engine)
{
    struct pit *pit = calloc(1, sizeof(*pit));
    int rc;

    if (!pit)
        return -ENOMEM;
    dev_init(&pit->dev, &pit_class, host, "pit");
    pit->irq = irq;
    pit->in_engine = in_engine;
    evloop_timer_init(&pit->timer, host->loop, pit_fired, pit);
    pit_reset(&pit->dev);
    rc = io_space_add(host->pio,
                      &(struct io_region){"pit", PORT_PIT, 4, &pit_ops, pit, &pit->dev.lock});
    if (rc < 0)
        goto out_free;
    rc = io_space_add(host->pio, &(struct io_region){"pit-system", PORT_SYSTEM, 1, &system_ops, pit,
                                                     &pit->dev.lock});
    if (rc < 0)
        goto out_region;
    *out = pit;
    return 0;

out_region:
    io_space_remove(host->pio, PORT_PIT);
out_free:
    pit_destroy(&pit->dev);
    return rc;
}
