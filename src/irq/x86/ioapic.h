/*
 * The I/O APIC: 24 input pins, each with a redirection entry that says which message it sends.
 * [Intel 82093AA data sheet]
 */
#ifndef DOPPEL_IRQ_X86_IOAPIC_H
#define DOPPEL_IRQ_X86_IOAPIC_H

#include "dev/dev.h"
#include "irq/x86/lapic.h"

enum { IOAPIC_PINS = 24, IOAPIC_LEN = 0x1000 };
#define IOAPIC_BASE UINT64_C(0xfec00000)

#define IOAPIC_STATE(S, A, B, N)                                                                   \
    S(uint8_t, select)                                                                             \
    S(uint32_t, id)                                                                                \
    S(uint32_t, lines) /* input levels */                                                          \
    S(uint32_t, irr)   /* requests not yet accepted by a CPU */                                    \
    A(uint64_t, redir, IOAPIC_PINS)

struct ioapic {
    struct dev dev;
    struct lapic_bus *bus;
    STATE_MEMBERS(IOAPIC_STATE)
};

extern const struct state_desc ioapic_state;

/* At IOAPIC_BASE; messages go to `bus`. */
int ioapic_create(struct ioapic **out, const struct dev_host *host, struct lapic_bus *bus)
    must_check;
/* Pin 0-23. Any thread. */
void ioapic_set(struct ioapic *io, unsigned pin, bool level);
/* A CPU completed a level-triggered `vector`. Any thread, no APIC lock held. */
void ioapic_eoi(struct ioapic *io, uint8_t vector);

#endif
