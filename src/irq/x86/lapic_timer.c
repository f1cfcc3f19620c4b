/*
 * Local APIC timer: one-shot, periodic and TSC deadline. [SDM 3A 11.5.4]
 *
 * Time is arithmetic on the guest clock; a host timer exists only while an interrupt is due that
 * somebody would see. The APIC's clock ticks once a ns, as KVM's does, so that counts mean the same
 * on every engine.
 */
#include "irq/x86/lapic_regs.h"

/*
 * A periodic timer never fires more often than this: a guest could otherwise keep the event loop
 * busy, and with it every device of the machine, with a period of one tick. 50 kHz is far above
 * what any kernel asks for. One-shot timers need no bound: each costs the guest a register write.
 */
#define MIN_PERIOD_NS UINT64_C(20000)

/* Before a deadline that came early is looked at again: short, and yet no busy loop. */
#define EARLY_RETRY_NS UINT64_C(500)

static unsigned timer_mode(const struct lapic *l)
{
    return LVT_TIMER_MODE(atomic_load(&l->lvt[LVT_TIMER]));
}

static bool masked(const struct lapic *l)
{
    return atomic_load(&l->lvt[LVT_TIMER]) & LVT_MASKED;
}

/* Divide configuration to a power of two [SDM 3A figure 11-10] */
static unsigned shift(const struct lapic *l)
{
    uint32_t v = l->timer_divide;

    return ((v & 3) + ((v >> 1) & 4) + 1) & 7;
}

static uint64_t period_ns(const struct lapic *l)
{
    uint64_t ns = (uint64_t)l->timer_initial << shift(l);

    return timer_mode(l) == TIMER_PERIODIC ? MAX(ns, MIN_PERIOD_NS) : ns;
}

static uint64_t now_ns(const struct lapic *l)
{
    return guest_clock_ns(l->dev.host->clock);
}

/* Ticks that went by are lost, as they are in IRR: go to the first expiry still to come. */
static void skip_missed(struct lapic *l, uint64_t now)
{
    uint64_t period = period_ns(l);

    if (l->timer_expiry <= now)
        l->timer_expiry += ((now - l->timer_expiry) / period + 1) * period;
}

static uint64_t next_event(struct lapic *l, uint64_t now)
{
    switch (timer_mode(l)) {
    case TIMER_DEADLINE:
        if (!l->tsc_deadline)
            return 0;
        return MAX(l->bus->ops->tsc_to_clock(l->bus->opaque, l->id, l->tsc_deadline), 1);
    case TIMER_PERIODIC:
        if (l->timer_expiry)
            skip_missed(l, now);
        return l->timer_expiry;
    default:
        return l->timer_expiry;
    }
}

/* While masked no host timer runs: notice here what expired unseen. */
static void settle_masked(struct lapic *l)
{
    if (!masked(l))
        return;
    if (l->tsc_deadline && l->bus->ops->tsc_now(l->bus->opaque, l->id) >= l->tsc_deadline)
        l->tsc_deadline = 0;
    if (timer_mode(l) != TIMER_PERIODIC && l->timer_expiry <= now_ns(l))
        l->timer_expiry = 0;
}

void lapic_timer_arm(struct lapic *l)
{
    uint64_t at;

    if (l->bus->in_engine)
        return;
    at = l->parked || masked(l) ? 0 : next_event(l, now_ns(l));
    if (at)
        evloop_timer_start(&l->timer, guest_clock_to_host(l->dev.host->clock, at));
    else
        evloop_timer_stop(&l->timer);
}

static void deadline_fired(struct lapic *l)
{
    uint64_t later = now_ns(l) + EARLY_RETRY_NS;

    if (!l->tsc_deadline)
        return;
    if (l->bus->ops->tsc_now(l->bus->opaque, l->id) >= l->tsc_deadline) {
        l->tsc_deadline = 0; /* disarmed by expiring [SDM 3A 11.5.4.1] */
        lapic_lvt_deliver(l, LVT_TIMER);
        return;
    }
    /* The conversion's rounding brought us here a little early. */
    evloop_timer_start(&l->timer, guest_clock_to_host(l->dev.host->clock, later));
}

static void count_fired(struct lapic *l)
{
    uint64_t now = now_ns(l);

    if (!l->timer_expiry)
        return;
    if (l->timer_expiry > now) { /* re-armed while this call waited for the lock */
        lapic_timer_arm(l);
        return;
    }
    lapic_lvt_deliver(l, LVT_TIMER);
    if (timer_mode(l) == TIMER_PERIODIC)
        lapic_timer_arm(l);
    else
        l->timer_expiry = 0;
}

void lapic_timer_fired(void *opaque)
{
    struct lapic *l = opaque;

    pthread_mutex_lock(&l->dev.lock);
    if (!l->parked) {
        if (timer_mode(l) == TIMER_DEADLINE)
            deadline_fired(l);
        else
            count_fired(l);
    }
    pthread_mutex_unlock(&l->dev.lock);
}

/* Counts until expiry, rounded up: zero means expired. */
static uint32_t remaining(const struct lapic *l)
{
    uint64_t now = now_ns(l), left;

    if (!l->timer_expiry || timer_mode(l) == TIMER_DEADLINE)
        return 0;
    if (l->timer_expiry > now) {
        left = l->timer_expiry - now;
    } else {
        if (timer_mode(l) != TIMER_PERIODIC)
            return 0;
        left = period_ns(l) - (now - l->timer_expiry) % period_ns(l);
    }
    return (uint32_t)MIN((left + (UINT64_C(1) << shift(l)) - 1) >> shift(l), UINT32_MAX);
}

uint32_t lapic_timer_current(struct lapic *l)
{
    uint32_t v;

    pthread_mutex_lock(&l->dev.lock);
    v = remaining(l);
    pthread_mutex_unlock(&l->dev.lock);
    return v;
}

void lapic_timer_set_lvt(struct lapic *l, uint32_t v)
{
    unsigned old;

    pthread_mutex_lock(&l->dev.lock);
    settle_masked(l);
    old = timer_mode(l);
    atomic_store(&l->lvt[LVT_TIMER], v);
    if (old != LVT_TIMER_MODE(v) &&
        (old == TIMER_DEADLINE || LVT_TIMER_MODE(v) == TIMER_DEADLINE)) {
        l->timer_expiry = 0; /* changing to or from deadline mode disarms [SDM 3A 11.5.4.1] */
        l->timer_initial = 0;
        l->tsc_deadline = 0;
    }
    lapic_timer_arm(l);
    pthread_mutex_unlock(&l->dev.lock);
}

void lapic_timer_set_initial(struct lapic *l, uint32_t v)
{
    pthread_mutex_lock(&l->dev.lock);
    if (timer_mode(l) != TIMER_DEADLINE) {
        l->timer_initial = v;
        l->timer_expiry = v ? now_ns(l) + period_ns(l) : 0;
        lapic_timer_arm(l);
    }
    pthread_mutex_unlock(&l->dev.lock);
}

static void set_remaining(struct lapic *l, uint32_t count)
{
    l->timer_expiry = count ? now_ns(l) + ((uint64_t)count << shift(l)) : 0;
    lapic_timer_arm(l);
}

void lapic_timer_set_divide(struct lapic *l, uint32_t v)
{
    uint32_t left;

    pthread_mutex_lock(&l->dev.lock);
    left = remaining(l);
    l->timer_divide = v & 0xb;
    set_remaining(l, left);
    pthread_mutex_unlock(&l->dev.lock);
}

void lapic_timer_set_current(struct lapic *l, uint32_t count)
{
    pthread_mutex_lock(&l->dev.lock);
    /* KVM says 0 of a periodic timer that is about to expire; 0 would stop it for good. */
    if (!count && timer_mode(l) == TIMER_PERIODIC)
        count = 1;
    set_remaining(l, timer_mode(l) == TIMER_DEADLINE || !l->timer_initial ? 0 : count);
    pthread_mutex_unlock(&l->dev.lock);
}

void lapic_timer_set_deadline(struct lapic *l, uint64_t tsc)
{
    pthread_mutex_lock(&l->dev.lock);
    if (timer_mode(l) == TIMER_DEADLINE) { /* else the write is ignored */
        l->tsc_deadline = tsc;
        lapic_timer_arm(l);
    }
    pthread_mutex_unlock(&l->dev.lock);
}

uint64_t lapic_timer_deadline(struct lapic *l)
{
    uint64_t v;

    pthread_mutex_lock(&l->dev.lock);
    settle_masked(l);
    v = l->tsc_deadline;
    pthread_mutex_unlock(&l->dev.lock);
    return v;
}

void lapic_tsc_changed(struct lapic *l)
{
    pthread_mutex_lock(&l->dev.lock);
    if (timer_mode(l) == TIMER_DEADLINE)
        lapic_timer_arm(l);
    pthread_mutex_unlock(&l->dev.lock);
}
