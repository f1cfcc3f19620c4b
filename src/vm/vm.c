/*
 * A virtual machine's life: creation, start, pause, reset, end.
 *
 * Threads: the creator's thread owns the life cycle (start, wait, pause, destroy). vCPU threads and
 * the event loop only ask for things (end, reset) by setting fields under vm->lock.
 */
#include "vm/vm.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* No vCPU gets far beyond the event: the one that waits for it may be slow to wake up. */
static void hold_vcpus(struct vm *vm)
{
    for (unsigned i = 0; i < vm->nvcpus; i++)
        vcpu_request(&vm->vcpus[i], VCPU_REQ_PAUSE);
}

static void host_event(void *opaque, enum machine_event ev, uint32_t value)
{
    struct vm *vm = opaque;
    pthread_mutex_lock(&vm->lock);
    if (vm->end == VM_RUNNING) {
        if (ev == MACHINE_POWER_OFF) {
            vm->end = VM_POWERED_OFF;
        } else if (ev == MACHINE_DEBUG_EXIT || ev == MACHINE_EXIT) {
            vm->end = ev == MACHINE_EXIT ? VM_EXITED : VM_DEBUG_EXIT;
            vm->exit_value = value;
        } else if (vm->no_reboot) {
            vm->end = VM_RESET_REQUESTED;
        } else {
            vm->reset_pending = true;
        }
    }
    pthread_cond_broadcast(&vm->cond);
    pthread_mutex_unlock(&vm->lock);
    hold_vcpus(vm);
}

static int host_doorbell(void *opaque, gpa_t addr, unsigned size, int fd, bool on)
{
    struct vm *vm = opaque;
    if (!vm->engine->doorbell)
        return -ENOTSUP;
    return vm->engine->doorbell(vm, addr, size, fd, on);
}

static void code_written(void *opaque, gpa_t page, uint64_t lines)
{
    struct vm *vm = opaque;
    if (vm->engine->code_changed)
        vm->engine->code_changed(vm, page, lines);
}

static void init_host(struct vm *vm)
{
    vm->host = (struct dev_host){.mem = &vm->mem,
                                 .mmio = &vm->mmio,
                                 .pio = &vm->pio,
                                 .loop = vm->loop,
                                 .clock = &vm->clock,
                                 .event = host_event,
                                 .vm = vm,
                                 .doorbell = host_doorbell};
}

int vm_init(struct vm *vm, const struct vm_params *p, struct error *err)
{
    memset(vm, 0, sizeof(*vm));
    snprintf(vm->name, sizeof(vm->name), "%s", p->name ? p->name : "doppel");
    vm->nvcpus = p->nvcpus;
    vm->isa = p->isa;
    vm->engine = p->engine;
    vm->no_reboot = p->no_reboot;
    vm->code_cache = p->code_cache;
    vm->perf_map = p->perf_map;
    vm->created_ns = mono_ns();
    pthread_mutex_init(&vm->lock, NULL);
    pthread_cond_init(&vm->cond, NULL);
    pthread_mutex_init(&vm->exclusive_lock, NULL);
    list_init(&vm->devices);
    guest_clock_init(&vm->clock, 0, p->engine->time_shift);
    int r = guest_mem_init(&vm->mem, p->ram_size, err);
    if (r < 0)
        return r;
    vm->mem.code_written = code_written;
    vm->mem.code_opaque = vm;
    if (io_space_init(&vm->mmio) < 0 || io_space_init(&vm->pio) < 0)
        return error_set(err, ENOMEM, "there is no memory for a virtual machine");
    r = evloop_create(&vm->loop, "doppel-io", err);
    if (r < 0)
        return r;
    init_host(vm);
    return evloop_start(vm->loop, err);
}

static int init_vcpu(struct vm *vm, unsigned id, struct error *err)
{
    struct vcpu *v = &vm->vcpus[id];
    v->id = id;
    v->vm = vm;
    pthread_mutex_init(&v->sleep_lock, NULL);
    pthread_cond_init(&v->sleep_cond, NULL);
    v->cpu = vm->isa->cpu_create(id);
    return v->cpu ? 0 : error_set(err, ENOMEM, "there is no memory for virtual CPU %u", id);
}

int vm_init_cpus(struct vm *vm, struct error *err)
{
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        int r = init_vcpu(vm, i, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int vm_init_engine(struct vm *vm, struct error *err)
{
    int r = vm->engine->vm_init(vm, err);
    if (r < 0)
        return r;
    vm->engine_ready = true;
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        r = vm->engine->vcpu_init(&vm->vcpus[i], err);
        if (r < 0)
            return r;
    }
    vm_milestone(vm, VM_MILESTONE_ENGINE_READY);
    return 0;
}

void vm_milestone(struct vm *vm, enum vm_milestone m)
{
    uint64_t none = 0;
    atomic_compare_exchange_strong(&vm->milestone_ns[m], &none, mono_ns());
}

const char *vm_milestone_name(enum vm_milestone m)
{
    static const char *const names[] = {
#define NAME(id, name) #name,
        VM_MILESTONE_LIST(NAME)
#undef NAME
    };
    return names[m];
}

void vm_add_device(struct vm *vm, struct dev *d)
{
    list_push_back(&vm->devices, &d->link);
}

static void quiesce_devices(struct vm *vm)
{
    list_for_each(n, &vm->devices)
    {
        struct dev *d = container_of(n, struct dev, link);
        if (d->cls->quiesce)
            d->cls->quiesce(d);
    }
}

static void resume_devices(struct vm *vm)
{
    list_for_each(n, &vm->devices)
    {
        struct dev *d = container_of(n, struct dev, link);
        if (d->cls->resume)
            d->cls->resume(d);
    }
}

static void reset_devices(struct vm *vm)
{
    list_for_each(n, &vm->devices)
    {
        struct dev *d = container_of(n, struct dev, link);
        pthread_mutex_lock(&d->lock);
        if (d->cls->reset)
            d->cls->reset(d);
        pthread_mutex_unlock(&d->lock);
    }
}

static int put_all(struct vm *vm, struct error *err)
{
    int r = vm->engine->chips_put ? vm->engine->chips_put(vm, err) : 0;
    for (unsigned i = 0; i < vm->nvcpus && r == 0; i++)
        r = vm->engine->state_put(&vm->vcpus[i], err);
    return r;
}

/* Everything to its power-on state, and the board's boot state into the CPUs. vCPUs do not run. */
static int reset_machine(struct vm *vm, struct error *err)
{
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        vm->isa->cpu_reset(vm->vcpus[i].cpu);
        vcpu_take(&vm->vcpus[i],
                  VCPU_REQ_INTERRUPT | VCPU_REQ_INIT | VCPU_REQ_START | VCPU_REQ_NMI);
    }
    reset_devices(vm);
    int r = vm->board->boot(vm, err);
    return r < 0 ? r : put_all(vm, err);
}

static void thaw_all(struct vm *vm)
{
    uint64_t now = vm->isa->host_counter();
    for (unsigned i = 0; i < vm->nvcpus; i++)
        vm->isa->thaw_time(vm->vcpus[i].cpu, now);
}

int vm_prepare(struct vm *vm, bool resumed, struct error *err)
{
    if (resumed)
        thaw_all(vm);
    int r = resumed ? put_all(vm, err) : reset_machine(vm, err);
    vm->prepared = r == 0;
    return r;
}

int vm_start(struct vm *vm, bool resumed, struct error *err)
{
    int r = vm->prepared ? 0 : vm_prepare(vm, resumed, err);
    if (r < 0)
        return r;
    vm->start_ns = mono_ns();
    guest_clock_start(&vm->clock);
    resume_devices(vm);
    vm->started = true;
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        struct vcpu *v = &vm->vcpus[i];
        if (pthread_create(&v->thread, NULL, vm_vcpu_thread, v) != 0)
            return error_set(err, EAGAIN, "cannot start a thread for virtual CPU %u", i);
        v->thread_started = true;
    }
    return 0;
}

void vm_end_request(struct vm *vm, enum vm_end end)
{
    pthread_mutex_lock(&vm->lock);
    if (vm->end == VM_RUNNING)
        vm->end = end;
    pthread_cond_broadcast(&vm->cond);
    pthread_mutex_unlock(&vm->lock);
}

void vm_fail(struct vm *vm, const char *fmt, ...)
{
    va_list ap;
    pthread_mutex_lock(&vm->lock);
    if (vm->end == VM_RUNNING) {
        vm->end = VM_FAILED;
        va_start(ap, fmt);
        vsnprintf(vm->failure.text, sizeof(vm->failure.text), fmt, ap);
        va_end(ap);
    }
    pthread_cond_broadcast(&vm->cond);
    pthread_mutex_unlock(&vm->lock);
}

void vm_triple_fault(struct vm *vm, struct vcpu *v)
{
    char where[300];
    vm->isa->describe(v->cpu, where, sizeof(where));
    log_warn_once(&vm->warned_triple, "CPU %u of the guest triple-faulted, the machine resets: %s",
                  v->id, where);
    host_event(vm, MACHINE_RESET, 0);
}

/* Nested: all vCPUs parked, clock stopped, devices quiesced between pause and resume. Not from a
 * vCPU thread nor the event loop's. */
static void vm_pause(struct vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    bool first = vm->pause_depth++ == 0;
    pthread_mutex_unlock(&vm->lock);
    if (!first)
        return;
    for (unsigned i = 0; i < vm->nvcpus; i++)
        vcpu_request(&vm->vcpus[i], VCPU_REQ_PAUSE);
    unsigned running = 0;
    for (unsigned i = 0; i < vm->nvcpus; i++)
        running += vm->vcpus[i].thread_started;
    pthread_mutex_lock(&vm->lock);
    while (vm->nparked < running)
        pthread_cond_wait(&vm->cond, &vm->lock);
    pthread_mutex_unlock(&vm->lock);
    guest_clock_stop(&vm->clock);
    quiesce_devices(vm);
}

static void vm_resume(struct vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    bool last = vm->pause_depth == 1;
    pthread_mutex_unlock(&vm->lock);
    if (last) {
        guest_clock_start(&vm->clock);
        resume_devices(vm);
    }
    pthread_mutex_lock(&vm->lock);
    vm->pause_depth--;
    pthread_cond_broadcast(&vm->cond);
    pthread_mutex_unlock(&vm->lock);
}

static void reset_running(struct vm *vm)
{
    struct error err = {0};
    vm_pause(vm);
    pthread_mutex_lock(&vm->lock);
    vm->reset_pending = false;
    pthread_mutex_unlock(&vm->lock);
    if (reset_machine(vm, &err) < 0)
        vm_fail(vm, "the machine cannot be reset: %s", err.text);
    vm_resume(vm);
}

enum vm_end vm_wait(struct vm *vm)
{
    enum vm_end end;
    for (;;) {
        pthread_mutex_lock(&vm->lock);
        while (vm->end == VM_RUNNING && !vm->reset_pending)
            pthread_cond_wait(&vm->cond, &vm->lock);
        end = vm->end;
        pthread_mutex_unlock(&vm->lock);
        if (end != VM_RUNNING)
            break;
        reset_running(vm);
    }
    vm_pause(vm);
    return end;
}

static void stop_threads(struct vm *vm)
{
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        if (vm->vcpus[i].thread_started)
            vcpu_request(&vm->vcpus[i], VCPU_REQ_STOP);
    }
    pthread_mutex_lock(&vm->lock);
    pthread_cond_broadcast(&vm->cond);
    pthread_mutex_unlock(&vm->lock);
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        if (vm->vcpus[i].thread_started)
            pthread_join(vm->vcpus[i].thread, NULL);
    }
}

static void destroy_devices(struct vm *vm)
{
    while (!list_empty(&vm->devices)) {
        struct dev *d = container_of(vm->devices.prev, struct dev, link);
        list_remove(&d->link);
        d->cls->destroy(d);
    }
}

void vm_destroy(struct vm *vm)
{
    stop_threads(vm);
    evloop_stop(vm->loop);
    destroy_devices(vm);
    if (vm->board && vm->board->destroy)
        vm->board->destroy(vm);
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        if (vm->vcpus[i].engine_priv)
            vm->engine->vcpu_destroy(&vm->vcpus[i]);
    }
    if (vm->engine_ready)
        vm->engine->vm_destroy(vm);
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        if (vm->vcpus[i].cpu)
            vm->isa->cpu_destroy(vm->vcpus[i].cpu);
    }
    evloop_destroy(vm->loop);
    io_space_destroy(&vm->mmio);
    io_space_destroy(&vm->pio);
    guest_mem_destroy(&vm->mem);
}
