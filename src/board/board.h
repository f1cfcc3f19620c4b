/*
 * A board: one kind of machine. Which chips sit where is the business of board/NAME/; this is what
 * the command knows of it.
 */
#ifndef DOPPEL_BOARD_BOARD_H
#define DOPPEL_BOARD_BOARD_H

#include "backend/block/block.h"
#include "backend/char/chr.h"
#include "backend/net/net.h"
#include "base/compiler.h"
#include "base/error.h"
#include "vm/vm.h"

enum { BOARD_MAX_DISKS = 16, BOARD_MAX_NETS = 8 };

/* How virtio devices are attached. */
enum board_virtio { BOARD_VIRTIO_PCI, BOARD_VIRTIO_MMIO };

/* What a machine is made from. Strings stay the caller's and must outlive the machine. */
struct board_config {
    const char *kernel, *initrd, *cmdline;
    const char *firmware; /* runs before the kernel; NULL: none, or the board's own */
    bool guest_unpack;    /* let a bzImage unpack itself */
    struct blk_options disk[BOARD_MAX_DISKS];
    unsigned ndisks;
    struct net_options net[BOARD_MAX_NETS];
    unsigned nnets;
    const char *console;        /* chr_open() spec of the serial line */
    const char *virtio_console; /* of a virtio console; NULL: there is none */
    const char *debugcon;       /* of port 0xe9; NULL: there is none */
    enum board_virtio virtio;
    uint64_t ram; /* bytes */
};

struct board {
    const char *name; /* in state files */
    const char *arch; /* as the user says it: isa_ops.name */
    const struct isa_ops *isa;
    uint64_t rom_size; /* bytes of memory that it needs beside RAM */
    bool has_firmware; /* board_config.firmware means something here */
    bool has_debugcon; /* the same of debugcon */
    /*
     * Build the machine on an initialised VM: memory slots, CPUs on the engine, chips and devices.
     * The console's back end is returned, so that the command can attach its menu; it stays the
     * board's.
     */
    int (*create)(struct vm *vm, const struct board_config *cfg, struct chr_backend **console,
                  struct error *err) must_check;
};

extern const struct board board_pc, board_virt;

/* NULL: there is none of that name, or architecture. */
const struct board *board_named(const char *name);
const struct board *board_of_arch(const char *arch);

#endif
