/*
 * Fuzz config space: both doors to it, BARs of every kind moving over each other, MSI-X, INTx, and
 * saved config spaces.
 *
 * A script is a string of five-byte steps and more: what 1, slot 1, register 1, value 4.
 */
#include <stdlib.h>
#include <string.h>

#include "dev/pci/msix.h"
#include "dev/pci/pci_host.h"

enum { ECAM = 0xe0000000, STEP = 7, FUNCTIONS = 3 };

struct function {
    struct pci_function fn;
    struct msix msix;
    pthread_mutex_t lock;
    int mapped;
};

struct machine {
    struct io_space mmio, pio;
    struct dev_host host;
    struct dev *bridge;
    struct pci_bus *bus;
    struct function f[FUNCTIONS];
};

static enum io_status bar_read(void *opaque, uint64_t off, unsigned size, uint64_t *val)
{
    (void)opaque;
    (void)size;
    *val = off;
    return IO_OK;
}

static enum io_status bar_write(void *opaque, uint64_t off, unsigned size, uint64_t val)
{
    (void)opaque;
    (void)off;
    (void)size;
    (void)val;
    return IO_OK;
}

static const struct io_ops bar_ops = {
    .read = bar_read, .write = bar_write, .min_size = 1, .max_size = 4};

static void written(struct pci_function *fn, unsigned off, unsigned size)
{
    msix_config_written(&container_of(fn, struct function, fn)->msix, off, size);
}

static void mapped(struct pci_function *fn, unsigned n, uint64_t addr, bool on)
{
    (void)n;
    (void)addr;
    container_of(fn, struct function, fn)->mapped += on ? 1 : -1;
}

static const struct pci_ops pci_ops = {.config_written = written, .bar_mapped = mapped};

static void function_init(struct function *f)
{
    const struct pci_id id = {.vendor = 0x1234, .device = 0x5678, .int_pin = 1};
    struct pci_bar bar = {.name = "bar", .ops = &bar_ops};

    pthread_mutex_init(&f->lock, NULL);
    pci_function_init(&f->fn, &id, &pci_ops, &f->lock);
    bar.kind = PCI_BAR_IO, bar.size = 64;
    pci_add_bar(&f->fn, 0, &bar);
    bar.kind = PCI_BAR_MEM32, bar.size = 1 << 20;
    pci_add_bar(&f->fn, 1, &bar);
    bar.kind = PCI_BAR_MEM64, bar.size = 1 << 16;
    pci_add_bar(&f->fn, 2, &bar);
    msix_init(&f->msix, &f->fn, 4, 5);
}

static void machine_init(struct machine *m)
{
    const struct pci_host_config cfg = {.ecam_base = ECAM, .ports = true};
    struct error err;

    if (io_space_init(&m->mmio) < 0 || io_space_init(&m->pio) < 0)
        abort();
    m->host = (struct dev_host){.mmio = &m->mmio, .pio = &m->pio};
    if (pci_host_create(&m->bridge, &m->host, &cfg, &err) < 0)
        abort();
    m->bus = pci_host_bus(m->bridge);
    for (int i = 0; i < FUNCTIONS; i++) {
        function_init(&m->f[i]);
        if (pci_bus_add(m->bus, &m->f[i].fn, i + 1, &err) < 0)
            abort();
    }
}

/* Save the function's config space, spoil a byte of it, load it. */
static void reload(struct function *f, unsigned at, uint8_t change)
{
    struct state_writer w = {0};
    struct state_section s;
    struct error err;
    size_t pos = 0;

    state_save(&w, "f", &pci_function_state, &f->fn);
    if (w.err || state_next_section(w.buf, w.len, &pos, &s, &err) != 1)
        abort();
    w.buf[(size_t)(s.body - w.buf) + at % s.len] ^= change;
    if (state_load(s.body, s.len, &pci_function_state, &f->fn, &err) < 0)
        pci_function_reset(&f->fn);
    pci_function_resume(&f->fn);
    state_writer_free(&w);
}

static void interrupt(struct function *f, uint32_t val)
{
    pthread_mutex_lock(&f->lock);
    if (val & 1)
        msix_raise(&f->msix, val >> 1);
    else
        pci_set_intx(&f->fn, val & 2);
    pthread_mutex_unlock(&f->lock);
}

static void step(struct machine *m, const uint8_t *in)
{
    struct function *f = &m->f[in[1] % FUNCTIONS];
    unsigned slot = in[1] % 8, reg = in[2], size = 1u << (in[0] >> 4) % 4;
    uint32_t val = le_load32(in + 3);
    uint64_t got;

    switch (in[0] % 8) {
    case 0:
    case 1:
        io_space_write(&m->mmio, ECAM + (slot << 15) + reg, size, val);
        break;
    case 2:
        io_space_read(&m->mmio, ECAM + (slot << 15) + (val & 0x7fff), size, &got);
        break;
    case 3:
        io_space_write(&m->pio, 0xcf8 + (reg & 7), size, val);
        io_space_read(&m->pio, 0xcf8 + (reg & 7), size, &got);
        break;
    case 4:
        io_space_write(&m->mmio, val, size, reg);
        io_space_read(&m->mmio, val, size, &got);
        break;
    case 5:
        interrupt(f, val);
        break;
    case 6:
        reload(f, val & 0xffff, reg);
        break;
    default:
        pci_function_reset(&f->fn);
    }
}

/* Every region in the spaces belongs to a BAR that knows where it is, or to the bridge. */
static void check(const struct machine *m)
{
    unsigned regions = 2, bars = 0;

    for (int i = 0; i < FUNCTIONS; i++) {
        regions += (unsigned)m->f[i].mapped;
        for (unsigned n = 0; n < PCI_BARS; n++)
            bars += m->f[i].fn.bars[n].addr != PCI_UNMAPPED;
    }
    if (m->mmio.n + m->pio.n != regions || regions != bars + 2)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct pci_windows windows = {.mem32 = {.base = 0xc0000000, .size = 1 << 24},
                                               .io = {.base = 0x1000, .size = 0x1000}};
    static struct machine m;
    struct error err;

    if (!m.bus)
        machine_init(&m);
    if (pci_assign_bars(m.bus, &windows, &err) < 0)
        abort();
    for (; size >= STEP; data += STEP, size -= STEP)
        step(&m, data);
    check(&m);
    m.bridge->cls->reset(m.bridge);
    for (int i = 0; i < FUNCTIONS; i++) {
        msix_reset(&m.f[i].msix);
        pci_function_reset(&m.f[i].fn);
        if (m.f[i].mapped)
            abort();
    }
    return 0;
}
