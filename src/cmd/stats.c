/*
 * Statistics of a paused VM as JSON.
 */
#include "cmd/stats.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/atomic_file.h"

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void add_process(cJSON *o, const struct vm *vm)
{
    struct rusage ru;
    getrusage(RUSAGE_SELF, &ru);
    cJSON_AddNumberToObject(o, "wall_seconds", (double)(mono_ns() - vm->start_ns) / 1e9);
    cJSON_AddNumberToObject(o, "user_seconds", seconds(ru.ru_utime));
    cJSON_AddNumberToObject(o, "system_seconds", seconds(ru.ru_stime));
    cJSON_AddNumberToObject(o, "max_resident_bytes", (double)ru.ru_maxrss * 1024);
}

static cJSON *vcpu_counters(const struct vcpu *v)
{
    cJSON *o = cJSON_CreateObject();
#define ADD(name) cJSON_AddNumberToObject(o, #name, (double)v->stats.name);
    VCPU_COUNTERS(ADD)
#undef ADD
    return o;
}

static void add_milestones(cJSON *o, const struct vm *vm)
{
    cJSON *m = cJSON_AddObjectToObject(o, "milestone_seconds");
    for (unsigned i = 0; i < VM_MILESTONES; i++) {
        uint64_t at = atomic_load(&vm->milestone_ns[i]);
        if (at)
            cJSON_AddNumberToObject(m, vm_milestone_name(i), (double)(at - vm->created_ns) / 1e9);
    }
}

static void add_engine_counter(void *opaque, const char *group, const char *name, double value)
{
    cJSON *o = cJSON_GetObjectItemCaseSensitive(opaque, group);
    cJSON_AddNumberToObject(o ? o : cJSON_AddObjectToObject(opaque, group), name, value);
}

static char *to_json(struct vm *vm)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "name", vm->name);
    cJSON_AddStringToObject(o, "engine", vm->engine->name);
    add_process(o, vm);
    add_milestones(o, vm);
    cJSON_AddNumberToObject(o, "unclaimed_mmio", (double)atomic_load(&vm->mmio.unclaimed));
    cJSON_AddNumberToObject(o, "unclaimed_ports", (double)atomic_load(&vm->pio.unclaimed));
    if (vm->engine->stats)
        vm->engine->stats(vm, add_engine_counter, o);
    cJSON *cpus = cJSON_AddArrayToObject(o, "vcpus");
    for (unsigned i = 0; i < vm->nvcpus; i++)
        cJSON_AddItemToArray(cpus, vcpu_counters(&vm->vcpus[i]));
    char *text = cJSON_Print(o);
    cJSON_Delete(o);
    return text;
}

int stats_write(struct vm *vm, const char *path, struct error *err)
{
    struct atomic_file f = {0};
    char *text = to_json(vm);
    int r = text ? atomic_file_open(&f, path, err)
                 : error_set(err, ENOMEM, "there is no memory for the statistics");
    if (r == 0 && dprintf(f.fd, "%s\n", text) < 0)
        r = error_set(err, errno, "cannot write %s: %s", path, strerror(errno));
    if (r == 0)
        r = atomic_file_commit(&f, err);
    atomic_file_discard(&f);
    free(text);
    return r;
}
