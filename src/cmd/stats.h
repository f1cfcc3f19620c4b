/*
 * What a machine did, as JSON (--stats).
 */
#ifndef DOPPEL_CMD_STATS_H
#define DOPPEL_CMD_STATS_H

#include "vm/vm.h"

/* The VM is paused. Replaces `path` as a whole. */
int stats_write(struct vm *vm, const char *path, struct error *err) must_check;

#endif
