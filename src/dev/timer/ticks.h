/*
 * Guest clock ns to the ticks of a chip's oscillator and back, without overflow.
 */
#ifndef DOPPEL_DEV_TIMER_TICKS_H
#define DOPPEL_DEV_TIMER_TICKS_H

#include <stdint.h>

#define NS_PER_SEC UINT64_C(1000000000)

static inline uint64_t ticks_from_ns(uint64_t ns, uint32_t hz)
{
    return (uint64_t)((unsigned __int128)ns * hz / NS_PER_SEC);
}

/* Rounded up: at that time ticks_from_ns() has reached `ticks`. */
static inline uint64_t ticks_to_ns(uint64_t ticks, uint32_t hz)
{
    return (uint64_t)(((unsigned __int128)ticks * NS_PER_SEC + hz - 1) / hz);
}

#endif
