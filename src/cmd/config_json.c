/*
 * Configurations as JSON, for state files.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "cmd/config.h"

static void put_list(cJSON *o, const char *name, char *const *list, unsigned n)
{
    cJSON *a = cJSON_AddArrayToObject(o, name);
    for (unsigned i = 0; i < n; i++)
        cJSON_AddItemToArray(a, cJSON_CreateString(list[i]));
}

static void put_string(cJSON *o, const char *name, const char *value)
{
    if (value)
        cJSON_AddStringToObject(o, name, value);
}

char *config_to_json(const struct config *c)
{
    cJSON *o = cJSON_CreateObject();
    put_string(o, "machine", c->board->name);
    put_string(o, "name", c->name);
    put_string(o, "kernel", c->kernel);
    put_string(o, "initrd", c->initrd);
    put_string(o, "firmware", c->firmware);
    put_string(o, "append", c->append);
    put_list(o, "disks", c->disk, c->ndisks);
    put_list(o, "nets", c->net, c->nnets);
    put_string(o, "virtio-console", c->virtio_console);
    put_string(o, "debugcon", c->debugcon);
    cJSON_AddBoolToObject(o, "virtio-mmio", c->virtio_mmio);
    cJSON_AddBoolToObject(o, "guest-unpack", c->guest_unpack);
    cJSON_AddNumberToObject(o, "cpus", (double)c->cpus);
    cJSON_AddNumberToObject(o, "memory", (double)c->memory);
    cJSON_AddBoolToObject(o, "no-reboot", c->no_reboot);
    char *text = cJSON_Print(o);
    cJSON_Delete(o);
    return text;
}

static int bad(struct error *err, const char *what)
{
    return error_set(err, EINVAL, "the state file's configuration has a wrong \"%s\"", what);
}

static int get_string(const cJSON *o, const char *name, char **field, struct error *err)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, name);
    if (!v)
        return 0;
    return cJSON_IsString(v) ? config_set(field, v->valuestring, err) : bad(err, name);
}

static int get_number(const cJSON *o, const char *name, double max, uint64_t *out,
                      struct error *err)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, name);
    if (!cJSON_IsNumber(v) || !(v->valuedouble >= 1) || !(v->valuedouble <= max))
        return bad(err, name);
    *out = (uint64_t)v->valuedouble;
    return 0;
}

typedef int add_fn(struct config *c, const char *spec, struct error *err);

static int get_list(struct config *c, const cJSON *o, const char *name, add_fn *add,
                    struct error *err)
{
    const cJSON *a = cJSON_GetObjectItemCaseSensitive(o, name), *v;
    if (!cJSON_IsArray(a))
        return bad(err, name);
    cJSON_ArrayForEach(v, a)
    {
        if (!cJSON_IsString(v))
            return bad(err, name);
        int r = add(c, v->valuestring, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int from_object(struct config *c, const cJSON *o, struct error *err)
{
    const cJSON *machine = cJSON_GetObjectItemCaseSensitive(o, "machine");
    c->board = cJSON_IsString(machine) ? board_named(machine->valuestring) : NULL;
    if (!c->board)
        return error_set(err, EINVAL, "the state file is of a machine this doppel does not know");
    int r = get_string(o, "name", &c->name, err);
    if (r == 0)
        r = get_string(o, "kernel", &c->kernel, err);
    if (r == 0)
        r = get_string(o, "initrd", &c->initrd, err);
    if (r == 0)
        r = get_string(o, "firmware", &c->firmware, err);
    if (r == 0)
        r = get_string(o, "append", &c->append, err);
    if (r == 0)
        r = get_string(o, "virtio-console", &c->virtio_console, err);
    if (r == 0)
        r = get_string(o, "debugcon", &c->debugcon, err);
    c->guest_unpack = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, "guest-unpack"));
    c->virtio_mmio = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, "virtio-mmio"));
    if (r == 0)
        r = get_list(c, o, "disks", config_add_disk, err);
    if (r == 0)
        r = get_list(c, o, "nets", config_add_net, err);
    if (r == 0)
        r = get_number(o, "cpus", VM_MAX_VCPUS, &c->cpus, err);
    if (r == 0)
        r = get_number(o, "memory", 1e12, &c->memory, err);
    c->no_reboot = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, "no-reboot"));
    return r;
}

int config_from_json(struct config *c, const char *json, struct error *err)
{
    cJSON *o = cJSON_Parse(json);
    if (!o)
        return error_set(err, EINVAL, "the state file's configuration is not readable");
    int r = from_object(c, o, err);
    cJSON_Delete(o);
    return r;
}
