/*
 * Options of `doppel run`; those that concern how a machine runs serve `resume` too.
 */
#ifndef DOPPEL_CMD_RUN_OPTIONS_H
#define DOPPEL_CMD_RUN_OPTIONS_H

#include "cmd/config.h"
#include "cmd/options.h"

/* Target: struct config. */
extern const struct option_table run_options, resume_options;

#endif
