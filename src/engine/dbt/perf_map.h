/*
 * /tmp/perf-PID.map: where translated code lies, for perf(1), which reads it after the run or while
 * it watches. The file's form is the one of Linux's tools/perf/Documentation/jit-interface.txt:
 * "START SIZE NAME" in lines, the numbers in hexadecimal.
 *
 * One process has one map: of two machines in it that both want one, the later has it.
 */
#ifndef DOPPEL_ENGINE_DBT_PERF_MAP_H
#define DOPPEL_ENGINE_DBT_PERF_MAP_H

#include <stdio.h>

#include "base/compiler.h"
#include "base/error.h"

struct perf_map {
    FILE *file; /* NULL: none is written */
};

/* In place of what is there by that name, which may be somebody's link. */
int perf_map_open(struct perf_map *m, struct error *err) must_check;
void perf_map_add(struct perf_map *m, const void *start, size_t len, const char *fmt, ...)
    printf_like(4, 5);
/* What was said stays; nothing more is said. */
void perf_map_close(struct perf_map *m);

#endif
