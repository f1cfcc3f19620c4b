/*
 * MSI-X vectors of one function. On the way of an interrupt: device -> msix_raise -> host->msi ->
 * local APIC.
 *
 * Where the platform can, a vector has an eventfd whose write sends its message. Invariant: while
 * the vector is enabled and unmasked, that message is the table's. A masked vector's eventfd keeps
 * the old one, and nobody writes it: we look at the mask first.
 */
#include "dev/pci/msix.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    CAP_MSIX = 0x11,
    CAP_LEN = 12,
    CAP_CONTROL = 2, /* offsets in the capability */
    CAP_TABLE = 4,
    CAP_PBA = 8,

    CONTROL_ENABLE = 1 << 15,
    CONTROL_MASK_ALL = 1 << 14,

    ENTRY_DWORDS = 4,
    ENTRY_ADDR_LO = 0,
    ENTRY_ADDR_HI = 1,
    ENTRY_DATA = 2,
    ENTRY_CONTROL = 3,
    ENTRY_MASKED = 1 << 0,

    BAR_SIZE = 4096,
    PBA_OFFSET = 2048,
};

_Static_assert(MSIX_MAX_VECTORS *ENTRY_DWORDS * 4 <= PBA_OFFSET, "the table ends before the PBA");
_Static_assert(MSIX_MAX_VECTORS <= 32, "pending bits are one dword");

#define STATE_OWNER struct msix

static int msix_post_load(void *obj, struct error *err)
{
    struct msix *m = obj;

    if (m->pending >> m->nvectors)
        return error_set(err, EINVAL, "MSI-X: a vector is pending that the device does not have");
    for (unsigned v = 0; v < MSIX_MAX_VECTORS; v++) {
        const uint32_t *e = m->table + v * ENTRY_DWORDS;

        if ((e[ENTRY_ADDR_LO] & 3) || (e[ENTRY_CONTROL] & ~ENTRY_MASKED))
            return error_set(err, EINVAL, "MSI-X: table entry %u has reserved bits set", v);
    }
    return 0;
}

STATE_DESC(msix_state, "msix", 1, MSIX_STATE, .post_load = msix_post_load);

static uint16_t control(const struct msix *m)
{
    return le_load16(m->fn->config + m->cap + CAP_CONTROL);
}

bool msix_enabled(const struct msix *m)
{
    return control(m) & CONTROL_ENABLE;
}

static bool masked(const struct msix *m, unsigned vector)
{
    const uint32_t *e = m->table + vector * ENTRY_DWORDS;

    return (control(m) & CONTROL_MASK_ALL) || (e[ENTRY_CONTROL] & ENTRY_MASKED);
}

/* ---- eventfds ---- */

static void drop_fd(struct msix *m, unsigned vector)
{
    const struct irq_msi *msi;

    if (m->fd[vector] < 0)
        return;
    msi = &m->fn->bus->host->msi;
    msi->unroute(msi->opaque, m->fd[vector]);
    close(m->fd[vector]);
    m->fd[vector] = -1;
}

static void drop_fds(struct msix *m)
{
    for (unsigned v = 0; v < m->nvectors; v++)
        drop_fd(m, v);
}

static uint64_t message_addr(const uint32_t *e)
{
    return (uint64_t)e[ENTRY_ADDR_HI] << 32 | e[ENTRY_ADDR_LO];
}

/* Whatever fails here, the message can still be sent by hand. */
static void route(struct msix *m, unsigned vector)
{
    const uint32_t *e = m->table + vector * ENTRY_DWORDS;
    const struct irq_msi *msi = m->fn->bus ? &m->fn->bus->host->msi : NULL;

    if (!msi || !msi->route || !msix_enabled(m) || masked(m, vector))
        return;
    if (m->fd[vector] < 0)
        m->fd[vector] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (m->fd[vector] >= 0 &&
        msi->route(msi->opaque, m->fd[vector], message_addr(e), e[ENTRY_DATA]) < 0)
        drop_fd(m, vector);
}

static void route_all(struct msix *m)
{
    for (unsigned v = 0; v < m->nvectors; v++)
        route(m, v);
}

void msix_quiesce(struct msix *m)
{
    drop_fds(m);
}

void msix_resume(struct msix *m)
{
    route_all(m);
}

/* ---- vectors ---- */

void msix_raise(struct msix *m, unsigned vector)
{
    const uint32_t *e;

    if (vector >= m->nvectors || !msix_enabled(m) || !m->fn->bus)
        return;
    if (masked(m, vector)) {
        m->pending |= 1u << vector;
        return;
    }
    m->pending &= ~(1u << vector);
    if (m->fd[vector] >= 0 && eventfd_write(m->fd[vector], 1) == 0)
        return;
    e = m->table + vector * ENTRY_DWORDS;
    irq_msi_send(&m->fn->bus->host->msi, message_addr(e), e[ENTRY_DATA]);
}

/* What was held back goes out when its mask goes. */
static void send_unmasked(struct msix *m)
{
    for (unsigned v = 0; v < m->nvectors; v++) {
        if ((m->pending & 1u << v) && !masked(m, v))
            msix_raise(m, v);
    }
}

void msix_config_written(struct msix *m, unsigned off, unsigned size)
{
    if (off >= m->cap + CAP_TABLE || off + size <= m->cap + CAP_CONTROL)
        return;
    route_all(m);
    send_unmasked(m);
}

static enum io_status bar_read(void *opaque, uint64_t off, unsigned size, uint64_t *val)
{
    struct msix *m = opaque;

    (void)size;
    *val = 0;
    if (off < m->nvectors * ENTRY_DWORDS * 4)
        *val = m->table[off / 4];
    else if (off == PBA_OFFSET)
        *val = m->pending;
    return IO_OK;
}

static enum io_status bar_write(void *opaque, uint64_t off, unsigned size, uint64_t val)
{
    static const uint32_t writable[ENTRY_DWORDS] = {
        [ENTRY_ADDR_LO] = ~3u,
        [ENTRY_ADDR_HI] = ~0u,
        [ENTRY_DATA] = ~0u,
        [ENTRY_CONTROL] = ENTRY_MASKED,
    };
    struct msix *m = opaque;
    unsigned i = (unsigned)(off / 4);

    (void)size;
    if (i >= m->nvectors * ENTRY_DWORDS)
        return IO_OK; /* the pending bits are read-only */
    m->table[i] = (uint32_t)val & writable[i % ENTRY_DWORDS];
    route(m, i / ENTRY_DWORDS);
    if (i % ENTRY_DWORDS == ENTRY_CONTROL)
        send_unmasked(m);
    return IO_OK;
}

/* Software must use aligned dword (or qword, which the bus splits) accesses. [PCI 3.0 6.8.2] */
static const struct io_ops bar_ops = {
    .read = bar_read,
    .write = bar_write,
    .min_size = 4,
    .max_size = 4,
};

void msix_init(struct msix *m, struct pci_function *f, unsigned bar, unsigned nvectors)
{
    const struct pci_bar b = {
        .kind = PCI_BAR_MEM32, .size = BAR_SIZE, .name = "msix", .ops = &bar_ops, .opaque = m};

    memset(m, 0, sizeof(*m));
    m->fn = f;
    m->nvectors = nvectors;
    memset(m->fd, -1, sizeof(m->fd));
    pci_add_bar(f, bar, &b);
    m->cap = pci_add_cap(f, CAP_MSIX, CAP_LEN);
    le_store16(f->image + m->cap + CAP_CONTROL, (uint16_t)(nvectors - 1));
    le_store16(f->mask + m->cap + CAP_CONTROL, CONTROL_ENABLE | CONTROL_MASK_ALL);
    le_store32(f->image + m->cap + CAP_TABLE, bar);
    le_store32(f->image + m->cap + CAP_PBA, PBA_OFFSET | bar);
    msix_reset(m);
}

void msix_reset(struct msix *m)
{
    drop_fds(m);
    memset(m->table, 0, sizeof(m->table));
    m->pending = 0;
    for (unsigned v = 0; v < MSIX_MAX_VECTORS; v++)
        m->table[v * ENTRY_DWORDS + ENTRY_CONTROL] = ENTRY_MASKED;
}
