/*
 * The machine `pc`: which chips sit where. The one place that names concrete devices.
 */
#ifndef DOPPEL_BOARD_PC_PC_H
#define DOPPEL_BOARD_PC_PC_H

#include "backend/block/block.h"
#include "backend/char/chr.h"
#include "backend/net/net.h"
#include "base/compiler.h"
#include "base/error.h"
#include "vm/vm.h"

enum { PC_MAX_DISKS = 16, PC_MAX_NETS = 8 };

/* How virtio devices are attached. MMIO ones are limited to PC_VIRTIO_MMIO_SLOTS. */
enum pc_virtio { PC_VIRTIO_PCI, PC_VIRTIO_MMIO };

/* What a `pc` is made from. Strings stay the caller's and must outlive the machine. */
struct pc_config {
    const char *kernel, *initrd, *cmdline;
    bool guest_unpack; /* let a bzImage unpack itself */
    struct blk_options disk[PC_MAX_DISKS];
    unsigned ndisks;
    struct net_options net[PC_MAX_NETS];
    unsigned nnets;
    const char *console;        /* chr_open() spec of the serial line */
    const char *virtio_console; /* of a virtio console; NULL: there is none */
    const char *debugcon;       /* of port 0xe9; NULL: there is none */
    enum pc_virtio virtio;
    uint64_t ram; /* bytes */
};

/*
 * Build the machine on an initialised VM: memory slots, CPUs on the engine, chips and devices. The
 * console's back end is returned, so that the command can attach its menu; it stays the board's.
 */
int pc_create(struct vm *vm, const struct pc_config *cfg, struct chr_backend **console,
              struct error *err) must_check;

#endif
