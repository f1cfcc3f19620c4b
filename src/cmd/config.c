/*
 * Configurations: ownership, defaults, disk specifications.
 */
#include "cmd/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/default_guest.h"

int config_set(char **field, const char *value, struct error *err)
{
    char *copy = strdup(value);
    if (!copy)
        return error_set(err, ENOMEM, "there is no memory for the configuration");
    free(*field);
    *field = copy;
    return 0;
}

int config_add_disk(struct config *c, const char *spec, struct error *err)
{
    if (c->ndisks == PC_MAX_DISKS)
        return error_set(err, EINVAL, "a machine has at most %d disks", PC_MAX_DISKS);
    return config_set(&c->disk[c->ndisks++], spec, err);
}

int config_add_net(struct config *c, const char *spec, struct error *err)
{
    if (c->nnets == PC_MAX_NETS)
        return error_set(err, EINVAL, "a machine has at most %d networks", PC_MAX_NETS);
    return config_set(&c->net[c->nnets++], spec, err);
}

void config_free(struct config *c)
{
    for (unsigned i = 0; i < c->ndisks; i++) {
        free(c->disk[i]);
        free(c->disk_path[i]);
    }
    for (unsigned i = 0; i < c->nnets; i++)
        free(c->net[i]);
    char *strings[] = {c->name,    c->kernel, c->initrd,       c->append,
                       c->console, c->engine, c->save_on_exit, c->stats};
    for (unsigned i = 0; i < ARRAY_SIZE(strings); i++)
        free(strings[i]);
    memset(c, 0, sizeof(*c));
}

static int set_default(char **field, const char *value, struct error *err)
{
    return *field ? 0 : config_set(field, value, err);
}

int config_defaults(struct config *c, struct error *err)
{
    int r = 0;
    if (!c->kernel) {
        if (c->ndisks)
            return error_set(err, EINVAL,
                             "a machine with a disk needs a kernel: give --kernel FILE (there is "
                             "no firmware that boots from a disk yet)");
        r = default_guest(c, err);
    }
    if (r == 0)
        r = set_default(&c->console, "stdio", err);
    if (r == 0)
        r = set_default(&c->engine, "auto", err);
    if (r == 0)
        r = set_default(&c->append, "console=ttyS0", err);
    if (r == 0)
        r = set_default(&c->name, "doppel", err);
    if (!c->cpus)
        c->cpus = 1;
    if (!c->memory)
        c->memory = UINT64_C(512) << 20;
    return r;
}

static int disk_word(struct blk_options *o, const char *word, const char *spec, struct error *err)
{
    static const struct {
        const char *word;
        enum blk_cache cache;
    } modes[] = {{"cache=writeback", BLK_CACHE_WRITEBACK},
                 {"cache=none", BLK_CACHE_NONE},
                 {"cache=unsafe", BLK_CACHE_UNSAFE}};
    if (strcmp(word, "ro") == 0) {
        o->readonly = true;
        return 0;
    }
    if (strcmp(word, "format=raw") == 0) {
        o->format = "raw";
        return 0;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(modes); i++) {
        if (strcmp(word, modes[i].word) == 0) {
            o->cache = modes[i].cache;
            return 0;
        }
    }
    return error_set(err, EINVAL,
                     "\"%s\" in --disk %s is none of ro, format=raw, cache=writeback, cache=none, "
                     "cache=unsafe",
                     word, spec);
}

/* Cuts the specification's copy in place: the path stays at its start. */
static int parse_disk(char *text, const char *spec, struct blk_options *o, struct error *err)
{
    char *rest = strchr(text, ',');
    *o = (struct blk_options){.path = text};
    while (rest) {
        char *word = rest + 1;
        *rest = 0;
        rest = strchr(word, ',');
        if (rest)
            *rest = 0;
        int r = disk_word(o, word, spec, err);
        if (r < 0)
            return r;
    }
    return *text ? 0 : error_set(err, EINVAL, "--disk needs a file name");
}

int config_to_pc(struct config *c, struct pc_config *out, struct error *err)
{
    *out = (struct pc_config){.kernel = c->kernel,
                              .initrd = c->initrd,
                              .cmdline = c->append,
                              .guest_unpack = c->guest_unpack,
                              .console = c->console,
                              .ram = c->memory,
                              .ndisks = c->ndisks,
                              .nnets = c->nnets};
    int r = 0;
    for (unsigned i = 0; i < c->ndisks && r == 0; i++) {
        char *copy = strdup(c->disk[i]);
        if (!copy)
            return error_set(err, ENOMEM, "there is no memory for the configuration");
        free(c->disk_path[i]);
        c->disk_path[i] = copy;
        r = parse_disk(copy, c->disk[i], &out->disk[i], err);
    }
    for (unsigned i = 0; i < c->nnets && r == 0; i++)
        r = net_options_parse(&out->net[i], c->net[i], err);
    return r;
}
