/*
 * What a machine is made from, as the user said it; also the JSON in state files.
 */
#ifndef DOPPEL_CMD_CONFIG_H
#define DOPPEL_CMD_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "board/board.h"

/* All strings are owned (strdup). What only concerns this run (console, stats, engine and its code
 * cache) is part of the structure but not of the JSON. */
struct config {
    const struct board *board; /* config_defaults()'s, or the state file's */
    char *arch;                /* what the user said; NULL: the kernel tells */
    char *name, *kernel, *initrd, *append, *firmware;
    char *disk[BOARD_MAX_DISKS];      /* "FILE[,ro][,format=raw][,cache=MODE]" */
    char *disk_path[BOARD_MAX_DISKS]; /* config_to_board()'s: the specification, cut */
    unsigned ndisks;
    char *net[BOARD_MAX_NETS]; /* "user...", "tap=NAME", "none" */
    char mac_seed[BOARD_MAX_NETS]
                 [80]; /* config_to_board()'s: the machine's name and the card's number */
    unsigned nnets;
    uint64_t cpus, memory;
    uint64_t code_cache; /* 0: the engine's default */
    char *console, *virtio_console, *debugcon, *engine, *save_on_exit, *stats;
    bool no_reboot, virtio_mmio, guest_unpack, perf_map;
};

/* Zero-initialise first. Each returns -EINVAL or -ENOMEM with a sentence. */
int config_add_disk(struct config *c, const char *spec, struct error *err) must_check;
int config_add_net(struct config *c, const char *spec, struct error *err) must_check;
/* Replace an owned string. */
int config_set(char **field, const char *value, struct error *err) must_check;
void config_free(struct config *c);

/* Choose the board, where none is set yet, by what was said and what the kernel is for. No kernel
 * and no disk given: the default guest from the cache. Also fills what else was left out. */
int config_defaults(struct config *c, struct error *err) must_check;

/* JSON text to be freed by the caller, or NULL for want of memory. */
char *config_to_json(const struct config *c);
/* Hostile input. */
int config_from_json(struct config *c, const char *json, struct error *err) must_check;

/* The parsed form for the board; its strings belong to `c`. */
int config_to_board(struct config *c, struct board_config *out, struct error *err) must_check;

#endif
