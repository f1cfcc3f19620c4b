/*
 * The pair of 8259A interrupt controllers of a PC: master at 0x20, slave at 0xa0 on its input 2,
 * edge/level registers at 0x4d0. [Intel 8259A data sheet]
 */
#ifndef DOPPEL_IRQ_X86_PIC_H
#define DOPPEL_IRQ_X86_PIC_H

#include "dev/dev.h"

#define PIC_CHIP_STATE(S, A, B, N)                                                                 \
    S(uint8_t, irr)                                                                                \
    S(uint8_t, imr)                                                                                \
    S(uint8_t, isr)                                                                                \
    S(uint8_t, lines)      /* input levels */                                                      \
    S(uint8_t, elcr)       /* 1: level-triggered */                                                \
    S(uint8_t, base)       /* vector of input 0 */                                                 \
    S(uint8_t, top)        /* input with the highest priority */                                   \
    S(uint8_t, init_stage) /* next ICW: 2, 3 or 4; 0 when initialised */                           \
    S(bool, init_icw4)                                                                             \
    S(bool, read_isr)                                                                              \
    S(bool, poll)                                                                                  \
    S(bool, special_mask)                                                                          \
    S(bool, special_nested)                                                                        \
    S(bool, auto_eoi)                                                                              \
    S(bool, rotate_auto_eoi)

struct pic_chip {
    STATE_MEMBERS(PIC_CHIP_STATE)
};

extern const struct state_desc pic_chip_state;

#define PIC_STATE(S, A, B, N) N(struct pic_chip, chip, 2, pic_chip_state)

struct pic {
    struct dev dev;
    STATE_MEMBERS(PIC_STATE)
    struct irq_line intr; /* called under dev.lock */
    bool output;          /* level last put on intr */
};

extern const struct state_desc pic_state;

/* `intr`: the output, to LINT0 of the CPUs. */
int pic_create(struct pic **out, const struct dev_host *host, struct irq_line intr) must_check;
/* Input 0-15. Any thread. */
void pic_set(struct pic *pic, unsigned n, bool level);
/* Acknowledge cycle: the vector, or -1 when the request went away. Any thread. */
int pic_ack(struct pic *pic);

#endif
