/*
 * See rtc.h. The time is UTC plus what the guest made of it; it is computed when looked at. A host
 * timer runs only while an enabled interrupt is to come. The fastest, 8192 Hz, is the chip's own
 * bound, so a guest cannot cause a storm.
 */
#include "dev/timer/rtc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dev/timer/rtc_time.h"
#include "dev/timer/ticks.h"

enum { PORT = 0x70, OFF_INDEX = 0, CRYSTAL_HZ = 32768 };
enum { A_UIP = 0x80, A_RATE = 0x0f };
enum { B_SET = 0x80, B_PIE = 0x40, B_AIE = 0x20, B_UIE = 0x10, B_ENABLES = 0x70 };
enum { C_IRQF = 0x80, C_PF = 0x40, C_AF = 0x20, C_UF = 0x10 };
enum { D_VALID = 0x80 };

/* Update-in-progress shows this long before the second changes. */
#define UIP_NS UINT64_C(244000)

static uint64_t wall_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

static uint64_t clock_ns(const struct rtc *r)
{
    return guest_clock_ns(r->dev.host->clock);
}

/* Host UTC in ns; the guest's offset is whole seconds, so the fraction is the guest's too. */
static uint64_t utc_ns(const struct rtc *r)
{
    return r->wall_base + clock_ns(r);
}

static uint64_t utc_second(const struct rtc *r)
{
    return utc_ns(r) / NS_PER_SEC;
}

static uint64_t tick(const struct rtc *r)
{
    return ticks_from_ns(clock_ns(r), CRYSTAL_HZ);
}

/* Ticks between periodic interrupts; 0: off. The two fastest codes repeat later ones. */
static unsigned period_ticks(const struct rtc *r)
{
    unsigned rate = r->cmos[RTC_A] & A_RATE;

    if (!rate)
        return 0;
    return 1u << (rate < 3 ? rate + 6 : rate - 1);
}

/* The UTC second of the next alarm after what is settled; UINT64_MAX when none comes. */
static uint64_t next_alarm(const struct rtc *r)
{
    uint64_t alarm = rtc_next_alarm(r->cmos, r->seen_second + 1 + r->offset);

    return alarm == UINT64_MAX ? alarm : alarm - r->offset;
}

/* dev.lock held, as for all below: set the flags for what happened since the last look. */
static void catch_up(struct rtc *r)
{
    uint64_t now = utc_second(r), t = tick(r);
    unsigned period = period_ticks(r);

    if (period && t / period != r->seen_tick / period)
        r->cmos[RTC_C] |= C_PF;
    r->seen_tick = t;
    if (now != r->seen_second && !(r->cmos[RTC_B] & B_SET)) {
        r->cmos[RTC_C] |= C_UF;
        if (next_alarm(r) <= now)
            r->cmos[RTC_C] |= C_AF;
    }
    r->seen_second = now;
}

/* Guest clock ns at which UTC reaches `second`. */
static uint64_t second_to_clock(const struct rtc *r, uint64_t second)
{
    uint64_t ns;

    if (__builtin_mul_overflow(second, NS_PER_SEC, &ns) || ns < r->wall_base)
        return UINT64_MAX;
    return ns - r->wall_base;
}

/* Guest clock ns of the next event whose interrupt is enabled and not yet flagged. */
static uint64_t next_event(const struct rtc *r)
{
    uint8_t waiting = r->cmos[RTC_B] & ~r->cmos[RTC_C] & B_ENABLES, b = r->cmos[RTC_B];
    unsigned period = period_ticks(r);
    uint64_t next = UINT64_MAX;

    if (waiting & B_PIE && period)
        next = ticks_to_ns((r->seen_tick / period + 1) * period, CRYSTAL_HZ);
    if (b & B_SET)
        return next;
    if (waiting & B_UIE)
        next = MIN(next, second_to_clock(r, r->seen_second + 1));
    if (waiting & B_AIE)
        next = MIN(next, second_to_clock(r, next_alarm(r)));
    return next;
}

static void update(struct rtc *r)
{
    uint64_t next;

    catch_up(r);
    irq_line_set(&r->irq, r->cmos[RTC_B] & r->cmos[RTC_C] & B_ENABLES);
    next = r->parked ? UINT64_MAX : next_event(r);
    if (next == UINT64_MAX)
        evloop_timer_stop(&r->timer);
    else
        evloop_timer_start(&r->timer, guest_clock_to_host(r->dev.host->clock, next));
}

static void rtc_fired(void *opaque)
{
    struct rtc *r = opaque;

    pthread_mutex_lock(&r->dev.lock);
    if (!r->parked)
        update(r);
    pthread_mutex_unlock(&r->dev.lock);
}

/* ---- registers ---- */

static void show_time(struct rtc *r)
{
    if (!(r->cmos[RTC_B] & B_SET))
        rtc_time_put(r->cmos, utc_second(r) + r->offset);
}

static void take_time(struct rtc *r)
{
    r->offset = rtc_time_get(r->cmos) - utc_second(r);
}

static uint8_t read_a(const struct rtc *r)
{
    bool uip = !(r->cmos[RTC_B] & B_SET) && utc_ns(r) % NS_PER_SEC >= NS_PER_SEC - UIP_NS;

    return (r->cmos[RTC_A] & ~A_UIP) | (uip ? A_UIP : 0);
}

/* Reading the flags clears them, and the interrupt with them. */
static uint8_t read_c(struct rtc *r)
{
    uint8_t v;

    catch_up(r);
    v = r->cmos[RTC_C];
    if (v & r->cmos[RTC_B] & B_ENABLES)
        v |= C_IRQF;
    r->cmos[RTC_C] = 0;
    update(r);
    return v;
}

static uint8_t read_reg(struct rtc *r, unsigned reg)
{
    if (rtc_is_time_reg(reg))
        show_time(r);
    switch (reg) {
    case RTC_A:
        return read_a(r);
    case RTC_C:
        return read_c(r);
    case RTC_D:
        return D_VALID;
    default:
        return r->cmos[reg];
    }
}

/* SET freezes the registers for writing; clearing it starts the clock from them. */
static void write_b(struct rtc *r, uint8_t val)
{
    uint8_t old = r->cmos[RTC_B];

    show_time(r);
    if (val & B_SET)
        val &= ~B_UIE; /* as the chip does */
    r->cmos[RTC_B] = val;
    if (old & B_SET && !(val & B_SET))
        take_time(r);
}

static void write_time(struct rtc *r, unsigned reg, uint8_t val)
{
    show_time(r);
    r->cmos[reg] = val;
    if (!(r->cmos[RTC_B] & B_SET))
        take_time(r);
}

static void write_reg(struct rtc *r, unsigned reg, uint8_t val)
{
    if (rtc_is_time_reg(reg)) {
        write_time(r, reg, val);
        return;
    }
    switch (reg) {
    case RTC_A:
        r->cmos[RTC_A] = val & ~A_UIP;
        break;
    case RTC_B:
        write_b(r, val);
        break;
    case RTC_C:
    case RTC_D:
        break;
    default: /* alarms and memory */
        r->cmos[reg] = val;
        break;
    }
}

static enum io_status rtc_read(void *opaque, uint64_t off, unsigned size, uint64_t *val)
{
    struct rtc *r = opaque;

    (void)size;
    *val = off == OFF_INDEX ? 0xff : read_reg(r, r->index);
    return IO_OK;
}

static enum io_status rtc_write(void *opaque, uint64_t off, unsigned size, uint64_t val)
{
    struct rtc *r = opaque;

    (void)size;
    if (off == OFF_INDEX) { /* bit 7 masks NMIs, of which the machine has none */
        r->index = val & (RTC_CMOS - 1);
        return IO_OK;
    }
    catch_up(r); /* under the old settings */
    write_reg(r, r->index, (uint8_t)val);
    update(r);
    return IO_OK;
}

static const struct io_ops rtc_ops = {rtc_read, rtc_write, 1, 1, false};

/* ---- life ---- */

static int rtc_post_load(void *obj, struct error *err)
{
    struct rtc *r = obj;

    if (r->index >= RTC_CMOS)
        return error_set(err, EINVAL, "the state of the real-time clock is not valid");
    return 0;
}

#define STATE_OWNER struct rtc
STATE_DESC(rtc_state, "rtc", 1, RTC_STATE, .post_load = rtc_post_load);
#undef STATE_OWNER

static void put16(struct rtc *r, unsigned reg, uint64_t v, uint64_t max)
{
    v = MIN(v, max);
    r->cmos[reg] = (uint8_t)v;
    r->cmos[reg + 1] = (uint8_t)(v >> 8);
}

/* Where firmware leaves the memory sizes [Ralf Brown's CMOS list; SeaBIOS reads 0x34 and 0x5b]. */
static void put_memory_sizes(struct rtc *r)
{
    const uint64_t mib = 1 << 20, kib = 1 << 10;
    uint64_t low = r->ram_below_4g, above_1m = low > mib ? low - mib : 0;
    uint64_t above_16m = low > 16 * mib ? low - 16 * mib : 0;

    put16(r, 0x15, MIN(low / kib, 640), 0xffff);
    put16(r, 0x17, above_1m / kib, 0xffff);
    put16(r, 0x30, above_1m / kib, 0xffff);
    put16(r, 0x34, above_16m / (64 * kib), 0xffff);
    put16(r, 0x5b, r->ram_above_4g / (64 * kib) & 0xffff, 0xffff);
    r->cmos[0x5d] = (uint8_t)(r->ram_above_4g / (64 * kib) >> 16);
}

/* The battery keeps time, alarms and memory; only the interrupts are off afterwards. */
static void rtc_reset(struct dev *d)
{
    struct rtc *r = container_of(d, struct rtc, dev);

    r->cmos[RTC_B] &= ~B_ENABLES;
    r->cmos[RTC_C] = 0;
    r->seen_second = utc_second(r);
    r->seen_tick = tick(r);
    put_memory_sizes(r);
    update(r);
}

static void rtc_quiesce(struct dev *d)
{
    struct rtc *r = container_of(d, struct rtc, dev);

    pthread_mutex_lock(&d->lock);
    r->parked = true;
    evloop_timer_stop(&r->timer);
    pthread_mutex_unlock(&d->lock);
}

/* The world's clock went on while the guest's stood still. */
static void rtc_resume(struct dev *d)
{
    struct rtc *r = container_of(d, struct rtc, dev);

    pthread_mutex_lock(&d->lock);
    r->wall_base = wall_ns() - clock_ns(r);
    r->parked = false;
    update(r);
    pthread_mutex_unlock(&d->lock);
}

static void rtc_destroy(struct dev *d)
{
    struct rtc *r = container_of(d, struct rtc, dev);

    evloop_timer_stop(&r->timer);
    dev_free(d);
}

static const struct dev_class rtc_class = {
    .name = "rtc",
    .state = &rtc_state,
    .reset = rtc_reset,
    .quiesce = rtc_quiesce,
    .resume = rtc_resume,
    .destroy = rtc_destroy,
};

int rtc_create(struct rtc **out, const struct dev_host *host, struct irq_line irq,
               uint64_t ram_below_4g, uint64_t ram_above_4g)
{
    struct rtc *r = calloc(1, sizeof(*r));
    int rc;

    if (!r)
        return -ENOMEM;
    dev_init(&r->dev, &rtc_class, host, "rtc");
    r->irq = irq;
    r->ram_below_4g = ram_below_4g;
    r->ram_above_4g = ram_above_4g;
    r->wall_base = wall_ns() - clock_ns(r);
    r->cmos[RTC_A] = 0x26; /* 32768 Hz time base, 1024 Hz rate: what firmware sets */
    r->cmos[RTC_B] = RTC_B_24H;
    evloop_timer_init(&r->timer, host->loop, rtc_fired, r);
    rtc_reset(&r->dev);
    rc = io_space_add(host->pio, &(struct io_region){"rtc", PORT, 2, &rtc_ops, r, &r->dev.lock});
    if (rc < 0) {
        rtc_destroy(&r->dev);
        return rc;
    }
    *out = r;
    return 0;
}
