/*
 * A port at which a small test kernel ends its machine: the byte or dword written becomes
 * MACHINE_DEBUG_EXIT's value.
 */
#ifndef DOPPEL_DEV_LEGACY_DEBUG_EXIT_H
#define DOPPEL_DEV_LEGACY_DEBUG_EXIT_H

#include "dev/dev.h"

enum { DEBUG_EXIT_PORT = 0xf4 };

int debug_exit_create(struct dev **out, const struct dev_host *host, uint16_t port) must_check;

#endif
