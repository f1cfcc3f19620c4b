/*
 * The doppel program: finds the subcommand.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/parse.h"
#include "cmd/binfmt.h"
#include "cmd/commands.h"

const struct command commands[] = {
    {"run", "make a machine and run it until it ends", cmd_run},
    {"resume", "let a saved machine go on", cmd_resume},
    {"exec", "run a RISC-V Linux program", cmd_exec},
    {"image", "make a disk image with a Debian system on it", cmd_image},
    {"version", "print the version", cmd_version},
    {"help", "list the commands, or explain one", cmd_help},
};
const unsigned ncommands = sizeof(commands) / sizeof(commands[0]);

static int unknown(const char *name)
{
    const char *words[sizeof(commands) / sizeof(commands[0])];
    for (unsigned i = 0; i < ncommands; i++)
        words[i] = commands[i].name;
    const char *near = parse_nearest(name, words, ncommands);
    if (near)
        log_error("unknown command %s; did you mean \"doppel %s\"?", name, near);
    else
        log_error("unknown command %s; \"doppel help\" lists them", name);
    return STATUS_USAGE;
}

/* A closed standard descriptor would be taken by the first file or socket we open. */
static bool open_standard_fds(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    return fd >= 0 && close(fd) == 0;
}

static bool called_by_kernel(const char *argv0)
{
    const char *slash = argv0 ? strrchr(argv0, '/') : NULL;
    return argv0 && strcmp(slash ? slash + 1 : argv0, BINFMT_PROGRAM) == 0;
}

int main(int argc, char **argv)
{
    if (called_by_kernel(argv[0]))
        return cmd_exec_binfmt(argc, argv);
    if (!open_standard_fds())
        return STATUS_USAGE;
    if (argc < 2) {
        cmd_help(1, argv);
        return STATUS_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    else if (strcmp(name, "--version") == 0)
        name = "version";
    for (unsigned i = 0; i < ncommands; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].main(argc - 1, argv + 1);
    }
    return unknown(name);
}
