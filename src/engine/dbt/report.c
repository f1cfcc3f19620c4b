/*
 * What --stats says of the code cache, for every front end.
 */
#include "engine/dbt/report.h"

void code_report(struct code_cache *cc, engine_stat_fn *add, void *opaque)
{
    static const char group[] = "translation";
    pthread_mutex_lock(&cc->lock);
    const struct code_stats s = cc->stats;
    const size_t size = cc->mem.size, used = cc->mem.used;
    pthread_mutex_unlock(&cc->lock);
    add(opaque, group, "blocks", (double)s.blocks);
    add(opaque, group, "guest_instructions", (double)s.guest_insns);
    add(opaque, group, "guest_bytes", (double)s.guest_bytes);
    add(opaque, group, "host_bytes", (double)s.bytes);
    add(opaque, group, "nanoseconds", (double)s.ns);
    add(opaque, group, "nanoseconds_per_instruction",
        s.guest_insns ? (double)s.ns / (double)s.guest_insns : 0);
    add(opaque, group, "links", (double)s.links);
    add(opaque, group, "killed_by_writes", (double)s.invalidated);
    add(opaque, group, "self_checking", (double)s.checking);
    add(opaque, group, "found_stale", (double)s.stale);
    add(opaque, group, "flushes", (double)s.flushes);
    add(opaque, group, "cache_bytes", (double)size);
    add(opaque, group, "cache_bytes_used", (double)used);
}
