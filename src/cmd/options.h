/*
 * Command-line options: one table a command, "--name value" or "--name=value".
 */
#ifndef DOPPEL_CMD_OPTIONS_H
#define DOPPEL_CMD_OPTIONS_H

#include "base/compiler.h"
#include "base/error.h"

struct option_desc {
    const char *name;  /* without dashes */
    const char *value; /* what it takes, for --help; NULL: a switch */
    const char *help;
    /* `value` is NULL for a switch. */
    int (*apply)(void *target, const char *value, struct error *err);
};

struct option_table {
    const struct option_desc *options;
    unsigned n;
};

/*
 * Parse argv[1..]; `target` goes to apply. One word that is no option may follow ("IMAGE", "FILE")
 * and is returned in *operand when that is not NULL. -EINVAL with a sentence; --help gives 1.
 */
int options_parse(int argc, char **argv, const struct option_table *table, void *target,
                  const char **operand, struct error *err) must_check;
/* The table as help text on standard output. */
void options_help(const struct option_table *table);

#endif
