/*
 * The platform-level interrupt controller: sources with priorities, and contexts (one for M- and
 * one for S-mode of each hart) that claim and complete them. [RISC-V PLIC 1.0.0]
 */
#ifndef DOPPEL_IRQ_RISCV_PLIC_H
#define DOPPEL_IRQ_RISCV_PLIC_H

#include "dev/dev.h"

enum {
    PLIC_SOURCES = 96, /* number 0 means "none" and is not wired */
    PLIC_WORDS = PLIC_SOURCES / 32,
    PLIC_CONTEXTS = 16, /* 8 harts */
    PLIC_PRIORITY_MAX = 7,
    PLIC_LEN = 0x600000, /* room in the map for more contexts than are there */
};

#define PLIC_STATE(S, A, B, N)                                                                     \
    A(uint8_t, priority, PLIC_SOURCES)                                                             \
    A(uint32_t, lines, PLIC_WORDS)   /* input levels */                                            \
    A(uint32_t, pending, PLIC_WORDS) /* requests that nobody has claimed */                        \
    A(uint32_t, claimed, PLIC_WORDS) /* gateways that wait for a completion */                     \
    A(uint32_t, enable, (PLIC_CONTEXTS * PLIC_WORDS))                                              \
    A(uint8_t, threshold, PLIC_CONTEXTS)

struct plic {
    struct dev dev;
    STATE_MEMBERS(PLIC_STATE)
    struct irq_line out[PLIC_CONTEXTS];
    unsigned ncontexts;
};

extern const struct state_desc plic_state;

/* At `base`; outputs[i] is where context i's notification goes; at most
 * PLIC_CONTEXTS of them. */
int plic_create(struct plic **out, const struct dev_host *host, gpa_t base,
                const struct irq_line *outputs, unsigned ncontexts) must_check;
/* The wire into source `n`, 1 to PLIC_SOURCES - 1; it may be used from any thread. */
struct irq_line plic_line(struct plic *p, unsigned n);

#endif
