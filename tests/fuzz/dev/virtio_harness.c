/*
 * The machine and the script interpreter of the virtio fuzz targets.
 */
#include "virtio_harness.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "dev/virtio/pci.h"

enum { RAM = 1 << 20, LOW = 1 << 16, REGS = 0xc0000000, REGS_SIZE = 0x8000, QUEUE_SIZE = 16 };

/* Script op codes; arguments follow, little-endian. */
enum op {
    OP_RAM,     /* address 2, length 1, bytes */
    OP_WRITE,   /* register 2, log2 of size 1, value 4 */
    OP_READ,    /* register 2, log2 of size 1 */
    OP_NOTIFY,  /* queue 1 */
    OP_START,   /* features 4: a driver sets the device up properly */
    OP_DESC,    /* queue 1, index 1, address 4, length 4, flags 1, next 1 */
    OP_AVAIL,   /* queue 1, head 1 */
    OP_OUTSIDE, /* what the target makes of it */
    OP_PAUSE,
    OP_STATE,  /* 0 device or 1 transport 1, offset 2, xor 1: save, change, load */
    OP_CONFIG, /* register 2, log2 of size 1, value 4: PCI config space */
    OPS,
};

uint64_t input_take(struct input *in, unsigned bytes)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < bytes && in->left; i++, in->left--)
        v |= (uint64_t)*in->data++ << (8 * i);
    return v;
}

static void count_msi(void *opaque, uint64_t addr, uint32_t data)
{
    struct harness *h = opaque;

    (void)addr;
    (void)data;
    h->interrupts++;
}

static void must(int rc)
{
    if (rc < 0)
        abort();
}

void harness_init(struct harness *h)
{
    const struct pci_host_config cfg = {.ports = true};
    struct error err;

    log_set_quiet(true);
    must(guest_mem_init(&h->mem, RAM, &err));
    must(guest_mem_add_slot(&h->mem, 0, RAM, false, &err));
    must(io_space_init(&h->mmio));
    must(io_space_init(&h->pio));
    must(evloop_create(&h->loop, "fuzz", &err));
    h->host = (struct dev_host){.mem = &h->mem,
                                .mmio = &h->mmio,
                                .pio = &h->pio,
                                .loop = h->loop,
                                .msi = {.send = count_msi, .opaque = h}};
    must(pci_host_create(&h->bridge, &h->host, &cfg, &err));
}

static void power_on(struct harness *h)
{
    const struct pci_windows w = {.mem32 = {.base = REGS, .size = 0x100000}};
    struct dev *devs[] = {&h->v->dev, h->transport};
    struct error err;

    if (h->settle)
        h->settle(h);
    for (unsigned i = 0; i < ARRAY_SIZE(devs); i++) {
        pthread_mutex_lock(&devs[i]->lock);
        devs[i]->cls->reset(devs[i]);
        pthread_mutex_unlock(&devs[i]->lock);
        if (devs[i]->cls->resume)
            devs[i]->cls->resume(devs[i]);
    }
    must(pci_assign_bars(pci_host_bus(h->bridge), &w, &err));
    must(gpa_fill(&h->mem, 0, 0, LOW));
}

void harness_attach(struct harness *h, struct virtio_dev *v)
{
    struct error err;

    h->v = v;
    must(virtio_pci_create(&h->transport, v, pci_host_bus(h->bridge), 1, &err));
    power_on(h);
}

static gpa_t queue_base(unsigned q)
{
    return 0x1000 + 0x1000 * (q % VIRTIO_MAX_QUEUES);
}

static void reg(struct harness *h, unsigned off, unsigned size, uint32_t val)
{
    io_space_write(&h->mmio, REGS + off, size, val);
}

static void op_start(struct harness *h, uint32_t features)
{
    reg(h, 0x14, 1, 0);
    reg(h, 0x14, 1, 3);
    reg(h, 0x08, 4, 0);
    reg(h, 0x0c, 4, features & (uint32_t)h->v->offered);
    reg(h, 0x08, 4, 1);
    reg(h, 0x0c, 4, 1);
    reg(h, 0x14, 1, 0xb);
    for (unsigned q = 0; q < h->v->ops->nqueues; q++) {
        reg(h, 0x16, 2, q);
        reg(h, 0x18, 2, QUEUE_SIZE);
        reg(h, 0x20, 4, (uint32_t)queue_base(q));
        reg(h, 0x28, 4, (uint32_t)queue_base(q) + 0x400);
        reg(h, 0x30, 4, (uint32_t)queue_base(q) + 0x800);
        reg(h, 0x1c, 2, 1);
    }
    reg(h, 0x14, 1, 0xf);
}

static void op_desc(struct harness *h, struct input *in)
{
    gpa_t at = queue_base((unsigned)input_take(in, 1));
    struct {
        uint64_t addr;
        uint32_t len;
        uint16_t flags, next;
    } d;

    at += input_take(in, 1) % QUEUE_SIZE * sizeof(d);
    d.addr = input_take(in, 4);
    d.len = (uint32_t)input_take(in, 4);
    d.flags = (uint16_t)input_take(in, 1);
    d.next = (uint16_t)input_take(in, 1);
    must(gpa_write(&h->mem, at, &d, sizeof(d)));
}

static void op_avail(struct harness *h, struct input *in)
{
    gpa_t ring = queue_base((unsigned)input_take(in, 1)) + 0x400;
    uint64_t idx;

    must(gpa_load(&h->mem, ring + 2, 2, &idx));
    must(gpa_store(&h->mem, ring + 4 + 2 * (idx % QUEUE_SIZE), 2, input_take(in, 1)));
    must(gpa_store(&h->mem, ring + 2, 2, (uint16_t)(idx + 1)));
}

static void op_ram(struct harness *h, struct input *in)
{
    gpa_t at = input_take(in, 2);

    for (uint64_t n = input_take(in, 1); n; n--, at++) {
        uint8_t byte = (uint8_t)input_take(in, 1);

        must(gpa_write(&h->mem, at, &byte, 1));
    }
}

static void op_pause(struct harness *h)
{
    if (h->settle)
        h->settle(h);
    h->v->dev.cls->quiesce(&h->v->dev);
    h->v->dev.cls->resume(&h->v->dev);
}

/* A refused state leaves the device unusable, as it leaves a machine that then does not start. */
static void op_state(struct harness *h, struct input *in)
{
    struct dev *d = input_take(in, 1) & 1 ? h->transport : &h->v->dev;
    struct state_writer w = {0};
    struct state_section s;
    struct error err;
    size_t pos = 0, at;

    if (h->settle)
        h->settle(h);
    h->v->dev.cls->quiesce(&h->v->dev);
    state_save(&w, d->id, d->cls->state, d);
    must(w.err);
    must(state_next_section(w.buf, w.len, &pos, &s, &err));
    at = (size_t)(s.body - w.buf) + input_take(in, 2) % s.len;
    w.buf[at] ^= (uint8_t)input_take(in, 1);
    if (state_load(s.body, s.len, d->cls->state, d, &err) < 0)
        power_on(h);
    state_writer_free(&w);
    if (h->transport->cls->resume)
        h->transport->cls->resume(h->transport);
    h->v->dev.cls->resume(&h->v->dev);
}

static void access_regs(struct harness *h, struct input *in, bool write)
{
    gpa_t at = REGS + input_take(in, 2) % REGS_SIZE;
    unsigned size = 1u << input_take(in, 1) % 4;
    uint64_t val;

    if (write)
        io_space_write(&h->mmio, at, size, input_take(in, 4));
    else
        io_space_read(&h->mmio, at, size, &val);
}

static void op_config(struct harness *h, struct input *in)
{
    unsigned off = (unsigned)input_take(in, 2) % PCI_CONFIG_SIZE;
    unsigned size = 1u << input_take(in, 1) % 3;

    off &= ~(size - 1);
    pci_config_write(pci_host_bus(h->bridge), 1, off, size, (uint32_t)input_take(in, 4));
    pci_config_read(pci_host_bus(h->bridge), 1, off, size);
}

static void op_notify(struct harness *h, struct input *in)
{
    unsigned q = (unsigned)input_take(in, 1);

    h->v->ops->notify(h->v, q % h->v->ops->nqueues);
}

static void step(struct harness *h, struct input *in)
{
    switch ((enum op)(input_take(in, 1) % OPS)) {
    case OP_RAM:
        op_ram(h, in);
        break;
    case OP_WRITE:
        access_regs(h, in, true);
        break;
    case OP_READ:
        access_regs(h, in, false);
        break;
    case OP_NOTIFY:
        op_notify(h, in);
        break;
    case OP_START:
        op_start(h, (uint32_t)input_take(in, 4));
        break;
    case OP_DESC:
        op_desc(h, in);
        break;
    case OP_AVAIL:
        op_avail(h, in);
        break;
    case OP_OUTSIDE:
        if (h->outside)
            h->outside(h, in);
        break;
    case OP_PAUSE:
        op_pause(h);
        break;
    case OP_STATE:
        op_state(h, in);
        break;
    case OP_CONFIG:
        op_config(h, in);
        break;
    case OPS:
        break;
    }
}

void harness_run(struct harness *h, const uint8_t *data, size_t size)
{
    struct input in = {data, size};

    while (in.left)
        step(h, &in);
    power_on(h);
    /* Whatever the script did, nothing is left in flight. */
    for (unsigned q = 0; q < VIRTIO_MAX_QUEUES; q++) {
        if (h->v->vq[q].inuse || h->v->inflight)
            abort();
    }
}
