/* The boards there are. */
#include "board/board.h"

#include <string.h>

static const struct board *const boards[] = {&board_pc, &board_virt};

const struct board *board_named(const char *name)
{
    for (unsigned i = 0; i < ARRAY_SIZE(boards); i++)
        if (strcmp(boards[i]->name, name) == 0)
            return boards[i];
    return NULL;
}

const struct board *board_of_arch(const char *arch)
{
    for (unsigned i = 0; i < ARRAY_SIZE(boards); i++)
        if (strcmp(boards[i]->arch, arch) == 0)
            return boards[i];
    return NULL;
}
