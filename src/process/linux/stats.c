/* --stats: what the process did, as JSON. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "process/linux/process.h"

static uint64_t retired(struct process *p)
{
    uint64_t n = atomic_load(&p->retired);
    pthread_mutex_lock(&p->threads_lock);
    list_for_each(pos, &p->threads) n += container_of(pos, struct thread, node)->cpu.icount;
    pthread_mutex_unlock(&p->threads_lock);
    return n;
}

static cJSON *unknown_calls(struct process *p)
{
    cJSON *list = cJSON_CreateObject();
    for (unsigned nr = 0; nr < SYSCALL_MAX; nr++) {
        char name[16];
        uint64_t n = atomic_load(&p->unknown[nr]);
        snprintf(name, sizeof(name), "%u", nr);
        if (n)
            cJSON_AddNumberToObject(list, name, (double)n);
    }
    return list;
}

static char *report(struct process *p)
{
    cJSON *j = cJSON_CreateObject();
    cJSON_AddStringToObject(j, "engine", p->engine->name);
    cJSON_AddNumberToObject(j, "instructions", (double)retired(p));
    cJSON_AddNumberToObject(j, "system_calls", (double)atomic_load(&p->calls));
    cJSON_AddItemToObject(j, "unknown_system_calls", unknown_calls(p));
    char *text = cJSON_Print(j);
    cJSON_Delete(j);
    return text;
}

void process_write_stats(struct process *p)
{
    if (!p->options->stats)
        return;
    char *text = report(p);
    FILE *f = text ? fopen(p->options->stats, "we") : NULL;
    if (!f || fprintf(f, "%s\n", text) < 0)
        log_error("cannot write %s", p->options->stats);
    if (f)
        fclose(f);
    free(text);
}
