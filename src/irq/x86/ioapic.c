/*
 * See ioapic.h.
 *
 * Invariants
 * 1. A level pin whose message was accepted has REMOTE_IRR set until the EOI; it sends no other.
 * 2. An edge on a masked pin is ignored, not kept (data sheet 3.2.4, "Interrupt Mask"). An edge on
 *    an open pin that no CPU accepted stays in IRR and is tried again when the entry is written.
 * 3. A level pin's IRR bit is its input level.
 */
#include "irq/x86/ioapic.h"

#include <errno.h>
#include <stdlib.h>

#define REDIR_LOGICAL    (1u << 11)
#define REDIR_STATUS     (1u << 12)
#define REDIR_REMOTE_IRR (1u << 14)
#define REDIR_LEVEL      (1u << 15)
#define REDIR_MASKED     (1u << 16)
#define REDIR_WRITABLE   (UINT64_C(0xff0000000001afff))
#define PIN_BITS         ((1u << IOAPIC_PINS) - 1)

enum { OFF_SELECT = 0x00, OFF_WINDOW = 0x10, OFF_EOI = 0x40 };
enum { IND_ID = 0, IND_VERSION = 1, IND_ARBITRATION = 2, IND_REDIR = 0x10 };

/* dev.lock held, as for all below. Send the pin's message if it may go. */
static void service(struct ioapic *io, unsigned pin)
{
    uint64_t e = io->redir[pin];
    uint32_t dest = (uint32_t)(e >> 56);
    struct lapic_msg msg = {
        .dest = dest == 0xff ? LAPIC_BROADCAST : dest,
        .vector = (uint8_t)e,
        .mode = (e >> 8) & 7,
        .logical = e & REDIR_LOGICAL,
        .level = e & REDIR_LEVEL,
    };

    if (!(io->irr & 1u << pin) || e & (REDIR_MASKED | REDIR_REMOTE_IRR))
        return;
    if (!lapic_bus_deliver(io->bus, &msg))
        return;
    if (e & REDIR_LEVEL)
        io->redir[pin] |= REDIR_REMOTE_IRR;
    else
        io->irr &= ~(1u << pin);
}

void ioapic_set(struct ioapic *io, unsigned pin, bool level)
{
    uint32_t bit = 1u << (pin & 31);
    bool was;

    if (pin >= IOAPIC_PINS)
        return;
    pthread_mutex_lock(&io->dev.lock);
    was = io->lines & bit;
    io->lines = level ? io->lines | bit : io->lines & ~bit;
    if (io->redir[pin] & REDIR_LEVEL)
        io->irr = level ? io->irr | bit : io->irr & ~bit;
    else if (level && !was && !(io->redir[pin] & REDIR_MASKED))
        io->irr |= bit;
    if (level)
        service(io, pin);
    pthread_mutex_unlock(&io->dev.lock);
}

static void eoi_locked(struct ioapic *io, uint8_t vector)
{
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        uint64_t e = io->redir[pin];

        if ((uint8_t)e != vector || !(e & REDIR_LEVEL))
            continue;
        io->redir[pin] = e & ~(uint64_t)REDIR_REMOTE_IRR;
        service(io, pin); /* the line is still up: again */
    }
}

void ioapic_eoi(struct ioapic *io, uint8_t vector)
{
    pthread_mutex_lock(&io->dev.lock);
    eoi_locked(io, vector);
    pthread_mutex_unlock(&io->dev.lock);
}

static void write_redir(struct ioapic *io, unsigned pin, bool high, uint32_t val)
{
    uint64_t old = io->redir[pin], mask = high ? UINT64_C(0xffffffff) << 32 : 0xffffffff;
    uint64_t e = high ? (uint64_t)val << 32 : val;
    uint32_t bit = 1u << pin;

    mask &= REDIR_WRITABLE;
    e = (old & ~mask) | (e & mask);
    /* Kernels without an EOI register clear a stuck remote IRR by a spell of edge mode. */
    if (!(e & REDIR_LEVEL))
        e &= ~(uint64_t)REDIR_REMOTE_IRR;
    if (e & REDIR_LEVEL)
        io->irr = io->lines & bit ? io->irr | bit : io->irr & ~bit;
    else if (old & REDIR_LEVEL || e & REDIR_MASKED)
        io->irr &= ~bit;
    io->redir[pin] = e;
    service(io, pin);
}

static uint32_t read_indirect(const struct ioapic *io)
{
    unsigned i = io->select;

    if (i == IND_ID || i == IND_ARBITRATION)
        return io->id;
    if (i == IND_VERSION)
        return (IOAPIC_PINS - 1) << 16 | (io->bus->directed_eoi ? 0x20 : 0x11);
    if (i >= IND_REDIR && i < IND_REDIR + 2 * IOAPIC_PINS)
        return (uint32_t)(io->redir[(i - IND_REDIR) / 2] >> (i & 1 ? 32 : 0));
    return 0;
}

static void write_indirect(struct ioapic *io, uint32_t val)
{
    unsigned i = io->select;

    if (i == IND_ID)
        io->id = val & 0x0f000000;
    else if (i >= IND_REDIR && i < IND_REDIR + 2 * IOAPIC_PINS)
        write_redir(io, (i - IND_REDIR) / 2, i & 1, val);
}

static enum io_status ioapic_read(void *opaque, uint64_t off, unsigned size, uint64_t *val)
{
    struct ioapic *io = opaque;

    (void)size;
    *val = 0;
    if (off == OFF_SELECT)
        *val = io->select;
    else if (off == OFF_WINDOW)
        *val = read_indirect(io);
    return IO_OK;
}

static enum io_status ioapic_write(void *opaque, uint64_t off, unsigned size, uint64_t val)
{
    struct ioapic *io = opaque;

    (void)size;
    if (off == OFF_SELECT)
        io->select = (uint8_t)val;
    else if (off == OFF_WINDOW)
        write_indirect(io, (uint32_t)val);
    else if (off == OFF_EOI && io->bus->directed_eoi)
        eoi_locked(io, (uint8_t)val);
    return IO_OK;
}

static const struct io_ops ioapic_ops = {ioapic_read, ioapic_write, 1, 4, false};

static int ioapic_post_load(void *obj, struct error *err)
{
    struct ioapic *io = obj;

    for (unsigned i = 0; i < IOAPIC_PINS; i++)
        if (io->redir[i] & ~(REDIR_WRITABLE | REDIR_REMOTE_IRR | REDIR_STATUS))
            return error_set(err, EINVAL, "the state of the I/O APIC is not valid (pin %u)", i);
    io->lines &= PIN_BITS;
    io->irr &= PIN_BITS;
    return 0;
}

#define STATE_OWNER struct ioapic
STATE_DESC(ioapic_state, "ioapic", 1, IOAPIC_STATE, .post_load = ioapic_post_load);
#undef STATE_OWNER

static void ioapic_reset(struct dev *d)
{
    struct ioapic *io = container_of(d, struct ioapic, dev);

    io->select = 0;
    io->id = 0;
    io->irr = 0;
    for (unsigned i = 0; i < IOAPIC_PINS; i++)
        io->redir[i] = REDIR_MASKED;
}

static const struct dev_class ioapic_class = {
    .name = "ioapic",
    .state = &ioapic_state,
    .reset = ioapic_reset,
    .destroy = dev_free,
};

int ioapic_create(struct ioapic **out, const struct dev_host *host, struct lapic_bus *bus)
{
    struct ioapic *io = calloc(1, sizeof(*io));
    int rc;

    if (!io)
        return -ENOMEM;
    dev_init(&io->dev, &ioapic_class, host, "ioapic");
    io->bus = bus;
    ioapic_reset(&io->dev);
    rc = io_space_add(host->mmio, &(struct io_region){"ioapic", IOAPIC_BASE, IOAPIC_LEN,
                                                      &ioapic_ops, io, &io->dev.lock});
    if (rc < 0) {
        dev_free(&io->dev);
        return rc;
    }
    *out = io;
    return 0;
}
