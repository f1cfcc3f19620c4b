/* doppel help [COMMAND] */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cmd/commands.h"

static void list(void)
{
    puts("doppel runs virtual machines, with hardware virtualization or without.\n"
         "\n"
         "Usage: doppel COMMAND [OPTIONS]\n"
         "\n"
         "Commands:");
    for (unsigned i = 0; i < ncommands; i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    puts("\n"
         "Try it:\n"
         "  doppel run                  boot a small Linux to a shell (Ctrl-A x leaves it)\n"
         "  doppel help run             all options of run, with examples");
}

int cmd_help(int argc, char **argv)
{
    char help[] = "--help";
    if (argc < 2) {
        list();
        return STATUS_OK;
    }
    for (unsigned i = 0; i < ncommands; i++) {
        if (strcmp(commands[i].name, argv[1]) != 0)
            continue;
        if (commands[i].main == cmd_help || commands[i].main == cmd_version) {
            printf("Usage: doppel %s\n\n%s.\n", commands[i].name, commands[i].summary);
            return STATUS_OK;
        }
        char *args[] = {argv[1], help, NULL};
        return commands[i].main(2, args);
    }
    log_error("there is no command %s; \"doppel help\" lists them", argv[1]);
    return STATUS_USAGE;
}
