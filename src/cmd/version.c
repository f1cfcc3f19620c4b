/* doppel version */
#include <stdio.h>

#include "cmd/commands.h"

int cmd_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    puts("doppel " DOPPEL_VERSION);
    return STATUS_OK;
}
