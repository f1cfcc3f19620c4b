/*
 * Configurations: ownership, defaults, disk specifications.
 */
#include "cmd/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "board/boot/classify.h"
#include "cmd/default_guest.h"

int config_set(char **field, const char *value, struct error *err)
{
    char *copy = strdup(value);
    if (!copy)
        return error_set(err, ENOMEM, "there is no memory for the configuration");
    free(*field);
    *field = copy;
    return 0;
}

int config_add_disk(struct config *c, const char *spec, struct error *err)
{
    if (c->ndisks == BOARD_MAX_DISKS)
        return error_set(err, EINVAL, "a machine has at most %d disks", BOARD_MAX_DISKS);
    return config_set(&c->disk[c->ndisks++], spec, err);
}

int config_add_net(struct config *c, const char *spec, struct error *err)
{
    if (c->nnets == BOARD_MAX_NETS)
        return error_set(err, EINVAL, "a machine has at most %d networks", BOARD_MAX_NETS);
    return config_set(&c->net[c->nnets++], spec, err);
}

void config_free(struct config *c)
{
    for (unsigned i = 0; i < c->ndisks; i++) {
        free(c->disk[i]);
        free(c->disk_path[i]);
    }
    for (unsigned i = 0; i < c->nnets; i++)
        free(c->net[i]);
    char *strings[] = {c->arch,     c->firmware, c->name,         c->kernel,
                       c->initrd,   c->append,   c->console,      c->virtio_console,
                       c->debugcon, c->engine,   c->save_on_exit, c->stats};
    for (unsigned i = 0; i < ARRAY_SIZE(strings); i++)
        free(strings[i]);
    memset(c, 0, sizeof(*c));
}

static int set_default(char **field, const char *value, struct error *err)
{
    return *field ? 0 : config_set(field, value, err);
}

static int choose_board(struct config *c, struct error *err)
{
    const char *arch = c->arch;
    if (!arch && c->firmware)
        arch = board_virt.arch;
    if (!arch && c->kernel)
        arch = kernel_arch(c->kernel);
    c->board = arch ? board_of_arch(arch) : &board_pc;
    if (!c->board)
        return error_set(err, EINVAL, "there is no machine of architecture \"%s\"", arch);
    return 0;
}

/* Options that are not every board's. */
static int check_board(const struct config *c, struct error *err)
{
    if (c->firmware && !c->board->has_firmware)
        return error_set(err, EINVAL, "--firmware is for RISC-V machines; this one is %s",
                         c->board->arch);
    if (c->debugcon && !c->board->has_debugcon)
        return error_set(err, EINVAL, "--debugcon is for x86-64 machines; this one is %s",
                         c->board->arch);
    return 0;
}

int config_defaults(struct config *c, struct error *err)
{
    int r = c->board ? 0 : choose_board(c, err);
    if (r == 0)
        r = check_board(c, err);
    if (r < 0)
        return r;
    if (!c->kernel) {
        if (c->ndisks)
            return error_set(err, EINVAL,
                             "a machine with a disk needs a kernel: give --kernel FILE (there is "
                             "no firmware that boots from a disk yet)");
        r = default_guest(c, err);
    }
    if (r == 0)
        r = set_default(&c->console, "stdio", err);
    if (r == 0)
        r = set_default(&c->engine, "auto", err);
    if (r == 0)
        r = set_default(&c->append, "console=ttyS0", err);
    if (r == 0)
        r = set_default(&c->name, "doppel", err);
    if (!c->cpus)
        c->cpus = 1;
    if (!c->memory)
        c->memory = UINT64_C(512) << 20;
    return r;
}

int config_to_board(struct config *c, struct board_config *out, struct error *err)
{
    *out = (struct board_config){.kernel = c->kernel,
                                 .initrd = c->initrd,
                                 .firmware = c->firmware,
                                 .cmdline = c->append,
                                 .guest_unpack = c->guest_unpack,
                                 .console = c->console,
                                 .virtio_console = c->virtio_console,
                                 .debugcon = c->debugcon,
                                 .virtio = c->virtio_mmio ? BOARD_VIRTIO_MMIO : BOARD_VIRTIO_PCI,
                                 .ram = c->memory,
                                 .ndisks = c->ndisks,
                                 .nnets = c->nnets};
    int r = 0;
    for (unsigned i = 0; i < c->ndisks && r == 0; i++) {
        char *copy = strdup(c->disk[i]);
        if (!copy)
            return error_set(err, ENOMEM, "there is no memory for the configuration");
        free(c->disk_path[i]);
        c->disk_path[i] = copy;
        r = blk_options_parse(&out->disk[i], copy, err);
    }
    for (unsigned i = 0; i < c->nnets && r == 0; i++) {
        r = net_options_parse(&out->net[i], c->net[i], err);
        snprintf(c->mac_seed[i], sizeof(c->mac_seed[i]), "%s/net%u", c->name, i);
        out->net[i].mac_seed = c->mac_seed[i];
    }
    return r;
}
