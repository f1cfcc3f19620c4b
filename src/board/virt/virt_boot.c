/*
 * From power-on to the first instruction: files and device tree into memory, registers into the
 * harts.
 *
 * Without firmware, hart 0 enters the kernel in S-mode, in the state in which SBI firmware hands
 * over [SBI 2.0; Linux Documentation/arch/riscv/boot.rst], and the others are stopped. With
 * firmware all harts start at the reset vector in M-mode.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/endian.h"
#include "board/virt/fdt.h"
#include "board/virt/layout.h"
#include "board/virt/virt_impl.h"

#define KERNEL_OFFSET UINT64_C(0x200000)

enum { A0 = 10, A1 = 11 };

/* What M-mode leaves to S-mode. Exceptions: all but its own calls. [RISC-V priv 3.1.8] */
#define DELEGATED_EXCEPTIONS                                                                       \
    (1u << 0 | 1u << 1 | 1u << 2 | 1u << 3 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 7 | 1u << 8 |     \
     1u << 12 | 1u << 13 | 1u << 15)
#define DELEGATED_INTERRUPTS (1u << 1 | 1u << 5 | 1u << 9 | 1u << 13)
#define COUNTERS_ALL         UINT32_C(0xffffffff)
#define COUNTERS_USER        7 /* cycle, time, instret */
/* Sstc, Svpbmt, Svadu, and the cache operations with CBO.INVAL as it is. [RISC-V priv 3.1.18] */
#define ENVCFG_ALL                                                                                 \
    (UINT64_C(1) << 63 | UINT64_C(1) << 62 | UINT64_C(1) << 61 | 1u << 7 | 1u << 6 | 3u << 4)
/* The whole address space, read, write and execute. [RISC-V priv 3.7.1] */
enum { PMP_NAPOT_RWX = 0x1f };
#define PMP_EVERYTHING (UINT64_MAX >> 10)

/* Where the reset vector keeps what it loads; the code in front of it is position-independent. */
enum { VECTOR_CODE = 6, V_START = 24, V_FDT = 32, V_INFO = 40, VECTOR_LEN = V_INFO + 48 };

/* [OpenSBI docs/firmware/fw_dynamic.md] */
enum { DYNAMIC_MAGIC = 0x4942534f, DYNAMIC_VERSION = 2, NEXT_MODE_S = 1 };

static int write_vector(struct virt *v, struct error *err)
{
    static const uint32_t code[VECTOR_CODE] = {
        0x00000297, /* auipc t0, 0 */
        0x02828613, /* addi a2, t0, V_INFO */
        0xf1402573, /* csrr a0, mhartid */
        0x0202b583, /* ld a1, V_FDT(t0) */
        0x0182b283, /* ld t0, V_START(t0) */
        0x00028067, /* jr t0 */
    };
    uint8_t rom[VECTOR_LEN] = {0};
    for (unsigned i = 0; i < VECTOR_CODE; i++)
        le_store32(rom + 4 * i, code[i]);
    const struct riscv_boot *b = &v->loaded;
    const uint64_t info[] = {DYNAMIC_MAGIC, DYNAMIC_VERSION, b->entry, NEXT_MODE_S, 0, 0};
    le_store64(rom + V_START, b->firmware ? b->firmware : b->entry);
    le_store64(rom + V_FDT, b->fdt);
    for (unsigned i = 0; i < ARRAY_SIZE(info); i++)
        le_store64(rom + V_INFO + 8 * i, info[i]);
    int r = gpa_write_rom(&v->vm->mem, VIRT_ROM_BASE, rom, sizeof(rom));
    return r < 0 ? error_set(err, -r, "cannot write the reset vector") : 0;
}

static int write_tree(struct virt *v, struct error *err)
{
    struct virt_fdt_config cfg = {.nharts = v->vm->nvcpus,
                                  .ram = v->cfg.ram,
                                  .isa = VIRT_ISA,
                                  .cmdline = v->cfg.cmdline,
                                  .initrd = v->loaded.initrd,
                                  .initrd_len = v->loaded.initrd_len,
                                  .virtio_mmio = v->slots.nmmio};
    void *fdt = calloc(1, VIRT_FDT_SIZE);
    if (!fdt)
        return error_set(err, ENOMEM, "there is no memory for a device tree");
    if (getrandom(cfg.seed, sizeof(cfg.seed), 0) != (ssize_t)sizeof(cfg.seed))
        cfg.seed[0] = 0; /* the guest has other sources */
    int r = virt_fdt_build(&cfg, fdt, VIRT_FDT_SIZE);
    if (r < 0)
        r = error_set(err, E2BIG, "the kernel command line is too long for the device tree");
    else if (gpa_write(&v->vm->mem, v->loaded.fdt, fdt, VIRT_FDT_SIZE) < 0)
        r = error_set(err, EFAULT, "cannot write the device tree into guest memory");
    free(fdt);
    return r;
}

static int load(struct virt *v, struct error *err)
{
    const struct e820_map map = {.e = {{VIRT_RAM_BASE, v->cfg.ram, E820_RAM}}, .n = 1};
    const struct riscv_boot_in in = {.kernel = v->cfg.kernel,
                                     .initrd = v->cfg.initrd,
                                     .firmware = v->cfg.firmware,
                                     .map = &map,
                                     .kernel_base = VIRT_RAM_BASE + KERNEL_OFFSET,
                                     .firmware_base = VIRT_RAM_BASE,
                                     .fdt_len = VIRT_FDT_SIZE,
                                     .ram_is_zero = true};
    return riscv_boot_load(&v->vm->mem, &in, &v->loaded, err);
}

static int assign_bars(struct virt *v, struct error *err)
{
    const struct pci_windows w = {
        .mem32 = {VIRT_PCI_MMIO_BASE, VIRT_PCI_MMIO_SIZE},
        .mem64 = {virt_pci_high_base(v->cfg.ram), VIRT_PCI_HIGH_SIZE},
    };
    return pci_assign_bars(v->pci, &w, err);
}

/* M-mode's part, as firmware would have done it. */
static void act_as_firmware(struct riscv_cpu *c)
{
    c->medeleg = DELEGATED_EXCEPTIONS;
    c->mideleg = DELEGATED_INTERRUPTS;
    c->mcounteren = COUNTERS_ALL;
    c->scounteren = COUNTERS_USER; /* programs read the time; without a PMU Linux lets it be */
    c->menvcfg = ENVCFG_ALL;
    c->pmpaddr[0] = PMP_EVERYTHING;
    c->pmpcfg[0] = PMP_NAPOT_RWX;
    c->priv = RISCV_S;
    c->run_state = RISCV_STOPPED;
}

static void enter(struct virt *v)
{
    bool machine_mode = v->cfg.firmware || v->loaded.bare;
    for (unsigned i = 0; i < v->vm->nvcpus; i++) {
        struct riscv_cpu *c = virt_cpu(v, i);
        c->pc = VIRT_ROM_BASE;
        c->run_state = RISCV_RUNNING;
        if (!machine_mode)
            act_as_firmware(c);
    }
    if (machine_mode)
        return;
    struct riscv_cpu *c = virt_cpu(v, 0);
    c->pc = v->loaded.entry;
    c->x[A0] = 0;
    c->x[A1] = v->loaded.fdt;
    c->run_state = RISCV_RUNNING;
}

int virt_boot(struct vm *vm, struct error *err)
{
    struct virt *v = vm->board_priv;
    int r = v->booted ? guest_mem_clear(&vm->mem, err) : 0;
    if (r == 0)
        r = assign_bars(v, err);
    if (r == 0)
        r = load(v, err);
    if (r == 0)
        r = write_tree(v, err);
    if (r == 0)
        r = write_vector(v, err);
    if (r < 0)
        return r;
    htif_set(v->htif, v->loaded.tohost, v->loaded.fromhost);
    v->booted = true;
    enter(v);
    return 0;
}
