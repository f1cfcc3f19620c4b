/*
 * The miniature guest and its driver. Register offsets are written out as a driver would take them
 * from the specification, not from the device's sources.
 */
#include "unit/dev/virtio/guest.h"

#include "unit/cmocka_all.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { ECAM = 0x20000000, MEM32 = 0x30000000 };

static void send_msi(void *opaque, uint64_t addr, uint32_t data)
{
    struct guest *g = opaque;

    assert_int_equal(addr, GUEST_MSI_BASE);
    assert_true(data < ARRAY_SIZE(g->msi_count));
    atomic_fetch_add(&g->msi_count[data], 1);
}

static void set_intx(void *opaque, unsigned n, bool level)
{
    struct guest *g = opaque;

    atomic_store(&g->intx[n], level);
}

static int doorbell(void *vm, gpa_t addr, unsigned size, int fd, bool on)
{
    struct guest *g = vm;

    if (!g->doorbells)
        return -ENOTSUP;
    assert_int_equal(size, 2);
    for (unsigned i = 0; i < ARRAY_SIZE(g->bell); i++) {
        if (g->bell[i].addr != (on ? 0 : addr))
            continue;
        g->bell[i].addr = on ? addr : 0;
        g->bell[i].fd = fd;
        return 0;
    }
    fail();
    return -ENOSPC;
}

void guest_init(struct guest *g)
{
    struct pci_host_config cfg = {.ecam_base = ECAM, .ports = true};
    struct error err;

    memset(g, 0, sizeof(*g));
    assert_int_equal(guest_mem_init(&g->mem, GUEST_RAM, &err), 0);
    assert_int_equal(guest_mem_add_slot(&g->mem, 0, GUEST_RAM, false, &err), 0);
    assert_int_equal(io_space_init(&g->mmio), 0);
    assert_int_equal(io_space_init(&g->pio), 0);
    assert_int_equal(evloop_create(&g->loop, "test", &err), 0);
    assert_int_equal(evloop_start(g->loop, &err), 0);
    guest_clock_init(&g->clock, 0, 0);
    g->host = (struct dev_host){
        .mem = &g->mem,
        .mmio = &g->mmio,
        .pio = &g->pio,
        .loop = g->loop,
        .clock = &g->clock,
        .msi = {.send = send_msi, .opaque = g},
        .vm = g,
        .doorbell = doorbell,
    };
    for (unsigned i = 0; i < 4; i++) {
        cfg.intx[i] = (struct irq_line){.set = set_intx, .opaque = g, .n = i};
        cfg.intx_number[i] = (uint8_t)(16 + i);
    }
    assert_int_equal(pci_host_create(&g->bridge, &g->host, &cfg, &err), 0);
}

void guest_destroy(struct guest *g)
{
    evloop_stop(g->loop);
    g->bridge->cls->destroy(g->bridge);
    evloop_destroy(g->loop);
    io_space_destroy(&g->mmio);
    io_space_destroy(&g->pio);
    guest_mem_destroy(&g->mem);
}

uint64_t g_rd(struct guest *g, gpa_t addr, unsigned size)
{
    uint64_t v = 0;

    io_space_read(&g->mmio, addr, size, &v);
    return v;
}

/* With doorbells the engine turns the write into one to the eventfd. */
static bool ring_bell(struct guest *g, gpa_t addr, unsigned size)
{
    for (unsigned i = 0; size == 2 && i < ARRAY_SIZE(g->bell); i++) {
        if (g->bell[i].addr == addr) {
            eventfd_write(g->bell[i].fd, 1);
            return true;
        }
    }
    return false;
}

void g_wr(struct guest *g, gpa_t addr, unsigned size, uint64_t val)
{
    if (!ring_bell(g, addr, size))
        io_space_write(&g->mmio, addr, size, val);
}

uint32_t g_cfg_rd(struct guest *g, unsigned slot, unsigned off, unsigned size)
{
    return (uint32_t)g_rd(g, ECAM + (slot << 15) + off, size);
}

void g_cfg_wr(struct guest *g, unsigned slot, unsigned off, unsigned size, uint32_t val)
{
    g_wr(g, ECAM + (slot << 15) + off, size, val);
}

void g_put(struct guest *g, gpa_t gpa, const void *buf, size_t len)
{
    assert_int_equal(gpa_write(&g->mem, gpa, buf, len), 0);
}

void g_get(struct guest *g, gpa_t gpa, void *buf, size_t len)
{
    assert_int_equal(gpa_read(&g->mem, gpa, buf, len), 0);
}

uint16_t g_get16(struct guest *g, gpa_t gpa)
{
    uint64_t v;

    assert_int_equal(gpa_load(&g->mem, gpa, 2, &v), 0);
    return (uint16_t)v;
}

static void put16(struct guest *g, gpa_t gpa, uint16_t v)
{
    assert_int_equal(gpa_store(&g->mem, gpa, 2, v), 0);
}

/* --- probing --- */

static gpa_t cap_address(struct driver *d, unsigned slot, unsigned cap)
{
    unsigned bar = g_cfg_rd(d->g, slot, cap + 4, 1);
    uint32_t base = g_cfg_rd(d->g, slot, 0x10 + 4 * bar, 4);

    assert_int_equal(base & 0xf, 0);
    assert_int_not_equal(base, 0);
    return base + g_cfg_rd(d->g, slot, cap + 8, 4);
}

static void take_vendor_cap(struct driver *d, unsigned slot, unsigned cap)
{
    switch (g_cfg_rd(d->g, slot, cap + 3, 1)) {
    case 1:
        d->common = cap_address(d, slot, cap);
        break;
    case 2:
        d->notify = cap_address(d, slot, cap);
        d->notify_multiplier = g_cfg_rd(d->g, slot, cap + 16, 4);
        break;
    case 3:
        d->isr = cap_address(d, slot, cap);
        break;
    case 4:
        d->device = cap_address(d, slot, cap);
        break;
    default:
        break;
    }
}

static void probe_pci(struct driver *d, unsigned slot)
{
    unsigned cap = g_cfg_rd(d->g, slot, 0x34, 1);

    assert_int_equal(g_cfg_rd(d->g, slot, 0, 4), 0x10401af4 + ((uint32_t)d->v->ops->id << 16));
    assert_true(g_cfg_rd(d->g, slot, 6, 2) & 0x10);
    for (unsigned n = 0; cap; n++, cap = g_cfg_rd(d->g, slot, cap + 1, 1)) {
        unsigned id = g_cfg_rd(d->g, slot, cap, 1);

        assert_true(n < 16);
        if (id == 0x09) {
            take_vendor_cap(d, slot, cap);
        } else if (id == 0x11) {
            unsigned bar = g_cfg_rd(d->g, slot, cap + 4, 4) & 7;

            d->msix_table = g_cfg_rd(d->g, slot, 0x10 + 4 * bar, 4);
            if (d->msix)
                g_cfg_wr(d->g, slot, cap + 2, 2, 0x8000);
        }
    }
    assert_true(d->common && d->notify && d->isr);
}

static void set_vectors(struct driver *d)
{
    for (unsigned i = 0; i <= d->v->ops->nqueues; i++) {
        g_wr(d->g, d->msix_table + 16 * i, 4, GUEST_MSI_BASE);
        g_wr(d->g, d->msix_table + 16 * i + 4, 4, 0);
        g_wr(d->g, d->msix_table + 16 * i + 8, 4, i);
        g_wr(d->g, d->msix_table + 16 * i + 12, 4, 0);
    }
}

static void attach_pci(struct driver *d)
{
    const struct pci_windows w = {.mem32 = {.base = MEM32, .size = 0x1000000}};
    struct pci_bus *bus = pci_host_bus(d->g->bridge);
    unsigned slot = 0;
    struct error err;

    assert_int_equal(virtio_pci_create(&d->transport, d->v, bus, -1, &err), 0);
    assert_int_equal(pci_assign_bars(bus, &w, &err), 0);
    for (unsigned i = 1; i < PCI_SLOTS; i++) {
        if (bus->slots[i])
            slot = i;
    }
    probe_pci(d, slot);
    if (d->msix)
        set_vectors(d);
}

void driver_attach(struct driver *d, struct guest *g, struct virtio_dev *v, bool mmio)
{
    struct error err;

    d->g = g;
    d->v = v;
    d->mmio = mmio;
    if (mmio) {
        const struct irq_line line = {.set = set_intx, .opaque = g, .n = 0};

        assert_int_equal(virtio_mmio_create(&d->transport, v, GUEST_MMIO, line, &err), 0);
        assert_int_equal(g_rd(g, GUEST_MMIO, 4), 0x74726976);
        assert_int_equal(g_rd(g, GUEST_MMIO + 4, 4), 2);
        assert_int_equal(g_rd(g, GUEST_MMIO + 8, 4), v->ops->id);
    } else {
        attach_pci(d);
    }
    if (d->transport->cls->resume)
        d->transport->cls->resume(d->transport);
    v->dev.cls->resume(&v->dev);
}

void driver_detach(struct driver *d)
{
    d->v->dev.cls->quiesce(&d->v->dev);
    evloop_stop(d->g->loop);
    d->transport->cls->destroy(d->transport);
    evloop_stop(d->g->loop);
    d->v->dev.cls->destroy(&d->v->dev);
}

/* --- registers --- */

uint8_t driver_status(struct driver *d)
{
    return (uint8_t)(d->mmio ? g_rd(d->g, GUEST_MMIO + 0x70, 4) : g_rd(d->g, d->common + 0x14, 1));
}

void driver_set_status(struct driver *d, uint8_t status)
{
    if (d->mmio)
        g_wr(d->g, GUEST_MMIO + 0x70, 4, status);
    else
        g_wr(d->g, d->common + 0x14, 1, status);
}

uint64_t driver_offered(struct driver *d)
{
    uint64_t f = 0;

    for (unsigned i = 0; i < 2; i++) {
        g_wr(d->g, d->mmio ? GUEST_MMIO + 0x14 : d->common, 4, i);
        f |= g_rd(d->g, d->mmio ? GUEST_MMIO + 0x10 : d->common + 4, 4) << (32 * i);
    }
    return f;
}

static void accept_features(struct driver *d, uint64_t features)
{
    for (unsigned i = 0; i < 2; i++) {
        g_wr(d->g, d->mmio ? GUEST_MMIO + 0x24 : d->common + 8, 4, i);
        g_wr(d->g, d->mmio ? GUEST_MMIO + 0x20 : d->common + 12, 4,
             (uint32_t)(features >> (32 * i)));
    }
}

uint64_t driver_config(struct driver *d, unsigned off, unsigned size)
{
    return g_rd(d->g, (d->mmio ? GUEST_MMIO + 0x100 : d->device) + off, size);
}

static void write_queue_mmio(struct driver *d, unsigned q, const struct g_queue *gq)
{
    const gpa_t addr[3] = {gq->desc, gq->avail, gq->used};

    g_wr(d->g, GUEST_MMIO + 0x30, 4, q);
    assert_true(gq->size <= g_rd(d->g, GUEST_MMIO + 0x34, 4));
    g_wr(d->g, GUEST_MMIO + 0x38, 4, gq->size);
    for (unsigned i = 0; i < 3; i++) {
        g_wr(d->g, GUEST_MMIO + 0x80 + 0x10 * i, 4, (uint32_t)addr[i]);
        g_wr(d->g, GUEST_MMIO + 0x84 + 0x10 * i, 4, addr[i] >> 32);
    }
    g_wr(d->g, GUEST_MMIO + 0x44, 4, 1);
}

static void write_queue_pci(struct driver *d, unsigned q, const struct g_queue *gq)
{
    const gpa_t addr[3] = {gq->desc, gq->avail, gq->used};

    g_wr(d->g, d->common + 0x16, 2, q);
    assert_true(gq->size <= g_rd(d->g, d->common + 0x18, 2));
    g_wr(d->g, d->common + 0x18, 2, gq->size);
    if (d->msix) {
        g_wr(d->g, d->common + 0x1a, 2, q + 1);
        assert_int_equal(g_rd(d->g, d->common + 0x1a, 2), q + 1);
    }
    for (unsigned i = 0; i < 3; i++) {
        g_wr(d->g, d->common + 0x20 + 8 * i, 4, (uint32_t)addr[i]);
        g_wr(d->g, d->common + 0x24 + 8 * i, 4, addr[i] >> 32);
    }
    g_wr(d->g, d->common + 0x1c, 2, 1);
}

void driver_setup_queue(struct driver *d, unsigned q, uint16_t size)
{
    struct g_queue *gq = &d->q[q];
    static const uint8_t zero[4096];

    memset(gq, 0, sizeof(*gq));
    gq->size = size;
    gq->desc = d->next_free;
    gq->avail = gq->desc + 16u * size;
    gq->used = (gq->avail + 6 + 2u * size + 3) & ~UINT64_C(3);
    d->next_free = (gq->used + 6 + 8u * size + 15) & ~UINT64_C(15);
    for (gpa_t a = gq->desc; a < d->next_free; a += 16)
        g_put(d->g, a, zero, 16);
    if (d->mmio)
        write_queue_mmio(d, q, gq);
    else
        write_queue_pci(d, q, gq);
}

bool driver_start(struct driver *d, uint64_t features)
{
    d->next_free = 0x1000;
    driver_set_status(d, 0);
    for (unsigned i = 0; i < 5000 && driver_status(d); i++)
        usleep(1000);
    assert_int_equal(driver_status(d), 0);
    driver_set_status(d, 1);
    driver_set_status(d, 3);
    accept_features(d, features);
    driver_set_status(d, 0xb);
    if (!(driver_status(d) & 8))
        return false;
    if (!d->mmio && d->msix)
        g_wr(d->g, d->common + 0x10, 2, 0);
    for (unsigned q = 0; q < d->v->ops->nqueues; q++)
        driver_setup_queue(d, q, GUEST_QUEUE_SIZE);
    driver_set_status(d, 0xf);
    return driver_status(d) == 0xf;
}

/* --- rings --- */

void driver_desc(struct driver *d, unsigned q, unsigned i, struct g_desc desc)
{
    g_put(d->g, d->q[q].desc + 16u * i, &desc, sizeof(desc));
}

void driver_avail(struct driver *d, unsigned q, uint16_t head)
{
    struct g_queue *gq = &d->q[q];

    put16(d->g, gq->avail + 4 + 2u * (gq->next_avail % gq->size), head);
    put16(d->g, gq->avail + 2, ++gq->next_avail);
}

void driver_kick(struct driver *d, unsigned q)
{
    if (d->mmio) {
        g_wr(d->g, GUEST_MMIO + 0x50, 4, q);
        return;
    }
    g_wr(d->g, d->common + 0x16, 2, q);
    g_wr(d->g, d->notify + g_rd(d->g, d->common + 0x1e, 2) * d->notify_multiplier, 2, q);
}

bool driver_used(struct driver *d, unsigned q, uint32_t *id, uint32_t *len)
{
    struct g_queue *gq = &d->q[q];
    uint32_t elem[2];

    for (unsigned i = 0; g_get16(d->g, gq->used + 2) == gq->last_used; i++) {
        if (i == 5000)
            return false;
        usleep(1000);
    }
    g_get(d->g, gq->used + 4 + 8u * (gq->last_used % gq->size), elem, sizeof(elem));
    gq->last_used++;
    *id = elem[0];
    *len = elem[1];
    return true;
}

bool driver_broken(struct driver *d)
{
    for (unsigned i = 0; i < 5000; i++) {
        if (driver_status(d) & VIRTIO_S_NEEDS_RESET)
            return true;
        usleep(1000);
    }
    return false;
}

void driver_settle(struct driver *d)
{
    for (unsigned q = 0; q < d->v->ops->nqueues; q++)
        d->v->ops->notify(d->v, q);
}

bool wait_count(_Atomic unsigned *count, unsigned n)
{
    for (unsigned i = 0; i < 5000; i++) {
        if (atomic_load(count) >= n)
            return true;
        usleep(1000);
    }
    return false;
}
