/*
 * The 8254 interval timer of a PC: channel 0 interrupts, channel 2 drives the speaker and times the
 * CPU for kernels that calibrate their TSC. Ports 0x40-0x43 and the system control port 0x61.
 * [Intel 8254 data sheet]
 */
#ifndef DOPPEL_DEV_TIMER_PIT_H
#define DOPPEL_DEV_TIMER_PIT_H

#include "dev/dev.h"

enum { PIT_HZ = 1193182, PIT_CHANNELS = 3 };

#define PIT_CHANNEL_STATE(S, A, B, N)                                                              \
    S(uint8_t, mode)   /* 0-5; PIT_UNPROGRAMMED at power-on */                                     \
    S(uint8_t, access) /* 1 low byte, 2 high byte, 3 both */                                       \
    S(bool, bcd)                                                                                   \
    S(bool, gate)                                                                                  \
    S(bool, counting)       /* a count was loaded and, in modes 1 and 5, triggered */              \
    S(uint32_t, count)      /* 1 - 65536 */                                                        \
    S(uint64_t, start_tick) /* when counting began, in ticks of the guest clock */                 \
    S(uint64_t, held)       /* ticks counted when the gate went down */                            \
    S(bool, edge_due)       /* one-shot modes: the output's rise is still to come */               \
    S(bool, write_high_next)                                                                       \
    S(uint8_t, write_low)                                                                          \
    S(bool, read_high_next)                                                                        \
    S(uint8_t, latched) /* bytes of latched_count still to read */                                 \
    S(uint16_t, latched_count)                                                                     \
    S(bool, status_latched)                                                                        \
    S(uint8_t, status)

struct pit_channel {
    STATE_MEMBERS(PIT_CHANNEL_STATE)
};

extern const struct state_desc pit_channel_state;

#define PIT_STATE(S, A, B, N)                                                                      \
    N(struct pit_channel, channel, PIT_CHANNELS, pit_channel_state)                                \
    S(bool, speaker)

enum { PIT_UNPROGRAMMED = 0xff };

struct pit {
    struct dev dev;
    STATE_MEMBERS(PIT_STATE)
    struct irq_line irq;
    struct evloop_timer timer;
    uint64_t due;   /* guest clock ns the timer is set for; 0: not set */
    bool in_engine; /* the engine's own PIT runs: state only */
    bool parked;    /* between quiesce and resume no timer runs */
};

extern const struct state_desc pit_state;

int pit_create(struct pit **out, const struct dev_host *host, struct irq_line irq, bool in_engine)
    must_check;

#endif
