/*
 * What the translator needs to know of the host's CPU.
 */
#ifndef DOPPEL_ENGINE_DBT_HOST_H
#define DOPPEL_ENGINE_DBT_HOST_H

#include <stdbool.h>

#include "base/error.h"

bool host_has_avx(void);
bool host_has_fma(void);
bool host_has_xinuse(void); /* XGETBV with ECX = 1 */

/* What translated code cannot do without. */
struct host_features {
    bool bmi2;     /* RORX and PDEP leave the flags alone, */
    bool sse42;    /* and so does CRC32, which hashes jump targets */
    bool fsgsbase; /* WRGSBASE, and a kernel that lets programs use it */
};
/* 0, or which of them is missing. */
int host_suits(const struct host_features *f, struct error *err) must_check;
/* The same for the host this runs on. */
int host_check(struct error *err) must_check;
/* And for translations of other instruction sets: ANDN, TZCNT, LZCNT, POPCNT. */
int host_check_bits(struct error *err) must_check;

#endif
