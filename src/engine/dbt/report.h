/*
 * The code cache's counters, for --stats. Takes its lock.
 */
#ifndef DOPPEL_ENGINE_DBT_REPORT_H
#define DOPPEL_ENGINE_DBT_REPORT_H

#include "engine/dbt/code.h"
#include "engine/engine.h"

void code_report(struct code_cache *cc, engine_stat_fn *add, void *opaque);

#endif
