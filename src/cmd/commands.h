/*
 * The subcommands. Each gets argv[0] = its own name and returns the process's exit status.
 */
#ifndef DOPPEL_CMD_COMMANDS_H
#define DOPPEL_CMD_COMMANDS_H

/* Exit statuses; the debug-exit port gives (v << 1) | 1. */
enum exit_status { STATUS_OK = 0, STATUS_FAILED = 1, STATUS_USAGE = 2, STATUS_RESET = 3 };

struct command {
    const char *name;
    const char *summary;
    int (*main)(int argc, char **argv);
};

extern const struct command commands[];
extern const unsigned ncommands;

int cmd_run(int argc, char **argv);
int cmd_resume(int argc, char **argv);
int cmd_exec(int argc, char **argv);
/* argv[0] is the name that Linux's binfmt_misc was given. */
int cmd_exec_binfmt(int argc, char **argv);
int cmd_image(int argc, char **argv);
int cmd_version(int argc, char **argv);
int cmd_help(int argc, char **argv);

#endif
