/*
 * The Goldfish real-time clock: UTC in nanoseconds, and one alarm.
 */
#ifndef DOPPEL_DEV_TIMER_GOLDFISH_RTC_H
#define DOPPEL_DEV_TIMER_GOLDFISH_RTC_H

#include "dev/dev.h"

enum { GOLDFISH_RTC_LEN = 0x24 };

#define GOLDFISH_RTC_STATE(S, A, B, N)                                                             \
    S(uint64_t, offset)    /* ns that the guest's idea of the time is ahead of UTC */              \
    S(uint64_t, alarm)     /* in the guest's time; UINT64_MAX: none */                             \
    S(uint32_t, time_high) /* latched by a read of the low half, kept by a write for it */         \
    S(uint32_t, alarm_high)                                                                        \
    S(bool, enabled)                                                                               \
    S(bool, pending)

struct goldfish_rtc {
    struct dev dev;
    STATE_MEMBERS(GOLDFISH_RTC_STATE)
    struct irq_line irq;
    struct evloop_timer timer;
    uint64_t wall_base; /* UTC when the guest clock showed 0 */
};

extern const struct state_desc goldfish_rtc_state;

int goldfish_rtc_create(struct goldfish_rtc **out, const struct dev_host *host, gpa_t base,
                        struct irq_line irq) must_check;

#endif
