/*
 * From power-on to the kernel's first instruction: tables and kernel into memory, the boot
 * protocol's registers into the first CPU.
 */
#include "board/boot/boot.h"
#include "board/pc/acpi.h"
#include "board/pc/layout.h"
#include "board/pc/memmap.h"
#include "board/pc/pc_impl.h"
#include "dev/pci/pci.h"
#include "isa/x86/cpu.h"
#include "isa/x86/trap.h"

static struct x86_segment segment(const struct boot_seg *s)
{
    return (struct x86_segment){.sel = s->sel, .attr = s->attr, .limit = s->limit, .base = s->base};
}

static void enter(struct x86_cpu *c, const struct boot_entry *e)
{
    c->rip = e->rip;
    c->gpr[RSP] = e->rsp;
    c->gpr[RAX] = e->rax;
    c->gpr[RBX] = e->rbx;
    c->gpr[RSI] = e->rsi;
    c->gpr[RDX] = 0;
    c->cr0 = e->cr0;
    c->cr3 = e->cr3;
    c->cr4 = e->cr4;
    c->efer = e->efer;
    c->gdt_base = e->gdt_base;
    c->gdt_limit = e->gdt_limit;
    c->idt_limit = 0;
    for (unsigned i = 0; i < 6; i++)
        c->seg[i] = segment(i == SEG_CS ? &e->cs : &e->data);
    c->tr[0] = segment(&e->tr);
    c->cpl = 0;
    x86_update_mode(c);
}

static int assign_bars(struct pc *pc, struct error *err)
{
    const struct pci_windows w = {
        .mem32 = {PC_MMIO32_BASE, PC_MMIO32_END - PC_MMIO32_BASE},
        .mem64 = {PC_MMIO64_BASE, PC_MMIO64_SIZE},
    };
    return pci_assign_bars(pc->pci, &w, err);
}

int pc_boot(struct vm *vm, struct error *err)
{
    struct pc *pc = vm->board_priv;
    struct e820_map map;
    struct boot_entry entry;
    gpa_t rsdp;
    int r = pc->booted ? guest_mem_clear(&vm->mem, err) : 0;
    if (r == 0)
        r = pc_memmap(pc->cfg.ram, &map, err);
    if (r == 0)
        r = assign_bars(pc, err);
    if (r == 0)
        r = acpi_load(
            &vm->mem,
            &(struct acpi_config){
                .ncpus = vm->nvcpus, .i8042 = true, .fw_cfg = true, .virtio_mmio = pc->slots.nmmio},
            &rsdp, err);
    if (r < 0)
        return r;
    struct boot_params_in in = {.kernel = pc->cfg.kernel,
                                .initrd = pc->cfg.initrd,
                                .cmdline = pc->cfg.cmdline,
                                .map = &map,
                                .rsdp = rsdp,
                                .guest_unpack = pc->cfg.guest_unpack,
                                .ram_is_zero = true};
    r = boot_load(&vm->mem, &in, &entry, err);
    if (r < 0)
        return r;
    pc->booted = true;
    enter(vm->vcpus[0].cpu, &entry);
    return 0;
}
