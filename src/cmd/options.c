/*
 * Parsing options, with a suggestion for what was mistyped.
 */
#include "cmd/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

enum { MAX_OPTIONS = 32 };

static const struct option_desc *find(const struct option_table *table, const char *name,
                                      size_t len)
{
    for (unsigned i = 0; i < table->n; i++) {
        const struct option_desc *o = &table->options[i];
        if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
            return o;
    }
    return NULL;
}

static int unknown(const struct option_table *table, const char *name, size_t len,
                   struct error *err)
{
    const char *words[MAX_OPTIONS];
    char text[64];
    unsigned n = MIN(table->n, MAX_OPTIONS);
    for (unsigned i = 0; i < n; i++)
        words[i] = table->options[i].name;
    snprintf(text, sizeof(text), "%.*s", (int)len, name);
    const char *near = parse_nearest(text, words, n);
    if (near)
        return error_set(err, EINVAL, "unknown option --%s; did you mean --%s?", text, near);
    return error_set(err, EINVAL, "unknown option --%s; see --help", text);
}

/* One option; returns how many words it took, or -errno. */
static int parse_one(char **argv, const struct option_table *table, void *target, struct error *err)
{
    const char *name = argv[0] + 2, *eq = strchr(name, '=');
    size_t len = eq ? (size_t)(eq - name) : strlen(name);
    const struct option_desc *o = find(table, name, len);
    if (!o)
        return unknown(table, name, len, err);
    if (!o->value && eq)
        return error_set(err, EINVAL, "--%s takes no value", o->name);
    const char *value = eq ? eq + 1 : argv[1];
    if (!o->value)
        value = NULL;
    else if (!value)
        return error_set(err, EINVAL, "--%s needs a value: %s", o->name, o->value);
    int r = o->apply(target, value, err);
    return r < 0 ? r : o->value && !eq ? 2 : 1;
}

int options_parse(int argc, char **argv, const struct option_table *table, void *target,
                  const char **operand, struct error *err)
{
    for (int i = 1; i < argc;) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return 1;
        if (strncmp(argv[i], "--", 2) == 0 && argv[i][2]) {
            int took = parse_one(&argv[i], table, target, err);
            if (took < 0)
                return took;
            i += took;
            continue;
        }
        if (argv[i][0] == '-' && argv[i][1])
            return error_set(err, EINVAL, "unknown option %s; see --help", argv[i]);
        if (!operand || *operand)
            return error_set(err, EINVAL, "\"%s\" is one word too many; see --help", argv[i]);
        *operand = argv[i++];
    }
    return 0;
}

void options_help(const struct option_table *table)
{
    for (unsigned i = 0; i < table->n; i++) {
        const struct option_desc *o = &table->options[i];
        char left[80];
        snprintf(left, sizeof(left), "--%s%s%s", o->name, o->value ? " " : "",
                 o->value ? o->value : "");
        if (strlen(left) > 28)
            printf("  %s\n  %-28s %s\n", left, "", o->help);
        else
            printf("  %-28s %s\n", left, o->help);
    }
}
