/*
 * The chips of the RISC-V board under random register accesses in any order, with lines moving and
 * time passing in between.
 *
 * Must hold: nothing crashes; a context's output is up only for a source that it has enabled; a
 * claim names such a source; timers do not fire faster than time passes.
 *
 * The input is a sequence of operations of 8 bytes: what, where (3), value (4).
 */
#include <stdlib.h>
#include <string.h>

#include "dev/legacy/finisher.h"
#include "dev/legacy/fw_cfg.h"
#include "dev/serial/uart16550.h"
#include "dev/timer/goldfish_rtc.h"
#include "irq/riscv/aclint.h"
#include "irq/riscv/plic.h"
#include "unit/fake/machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HARTS = 2, CONTEXTS = 2 * HARTS, DEVS = 6, OP = 8, MAX_OPS = 2048, RAM = 1 << 16 };
enum { FINISHER = 0x100000, RTC = 0x101000, ACLINT = 0x2000000, SSWI = 0x2f00000 };
enum { PLIC = 0xc000000, UART = 0x10000000, FW_CFG = 0x10100000, PLIC_CLAIM = 0x200004 };

struct world {
    struct fake_machine m;
    struct plic *plic;
    struct dev *devs[DEVS];
    unsigned ndevs;
    struct fake_line external[CONTEXTS], msip[HARTS], mtip[HARTS], ssip[HARTS];
    struct chr_backend chr;
};

static void chr_write(struct chr_backend *b, const uint8_t *buf, size_t len)
{
    (void)b;
    if (!len || !buf)
        abort();
}

static const struct chr_backend_ops chr_ops = {.name = "fuzz", .write = chr_write};

static void own(struct world *w, int rc, struct dev *d)
{
    if (rc < 0)
        abort();
    w->devs[w->ndevs++] = d;
}

static void create_irq_chips(struct world *w)
{
    struct irq_line out[CONTEXTS];
    struct aclint_hart harts[HARTS];
    struct aclint *aclint = NULL;

    for (unsigned i = 0; i < CONTEXTS; i++)
        out[i] = fake_irq(&w->external[i]);
    for (unsigned i = 0; i < HARTS; i++)
        harts[i] = (struct aclint_hart){fake_irq(&w->msip[i]), fake_irq(&w->mtip[i]),
                                        fake_irq(&w->ssip[i])};
    int rc = plic_create(&w->plic, &w->m.host, PLIC, out, CONTEXTS);
    own(w, rc, rc < 0 ? NULL : &w->plic->dev);
    rc = aclint_create(&aclint, &w->m.host, ACLINT, SSWI, harts, HARTS);
    own(w, rc, rc < 0 ? NULL : &aclint->dev);
}

static void create(struct world *w)
{
    struct uart16550 *uart = NULL;
    struct goldfish_rtc *rtc = NULL;
    struct fw_cfg *fw = NULL;
    struct dev *finisher = NULL;

    fake_machine_init(&w->m);
    if (guest_mem_init(&w->m.mem, RAM, NULL) || guest_mem_add_slot(&w->m.mem, 0, RAM, false, NULL))
        abort();
    create_irq_chips(w);
    w->chr.ops = &chr_ops;
    int rc = uart16550_create_mmio(&uart, &w->m.host, 0, UART, plic_line(w->plic, 10), &w->chr);
    own(w, rc, rc < 0 ? NULL : &uart->dev);
    rc = goldfish_rtc_create(&rtc, &w->m.host, RTC, plic_line(w->plic, 11));
    own(w, rc, rc < 0 ? NULL : &rtc->dev);
    rc = fw_cfg_create_mmio(&fw, &w->m.host, FW_CFG);
    own(w, rc, rc < 0 ? NULL : &fw->dev);
    rc = finisher_create(&finisher, &w->m.host, FINISHER);
    own(w, rc, finisher);
    for (unsigned i = 0; i < w->ndevs; i++)
        fake_reset(w->devs[i]);
}

static void destroy(struct world *w)
{
    for (unsigned i = w->ndevs; i-- > 0;)
        fake_destroy(w->devs[i]);
    if (fake_timers_armed())
        abort();
    guest_mem_destroy(&w->m.mem);
    fake_machine_destroy(&w->m);
}

static bool enabled(const struct world *w, unsigned context, unsigned n)
{
    return n < PLIC_SOURCES && w->plic->enable[context * PLIC_WORDS + n / 32] >> n % 32 & 1;
}

static void check_plic(struct world *w)
{
    for (unsigned c = 0; c < CONTEXTS; c++) {
        bool any = false;

        for (unsigned n = 1; n < PLIC_SOURCES; n++)
            any |= enabled(w, c, n) && w->plic->pending[n / 32] >> n % 32 & 1 &&
                   w->plic->priority[n] > w->plic->threshold[c];
        if (any != w->external[c].level)
            abort();
    }
}

static void claim(struct world *w, unsigned context)
{
    uint64_t n;

    io_space_read(&w->m.mmio, PLIC + PLIC_CLAIM + context * 0x1000, 4, &n);
    if (n && !enabled(w, context, (unsigned)n))
        abort();
}

/* A place in one of the chips: most of the PLIC's and the ACLINT's are empty. */
static uint64_t place(uint32_t where)
{
    static const uint32_t bases[] = {
        FINISHER, RTC,   ACLINT,        ACLINT + 0x4000, ACLINT + 0xbff8,
        SSWI,     PLIC,  PLIC + 0x1000, PLIC + 0x2000,   PLIC + 0x200000,
        UART,     FW_CFG};

    return bases[(where >> 16) % ARRAY_SIZE(bases)] + (where & 0x1fff);
}

static void run_op(struct world *w, const uint8_t *op)
{
    uint32_t where = (uint32_t)op[1] << 16 | (uint32_t)op[2] << 8 | op[3], value;
    unsigned size = 1u << (op[0] >> 4 & 3);
    struct irq_line line = plic_line(w->plic, 1 + where % (PLIC_SOURCES - 1));
    uint64_t read;

    memcpy(&value, op + 4, sizeof(value));
    switch (op[0] & 7) {
    case 0:
    case 1:
    case 2:
        io_space_write(&w->m.mmio, place(where), size, (uint64_t)value << 32 | value);
        break;
    case 3:
        io_space_read(&w->m.mmio, place(where), size, &read);
        break;
    case 4:
        irq_line_set(&line, value & 1);
        break;
    case 5:
        claim(w, where % CONTEXTS);
        break;
    case 6:
        if (fake_advance(value % (100 * MS)) > 100)
            abort();
        break;
    default:
        w->chr.receive(w->chr.opaque, op + 4, 4);
    }
    check_plic(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world *w = calloc(1, sizeof(*w));

    if (!w)
        abort();
    create(w);
    for (size_t i = 0; i < MIN(size / OP, (size_t)MAX_OPS); i++)
        run_op(w, data + i * OP);
    destroy(w);
    free(w);
    return 0;
}
