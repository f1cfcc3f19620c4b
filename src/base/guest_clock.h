/*
 * The guest's time: nanoseconds since the machine was switched on, standing still while it is
 * paused or saved. Every timer chip reads this clock; none reads the host's.
 */
#ifndef DOPPEL_BASE_GUEST_CLOCK_H
#define DOPPEL_BASE_GUEST_CLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct guest_clock {
    _Atomic uint64_t offset; /* running: host mono_ns() - guest ns; stopped: the guest ns */
    _Atomic bool running;
};

void guest_clock_init(struct guest_clock *c, uint64_t start_ns); /* stopped, at start_ns */
void guest_clock_start(struct guest_clock *c);
void guest_clock_stop(struct guest_clock *c);
uint64_t guest_clock_ns(const struct guest_clock *c);
/* The host CLOCK_MONOTONIC time at which the guest clock will show `guest_ns`. */
uint64_t guest_clock_to_host(const struct guest_clock *c, uint64_t guest_ns);

#endif
