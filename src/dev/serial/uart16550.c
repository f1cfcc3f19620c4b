/*
 * See uart16550.h. The line is infinitely fast: what the guest sends has left at once, and a
 * receive time-out has always passed. Flow control holds input back instead of losing it.
 */
#include "dev/serial/uart16550.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { R_DATA, R_IER, R_IIR, R_LCR, R_MCR, R_LSR, R_MSR, R_SCRATCH };

enum { IER_RX = 1, IER_TX = 2, IER_LINE = 4, IER_MODEM = 8 };
enum { IIR_NONE = 1, IIR_MODEM = 0, IIR_TX = 2, IIR_RX = 4, IIR_LINE = 6, IIR_TIMEOUT = 12 };
enum { FCR_ENABLE = 1, FCR_CLEAR_RX = 2, FCR_CLEAR_TX = 4 };
enum { LCR_DLAB = 0x80 };
enum { MCR_DTR = 1, MCR_RTS = 2, MCR_OUT1 = 4, MCR_OUT2 = 8, MCR_LOOP = 16, MCR_BITS = 0x1f };
enum { LSR_DATA = 1, LSR_OVERRUN = 2, LSR_ERRORS = 0x1e, LSR_TX_IDLE = 0x60 };
enum { MSR_CTS = 0x10, MSR_DSR = 0x20, MSR_RI = 0x40, MSR_DCD = 0x80 };

/* dev.lock is held in everything below but the entry points from the back end. */

static unsigned rx_capacity(const struct uart16550 *u)
{
    return u->fcr & FCR_ENABLE ? UART_FIFO : 1;
}

static unsigned rx_trigger(const struct uart16550 *u)
{
    static const uint8_t level[4] = {1, 4, 8, 14};

    return u->fcr & FCR_ENABLE ? level[u->fcr >> 6] : 1;
}

/* Modem inputs: a connected cable, or the outputs looped back. */
static uint8_t modem_lines(uint8_t mcr)
{
    if (!(mcr & MCR_LOOP))
        return MSR_CTS | MSR_DSR | MSR_DCD;
    return (mcr & MCR_RTS ? MSR_CTS : 0) | (mcr & MCR_DTR ? MSR_DSR : 0) |
           (mcr & MCR_OUT1 ? MSR_RI : 0) | (mcr & MCR_OUT2 ? MSR_DCD : 0);
}

/* The most urgent pending interrupt, as IIR shows it. */
static uint8_t pending(const struct uart16550 *u)
{
    if (u->ier & IER_LINE && u->lsr & LSR_ERRORS)
        return IIR_LINE;
    if (u->ier & IER_RX && u->rx_count)
        return u->rx_count >= rx_trigger(u) ? IIR_RX : IIR_TIMEOUT;
    if (u->ier & IER_TX && u->thr_empty)
        return IIR_TX;
    if (u->ier & IER_MODEM && u->msr)
        return IIR_MODEM;
    return IIR_NONE;
}

/* On a PC, OUT2 gates the interrupt output; looped back it is off the pin. */
static void update(struct uart16550 *u)
{
    bool open = (u->mcr & MCR_OUT2 || u->ungated) && !(u->mcr & MCR_LOOP);

    irq_line_set(&u->irq, open && pending(u) != IIR_NONE);
}

static bool rx_push(struct uart16550 *u, uint8_t byte)
{
    if (u->rx_count >= rx_capacity(u))
        return false;
    u->rx[(u->rx_head + u->rx_count++) % UART_FIFO] = byte;
    return true;
}

/* There is room again for a back end that was told to wait. */
static void rx_make_room(struct uart16550 *u)
{
    if (!u->rx_wanted || u->rx_count)
        return;
    u->rx_wanted = false;
    if (u->chr && u->chr->ops->rx_ready)
        u->chr->ops->rx_ready(u->chr);
}

static uint8_t read_data(struct uart16550 *u)
{
    uint8_t byte = u->rx[u->rx_head];

    if (!u->rx_count)
        return 0;
    u->rx_head = (u->rx_head + 1) % UART_FIFO;
    u->rx_count--;
    rx_make_room(u);
    return byte;
}

static void write_data(struct uart16550 *u, uint8_t byte)
{
    if (u->mcr & MCR_LOOP) {
        if (!rx_push(u, byte))
            u->lsr |= LSR_OVERRUN;
    } else if (u->chr) {
        u->chr->ops->write(u->chr, &byte, 1);
    }
    u->thr_empty = true;
}

static void write_ier(struct uart16550 *u, uint8_t val)
{
    /* The transmitter is idle: enabling its interrupt raises it. */
    if (val & IER_TX && !(u->ier & IER_TX))
        u->thr_empty = true;
    u->ier = val & 0x0f;
}

static uint8_t read_iir(struct uart16550 *u)
{
    uint8_t v = pending(u);

    if (v == IIR_TX)
        u->thr_empty = false; /* reading it acknowledges */
    return v | (u->fcr & FCR_ENABLE ? 0xc0 : 0);
}

static void write_fcr(struct uart16550 *u, uint8_t val)
{
    bool toggled = (val ^ u->fcr) & FCR_ENABLE;

    if (!(val & FCR_ENABLE))
        val = 0; /* the other bits only count with it */
    u->fcr = val & ~(FCR_CLEAR_RX | FCR_CLEAR_TX);
    if (toggled || val & FCR_CLEAR_RX) {
        u->rx_head = u->rx_count = 0;
        rx_make_room(u);
    }
}

static void write_mcr(struct uart16550 *u, uint8_t val)
{
    uint8_t old = modem_lines(u->mcr), now = modem_lines(val);

    u->mcr = val & MCR_BITS;
    u->msr |= (old ^ now) >> 4 & 0x0b;
    if (old & MSR_RI && !(now & MSR_RI))
        u->msr |= 4; /* trailing edge only */
    rx_make_room(u); /* the line may be back from loopback */
}

static uint8_t read_lsr(struct uart16550 *u)
{
    uint8_t v = u->lsr | LSR_TX_IDLE | (u->rx_count ? LSR_DATA : 0);

    u->lsr = 0;
    return v;
}

static uint8_t read_msr(struct uart16550 *u)
{
    uint8_t v = u->msr | modem_lines(u->mcr);

    u->msr = 0;
    return v;
}

static uint8_t read_reg(struct uart16550 *u, unsigned reg)
{
    bool dlab = u->lcr & LCR_DLAB;

    switch (reg) {
    case R_DATA:
        return dlab ? (uint8_t)u->divisor : read_data(u);
    case R_IER:
        return dlab ? (uint8_t)(u->divisor >> 8) : u->ier;
    case R_IIR:
        return read_iir(u);
    case R_LCR:
        return u->lcr;
    case R_MCR:
        return u->mcr;
    case R_LSR:
        return read_lsr(u);
    case R_MSR:
        return read_msr(u);
    default:
        return u->scratch;
    }
}

static void write_divisor(struct uart16550 *u, unsigned reg, uint8_t val)
{
    if (reg == R_DATA)
        u->divisor = (u->divisor & 0xff00) | val;
    else
        u->divisor = (uint16_t)((u->divisor & 0xff) | val << 8);
}

static void write_reg(struct uart16550 *u, unsigned reg, uint8_t val)
{
    if (reg <= R_IER && u->lcr & LCR_DLAB) {
        write_divisor(u, reg, val);
        return;
    }
    switch (reg) {
    case R_DATA:
        write_data(u, val);
        break;
    case R_IER:
        write_ier(u, val);
        break;
    case R_IIR:
        write_fcr(u, val);
        break;
    case R_LCR:
        u->lcr = val;
        break;
    case R_MCR:
        write_mcr(u, val);
        break;
    case R_SCRATCH:
        u->scratch = val;
        break;
    default: /* line and modem status are read-only */
        break;
    }
}

static enum io_status uart_read(void *opaque, uint64_t off, unsigned size, uint64_t *val)
{
    struct uart16550 *u = opaque;

    (void)size;
    *val = read_reg(u, (unsigned)off & 7);
    update(u);
    return IO_OK;
}

static enum io_status uart_write(void *opaque, uint64_t off, unsigned size, uint64_t val)
{
    struct uart16550 *u = opaque;

    (void)size;
    write_reg(u, (unsigned)off & 7, (uint8_t)val);
    update(u);
    return IO_OK;
}

static const struct io_ops uart_ops = {uart_read, uart_write, 1, 1, false};

/* Event loop thread. In loopback the receiver is off the line: input waits. */
static size_t uart_receive(void *opaque, const uint8_t *buf, size_t len)
{
    struct uart16550 *u = opaque;
    size_t n = 0;

    pthread_mutex_lock(&u->dev.lock);
    while (n < len && !(u->mcr & MCR_LOOP) && rx_push(u, buf[n]))
        n++;
    u->rx_wanted |= n < len;
    update(u);
    pthread_mutex_unlock(&u->dev.lock);
    return n;
}

/* ---- life ---- */

static int uart_post_load(void *obj, struct error *err)
{
    struct uart16550 *u = obj;

    if (u->rx_head >= UART_FIFO || u->rx_count > UART_FIFO)
        return error_set(err, EINVAL, "the state of the serial port is not valid");
    return 0;
}

#define STATE_OWNER struct uart16550
STATE_DESC(uart16550_state, "uart16550", 1, UART_STATE, .post_load = uart_post_load);
#undef STATE_OWNER

static void uart_reset(struct dev *d)
{
    struct uart16550 *u = container_of(d, struct uart16550, dev);

    u->ier = u->fcr = u->lcr = u->mcr = u->lsr = u->msr = u->scratch = 0;
    u->divisor = 12; /* 9600 baud */
    u->thr_empty = false;
    u->rx_head = u->rx_count = 0;
    rx_make_room(u);
    update(u);
}

static void uart_resume(struct dev *d)
{
    struct uart16550 *u = container_of(d, struct uart16550, dev);

    pthread_mutex_lock(&d->lock);
    update(u);
    rx_make_room(u);
    pthread_mutex_unlock(&d->lock);
}

static const struct dev_class uart_class = {
    .name = "uart16550",
    .state = &uart16550_state,
    .reset = uart_reset,
    .resume = uart_resume,
    .destroy = dev_free,
};

static struct uart16550 *make(const struct dev_host *host, unsigned n, struct irq_line irq)
{
    struct uart16550 *u = calloc(1, sizeof(*u));
    char id[32];

    if (!u)
        return NULL;
    snprintf(id, sizeof(id), "uart%u", n);
    dev_init(&u->dev, &uart_class, host, id);
    u->irq = irq;
    uart_reset(&u->dev);
    return u;
}

/* Frees `u` when its addresses are taken. */
static int place(struct uart16550 *u, struct io_space *space, uint64_t base,
                 struct chr_backend *chr)
{
    int rc = io_space_add(
        space, &(struct io_region){"uart16550", base, UART_PORTS, &uart_ops, u, &u->dev.lock});

    if (rc < 0) {
        dev_free(&u->dev);
        return rc;
    }
    u->chr = chr;
    if (chr) {
        chr->opaque = u;
        chr->receive = uart_receive;
    }
    return 0;
}

int uart16550_create(struct uart16550 **out, const struct dev_host *host, unsigned n, uint16_t base,
                     struct irq_line irq, struct chr_backend *chr)
{
    *out = make(host, n, irq);
    return *out ? place(*out, host->pio, base, chr) : -ENOMEM;
}

int uart16550_create_mmio(struct uart16550 **out, const struct dev_host *host, unsigned n,
                          gpa_t base, struct irq_line irq, struct chr_backend *chr)
{
    *out = make(host, n, irq);
    if (!*out)
        return -ENOMEM;
    (*out)->ungated = true;
    return place(*out, host->mmio, base, chr);
}
