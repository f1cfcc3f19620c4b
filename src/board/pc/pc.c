/*
 * The machine `pc`, put together.
 */
#include <errno.h>
#include <stdlib.h>

#include "board/pc/layout.h"
#include "board/pc/memmap.h"
#include "board/pc/pc_impl.h"

static int add_memory(struct pc *pc, struct error *err)
{
    uint64_t high = pc_ram_high(pc->cfg.ram);
    int r = guest_mem_add_slot(&pc->vm->mem, 0, pc_ram_low(pc->cfg.ram), false, err);
    if (r == 0 && high)
        r = guest_mem_add_slot(&pc->vm->mem, PC_ABOVE_4G_BASE, high, false, err);
    return r;
}

static void pc_destroy(struct vm *vm)
{
    struct pc *pc = vm->board_priv;
    struct chr_backend *const open[] = {pc->console, pc->virtio_console, pc->debugcon};
    for (unsigned i = 0; i < ARRAY_SIZE(open); i++) {
        if (open[i])
            open[i]->ops->close(open[i]);
    }
    free(pc);
}

static bool pc_power_button(struct vm *vm)
{
    struct pc *pc = vm->board_priv;
    acpi_pm_power_button(pc->pm);
    return acpi_pm_power_button_enabled(pc->pm);
}

static const struct board_ops pc_ops = {
    .name = "pc", .boot = pc_boot, .power_button = pc_power_button, .destroy = pc_destroy};

static int pc_create(struct vm *vm, const struct board_config *cfg, struct chr_backend **console,
                     struct error *err)
{
    struct pc *pc = calloc(1, sizeof(*pc));
    if (!pc)
        return error_set(err, ENOMEM, "there is no memory for a machine");
    pc->vm = vm;
    pc->cfg = *cfg;
    vm->board = &pc_ops;
    vm->board_priv = pc;
    int r = add_memory(pc, err);
    if (r == 0)
        r = pc_create_cpus(pc, err);
    if (r == 0)
        r = vm_init_engine(vm, err);
    if (r == 0)
        r = chr_open(&pc->console, cfg->console, vm->loop, err);
    if (r == 0)
        r = pc_create_chips(pc, err);
    if (r == 0)
        r = pc_create_devices(pc, err);
    *console = pc->console;
    return r;
}

const struct board board_pc = {
    .name = "pc", .arch = "x86_64", .isa = &isa_x86, .has_debugcon = true, .create = pc_create};
