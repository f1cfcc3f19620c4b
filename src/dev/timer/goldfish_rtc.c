/*
 * See goldfish_rtc.h. The registers are those that Linux's rtc-goldfish driver and its device tree
 * binding describe.
 */
#include "dev/timer/goldfish_rtc.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "dev/timer/ticks.h"

enum {
    R_TIME_LOW = 0x00, /* reading it latches the high half, writing it sets the time */
    R_TIME_HIGH = 0x04,
    R_ALARM_LOW = 0x08, /* writing it arms the alarm */
    R_ALARM_HIGH = 0x0c,
    R_IRQ_ENABLED = 0x10,
    R_CLEAR_ALARM = 0x14,
    R_ALARM_STATUS = 0x18,
    R_CLEAR_INTERRUPT = 0x1c,
};

#define NO_ALARM UINT64_MAX

static uint64_t wall_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* The guest's time; dev.lock held, as for all below. */
static uint64_t now(const struct goldfish_rtc *r)
{
    return r->wall_base + guest_clock_ns(r->dev.host->clock) + r->offset;
}

static void update(struct goldfish_rtc *r)
{
    irq_line_set(&r->irq, r->pending && r->enabled);
}

static uint64_t alarm_deadline(const struct goldfish_rtc *r)
{
    uint64_t start = r->wall_base + r->offset; /* in the guest's time */

    if (r->alarm == NO_ALARM || r->alarm < start)
        return UINT64_MAX;
    return guest_clock_to_host(r->dev.host->clock, r->alarm - start);
}

static void check_alarm(struct goldfish_rtc *r)
{
    if (r->alarm != NO_ALARM && r->alarm <= now(r)) {
        r->alarm = NO_ALARM;
        r->pending = true;
    }
    evloop_timer_start(&r->timer, alarm_deadline(r));
    update(r);
}

/* Event loop thread. */
static void timer_fired(void *opaque)
{
    struct goldfish_rtc *r = opaque;

    pthread_mutex_lock(&r->dev.lock);
    check_alarm(r);
    pthread_mutex_unlock(&r->dev.lock);
}

static enum io_status rtc_read(void *opaque, uint64_t off, unsigned size, uint64_t *val)
{
    struct goldfish_rtc *r = opaque;
    uint64_t t;

    (void)size;
    *val = 0;
    switch (off) {
    case R_TIME_LOW:
        t = now(r);
        r->time_high = (uint32_t)(t >> 32);
        *val = (uint32_t)t;
        break;
    case R_TIME_HIGH:
        *val = r->time_high;
        break;
    case R_ALARM_LOW:
        *val = (uint32_t)r->alarm;
        break;
    case R_ALARM_HIGH:
        *val = r->alarm_high;
        break;
    case R_IRQ_ENABLED:
        *val = r->enabled;
        break;
    case R_ALARM_STATUS:
        *val = r->alarm != NO_ALARM;
        break;
    default:
        break;
    }
    return IO_OK;
}

static enum io_status rtc_write(void *opaque, uint64_t off, unsigned size, uint64_t val)
{
    struct goldfish_rtc *r = opaque;

    (void)size;
    switch (off) {
    case R_TIME_LOW:
        r->offset += ((uint64_t)r->time_high << 32 | (uint32_t)val) - now(r);
        break;
    case R_TIME_HIGH:
        r->time_high = (uint32_t)val;
        break;
    case R_ALARM_LOW:
        r->alarm = (uint64_t)r->alarm_high << 32 | (uint32_t)val;
        break;
    case R_ALARM_HIGH:
        r->alarm_high = (uint32_t)val;
        break;
    case R_IRQ_ENABLED:
        r->enabled = val & 1;
        break;
    case R_CLEAR_ALARM:
        r->alarm = NO_ALARM;
        break;
    case R_CLEAR_INTERRUPT:
        r->pending = false;
        break;
    default:
        break;
    }
    check_alarm(r);
    return IO_OK;
}

static const struct io_ops rtc_ops = {rtc_read, rtc_write, 4, 4, false};

/* ---- life ---- */

#define STATE_OWNER struct goldfish_rtc
STATE_DESC(goldfish_rtc_state, "goldfish-rtc", 1, GOLDFISH_RTC_STATE);
#undef STATE_OWNER

/* The time the guest set outlives a reset, as in a chip with a battery. */
static void rtc_reset(struct dev *d)
{
    struct goldfish_rtc *r = container_of(d, struct goldfish_rtc, dev);

    r->alarm = NO_ALARM;
    r->time_high = r->alarm_high = 0;
    r->enabled = r->pending = false;
    check_alarm(r);
}

/* The guest clock stood still while the world went on. */
static void rtc_resume(struct dev *d)
{
    struct goldfish_rtc *r = container_of(d, struct goldfish_rtc, dev);

    pthread_mutex_lock(&d->lock);
    r->wall_base = wall_ns() - guest_clock_ns(d->host->clock);
    check_alarm(r);
    pthread_mutex_unlock(&d->lock);
}

static void rtc_destroy(struct dev *d)
{
    struct goldfish_rtc *r = container_of(d, struct goldfish_rtc, dev);

    evloop_timer_stop(&r->timer);
    dev_free(d);
}

static const struct dev_class rtc_class = {
    .name = "goldfish-rtc",
    .state = &goldfish_rtc_state,
    .reset = rtc_reset,
    .resume = rtc_resume,
    .destroy = rtc_destroy,
};

int goldfish_rtc_create(struct goldfish_rtc **out, const struct dev_host *host, gpa_t base,
                        struct irq_line irq)
{
    struct goldfish_rtc *r = calloc(1, sizeof(*r));
    int rc;

    if (!r)
        return -ENOMEM;
    dev_init(&r->dev, &rtc_class, host, "goldfish-rtc");
    r->irq = irq;
    r->alarm = NO_ALARM;
    r->wall_base = wall_ns() - guest_clock_ns(host->clock);
    evloop_timer_init(&r->timer, host->loop, timer_fired, r);
    rc = io_space_add(host->mmio, &(struct io_region){"goldfish-rtc", base, GOLDFISH_RTC_LEN,
                                                      &rtc_ops, r, &r->dev.lock});
    if (rc < 0) {
        dev_free(&r->dev);
        return rc;
    }
    *out = r;
    return 0;
}
