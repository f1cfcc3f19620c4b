/*
 * Stopping the world among the vCPUs of one VM.
 */
#include "vm/exclusive.h"

#include <sched.h>

#include "vm/vm.h"

void vm_exclusive_enter_guest(struct vcpu *self)
{
    struct vm *vm = self->vm;
    for (;;) {
        /* Sequentially consistent: either we see `stopping`, or the stopper sees us inside. */
        atomic_store(&self->in_guest, true);
        if (!atomic_load(&vm->stopping))
            return;
        atomic_store(&self->in_guest, false);
        /* The stopper holds the lock for as long as the world is stopped. */
        pthread_mutex_lock(&vm->exclusive_lock);
        pthread_mutex_unlock(&vm->exclusive_lock);
    }
}

void vm_exclusive_leave_guest(struct vcpu *self)
{
    atomic_store(&self->in_guest, false);
}

static void wait_outside(struct vcpu *v)
{
    while (atomic_load(&v->in_guest))
        sched_yield();
}

void vm_exclusive_begin(struct vcpu *self)
{
    struct vm *vm = self->vm;
    if (vm->nvcpus == 1)
        return;
    vm_exclusive_leave_guest(self);
    pthread_mutex_lock(&vm->exclusive_lock);
    atomic_store(&vm->stopping, true);
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        if (&vm->vcpus[i] != self)
            vcpu_request(&vm->vcpus[i], VCPU_REQ_EXCLUSIVE);
    }
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        if (&vm->vcpus[i] != self)
            wait_outside(&vm->vcpus[i]);
    }
    self->stats.exclusive++;
    atomic_store(&self->in_guest, true);
}

void vm_exclusive_end(struct vcpu *self)
{
    struct vm *vm = self->vm;
    if (vm->nvcpus == 1)
        return;
    atomic_store(&vm->stopping, false);
    pthread_mutex_unlock(&vm->exclusive_lock);
}
