/*
 * The host-target interface, as far as test programs use it: an ELF kernel with a `tohost` symbol
 * ends the machine by a word there. [riscv-isa-sim]
 */
#ifndef DOPPEL_BOARD_VIRT_HTIF_H
#define DOPPEL_BOARD_VIRT_HTIF_H

#include "backend/char/chr.h"
#include "dev/dev.h"

struct htif;

/* Idle until it is told where the words are. */
int htif_create(struct htif **out, const struct dev_host *host, struct chr_backend *console)
    must_check;
struct dev *htif_dev(struct htif *h);
/* The machine was loaded: tohost 0 is a kernel that does not use it. vCPUs stand. */
void htif_set(struct htif *h, gpa_t tohost, gpa_t fromhost);

#endif
