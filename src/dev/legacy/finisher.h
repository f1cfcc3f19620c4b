/*
 * The SiFive test finisher: a word that ends the machine, well or badly, or resets it.
 */
#ifndef DOPPEL_DEV_LEGACY_FINISHER_H
#define DOPPEL_DEV_LEGACY_FINISHER_H

#include "dev/dev.h"

enum { FINISHER_LEN = 0x1000 };
/* The low half of the word written; with FAIL the high half is the exit status. */
enum { FINISHER_FAIL = 0x3333, FINISHER_PASS = 0x5555, FINISHER_RESET = 0x7777 };

int finisher_create(struct dev **out, const struct dev_host *host, gpa_t base) must_check;

#endif
