/*
 * A whole VM to and from a state file.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "state/file.h"
#include "vm/vm.h"

static int get_all(struct vm *vm, struct error *err)
{
    int r = 0;
    for (unsigned i = 0; i < vm->nvcpus && r == 0; i++)
        r = vm->engine->state_get(&vm->vcpus[i], err);
    if (r == 0 && vm->engine->chips_get)
        r = vm->engine->chips_get(vm, err);
    uint64_t now = vm->isa->host_counter();
    for (unsigned i = 0; i < vm->nvcpus; i++)
        vm->isa->freeze_time(vm->vcpus[i].cpu, now);
    return r;
}

static int save_sections(struct vm *vm, struct state_out *o, struct error *err)
{
    int r = state_out_clock(o, guest_clock_ns(&vm->clock), err);
    for (unsigned i = 0; i < vm->nvcpus && r == 0; i++) {
        char id[16];
        snprintf(id, sizeof(id), "cpu%u", i);
        r = state_out_section(o, id, vm->isa->state, vm->vcpus[i].cpu, err);
    }
    list_for_each(n, &vm->devices)
    {
        struct dev *d = container_of(n, struct dev, link);
        if (r == 0 && d->cls->state)
            r = state_out_section(o, d->id, d->cls->state, d, err);
    }
    return r;
}

int vm_save(struct vm *vm, int fd, const char *config_json, struct error *err)
{
    struct state_out *o = NULL;
    int r = get_all(vm, err);
    if (r < 0)
        return r;
    r = state_out_open(&o, fd, config_json, err);
    if (r == 0)
        r = save_sections(vm, o, err);
    if (r == 0)
        r = state_out_ram(o, &vm->mem, NULL, NULL, err);
    if (r == 0)
        r = state_out_finish(o, err);
    state_out_close(o);
    return r;
}

struct loading {
    struct vm *vm;
    unsigned loaded; /* sections */
};

static int load_clock(void *opaque, uint64_t guest_ns, uint64_t realtime_ns, struct error *err)
{
    struct loading *l = opaque;
    (void)realtime_ns;
    (void)err;
    guest_clock_init(&l->vm->clock, guest_ns, l->vm->clock.slow);
    return 0;
}

static int load_section(void *opaque, const char *id, const uint8_t *body, size_t len,
                        struct error *err)
{
    struct loading *l = opaque;
    struct vm *vm = l->vm;
    unsigned cpu;
    char end;
    l->loaded++;
    if (sscanf(id, "cpu%u%c", &cpu, &end) == 1 && cpu < vm->nvcpus)
        return state_load(body, len, vm->isa->state, vm->vcpus[cpu].cpu, err);
    list_for_each(n, &vm->devices)
    {
        struct dev *d = container_of(n, struct dev, link);
        if (d->cls->state && strcmp(d->id, id) == 0)
            return state_load(body, len, d->cls->state, d, err);
    }
    return error_set(err, EINVAL, "the state file has a part \"%s\" that this machine lacks", id);
}

static unsigned sections_wanted(const struct vm *vm)
{
    unsigned n = vm->nvcpus;
    list_for_each(l, &vm->devices) n += container_of(l, struct dev, link)->cls->state != NULL;
    return n;
}

int vm_load(struct vm *vm, struct state_in *in, struct error *err)
{
    struct loading l = {.vm = vm};
    const struct state_in_ops ops = {.clock = load_clock, .section = load_section};
    int r = state_in_load(in, &ops, &l, &vm->mem, err);
    if (r == 0 && l.loaded != sections_wanted(vm))
        r = error_set(err, EINVAL, "the state file lacks parts of this machine");
    return r;
}
