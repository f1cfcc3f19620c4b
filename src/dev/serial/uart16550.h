/*
 * The 16550A serial port: 16-byte FIFOs, interrupts, loopback, modem lines. [NS PC16550D data
 * sheet]
 */
#ifndef DOPPEL_DEV_SERIAL_UART16550_H
#define DOPPEL_DEV_SERIAL_UART16550_H

#include "backend/char/chr.h"
#include "dev/dev.h"

enum { UART_PORTS = 8, UART_FIFO = 16 };

#define UART_STATE(S, A, B, N)                                                                     \
    S(uint8_t, ier)                                                                                \
    S(uint8_t, fcr)                                                                                \
    S(uint8_t, lcr)                                                                                \
    S(uint8_t, mcr)                                                                                \
    S(uint8_t, lsr) /* error bits only: the rest is derived */                                     \
    S(uint8_t, msr) /* delta bits only */                                                          \
    S(uint8_t, scratch)                                                                            \
    S(uint16_t, divisor)                                                                           \
    S(bool, thr_empty) /* transmitter interrupt pending */                                         \
    A(uint8_t, rx, UART_FIFO)                                                                      \
    S(uint8_t, rx_head)                                                                            \
    S(uint8_t, rx_count)

struct uart16550 {
    struct dev dev;
    STATE_MEMBERS(UART_STATE)
    struct irq_line irq;
    bool ungated;            /* OUT2 does not matter to the interrupt */
    struct chr_backend *chr; /* NULL: nothing is connected */
    bool rx_wanted;          /* the back end holds bytes it could not give us */
};

extern const struct state_desc uart16550_state;

/* At ports [base, base + 8). `chr` outlives the device and may be NULL; `n` numbers the instance.
 */
int uart16550_create(struct uart16550 **out, const struct dev_host *host, unsigned n, uint16_t base,
                     struct irq_line irq, struct chr_backend *chr) must_check;
/* The same in memory, as boards that are no PCs have it. */
int uart16550_create_mmio(struct uart16550 **out, const struct dev_host *host, unsigned n,
                          gpa_t base, struct irq_line irq, struct chr_backend *chr) must_check;

#endif
