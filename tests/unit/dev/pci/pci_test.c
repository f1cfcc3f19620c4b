/* The root bus: config space, BARs, INTx, MSI-X, both doors, saved state. */
#include "unit/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "dev/pci/msix.h"
#include "dev/pci/pci_host.h"

enum { ECAM = 0x20000000, PORTS = 0xcf8 };

/* A function with a BAR of each kind and MSI-X. */
struct toy {
    struct pci_function fn;
    struct msix msix;
    pthread_mutex_t lock;
    unsigned mapped;
};

struct fixture {
    struct io_space mmio, pio;
    struct dev_host host;
    struct dev *bridge;
    struct pci_bus *bus;
    struct toy toy[3];
    int line[4];
    unsigned nmsi;
    uint64_t msi_addr;
    uint32_t msi_data;
    struct {
        int fd; /* 0: none */
        uint64_t addr;
        uint32_t data;
    } route[4];
    bool no_routes;
    uint8_t reset;
};

static void set_line(void *opaque, unsigned n, bool level)
{
    ((struct fixture *)opaque)->line[n] = level;
}

static void send_msi(void *opaque, uint64_t addr, uint32_t data)
{
    struct fixture *f = opaque;

    f->nmsi++;
    f->msi_addr = addr;
    f->msi_data = data;
}

/* A platform whose eventfds send messages: here it only takes notes. */
static int route_msi(void *opaque, int fd, uint64_t addr, uint32_t data)
{
    struct fixture *f = opaque;
    unsigned n = 0;

    while (n < 4 && f->route[n].fd != fd)
        n++;
    for (unsigned i = 0; i < 4 && n == 4; i++)
        n = f->route[i].fd == 0 ? i : n;
    assert_true(n < 4);
    f->route[n].fd = f->no_routes ? 0 : fd;
    f->route[n].addr = addr;
    f->route[n].data = data;
    return f->no_routes ? -ENOSPC : 0;
}

static void unroute_msi(void *opaque, int fd)
{
    struct fixture *f = opaque;

    for (unsigned n = 0; n < 4; n++)
        f->route[n].fd = f->route[n].fd == fd ? 0 : f->route[n].fd;
}

static uint8_t reset_read(void *opaque)
{
    return ((struct fixture *)opaque)->reset;
}

static void reset_write(void *opaque, uint8_t val)
{
    ((struct fixture *)opaque)->reset = val;
}

static enum io_status toy_read(void *opaque, uint64_t off, unsigned size, uint64_t *val)
{
    (void)opaque;
    (void)size;
    *val = off;
    return IO_OK;
}

static enum io_status toy_write(void *opaque, uint64_t off, unsigned size, uint64_t val)
{
    (void)opaque;
    (void)off;
    (void)size;
    (void)val;
    return IO_OK;
}

static const struct io_ops toy_io = {
    .read = toy_read, .write = toy_write, .min_size = 1, .max_size = 4};

static void toy_mapped(struct pci_function *f, unsigned n, uint64_t addr, bool mapped)
{
    struct toy *t = container_of(f, struct toy, fn);

    (void)addr;
    t->mapped = mapped ? t->mapped | 1u << n : t->mapped & ~(1u << n);
}

static void toy_written(struct pci_function *f, unsigned off, unsigned size)
{
    msix_config_written(&container_of(f, struct toy, fn)->msix, off, size);
}

static const struct pci_ops toy_ops = {.bar_mapped = toy_mapped, .config_written = toy_written};

static void toy_init(struct toy *t)
{
    const struct pci_id id = {
        .vendor = 0x1234, .device = 0x5678, .class_code = 0x123456, .revision = 7, .int_pin = 1};
    struct pci_bar bar = {.name = "toy", .ops = &toy_io};

    pthread_mutex_init(&t->lock, NULL);
    pci_function_init(&t->fn, &id, &toy_ops, &t->lock);
    bar.kind = PCI_BAR_IO, bar.size = 32;
    pci_add_bar(&t->fn, 0, &bar);
    bar.kind = PCI_BAR_MEM32, bar.size = 0x2000;
    pci_add_bar(&t->fn, 1, &bar);
    bar.kind = PCI_BAR_MEM64, bar.size = UINT64_C(1) << 33;
    pci_add_bar(&t->fn, 2, &bar);
    msix_init(&t->msix, &t->fn, 4, 4);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct pci_host_config cfg = {.ecam_base = ECAM,
                                  .ports = true,
                                  .reset_read = reset_read,
                                  .reset_write = reset_write,
                                  .reset_opaque = f};
    struct error err;

    assert_int_equal(io_space_init(&f->mmio), 0);
    assert_int_equal(io_space_init(&f->pio), 0);
    f->host =
        (struct dev_host){.mmio = &f->mmio, .pio = &f->pio, .msi = {.send = send_msi, .opaque = f}};
    for (unsigned i = 0; i < 4; i++) {
        cfg.intx[i] = (struct irq_line){.set = set_line, .opaque = f, .n = i};
        cfg.intx_number[i] = (uint8_t)(16 + i);
    }
    assert_int_equal(pci_host_create(&f->bridge, &f->host, &cfg, &err), 0);
    f->bus = pci_host_bus(f->bridge);
    for (unsigned i = 0; i < 3; i++)
        toy_init(&f->toy[i]);
    assert_int_equal(pci_bus_add(f->bus, &f->toy[0].fn, -1, &err), 0);
    assert_int_equal(pci_bus_add(f->bus, &f->toy[1].fn, 5, &err), 0);
    assert_int_equal(pci_bus_add(f->bus, &f->toy[2].fn, 9, &err), 0);
    assert_int_equal(f->toy[0].fn.slot, 1);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    f->bridge->cls->destroy(f->bridge);
    assert_int_equal(f->mmio.n, 0);
    assert_int_equal(f->pio.n, 0);
    io_space_destroy(&f->mmio);
    io_space_destroy(&f->pio);
    free(f);
    return 0;
}

static uint64_t rd(struct fixture *f, uint64_t addr, unsigned size)
{
    uint64_t v = 0;

    io_space_read(&f->mmio, addr, size, &v);
    return v;
}

static uint32_t cfg_rd(struct fixture *f, unsigned slot, unsigned off, unsigned size)
{
    return (uint32_t)rd(f, ECAM + (slot << 15) + off, size);
}

static void cfg_wr(struct fixture *f, unsigned slot, unsigned off, unsigned size, uint32_t val)
{
    io_space_write(&f->mmio, ECAM + (slot << 15) + off, size, val);
}

static uint32_t port_rd(struct fixture *f, unsigned port, unsigned size)
{
    uint64_t v = 0;

    io_space_read(&f->pio, port, size, &v);
    return (uint32_t)v;
}

static void port_wr(struct fixture *f, unsigned port, unsigned size, uint32_t val)
{
    io_space_write(&f->pio, port, size, val);
}

static void slots(void **state)
{
    struct fixture *f = *state;
    struct toy t;
    struct error err;

    toy_init(&t);
    assert_int_equal(pci_bus_add(f->bus, &t.fn, 5, &err), -EBUSY);
    assert_int_equal(pci_bus_add(f->bus, &t.fn, 32, &err), -EBUSY);
    assert_int_equal(cfg_rd(f, 0, 0, 4), 0x00081b36);
    assert_int_equal(cfg_rd(f, 0, 10, 2), 0x0600);
    assert_int_equal(cfg_rd(f, 1, 0, 4), 0x56781234);
    assert_int_equal(cfg_rd(f, 1, 8, 4), 0x12345607);
    assert_int_equal(cfg_rd(f, 2, 0, 4), 0xffffffff);
    assert_int_equal(cfg_rd(f, 2, 0, 1), 0xff);
    assert_int_equal(rd(f, ECAM + (1 << 15) + (1 << 12), 4), 0xffffffff); /* function 1 */
    assert_int_equal(cfg_rd(f, 1, 0xffc, 4), 0);
    cfg_wr(f, 1, 0, 4, 0); /* read-only */
    cfg_wr(f, 2, 0, 4, 0); /* nobody */
    assert_int_equal(cfg_rd(f, 1, 0, 4), 0x56781234);
}

static void ports(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(port_rd(f, PORTS + 4, 4), 0xffffffff);
    port_wr(f, PORTS, 4, 0x80002808); /* slot 5, register 8 */
    assert_int_equal(port_rd(f, PORTS, 4), 0x80002808);
    assert_int_equal(port_rd(f, PORTS + 4, 4), 0x12345607);
    assert_int_equal(port_rd(f, PORTS + 5, 1), 0x56);
    assert_int_equal(port_rd(f, PORTS + 6, 2), 0x1234);
    port_wr(f, PORTS, 1, 0xff); /* narrow writes go elsewhere */
    port_wr(f, PORTS, 2, 0xffff);
    assert_int_equal(port_rd(f, PORTS, 4), 0x80002808);
    port_wr(f, PORTS, 4, 0x80012808); /* bus 1 */
    assert_int_equal(port_rd(f, PORTS + 4, 4), 0xffffffff);
    port_wr(f, PORTS, 4, 0xffffffff);
    assert_int_equal(port_rd(f, PORTS, 4), 0x80fffffc);
    port_wr(f, PORTS, 4, 0x8000283c);
    port_wr(f, PORTS + 4, 1, 0x2a);
    assert_int_equal(cfg_rd(f, 5, 0x3c, 2), 0x012a);
    /* The reset control register in between. */
    port_wr(f, 0xcf9, 1, 6);
    assert_int_equal(f->reset, 6);
    assert_int_equal(port_rd(f, 0xcf9, 1), 6);
    assert_int_equal(port_rd(f, PORTS, 4), 0x8000283c);
}

static void sizes(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 6; i++)
        cfg_wr(f, 1, 0x10 + 4 * i, 4, 0xffffffff);
    assert_int_equal(cfg_rd(f, 1, 0x10, 4), 0xffffffe1);
    assert_int_equal(cfg_rd(f, 1, 0x14, 4), 0xffffe000);
    assert_int_equal(cfg_rd(f, 1, 0x18, 4), 0x0000000c);
    assert_int_equal(cfg_rd(f, 1, 0x1c, 4), 0xfffffffe);
    assert_int_equal(cfg_rd(f, 1, 0x20, 4), 0xfffff000);
    assert_int_equal(cfg_rd(f, 1, 0x24, 4), 0);
    cfg_wr(f, 1, 4, 2, 0xffff);
    assert_int_equal(cfg_rd(f, 1, 4, 2), 0x0407);
}

static const struct pci_windows windows = {
    .mem32 = {.base = 0xc0001000, .size = 0x10000000},
    .mem64 = {.base = UINT64_C(0x800000000), .size = UINT64_C(0x800000000)},
    .io = {.base = 0x1004, .size = 0x1000},
};

static void assigns(void **state)
{
    struct fixture *f = *state;
    struct pci_windows small = windows;
    struct error err;

    assert_int_equal(pci_assign_bars(f->bus, &windows, &err), 0);
    assert_int_equal(cfg_rd(f, 1, 0x10, 4), 0x1021);
    assert_int_equal(cfg_rd(f, 1, 0x14, 4), 0xc0002000);
    assert_int_equal(cfg_rd(f, 1, 0x18, 4), 0xc);
    assert_int_equal(cfg_rd(f, 1, 0x1c, 4), 8);
    assert_int_equal(cfg_rd(f, 5, 0x1c, 4), 10);
    assert_int_equal(cfg_rd(f, 1, 4, 2), 3);
    assert_int_equal(cfg_rd(f, 1, 0x3c, 1), 17);
    assert_int_equal(cfg_rd(f, 9, 0x3c, 1), 17);
    assert_int_equal(f->toy[0].mapped, 0x17);
    assert_int_equal(rd(f, 0xc0002010, 4), 0x10);
    assert_int_equal(rd(f, UINT64_C(0x800000020), 4), 0x20);
    assert_int_equal(port_rd(f, 0x1023, 1), 3);

    small.mem64.size = UINT64_C(5) << 32; /* room for two of three */
    assert_int_equal(pci_assign_bars(f->bus, &small, &err), -ENOSPC);
    small = windows;
    small.io.size = 0;
    assert_int_equal(pci_assign_bars(f->bus, &small, &err), -ENOSPC);
    small = windows;
    small.mem64.size = 0; /* then below 4 GiB, where eight do not fit */
    assert_int_equal(pci_assign_bars(f->bus, &small, &err), -ENOSPC);
}

/* Two functions swap addresses through a moment when both want the same. */
static void swaps(void **state)
{
    struct fixture *f = *state;
    struct error err;
    uint32_t a, b;

    assert_int_equal(pci_assign_bars(f->bus, &windows, &err), 0);
    a = cfg_rd(f, 1, 0x14, 4);
    b = cfg_rd(f, 5, 0x14, 4);
    cfg_wr(f, 1, 0x14, 4, b);
    assert_int_equal(f->toy[0].mapped, 0x15); /* blocked */
    assert_int_equal(rd(f, a, 4), 0xffffffff);
    cfg_wr(f, 5, 0x14, 4, a);
    assert_int_equal(f->toy[0].mapped, 0x17);
    assert_int_equal(f->toy[1].mapped, 0x17);
    assert_int_equal(f->toy[0].fn.bars[1].addr, b);
    /* Addresses where nothing can be mapped. */
    cfg_wr(f, 5, 0x14, 4, 0);
    cfg_wr(f, 5, 0x18, 4, 0xffffffff);
    cfg_wr(f, 5, 0x1c, 4, 0xffffffff);
    cfg_wr(f, 5, 0x10, 4, 0x10000);
    assert_int_equal(f->toy[1].mapped, 0x10);
}

static void lines(void **state)
{
    struct fixture *f = *state;

    /* Slots 1, 5 and 9 share line 1. */
    pci_set_intx(&f->toy[0].fn, true);
    pci_set_intx(&f->toy[1].fn, true);
    assert_int_equal(f->line[1], 1);
    pci_set_intx(&f->toy[0].fn, false);
    assert_int_equal(f->line[1], 1);
    pci_function_reset(&f->toy[1].fn);
    assert_int_equal(f->line[1], 0);
    pci_set_intx(&f->toy[2].fn, true);
    assert_int_equal(f->line[1], 1);
    pci_bus_remove(&f->toy[2].fn);
    assert_int_equal(f->line[1], 0);
    assert_int_equal(cfg_rd(f, 9, 0, 4), 0xffffffff);
}

enum { TABLE = 0xd0000000, PBA = TABLE + 2048 };

static void entry(struct fixture *f, unsigned v, uint32_t lo, uint32_t hi, uint32_t data,
                  uint32_t mask)
{
    const uint32_t e[4] = {lo, hi, data, mask};

    for (unsigned i = 0; i < 4; i++)
        io_space_write(&f->mmio, TABLE + 16 * v + 4 * i, 4, e[i]);
}

static void messages(void **state)
{
    struct fixture *f = *state;
    struct msix *m = &f->toy[0].msix;
    unsigned cap = m->cap;

    assert_int_equal(cfg_rd(f, 1, cap, 1), 0x11);
    assert_int_equal(cfg_rd(f, 1, cap + 2, 2), 3);
    cfg_wr(f, 1, 0x20, 4, TABLE);
    cfg_wr(f, 1, 4, 2, 2);
    assert_int_equal(rd(f, TABLE + 12, 4), 1); /* masked at power-on */
    msix_raise(m, 0);
    assert_int_equal(m->pending, 0); /* not enabled: nothing happens */
    cfg_wr(f, 1, cap + 2, 2, 0x8000);
    msix_raise(m, 0);
    assert_int_equal(rd(f, PBA, 8), 1);
    assert_int_equal(f->nmsi, 0);
    entry(f, 0, 0xfee01003, 1, 0x4041, 0);
    assert_int_equal(f->nmsi, 1);
    assert_int_equal(f->msi_addr, UINT64_C(0x1fee01000));
    assert_int_equal(f->msi_data, 0x4041);
    assert_int_equal(rd(f, PBA, 4), 0);
    cfg_wr(f, 1, cap + 2, 2, 0xc000); /* all masked */
    msix_raise(m, 0);
    assert_int_equal(f->nmsi, 1);
    cfg_wr(f, 1, cap + 3, 1, 0x80);
    assert_int_equal(f->nmsi, 2);
    msix_raise(m, 4);
    msix_raise(m, MSIX_NO_VECTOR);
    assert_int_equal(f->nmsi, 2);
    io_space_write(&f->mmio, PBA, 4, 0xffffffff); /* read-only */
    io_space_write(&f->mmio, TABLE + 64, 4, 0xffffffff);
    assert_int_equal(rd(f, PBA, 4), 0);
    assert_int_equal(rd(f, TABLE + 64, 4), 0);
}

/* How often the only eventfd there is was written since it was last asked. */
static unsigned written(struct fixture *f)
{
    eventfd_t n = 0;

    assert_true(f->route[0].fd > 0);
    assert_int_equal(f->route[1].fd, 0);
    return eventfd_read(f->route[0].fd, &n) == 0 ? (unsigned)n : 0;
}

static struct msix *routed(struct fixture *f)
{
    struct msix *m = &f->toy[0].msix;

    f->host.msi.route = route_msi;
    f->host.msi.unroute = unroute_msi;
    cfg_wr(f, 1, 0x20, 4, TABLE);
    cfg_wr(f, 1, 4, 2, 2);
    cfg_wr(f, 1, m->cap + 2, 2, 0xc000);
    entry(f, 2, 0xfee01000, 0, 0x41, 0);
    assert_int_equal(f->route[0].fd, 0); /* masked as a whole */
    cfg_wr(f, 1, m->cap + 2, 2, 0x8000);
    assert_int_equal(f->route[0].addr, 0xfee01000);
    assert_int_equal(f->route[0].data, 0x41);
    return m;
}

static void routes(void **state)
{
    struct fixture *f = *state;
    struct msix *m = routed(f);

    msix_raise(m, 2);
    assert_int_equal(written(f), 1);
    io_space_write(&f->mmio, TABLE + 44, 4, 1); /* masked: pending, and a change waits */
    entry(f, 2, 0xfee02000, 1, 0x42, 1);
    msix_raise(m, 2);
    assert_int_equal(written(f), 0);
    assert_int_equal(rd(f, PBA, 4), 4);
    io_space_write(&f->mmio, TABLE + 44, 4, 0);
    assert_int_equal(f->route[0].addr, UINT64_C(0x1fee02000));
    assert_int_equal(f->route[0].data, 0x42);
    assert_int_equal(written(f), 1);
    io_space_write(&f->mmio, TABLE + 40, 4, 0x43); /* under way */
    assert_int_equal(f->route[0].data, 0x43);
    msix_raise(m, 2);
    assert_int_equal(written(f), 1);
    assert_int_equal(f->nmsi, 0);
    msix_reset(m);
    assert_int_equal(f->route[0].fd, 0);
}

/* While state is read, and where the platform has no room, messages are sent by hand. */
static void routes_end(void **state)
{
    struct fixture *f = *state;
    struct msix *m = routed(f);

    msix_quiesce(m);
    assert_int_equal(f->route[0].fd, 0);
    msix_raise(m, 2);
    assert_int_equal(f->nmsi, 1);
    msix_resume(m);
    msix_raise(m, 2);
    assert_int_equal(written(f), 1);
    f->no_routes = true;
    io_space_write(&f->mmio, TABLE + 40, 4, 0x44);
    assert_int_equal(f->route[0].fd, 0);
    msix_raise(m, 2);
    assert_int_equal(f->nmsi, 2);
    assert_int_equal(f->msi_data, 0x44);
}

static int load(struct state_writer *w, const struct state_desc *d, void *obj)
{
    struct state_section s;
    struct error err;
    size_t pos = 0;
    int rc;

    assert_int_equal(w->err, 0);
    assert_int_equal(state_next_section(w->buf, w->len, &pos, &s, &err), 1);
    rc = state_load(s.body, s.len, d, obj, &err);
    state_writer_free(w);
    *w = (struct state_writer){0};
    return rc;
}

static void saved(void **state)
{
    struct fixture *f = *state;
    struct pci_function *fn = &f->toy[0].fn;
    struct state_writer w = {0};
    struct error err;

    assert_int_equal(pci_assign_bars(f->bus, &windows, &err), 0);
    pci_set_intx(fn, true);
    state_save(&w, "x", &pci_function_state, fn);
    pci_function_reset(fn);
    assert_int_equal(f->toy[0].mapped, 0);
    assert_int_equal(load(&w, &pci_function_state, fn), 0);
    pci_function_resume(fn);
    assert_int_equal(f->toy[0].mapped, 0x17);
    assert_int_equal(f->line[1], 1);

    /* What software cannot change must be as it is here. */
    for (unsigned off = 0; off < 0x100; off++) {
        uint8_t was = fn->config[off];

        for (unsigned bit = 0; bit < 8; bit++) {
            bool writable = fn->mask[off] & 1u << bit || (off == 6 && bit == 3);

            fn->config[off] = (uint8_t)(was ^ 1u << bit);
            state_save(&w, "x", &pci_function_state, fn);
            assert_int_equal(load(&w, &pci_function_state, fn) == 0, writable);
        }
        fn->config[off] = was;
    }
    f->toy[0].msix.pending = 0x10;
    state_save(&w, "x", &msix_state, &f->toy[0].msix);
    assert_int_equal(load(&w, &msix_state, &f->toy[0].msix), -EINVAL);
    f->toy[0].msix.pending = 0;
    f->toy[0].msix.table[3] = 2;
    state_save(&w, "x", &msix_state, &f->toy[0].msix);
    assert_int_equal(load(&w, &msix_state, &f->toy[0].msix), -EINVAL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(slots), T(ports),    T(sizes),  T(assigns),    T(swaps),
        T(lines), T(messages), T(routes), T(routes_end), T(saved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
