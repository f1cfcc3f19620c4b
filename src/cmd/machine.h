/*
 * One machine in this process, from configuration to exit status. Shared by run and resume.
 */
#ifndef DOPPEL_CMD_MACHINE_H
#define DOPPEL_CMD_MACHINE_H

#include "cmd/config.h"

struct state_in;

/*
 * Build the machine, boot it (or load `from` when not NULL), wait for its end, save it and write
 * its statistics if asked to. Prints what went wrong; returns the process's exit status.
 */
int machine_main(struct config *c, struct state_in *from);

#endif
