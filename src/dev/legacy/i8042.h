/*
 * The PS/2 keyboard controller, ports 0x60 and 0x64, with nothing plugged in: it answers every
 * command at once, so that no kernel waits for a time-out, and resets the machine when asked to.
 * [IBM PS/2 Hardware Interface Technical Reference, keyboard and auxiliary device controller]
 */
#ifndef DOPPEL_DEV_LEGACY_I8042_H
#define DOPPEL_DEV_LEGACY_I8042_H

#include "dev/dev.h"

enum { I8042_RAM = 32 };

#define I8042_STATE(S, A, B, N)                                                                    \
    S(uint8_t, status)                                                                             \
    S(uint8_t, output) /* valid while STATUS_FULL */                                               \
    S(uint8_t, output_port)                                                                        \
    S(uint8_t, command)        /* waits for its data byte; 0: none */                              \
    A(uint8_t, ram, I8042_RAM) /* byte 0: the command byte */

struct i8042 {
    struct dev dev;
    STATE_MEMBERS(I8042_STATE)
    struct irq_line irq;
};

extern const struct state_desc i8042_state;

int i8042_create(struct i8042 **out, const struct dev_host *host, struct irq_line irq) must_check;

#endif
