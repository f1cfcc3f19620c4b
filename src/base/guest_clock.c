/* The guest's time. */
#include "base/guest_clock.h"

#include "base/evloop.h"

static uint64_t encode(int64_t value, bool running)
{
    return (uint64_t)value << 1 | running;
}

static int64_t value_of(uint64_t word)
{
    return (int64_t)word >> 1;
}

static uint64_t host_time(const struct guest_clock *c)
{
    return mono_ns() >> c->slow;
}

static uint64_t now_by(const struct guest_clock *c, uint64_t word)
{
    int64_t value = value_of(word);
    return (word & 1) ? host_time(c) - (uint64_t)value : (uint64_t)value;
}

void guest_clock_init(struct guest_clock *c, uint64_t start_ns, uint8_t slow)
{
    c->slow = slow;
    atomic_store(&c->word, encode((int64_t)start_ns, false));
}

void guest_clock_start(struct guest_clock *c)
{
    uint64_t word = atomic_load(&c->word);
    if (!(word & 1))
        atomic_store(&c->word, encode((int64_t)(host_time(c) - now_by(c, word)), true));
}

void guest_clock_stop(struct guest_clock *c)
{
    uint64_t word = atomic_load(&c->word);
    if (word & 1)
        atomic_store(&c->word, encode((int64_t)now_by(c, word), false));
}

bool guest_clock_running(const struct guest_clock *c)
{
    return atomic_load(&c->word) & 1;
}

uint64_t guest_clock_ns(const struct guest_clock *c)
{
    return now_by(c, atomic_load(&c->word));
}

uint64_t guest_clock_to_host(const struct guest_clock *c, uint64_t guest_ns)
{
    uint64_t word = atomic_load(&c->word);
    int64_t host;

    if (!(word & 1) || guest_ns > INT64_MAX)
        return UINT64_MAX;
    if (__builtin_add_overflow((int64_t)guest_ns, value_of(word), &host))
        return UINT64_MAX;
    if (host > INT64_MAX >> c->slow)
        return UINT64_MAX;
    return host < 0 ? 0 : (uint64_t)host << c->slow;
}
