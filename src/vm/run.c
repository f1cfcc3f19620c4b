/*
 * The run loop: one thread for each virtual CPU. First stop of every journey: the engine runs guest
 * code until it cannot; what it could not do is done here, or in bus/.
 */
#include <string.h>

#include "vm/vm.h"

/* Under vm->lock. Ended, or about to be reset: whoever waits for that pauses the machine next. */
static bool must_stand(const struct vm *vm)
{
    return vm->pause_depth > 0 || vm->end != VM_RUNNING || vm->reset_pending;
}

static void park(struct vm *vm, struct vcpu *v)
{
    pthread_mutex_lock(&vm->lock);
    vm->nparked++;
    pthread_cond_broadcast(&vm->cond);
    while (must_stand(vm) && !(atomic_load(&v->requests) & VCPU_REQ_STOP))
        pthread_cond_wait(&vm->cond, &vm->lock);
    vm->nparked--;
    pthread_mutex_unlock(&vm->lock);
}

static void start_up(struct vm *vm, struct vcpu *v, uint32_t req)
{
    struct error err = {0};
    if (req & VCPU_REQ_INIT)
        vm->isa->cpu_init(v->cpu);
    if (req & VCPU_REQ_START)
        vm->isa->cpu_start(v->cpu, atomic_load(&v->start_addr), atomic_load(&v->start_arg));
    if (vm->engine->state_put(v, &err) < 0)
        vm_fail(vm, "CPU %u cannot be started: %s", v->id, err.text);
}

/*
 * Act on request bits; false: leave the thread. With `mid_io` the engine still has to finish the
 * instruction whose access was just done: parking waits until it did.
 */
static bool serve_requests(struct vm *vm, struct vcpu *v, bool mid_io)
{
    uint32_t pause = mid_io ? 0 : VCPU_REQ_PAUSE;
    uint32_t req = vcpu_take(v, VCPU_REQ_STOP | pause | VCPU_REQ_INIT | VCPU_REQ_START);
    if (req & VCPU_REQ_STOP)
        return false;
    if (req & (VCPU_REQ_INIT | VCPU_REQ_START))
        start_up(vm, v, req);
    if (req & VCPU_REQ_PAUSE)
        park(vm, v);
    return !(atomic_load(&v->requests) & VCPU_REQ_STOP);
}

static void do_io(struct io_space *space, const struct vm_exit *exit)
{
    uint8_t *p = exit->io.data;
    for (uint32_t i = 0; i < exit->io.count; i++, p += exit->io.size) {
        uint64_t v = 0;
        if (exit->io.write) {
            memcpy(&v, p, exit->io.size);
            io_space_write(space, exit->io.addr, exit->io.size, v);
        } else {
            io_space_read(space, exit->io.addr, exit->io.size, &v);
            memcpy(p, &v, exit->io.size);
        }
    }
}

static void handle_exit(struct vm *vm, struct vcpu *v, const struct vm_exit *exit)
{
    switch (exit->reason) {
    case EXIT_MMIO:
        v->stats.exit_mmio++;
        do_io(&vm->mmio, exit);
        break;
    case EXIT_PIO:
        v->stats.exit_pio++;
        do_io(&vm->pio, exit);
        break;
    case EXIT_HALT:
        v->stats.exit_halt++;
        vcpu_sleep(v);
        break;
    case EXIT_SHUTDOWN:
        v->stats.exit_shutdown++;
        vm_triple_fault(vm, v);
        break;
    case EXIT_FAILED:
        vm_fail(vm, "%s", exit->error.text);
        break;
    case EXIT_INTERRUPTED:
        v->stats.exit_interrupted++;
        break;
    case EXIT_HYPERCALL:
        v->stats.exit_hypercall++;
        break;
    case EXIT_DEBUG:
        v->stats.exit_debug++;
        break;
    }
}

/* A machine that ends or resets asks for a pause; wait for it instead of running on. */
static void wait_for_pause(struct vcpu *v)
{
    vcpu_take(v, VCPU_REQ_INTERRUPT);
    vcpu_sleep(v);
}

void *vm_vcpu_thread(void *arg)
{
    struct vcpu *v = arg;
    struct vm *vm = v->vm;
    struct vm_exit exit;
    bool mid_io = false;
    if (v->id == 0)
        vm_milestone(vm, VM_MILESTONE_FIRST_INSTRUCTION);
    while (serve_requests(vm, v, mid_io)) {
        vm->engine->run(v, &exit);
        mid_io = exit.reason == EXIT_MMIO || exit.reason == EXIT_PIO;
        handle_exit(vm, v, &exit);
        if (exit.reason == EXIT_SHUTDOWN || exit.reason == EXIT_FAILED)
            wait_for_pause(v);
    }
    return NULL;
}
