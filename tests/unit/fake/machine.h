/*
 * A machine for device tests: real buses and guest clock, and an event loop whose time stands still
 * until the test moves it. It replaces base/evloop.c at link time.
 */
#ifndef TESTS_UNIT_FAKE_MACHINE_H
#define TESTS_UNIT_FAKE_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "dev/dev.h"

#define MS UINT64_C(1000000)

struct fake_machine {
    struct io_space mmio, pio;
    struct guest_clock clock;
    struct guest_mem mem; /* none until the test sets it up */
    struct dev_host host;
    unsigned events[4]; /* by enum machine_event */
    uint32_t event_value;
};

/* An interrupt wire that remembers. */
struct fake_line {
    bool level;
    unsigned rises;
};

void fake_machine_init(struct fake_machine *m);
void fake_machine_destroy(struct fake_machine *m);
/* Let time pass; timers fire at their times, in order. Returns how many did. */
unsigned fake_advance(uint64_t ns);
unsigned fake_timers_armed(void);
struct irq_line fake_irq(struct fake_line *l);
/* Reset, quiesce, resume, destroy as the VM would. */
void fake_reset(struct dev *d);
void fake_destroy(struct dev *d);

uint8_t inb(struct fake_machine *m, uint16_t port);
void outb(struct fake_machine *m, uint16_t port, uint8_t val);
uint64_t in_size(struct fake_machine *m, uint16_t port, unsigned size);
void out_size(struct fake_machine *m, uint16_t port, unsigned size, uint64_t val);

#endif
