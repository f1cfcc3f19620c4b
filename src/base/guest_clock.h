/*
 * The guest's time: nanoseconds since the machine was switched on, standing still while it is
 * paused or saved. Every timer chip reads this clock; none reads the host's.
 */
#ifndef DOPPEL_BASE_GUEST_CLOCK_H
#define DOPPEL_BASE_GUEST_CLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * One word, so that readers on other threads never see half a change: bit 0 = running; the other
 * bits, signed: running, host time (mono_ns() >> slow) - guest ns; stopped, the guest ns.
 */
struct guest_clock {
    _Atomic uint64_t word;
    uint8_t slow; /* set once: it runs at 1/2^slow of the host's speed */
};

void guest_clock_init(struct guest_clock *c, uint64_t start_ns, uint8_t slow); /* stopped */
/* Started or stopped by one thread at a time (the VM's pause lock); read by any. Repeating either
 * does nothing. */
void guest_clock_start(struct guest_clock *c);
void guest_clock_stop(struct guest_clock *c);
bool guest_clock_running(const struct guest_clock *c);
uint64_t guest_clock_ns(const struct guest_clock *c);
/* The host CLOCK_MONOTONIC time at which the guest clock will show `guest_ns`; UINT64_MAX (never)
 * while it is stopped, 0 when that lies before the host's own start. */
uint64_t guest_clock_to_host(const struct guest_clock *c, uint64_t guest_ns);

#endif
