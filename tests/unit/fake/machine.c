/* See machine.h. */
#include "unit/fake/machine.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TIMERS = 64 };

/* The test program's only clock and timers. */
static uint64_t time_ns = 1000000000;
static struct evloop_timer *timers[MAX_TIMERS];

uint64_t mono_ns(void)
{
    return time_ns;
}

void evloop_timer_init(struct evloop_timer *t, struct evloop *l, evloop_fn *fn, void *opaque)
{
    *t = (struct evloop_timer){.loop = l, .fn = fn, .opaque = opaque, .deadline = UINT64_MAX};
}

void evloop_timer_stop(struct evloop_timer *t)
{
    for (unsigned i = 0; i < MAX_TIMERS; i++)
        if (timers[i] == t)
            timers[i] = NULL;
    t->deadline = UINT64_MAX;
}

void evloop_timer_start(struct evloop_timer *t, uint64_t deadline_ns)
{
    evloop_timer_stop(t);
    if (deadline_ns == UINT64_MAX)
        return;
    t->deadline = deadline_ns;
    for (unsigned i = 0; i < MAX_TIMERS; i++)
        if (!timers[i]) {
            timers[i] = t;
            return;
        }
    abort();
}

static struct evloop_timer *first_timer(void)
{
    struct evloop_timer *first = NULL;

    for (unsigned i = 0; i < MAX_TIMERS; i++)
        if (timers[i] && (!first || timers[i]->deadline < first->deadline))
            first = timers[i];
    return first;
}

unsigned fake_advance(uint64_t ns)
{
    uint64_t end = time_ns + ns;
    struct evloop_timer *t;
    unsigned fired = 0;

    while ((t = first_timer()) && t->deadline <= end) {
        if (t->deadline > time_ns)
            time_ns = t->deadline;
        evloop_timer_stop(t);
        t->fn(t->opaque);
        fired++;
    }
    time_ns = end;
    return fired;
}

unsigned fake_timers_armed(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < MAX_TIMERS; i++)
        n += timers[i] != NULL;
    return n;
}

static void record_event(void *vm, enum machine_event ev, uint32_t value)
{
    struct fake_machine *m = vm;

    m->events[ev]++;
    m->event_value = value;
}

void fake_machine_init(struct fake_machine *m)
{
    memset(m, 0, sizeof(*m));
    if (io_space_init(&m->mmio) || io_space_init(&m->pio))
        abort();
    guest_clock_init(&m->clock, 0, 0);
    guest_clock_start(&m->clock);
    m->host = (struct dev_host){.mem = &m->mem,
                                .mmio = &m->mmio,
                                .pio = &m->pio,
                                .clock = &m->clock,
                                .event = record_event,
                                .vm = m};
}

void fake_machine_destroy(struct fake_machine *m)
{
    io_space_destroy(&m->mmio);
    io_space_destroy(&m->pio);
    memset(timers, 0, sizeof(timers));
}

static void line_set(void *opaque, unsigned n, bool level)
{
    struct fake_line *l = opaque;

    (void)n;
    l->rises += level && !l->level;
    l->level = level;
}

struct irq_line fake_irq(struct fake_line *l)
{
    return (struct irq_line){.set = line_set, .opaque = l};
}

void fake_reset(struct dev *d)
{
    pthread_mutex_lock(&d->lock);
    if (d->cls->reset)
        d->cls->reset(d);
    pthread_mutex_unlock(&d->lock);
}

void fake_destroy(struct dev *d)
{
    d->cls->destroy(d);
}

uint64_t in_size(struct fake_machine *m, uint16_t port, unsigned size)
{
    uint64_t val;

    io_space_read(&m->pio, port, size, &val);
    return val;
}

void out_size(struct fake_machine *m, uint16_t port, unsigned size, uint64_t val)
{
    io_space_write(&m->pio, port, size, val);
}

uint8_t inb(struct fake_machine *m, uint16_t port)
{
    return (uint8_t)in_size(m, port, 1);
}

void outb(struct fake_machine *m, uint16_t port, uint8_t val)
{
    out_size(m, port, 1, val);
}
