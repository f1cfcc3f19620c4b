/*
 * The guest that `doppel run` boots when it is told nothing: a Debian kernel, a small
 * initramfs, a scratch disk, all in the user's cache.
 */
#ifndef DOPPEL_CMD_DEFAULT_GUEST_H
#define DOPPEL_CMD_DEFAULT_GUEST_H

#include "base/compiler.h"
#include "cmd/config.h"

/* Fills kernel, initrd, append, a disk and a network, each only where nothing was given. */
int default_guest(struct config *c, struct error *err) must_check;

#endif
