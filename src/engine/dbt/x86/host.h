/*
 * What the translator needs to know of the host's CPU.
 */
#ifndef DOPPEL_ENGINE_DBT_X86_HOST_H
#define DOPPEL_ENGINE_DBT_X86_HOST_H

#include <stdbool.h>

#include "base/error.h"

bool host_has_avx(void);
bool host_has_xinuse(void); /* XGETBV with ECX = 1 */
/* 0, or why this host cannot run translated code. */
int host_check(struct error *err) must_check;

#endif
