/*
 * The machine `virt`, put together.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "board/virt/layout.h"
#include "board/virt/virt_impl.h"

static int check_ram(uint64_t ram, struct error *err)
{
    if (ram < VIRT_RAM_MIN || ram > VIRT_RAM_MAX)
        return error_set(err, EINVAL,
                         "guest memory must be between %" PRIu64 " MiB and %" PRIu64
                         " GiB, not %" PRIu64 " MiB",
                         VIRT_RAM_MIN >> 20, VIRT_RAM_MAX >> 30, ram >> 20);
    if (ram % (1 << 20))
        return error_set(err, EINVAL, "guest memory must be a whole number of MiB");
    return 0;
}

static int add_memory(struct virt *v, struct error *err)
{
    int r = check_ram(v->cfg.ram, err);
    if (r == 0)
        r = guest_mem_add_slot(&v->vm->mem, VIRT_RAM_BASE, v->cfg.ram, false, err);
    if (r == 0)
        r = guest_mem_add_slot(&v->vm->mem, VIRT_ROM_BASE, VIRT_ROM_SIZE, true, err);
    return r;
}

static void virt_destroy(struct vm *vm)
{
    struct virt *v = vm->board_priv;
    struct chr_backend *const open[] = {v->console, v->virtio_console};
    for (unsigned i = 0; i < ARRAY_SIZE(open); i++) {
        if (open[i])
            open[i]->ops->close(open[i]);
    }
    free(v);
}

static const struct board_ops virt_ops = {
    .name = "virt", .boot = virt_boot, .destroy = virt_destroy};

static int virt_create(struct vm *vm, const struct board_config *cfg, struct chr_backend **console,
                       struct error *err)
{
    static int (*const steps[])(struct virt * v, struct error * err) = {virt_create_chips,
                                                                        virt_create_timers};
    struct virt *v = calloc(1, sizeof(*v));
    if (!v)
        return error_set(err, ENOMEM, "there is no memory for a machine");
    v->vm = vm;
    v->cfg = *cfg;
    vm->board = &virt_ops;
    vm->board_priv = v;
    int r = add_memory(v, err);
    if (r == 0)
        r = virt_create_cpus(v, err);
    if (r == 0)
        r = vm_init_engine(vm, err);
    if (r == 0)
        r = chr_open(&v->console, cfg->console, vm->loop, err);
    for (unsigned i = 0; i < ARRAY_SIZE(steps) && r == 0; i++)
        r = steps[i](v, err);
    *console = v->console;
    return r;
}

const struct board board_virt = {.name = "virt",
                                 .arch = "riscv64",
                                 .isa = &isa_riscv,
                                 .rom_size = VIRT_ROM_SIZE,
                                 .has_firmware = true,
                                 .create = virt_create};
