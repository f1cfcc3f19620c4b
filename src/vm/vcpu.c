/*
 * Waking, requesting and sleeping of virtual CPUs.
 */
#include "vm/vcpu.h"

#include "vm/vm.h"

void vcpu_request(struct vcpu *v, uint32_t bits)
{
    atomic_fetch_or(&v->requests, bits);
    v->vm->engine->kick(v);
    /* Sequentially consistent with vcpu_sleep(): it sees the bits, or we see it asleep. */
    if (atomic_load(&v->asleep)) {
        pthread_mutex_lock(&v->sleep_lock);
        pthread_cond_signal(&v->sleep_cond);
        pthread_mutex_unlock(&v->sleep_lock);
    }
}

uint32_t vcpu_take(struct vcpu *v, uint32_t bits)
{
    if (!(atomic_load_explicit(&v->requests, memory_order_relaxed) & bits))
        return 0;
    return atomic_fetch_and(&v->requests, ~bits) & bits;
}

void vcpu_sleep(struct vcpu *v)
{
    pthread_mutex_lock(&v->sleep_lock);
    atomic_store(&v->asleep, true);
    while (!atomic_load(&v->requests))
        pthread_cond_wait(&v->sleep_cond, &v->sleep_lock);
    atomic_store(&v->asleep, false);
    pthread_mutex_unlock(&v->sleep_lock);
}
