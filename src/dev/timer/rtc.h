/*
 * The MC146818 real-time clock of a PC and its CMOS memory, ports 0x70 and 0x71.
 * [Motorola MC146818A data sheet]
 */
#ifndef DOPPEL_DEV_TIMER_RTC_H
#define DOPPEL_DEV_TIMER_RTC_H

#include "dev/dev.h"

enum { RTC_CMOS = 128 };

#define RTC_STATE(S, A, B, N)                                                                      \
    S(uint8_t, index)                                                                              \
    A(uint8_t, cmos, RTC_CMOS) /* time registers count only while the clock is set */              \
    S(uint64_t, offset)        /* seconds the guest's clock is ahead of UTC, modulo 2^64 */        \
    S(uint64_t, seen_second)   /* update and alarm flags are settled up to here */                 \
    S(uint64_t, seen_tick)     /* the periodic flag too, in 32768 Hz ticks of the guest clock */

struct rtc {
    struct dev dev;
    STATE_MEMBERS(RTC_STATE)
    uint64_t wall_base; /* UTC in ns minus the guest clock; taken anew on resume */
    struct irq_line irq;
    struct evloop_timer timer;
    uint64_t ram_below_4g, ram_above_4g;
    bool parked; /* between quiesce and resume no timer runs */
};

extern const struct state_desc rtc_state;

/* Bytes of RAM below and above 4 GiB, as firmware finds them in CMOS. */
int rtc_create(struct rtc **out, const struct dev_host *host, struct irq_line irq,
               uint64_t ram_below_4g, uint64_t ram_above_4g) must_check;

#endif
